"""The life of an alert as a pure state machine: what its sources say in, state and episodes out.

Every source's last word is kept; together they make what is *said*: firing, suppressed, resolved, or stale when
those that said it fires have stopped answering. Saying so again changes nothing. A turn between burning (firing or
suppressed) and not is remembered; many turns in a short time make the alert *flapping*, and a flapping alert stays
one episode until it settles, ended when it last stopped burning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from investigations.analysis.flapping import FLAP_WINDOW_S, is_flapping

Burning = Literal["firing", "suppressed"]
Told = Literal["firing", "suppressed", "resolved"]
Said = Literal["firing", "suppressed", "resolved", "stale"]
State = Literal["firing", "suppressed", "resolved", "stale", "flapping"]
EndReason = Literal["resolved", "absent", "stale"]

FLAP_WINDOW = timedelta(seconds=FLAP_WINDOW_S)
STALE_ENDS_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Word:
    """What one source last said of the alert. ``lost``: that source does not answer any more."""

    state: Told
    at: datetime
    starts_at: datetime
    ends_at: datetime | None = None
    absent: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """All words together: what is said, since when as far as told, and how an end was learned."""

    said: Said
    since: datetime | None = None
    reason: EndReason = "resolved"


@dataclass(frozen=True, slots=True)
class Turn:
    """A change between burning and not."""

    at: datetime
    burning: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """Where an alert stands. ``begun`` is the start of its open episode, None when none is open."""

    state: State
    since: datetime
    turns: tuple[Turn, ...]
    begun: datetime | None

    @property
    def burning(self) -> bool:
        return self.turns[-1].burning


@dataclass(frozen=True, slots=True)
class Ended:
    """An episode is over."""

    at: datetime
    reason: EndReason


@dataclass(frozen=True, slots=True)
class Step:
    """The condition after one verdict, and what became of its episodes."""

    condition: Condition
    began: datetime | None = None
    ended: Ended | None = None


def weigh(words: Iterable[Word]) -> Verdict:
    """One verdict from the words of all sources.

    A source that still answers beats one that does not: what a lost source said counts only when no answering one
    has spoken since. Suppressed beats firing, because only some sources know of silences.
    """
    everyone = list(words)
    heard = [word for word in everyone if not word.lost]
    burning = [word for word in heard if word.state != "resolved"]
    if burning:
        said: Burning = "suppressed" if any(word.state == "suppressed" for word in burning) else "firing"
        return Verdict(said, min(word.starts_at for word in burning))
    resolved = [word for word in everyone if word.state == "resolved"]
    last_heard = max((word.at for word in resolved if not word.lost), default=None)
    missed = [word for word in everyone if word.lost and word.state != "resolved"]
    if any(last_heard is None or word.at > last_heard for word in missed) or not resolved:
        return Verdict("stale")
    last = max(resolved, key=lambda word: word.ends_at or word.at)
    return Verdict("resolved", last.ends_at or last.at, "absent" if last.absent else "resolved")


def begin(verdict: Verdict, at: datetime) -> Step | None:
    """The first we hear of an alert. None unless it burns: nobody is told of the end of what never was."""
    if verdict.said not in ("firing", "suppressed"):
        return None
    began = min(verdict.since or at, at)
    return Step(Condition(verdict.said, began, (Turn(began, True),), began), began=began)


def advance(condition: Condition, verdict: Verdict, at: datetime) -> Step:
    """The condition once ``verdict`` was heard at ``at``; time that runs backwards is read as standing still."""
    at = max(at, condition.turns[-1].at)
    if verdict.said == "stale":
        return _go_stale(condition, at)
    turns = _turned(condition, verdict, at)
    times = [turn.at.timestamp() for turn in turns]
    if is_flapping(times, at.timestamp(), was_flapping=condition.state == "flapping"):
        return _open(condition, "flapping", turns, at)
    if verdict.said == "resolved":
        return _close(condition, turns, verdict.reason, at)
    return _open(condition, verdict.said, turns, at)


def _go_stale(condition: Condition, at: datetime) -> Step:
    """Nobody knows whether it still burns. After a day without a word the episode ends, but nothing was resolved."""
    if condition.begun is None:
        return Step(condition)
    if condition.state != "stale":
        return Step(replace(condition, state="stale", since=at))
    if at - condition.since < STALE_ENDS_AFTER:
        return Step(condition)
    return Step(replace(condition, begun=None), ended=Ended(condition.since, "stale"))


def _turned(condition: Condition, verdict: Verdict, at: datetime) -> tuple[Turn, ...]:
    """The turns that still matter: those in the window, and always the last one."""
    turns = condition.turns
    burning = verdict.said != "resolved"
    if burning != condition.burning:
        told = verdict.since or at
        turns = (*turns, Turn(min(max(told, turns[-1].at), at), burning))
    return (*(turn for turn in turns[:-1] if turn.at > at - FLAP_WINDOW), turns[-1])


def _open(condition: Condition, state: State, turns: tuple[Turn, ...], at: datetime) -> Step:
    began = None
    if condition.begun is None:
        # Turned on: then. Heard of again after having been given up as stale: from now.
        began = turns[-1].at if turns != condition.turns and turns[-1].burning else at
    since = condition.since if state == condition.state else (began or _last_change(condition, turns, at))
    return Step(Condition(state, since, turns, condition.begun or began), began=began)


def _close(condition: Condition, turns: tuple[Turn, ...], reason: EndReason, at: datetime) -> Step:
    ended = None if condition.begun is None else Ended(max(turns[-1].at, condition.begun), reason)
    since = condition.since if condition.state == "resolved" else _last_change(condition, turns, at)
    return Step(Condition("resolved", since, turns, None), ended=ended)


def _last_change(condition: Condition, turns: tuple[Turn, ...], at: datetime) -> datetime:
    return turns[-1].at if turns[-1] != condition.turns[-1] else at
