"""What a sensor reports of its probes: where each stands on that instance, and what became of the hits."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F, FilteredRelation, Q, QuerySet
from django.utils import timezone

from investigations.accounts.actors import SYSTEM
from investigations.catalog.models import Instance
from investigations.lib.ids import BadId, read, show
from investigations.live import publish, topics
from investigations.probes import figures, readings
from investigations.probes.models import DeliveryState, Probe, ProbeDelivery
from investigations.sessions import services as sessions
from investigations.sessions.models import TimelineEntry
from sightline import wire

MOST_PLACES = 20
MOST_FIGURES = 20_000
"""Characters of a kind's figures kept on one instance."""
_WORTH_TELLING: dict[str, str] = {
    DeliveryState.ARMED: "probe_armed",
    DeliveryState.REJECTED: "probe_rejected",
}
_STATUS = ["state", "slug", "sentence", "nearest", "places", "armed_at", "disarmed_at", "updated_at"]
_COUNTS = [
    "endings", "unobserved_ms", "cost_us", "counted_since", "figures", "told_since", "told_before", "updated_at",
]  # fmt: skip
_LATEST_NS = 2**63 - 1


@transaction.atomic
def record_delivery(instance: Instance, revision: int, statuses: Sequence[wire.ProbeStatus]) -> None:
    """Note where probes stand on an instance. A status of a probe that is not its service's is passed over.

    The first instance that arms a probe, and the first that rejects it, go on the session's timeline.
    """
    probes = _with_standing(instance, _probes(instance, (status.probe_id for status in statuses)))
    known = {show("prb", probe.pk): _standing(probe, instance) for probe in probes}
    before = {wire_id: row.state for wire_id, row in known.items()}
    told = {}
    for status in statuses:
        row = known.get(status.probe_id)
        if row is not None and status.state in DeliveryState.values:
            row.state = status.state
            _take(row, status)
            told[status.probe_id] = row
    _save(told.values(), _STATUS)
    changed = [row for wire_id, row in told.items() if row.state != before[wire_id]]
    _tell_first(instance, changed)
    _hint(row.probe for row in changed)


def _with_standing(instance: Instance, probes: QuerySet[Probe]) -> QuerySet[Probe]:
    """The probes, each read together with where it stands on the instance: somebody waits after placing one."""
    own = FilteredRelation("deliveries", condition=Q(deliveries__instance=instance))
    return probes.annotate(
        own=own,
        own_state=F("own__state"),
        own_armed_at=F("own__armed_at"),
        own_disarmed_at=F("own__disarmed_at"),
    )


def _standing(probe: Probe, instance: Instance) -> ProbeDelivery:
    """A row as `_with_standing` read it; one that is not there yet has no state."""
    return ProbeDelivery(
        probe=probe,
        instance=instance,
        state=probe.own_state or "",  # type: ignore[attr-defined]
        armed_at=probe.own_armed_at,  # type: ignore[attr-defined]
        disarmed_at=probe.own_disarmed_at,  # type: ignore[attr-defined]
    )


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


def _tell_first(instance: Instance, rows: Iterable[ProbeDelivery]) -> None:
    """One line on a timeline for the first instance in a telling state: a page shows the others."""
    news = {
        (_WORTH_TELLING[row.state], show("prb", row.probe_id)): row
        for row in rows
        if row.state in _WORTH_TELLING
    }
    if not news:
        return
    told = TimelineEntry.objects.filter(
        session__in={row.probe.session_id for row in news.values()},
        kind__in={kind for kind, _ in news},
        subject__in={subject for _, subject in news},
    )
    already = set(told.values_list("kind", "subject").order_by())
    for (kind, subject), row in news.items():
        if (kind, subject) not in already:
            sessions.record(row.probe.session, SYSTEM, kind, _news(instance, row), subject=subject)


def _news(instance: Instance, row: ProbeDelivery) -> str:
    where = f"{instance.host} ({instance.pid})"
    if row.state == DeliveryState.REJECTED:
        return f"P{row.probe.number} was rejected by {where}: {row.sentence}"
    return f"P{row.probe.number} is armed on {where}."


