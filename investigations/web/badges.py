"""Every state a person can meet, as mark, tone and word: shape and word always, colour only besides."""

from __future__ import annotations

from typing import NamedTuple


class Badge(NamedTuple):
    """`mark` is a symbol of icons.svg, `tone` a class of components.css, `word` what is read."""

    mark: str
    tone: str
    word: str


_BADGES: dict[str, dict[str, Badge]] = {
    "outcome": {
        "pass": Badge("pass", "pass", "PASS"),
        "fail": Badge("fail", "fail", "FAIL"),
        "unknown": Badge("unknown", "unknown", "unknown"),
    },
    "alert": {
        "firing": Badge("firing", "firing", "Firing"),
        "resolved": Badge("resolved", "quiet", "Resolved"),
        "stale": Badge("clock", "waiting", "Stale"),
        "suppressed": Badge("muted", "quiet", "Suppressed"),
        "flapping": Badge("flapping", "waiting", "Flapping"),
    },
    "watch": {
        "held": Badge("watch", "soft", "Holds"),
        "broken": Badge("watch", "fail", "Broken"),
        "unobserved": Badge("asked", "waiting", "Not observed"),
    },
    "incident": {
        "open": Badge("firing", "firing", "Open"),
        "acknowledged": Badge("half", "waiting", "Acknowledged"),
        "mitigated": Badge("half", "armed", "Mitigated"),
        "resolved": Badge("resolved", "quiet", "Resolved"),
        "closed": Badge("ended", "quiet", "Closed"),
    },
    "session": {
        "open": Badge("live", "armed", "Open"),
        "concluded": Badge("met", "armed", "Concluded"),
        "closed": Badge("ended", "quiet", "Closed"),
        "archived": Badge("ended", "quiet", "Archived"),
    },
    "probe": {
        "pending_approval": Badge("clock", "waiting", "waits for approval"),
        "denied": Badge("out", "quiet", "denied"),
        "active": Badge("armed", "armed", "active"),
        "expired": Badge("ended", "quiet", "expired"),
        "exhausted": Badge("ended", "quiet", "exhausted"),
        "removed": Badge("ended", "quiet", "removed"),
    },
    "delivery": {
        "pending": Badge("asked", "waiting", "pending"),
        "armed": Badge("armed", "armed", "armed"),
        "paused": Badge("paused", "waiting", "paused"),
        "rejected": Badge("error", "firing", "rejected"),
        "removed": Badge("ended", "quiet", "removed"),
    },
    "instance": {
        "present": Badge("live", "armed", "connected"),
        "late": Badge("clock", "waiting", "late"),
        "lost": Badge("lost", "firing", "lost"),
        "disarmed": Badge("error", "firing", "disarmed"),
        "gone": Badge("ended", "quiet", "gone"),
    },
    "process": {
        "starting": Badge("clock", "waiting", "starting"),
        "running": Badge("live", "armed", "running"),
        "restarting": Badge("error", "firing", "restarting"),
        "stopping": Badge("half", "waiting", "stopping"),
        "stopped": Badge("error", "firing", "stopped"),
    },
    "hypothesis": {
        "proposed": Badge("unmet", "soft", "proposed"),
        "testing": Badge("asked", "waiting", "testing"),
        "supported": Badge("up", "armed", "supported"),
        "refuted": Badge("out", "quiet", "refuted"),
        "confirmed": Badge("met", "armed", "confirmed"),
        "untestable": Badge("barred", "quiet", "untestable"),
    },
    "verdict": {
        "diagnosed": Badge("met", "armed", "Diagnosed"),
        "likely": Badge("up", "armed", "Likely"),
        "inconclusive": Badge("half", "waiting", "Inconclusive"),
        "reproduction_required": Badge("asked", "waiting", "Reproduction required"),
        "blocked": Badge("barred", "firing", "Blocked"),
        "false_alarm": Badge("out", "quiet", "False alarm"),
    },
    "gate": {
        "met": Badge("met", "armed", "met"),
        "unmet": Badge("unmet", "waiting", "not met"),
    },
    "fix": {
        "passed": Badge("pass", "pass", "Fix passed"),
        "failed": Badge("fail", "fail", "Fix failed"),
        "insufficient_traffic": Badge("half", "waiting", "Too little traffic"),
        "not_deployed": Badge("unmet", "quiet", "Not deployed"),
    },
    "approval": {
        "pending": Badge("clock", "waiting", "waits for you"),
        "allowed": Badge("pass", "armed", "allowed"),
        "denied": Badge("out", "quiet", "denied"),
        "expired": Badge("ended", "quiet", "expired to denied"),
    },
    "source": {
        "ok": Badge("live", "armed", "answers"),
        "no_data": Badge("asked", "waiting", "no data"),
        "partial": Badge("half", "waiting", "partial"),
        "error": Badge("error", "firing", "failed"),
        "timeout": Badge("clock", "firing", "timed out"),
        "denied": Badge("barred", "firing", "denied"),
        "unchecked": Badge("unmet", "quiet", "not asked yet"),
        "paused": Badge("paused", "quiet", "paused"),
    },
    "token": {
        "active": Badge("live", "armed", "active"),
        "expired": Badge("ended", "quiet", "expired"),
        "revoked": Badge("out", "quiet", "revoked"),
    },
    "agent": {
        "working": Badge("live", "armed", "working"),
        "waiting": Badge("clock", "waiting", "waits for you"),
        "idle": Badge("unmet", "quiet", "idle"),
        "stopped": Badge("barred", "firing", "stopped"),
    },
}

_STANCES: dict[str, tuple[str, str, str]] = {
    "decides": ("++", "decides", "strongly supports"),
    "supports": ("+", "supports", "supports"),
    "neutral": ("·", "", "neutral"),
    "weakens": ("−", "weakens", "weakens"),
    "refutes": ("−−", "refutes", "refutes"),
}


def badge(kind: str, state: str) -> Badge:
    """The badge of `state` among the states of `kind`; a hollow mark and the plain word for one not listed."""
    known = _BADGES.get(kind, {}).get(state)
    return known or Badge("unmet", "soft", state.replace("_", " "))


def kinds() -> tuple[str, ...]:
    """The nouns that have states."""
    return tuple(_BADGES)


def all_of(kind: str) -> tuple[Badge, ...]:
    """Every badge of a kind."""
    return tuple(_BADGES[kind].values())


def known_states(kind: str) -> frozenset[str]:
    """The states of `kind` that have a drawing."""
    return frozenset(_BADGES[kind])


def stance(name: str, inferred: bool = False) -> tuple[str, str, str]:
    """Sign, class and words of a stance; what was inferred is dashed, because it settles nothing alone."""
    sign, style, words = _STANCES.get(name, _STANCES["neutral"])
    return (sign, "inferred", f"{words}, inferred, settles nothing") if inferred else (sign, style, words)
