"""Figures over time: what each probe's figures gained, stretch by stretch, and where nobody watched."""

from __future__ import annotations

import math
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.catalog.models import Instance
from investigations.lib.errors import Invalid
from investigations.probes import figures
from investigations.probes.figures import Figures
from investigations.probes.histogram import watched
from investigations.probes.models import Probe, ProbeReading

SHORTEST_S = 5.0
"""Sensors report so often."""
MOST_STRETCHES = 720
"""Over a probe's whole life, on one instance: what is kept of it has a bound."""
MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was added in ``width`` seconds from ``start``. ``figures`` is None where no instance watched."""

    start: datetime
    width: float
    figures: Figures | None


def stretch_s(probe: Probe) -> float:
    """How long one stretch of this probe is, in seconds."""
    life = (probe.expires_at - probe.placed_at).total_seconds()
    return SHORTEST_S * max(1, math.ceil(life / MOST_STRETCHES / SHORTEST_S))


def note(instance: Instance, gained: Collection[tuple[Probe, Figures]]) -> None:
    """Add what figures gained to the stretch that is running; two statements, however many probes there are."""
    if not gained:
        return
    now = timezone.now()
    starts = {probe.pk: _start(now, stretch_s(probe)) for probe, _ in gained}
    known = Q(pk__in=[])
    for pk, start in starts.items():
        known |= Q(probe=pk, start=start)
    kept = {row.probe_id: row.figures for row in instance.readings.filter(known)}
    rows = [
        ProbeReading(
            probe=probe,
            instance=instance,
            start=starts[probe.pk],
            figures=figures.added(probe.kind, [kept.get(probe.pk, {}), news]),
        )
        for probe, news in gained
    ]
    ProbeReading.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["probe", "start", "instance"], update_fields=["figures"]
    )


def _start(moment: datetime, width: float) -> datetime:
    return datetime.fromtimestamp(math.floor(moment.timestamp() / width) * width, UTC)


def forget(*, before: datetime) -> int:
    """Drop the stretches that began earlier; answers how many that was."""
    return ProbeReading.objects.filter(start__lt=before).delete()[0]


def series(
    by: Actor,
    probe: Probe,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    points: int = 120,
) -> list[Stretch]:
    """A probe's figures over time, all instances together, in at most that many stretches.

    Without ``start`` and ``end``: from its placing to its end, or to now. Raises `Invalid` (window_malformed).
    """
    permissions.require(by, "read", probe.environment)
    start = start or probe.placed_at
    end = end or probe.ended_at or timezone.now()
    if end <= start:
        raise Invalid("window_malformed", "A window ends after it begins.", fix="Give a later end.")
    width = stretch_s(probe)
    width *= max(1, math.ceil((end - start).total_seconds() / width / max(1, min(points, MOST_POINTS))))
    first, last = _start(start, width), _start(end, width)
    count = round((last - first).total_seconds() / width) + 1
    starts = [first + timedelta(seconds=width * number) for number in range(count)]
    gained = _gained(probe, starts, width)
    looked = _looked(probe, starts, width)
    return [
        Stretch(begun, width, figures.added(probe.kind, parts) if parts or seen else None)
        for begun, parts, seen in zip(starts, gained, looked, strict=True)
    ]


def _gained(probe: Probe, starts: Sequence[datetime], width: float) -> list[list[Figures]]:
    found: list[list[Figures]] = [[] for _ in starts]
    end = starts[-1] + timedelta(seconds=width)
    rows = probe.readings.filter(start__gte=starts[0], start__lt=end).order_by("start")
    for begun, news in rows.values_list("start", "figures"):
        found[int((begun - starts[0]).total_seconds() // width)].append(news)
    return found


def _looked(probe: Probe, starts: Sequence[datetime], width: float) -> list[bool]:
    spans = list(watched(probe.session, [probe]))
    span = timedelta(seconds=width)
    return [any(first < begun + span and last > begun for first, last in spans) for begun in starts]


def totals_of(probes: Collection[Probe]) -> dict[uuid.UUID, Figures]:
    """Each probe's figures over all instances, by its id; one query."""
    parts: dict[uuid.UUID, list[Figures]] = {probe.pk: [] for probe in probes}
    kinds = {probe.pk: probe.kind for probe in probes}
    counting = [probe.pk for probe in probes if probe.kind in figures.FORMS]
    rows = Probe.objects.filter(pk__in=counting, deliveries__isnull=False) if counting else None
    for pk, told in rows.values_list("pk", "deliveries__figures") if rows is not None else ():
        parts[pk].append(told)
    return {pk: figures.added(kinds[pk], told) for pk, told in parts.items()}