@transaction.atomic
def record_counters(instance: Instance, heartbeat: wire.Heartbeat) -> None:
    """Note what became of hits, and what figures gained since they were told last.

    Counts are running totals since the probe was armed there: one that came late never lowers them, and where it was
    armed again they go on from where they stood.
    """
    probes = {
        show("prb", probe.pk): probe
        for probe in _probes(instance, (counters.probe_id for counters in heartbeat.counters))
    }
    rows = instance.deliveries.filter(probe__in=probes.values()).select_for_update(of=("self",))
    known = {row.probe_id: row for row in rows}
    changed: dict[uuid.UUID, ProbeDelivery] = {}
    gained: dict[uuid.UUID, figures.Figures] = {}
    for counters in heartbeat.counters:
        probe = probes.get(counters.probe_id)
        if probe is None:
            continue
        row = known.setdefault(probe.id, ProbeDelivery(instance=instance))
        row.probe = probe
        if not _continues(row, counters):
            continue
        if news := _gain(row, counters):
            gained[probe.id] = news
        if _count(row, counters) or news:
            row.updated_at = timezone.now()
            changed[probe.id] = row
    _save(changed.values(), _COUNTS)
    readings.note(instance, [(changed[id].probe, news) for id, news in gained.items()])
    _hint(probe for probe in probes.values() if probe.id in changed)


def _continues(row: ProbeDelivery, counters: wire.ProbeCounters) -> bool:
    """Whether these counts are not older than those told; when they begin anew, what stood there is kept under them."""
    since = max(0, min(counters.since, _LATEST_NS))
    if since > row.told_since and row.told_since:
        row.told_before = {
            "endings": row.endings,
            "unobserved_ms": row.unobserved_ms,
            "cost_us": row.cost_us,
            "figures": row.figures,
        }
    late = since < row.told_since
    row.told_since = max(since, row.told_since)
    return not late


def _count(row: ProbeDelivery, counters: wire.ProbeCounters) -> bool:
    """Raise the row's counts to the sensor's; whether any of them rose."""
    before = row.told_before
    endings = raised(row.endings, _both(before.get("endings", {}), counters.endings))
    unobserved_ms = max(row.unobserved_ms, before.get("unobserved_ms", 0.0) + counters.unobserved_ms)
    cost_us = max(row.cost_us, before.get("cost_us", 0.0) + counters.cost_us)
    if (endings, unobserved_ms, cost_us) == (row.endings, row.unobserved_ms, row.cost_us):
        return False
    row.endings, row.unobserved_ms, row.cost_us = endings, unobserved_ms, cost_us
    row.counted_since = row.counted_since or _instant(counters.since)
    return True


def _gain(row: ProbeDelivery, counters: wire.ProbeCounters) -> figures.Figures | None:
    """Take over what its kind counted, and answer what is new in it."""
    kind = row.probe.kind
    if counters.figures is None or len(repr(counters.figures)) > MOST_FIGURES:
        return None
    told = figures.read(kind, counters.figures)
    if told is None:
        return None
    total = figures.added(kind, [row.told_before.get("figures", {}), told])
    news = figures.since(kind, total, row.figures)
    if news is None or figures.empty(kind, news):
        return None
    row.figures = total
    return news


def _both(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {ending: one.get(ending, 0) + other.get(ending, 0) for ending in {**one, **other}}


def raised(counts: Mapping[str, int], told: Mapping[str, int]) -> dict[str, int]:
    """``counts`` with each known ending at least what was told."""
    endings = [ending for ending in wire.HitEnding.__args__ if ending in told or ending in counts]  # type: ignore[attr-defined]
    return {ending: max(counts.get(ending, 0), told.get(ending, 0)) for ending in endings}


def _probes(instance: Instance, wire_ids: Iterable[str]) -> QuerySet[Probe]:
    """The probes of the instance's own service among these, with what is needed to tell of them."""
    rows = Probe.objects.filter(pk__in=set(_read(wire_ids)), service=instance.service_id)
    needed = ("number", "kind", "placed_at", "expires_at", "session", "session__number")
    return rows.select_related("session").only(*needed).order_by("pk")


def _read(wire_ids: Iterable[str]) -> Iterator[uuid.UUID]:
    for text in wire_ids:
        with contextlib.suppress(BadId):
            yield read("prb", text)


def _save(rows: Iterable[ProbeDelivery], reported: list[str]) -> None:
    """Insert or update what was reported, in one statement.

    Two connections of one instance may report at once while one is being closed, and statuses beside counts: each
    writes its own columns.
    """
    ProbeDelivery.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["probe", "instance"], update_fields=reported
    )


def _hint(probes: Iterable[Probe]) -> None:
    for probe in probes:
        hint: publish.Hint = {"what": "deliveries", "id": show("prb", probe.id)}
        publish.after_commit(topics.session_topic(probe.session_id), hint)


def _instant(nanoseconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        return None
