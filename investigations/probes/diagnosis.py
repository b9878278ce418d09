"""Why a probe brought what it brought: hits by how they ended, and an honest sentence for each cause of silence."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from django.utils import timezone

from investigations.catalog.models import Instance
from investigations.catalog.presence import presence_of, present
from investigations.probes import targeting
from investigations.probes.models import DeliveryState, Probe, ProbeDelivery, ProbeState

_WORDS = {
    "condition_false": "its condition was false",
    "condition_error": "its condition could not be evaluated",
    "rate_limited": "the rate limit had no room",
    "evaluation_budget": "the process had no time left to look",
    "over_budget": "the sensor had used up its share of the processor",
    "deadline": "copying the values took longer than its deadline",
    "queue_full": "the queue to the gateway was full",
    "hit_limit": "its hit limit was reached",
    "re_entrant": "the sensor itself was running that line",
    "sensor_error": "the sensor failed, without harm to the service",
}
_ADVICE = {
    "condition_false": "Check the condition against a capture without one.",
    "condition_error": "Take a snapshot without the condition and see what the names hold there.",
    "rate_limited": "Raise the rate, or narrow by a condition.",
    "evaluation_budget": "Target fewer instances, or a line that runs less often.",
    "over_budget": "Target a line that runs less often.",
    "deadline": "Lower the limits of depth and items.",
    "queue_full": "Lower the rate.",
}


@dataclass(frozen=True, slots=True)
class HitTotals:
    """A probe's hits over all instances. ``behind``: captures are stored that no heartbeat has counted yet."""

    counts: dict[str, int]
    hits: int
    unobserved_ms: float
    behind: bool = False

    @property
    def at_least(self) -> bool:
        """Whether there may be more: lines were switched off for a while, or the counts are still on their way."""
        return self.unobserved_ms > 0 or self.behind

    @property
    def text(self) -> str:
        """As a page writes it: ``1,204 hits``, or ``≥ 1,204 hits``."""
        return f"{'≥ ' if self.at_least else ''}{self.hits:,} hit{'' if self.hits == 1 else 's'}"


def hit_totals(probe: Probe) -> HitTotals:
    """Hits by ending, added up over instances."""
    return hit_totals_of([probe])[probe.id]


def hit_totals_of(probes: Collection[Probe]) -> dict[uuid.UUID, HitTotals]:
    """The same for many probes, by their ids, in one query."""
    counts: dict[uuid.UUID, Counter[str]] = {probe.id: Counter() for probe in probes}
    unobserved_ms = dict.fromkeys(counts, 0.0)
    told = ProbeDelivery.objects.filter(probe__in=probes)
    for id, ended, away in told.values_list("probe_id", "endings", "unobserved_ms"):
        counts[id].update(ended)
        unobserved_ms[id] += away
    return {probe.id: _totals(counts[probe.id], unobserved_ms[probe.id], probe.captures) for probe in probes}


def _totals(counts: Counter[str], unobserved_ms: float, stored: int) -> HitTotals:
    behind = counts["captured"] < stored
    counts["captured"] = max(counts["captured"], stored)
    ended = {ending: count for ending, count in counts.items() if count}
    return HitTotals(ended, sum(ended.values()), unobserved_ms, behind)


def endings(probe: Probe) -> dict[str, int]:
    """How many hits ended how, over all instances."""
    return hit_totals(probe).counts


def why_no_capture(probe: Probe) -> list[str]:
    """One sentence for each cause, the widest first; empty when captures are stored and nothing stands in the way."""
    if ended := _ended(probe):
        return [ended, *_of_instances(probe, list(_told(probe)))]
    running = list(probe.service.instances.filter(present()).select_related("service"))
    told = list(_told(probe))
    if not running:
        return [f"No instance of {probe.service.name} is connected.", *_of_instances(probe, told)]
    chosen = [instance for instance in running if targeting.targets(probe.targeting, instance)]
    if not chosen:
        connected = f"the connected instances of {probe.service.name} ({len(running)})"
        return [f"None of {connected} matches {targeting.sentence(probe.targeting)}."]
    silent = {instance.pk for instance in chosen} - {row.instance_id for row in told}
    unanswered = [
        f"{_name(instance)}: the sensor has not answered yet." for instance in chosen if instance.pk in silent
    ]
    return _of_instances(probe, told) + unanswered


def _told(probe: Probe) -> Iterator[ProbeDelivery]:
    rows = probe.deliveries.select_related("instance", "instance__service")
    return iter(rows.order_by("instance__host", "instance__pid"))


def _ended(probe: Probe) -> str:
    if probe.state == ProbeState.ACTIVE:
        return ""
    if probe.state == ProbeState.PENDING_APPROVAL:
        return f"P{probe.number} waits for approval, so no instance watches."
    at = f" at {probe.ended_at:%H:%M:%S} UTC" if probe.ended_at else ""
    return f"P{probe.number} is {probe.state}{at}: {probe.state_reason}".rstrip(": ")


def _of_instances(probe: Probe, rows: Sequence[ProbeDelivery]) -> list[str]:
    return [f"{_name(row.instance)}: {sentence}" for row in rows for sentence in _causes(probe, row)]


def _name(instance: Instance) -> str:
    return f"{instance.host} ({instance.pid})"


def _causes(probe: Probe, row: ProbeDelivery) -> Iterator[str]:
    """What one instance says. Where it stands comes first; then what became of the hits it counted."""
    if probe.state == ProbeState.ACTIVE:
        yield from _standing(row)
    yield from _outcomes(row)


def _standing(row: ProbeDelivery) -> Iterator[str]:
    instance = row.instance
    presence = presence_of(instance)
    if presence != "present":
        silent = int((timezone.now() - instance.last_seen_at).total_seconds())
        yield f"not heard of for {silent} s, so what it does now is not known."
    elif instance.breaker:
        yield f"the sensor's breaker is open: {instance.breaker}"
    elif row.state == DeliveryState.REJECTED:
        near = f" Nearest executable lines: {', '.join(map(str, row.nearest))}." if row.nearest else ""
        yield f"rejected: {row.sentence or row.slug}{near}"
    elif row.state in (DeliveryState.PENDING, DeliveryState.PAUSED):
        yield f"{row.state}: {row.sentence or row.slug or 'no reason was given'}"
    elif row.state == DeliveryState.REMOVED:
        yield f"no longer watched: {row.sentence or 'the sensor removed it'}"


def _outcomes(row: ProbeDelivery) -> Iterator[str]:
    hits = sum(row.endings.values())
    if not hits and row.state == DeliveryState.ARMED and row.armed_at is not None:
        yield f"armed since {row.armed_at:%H:%M:%S} UTC, and the line has not been reached since."
    for ending, count in sorted(row.endings.items(), key=lambda item: -item[1]):
        if count and ending in _WORDS:
            reached = "the one time it was reached" if count == hits == 1 else f"{count:,} of {hits:,} hits"
            yield f"{_WORDS[ending]} for {reached}. {_ADVICE.get(ending, '')}".strip()
    if captured := row.endings.get("captured", 0):
        yield f"{captured:,} hit{'' if captured == 1 else 's'} captured there; what is not here yet is on its way."
    if row.unobserved_ms > 0:
        yield f"switched off for {row.unobserved_ms / 1000:.1f} s to stay within budget; hits then were not counted."
