"""Alerts that no telemetry raised: an invariant of passing captures that newer captures break.

A person raises what is broken at all; the clock only what is surely no accident, and it lets go of it only after a
calm stretch, so that nothing flaps at the edge of chance.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import SYSTEM, Actor
from investigations.alerts import services as alerts
from investigations.alerts.backends.base import Reading
from investigations.alerts.models import Alert, AlertSource, AlertState
from investigations.lib.ids import show
from investigations.probes.invariants import Broken, Held, learn_invariants
from investigations.probes.models import Capture, Probe
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession, SessionStatus

WATCHER = "Invariants of captures"
"""The source of alerts that no telemetry raised; nobody pulls it."""
BACKEND = "alertmanager"
ALERT = "SilentFailure"
MOST_ALERTS = 5
SURE = 0.01
"""The q below which an invariant counts as broken when nobody asked."""
CALM = timedelta(minutes=15)
"""One that burns is over once captures came for so long and none broke it."""


def raise_silent_failures(
    *, by: Actor, session: InvestigationSession, probe: Probe | None = None
) -> tuple[Held, int]:
    """Tell the inbox of broken invariants as alerts, and resolve those that hold again; how many burn now."""
    permissions.require(by, "label_executions", session.environment)
    held = learn_invariants(by, session, probe=probe)
    if held.probe is None:
        return held, 0
    burning = held.broken[:MOST_ALERTS]
    over = [row for row in _known(held.probe) if _rule(row) not in {_name(each) for each in burning}]
    _tell(held.probe, burning, over, timezone.now())
    return held, len(burning)


# ---------------------------------------------------------------- by the clock


def watched(since: datetime, most: int) -> list[Probe]:
    """Probes of open sessions that captured something since then."""
    first = uuid.UUID(int=int(since.timestamp() * 1000) << 80)
    captured = Capture.objects.filter(id__gte=first).order_by().values_list("probe_id", flat=True).distinct()
    found = Probe.objects.filter(pk__in=list(captured[:most]), session__status=SessionStatus.OPEN)
    return list(found.select_related("session__environment", "service", "environment").order_by("pk"))


def watch(probe: Probe, now: datetime) -> int:
    """Hold the probe's newest captures against what always held, tell inbox and timeline of turns; how many burn now.

    Done again on the same captures it changes nothing.
    """
    held = learn_invariants(SYSTEM, probe.session, probe=probe, since=now - CALM)
    with transaction.atomic():
        # Only now: captures of the probe wait behind this lock.
        Probe.objects.select_for_update(no_key=True, of=("self",)).get(pk=probe.pk)
        return _turn(probe, held, now)


def _turn(probe: Probe, held: Held, now: datetime) -> int:
    known = _known(probe)
    burnt = {_rule(row) for row in known if row.state != AlertState.RESOLVED}
    sure = [each for each in held.broken if each.violation.q < SURE or _name(each) in burnt]
    burning = sure[: max(MOST_ALERTS, len(burnt))]
    names = {_name(each) for each in burning}
    over = [row for row in known if _rule(row) in burnt - names and _is_calm(row, held)]
    _tell(probe, burning, over, now)
    _record(probe, [each for each in burning if _name(each) not in burnt], over)
    return len(burning)


def _is_calm(alert: Alert, held: Held) -> bool:
    """Newer captures were held against it, or it is no invariant any more; nothing captured is no word."""
    return bool(held.checked) or _rule(alert) not in {_of(each.kind, each.paths) for each in held.invariants}


def _record(probe: Probe, new: Sequence[Broken], over: Iterable[Alert]) -> None:
    ids = {_rule(row): row.id for row in _known(probe)}
    for each in new:
        sentence = f"Raised a silent failure at P{probe.number}: {each.violation.sentence}"
        subject = show("alr", ids[_name(each)]) if _name(each) in ids else ""
        sessions.record(probe.session, SYSTEM, "silent_failure_raised", sentence, subject=subject)
    for row in over:
        minutes = int(CALM.total_seconds() // 60)
        sentence = f"A silent failure at P{probe.number} is over: no capture of {minutes} minutes breaks {_rule(row)}."
        sessions.record(probe.session, SYSTEM, "silent_failure_over", sentence, subject=show("alr", row.id))


# ---------------------------------------------------------------- alerts


def _source(probe: Probe) -> AlertSource:
    source, _ = AlertSource.objects.get_or_create(
        environment=probe.environment, name=WATCHER, defaults={"backend": BACKEND}
    )
    return source


def _known(probe: Probe) -> list[Alert]:
    return list(Alert.objects.filter(source=_source(probe), labels__probe=show("prb", probe.pk)))


def _tell(probe: Probe, burning: Collection[Broken], over: Iterable[Alert], now: datetime) -> None:
    ended = [Reading(row.labels, row.annotations, "resolved", row.first_seen_at, now) for row in over]
    readings = [*(_reading(probe, each) for each in burning), *ended]
    if readings:
        alerts.ingest(source=_source(probe), readings=readings, complete=False, at=now)


def _reading(probe: Probe, each: Broken) -> Reading:
    labels = {
        "alertname": ALERT,
        "service": probe.service.name,
        "severity": "warning",
        "probe": show("prb", probe.pk),
        "invariant": _name(each),
    }
    began = min(capture.at for capture in each.captures)
    return Reading(labels, {"summary": each.violation.sentence}, "firing", began)


def _name(broken: Broken) -> str:
    rule = broken.violation.invariant
    return _of(rule.kind, rule.paths)


def _of(kind: str, paths: Iterable[str]) -> str:
    return f"{kind} of {', '.join(paths)}"


def _rule(alert: Alert) -> str:
    return str(alert.labels.get("invariant", ""))
