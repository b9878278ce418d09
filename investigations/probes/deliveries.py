"""What a sensor reports of its probes: where each stands on that instance, and what became of the hits."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from django.db import transaction
from django.utils import timezone

from investigations.accounts.actors import SYSTEM
from investigations.catalog.models import Instance
from investigations.lib.ids import BadId, read, show
from investigations.live import publish, topics
from investigations.probes.models import DeliveryState, Probe, ProbeDelivery
from investigations.sessions import services as sessions
from sightline import wire

MOST_PLACES = 20
MOST_FIGURES = 20_000
"""Characters of a kind's figures kept on one instance."""
_WORTH_TELLING = {DeliveryState.ARMED: "probe_armed", DeliveryState.REJECTED: "probe_rejected"}


@transaction.atomic
def record_delivery(instance: Instance, revision: int, statuses: Sequence[wire.ProbeStatus]) -> None:
    """Note where probes stand on an instance. A status of a probe that is not its service's is passed over.

    The first instance that arms a probe, and the first that rejects it, go on the session's timeline.
    """
    probes = _probes(instance, (status.probe_id for status in statuses))
    known = {
        row.probe_id: row for row in instance.deliveries.filter(probe__in=probes.values()).select_for_update()
    }
    changed: dict[uuid.UUID, Probe] = {}
    for status in statuses:
        probe = probes.get(status.probe_id)
        if probe is None or status.state not in DeliveryState.values:
            continue
        row = known.get(probe.id) or ProbeDelivery(probe=probe, instance=instance, state="")
        before, row.state = row.state, status.state
        _take(row, status)
        _save(row)
        known[probe.id] = row
        if row.state != before:
            changed[probe.id] = probe
            _tell_first(probe, instance, row)
    _hint(changed.values())


def _take(row: ProbeDelivery, status: wire.ProbeStatus) -> None:
    now = timezone.now()
    if row.state == DeliveryState.ARMED:
        row.armed_at = row.armed_at or now
        row.disarmed_at = None
    elif row.armed_at is not None and row.disarmed_at is None:
        row.disarmed_at = now
    row.slug = status.slug[:64].replace("\x00", "")
    row.sentence = status.sentence[:1000].replace("\x00", "")
    row.nearest = (status.nearest or [])[:10]
    row.places = [
        {"file": place.file[:1000], "line": place.line, "function": place.function[:300]}
        for place in (status.places or [])[:MOST_PLACES]
    ]
    row.updated_at = now


def _tell_first(probe: Probe, instance: Instance, row: ProbeDelivery) -> None:
    """One line on the timeline for the first instance in a telling state: a page shows the others."""
    kind = _WORTH_TELLING.get(DeliveryState(row.state))
    if kind is None or probe.deliveries.filter(state=row.state).exclude(pk=row.pk).exists():
        return
    if probe.session.timeline.filter(kind=kind, subject=show("prb", probe.id)).exists():
        return
    where = f"{instance.host} ({instance.pid})"
    sentence = f"P{probe.number} is armed on {where}."
    if row.state == DeliveryState.REJECTED:
        sentence = f"P{probe.number} was rejected by {where}: {row.sentence}"
    sessions.record(probe.session, SYSTEM, kind, sentence, subject=show("prb", probe.id))


@transaction.atomic
def record_counters(instance: Instance, heartbeat: wire.Heartbeat) -> None:
    """Note what became of hits. Counts are running totals of the process: one that came late never lowers them."""
    probes = _probes(instance, (counters.probe_id for counters in heartbeat.counters))
    rows = instance.deliveries.filter(probe__in=probes.values()).select_for_update(of=("self",))
    known = {row.probe_id: row for row in rows}
    changed: dict[uuid.UUID, Probe] = {}
    for counters in heartbeat.counters:
        probe = probes.get(counters.probe_id)
        if probe is None:
            continue
        row = known.get(probe.id) or ProbeDelivery(probe=probe, instance=instance)
        if _count(row, counters):
            _save(row)
            changed[probe.id] = probe
    _hint(changed.values())


def _count(row: ProbeDelivery, counters: wire.ProbeCounters) -> bool:
    """Raise the row's counts to the sensor's; whether any of them rose."""
    endings = raised(row.endings, counters.endings)
    unobserved_ms = max(row.unobserved_ms, counters.unobserved_ms)
    cost_us = max(row.cost_us, counters.cost_us)
    if (endings, unobserved_ms, cost_us) == (row.endings, row.unobserved_ms, row.cost_us):
        return False
    row.endings, row.unobserved_ms, row.cost_us = endings, unobserved_ms, cost_us
    row.counted_since = row.counted_since or _instant(counters.since)
    if counters.figures is not None and len(repr(counters.figures)) <= MOST_FIGURES:
        row.figures = counters.figures
    row.updated_at = timezone.now()
    return True


def raised(counts: Mapping[str, int], told: Mapping[str, int]) -> dict[str, int]:
    """``counts`` with each known ending at least what was told."""
    endings = [ending for ending in wire.HitEnding.__args__ if ending in told or ending in counts]  # type: ignore[attr-defined]
    return {ending: max(counts.get(ending, 0), told.get(ending, 0)) for ending in endings}


def _probes(instance: Instance, wire_ids: Iterable[str]) -> dict[str, Probe]:
    """The probes of the instance's own service, by their id on the wire."""
    ids = {}
    for text in wire_ids:
        try:
            ids[read("prb", text)] = text
        except BadId:
            continue
    rows = Probe.objects.filter(pk__in=ids, service=instance.service_id).select_related("session")
    return {ids[probe.pk]: probe for probe in rows.order_by("pk")}


def _save(row: ProbeDelivery) -> None:
    """Insert or update: two connections of one instance may report at once while one is being closed.

    One statement, because a person waits for it after placing a probe.
    """
    ProbeDelivery.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["probe", "instance"], update_fields=_REPORTED
    )


_REPORTED = [
    field.name for field in ProbeDelivery._meta.concrete_fields if field.name not in ("id", "probe", "instance")
]


def _hint(probes: Iterable[Probe]) -> None:
    for probe in probes:
        hint: publish.Hint = {"what": "deliveries", "id": show("prb", probe.id)}
        publish.after_commit(topics.session_topic(probe.session_id), hint)


def _instant(nanoseconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        return None
