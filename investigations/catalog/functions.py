"""The function record of services: what their sensors count of their own functions all the time, kept by the minute.

Sensors tell about every 15 s what was called since; minutes are added up here, and minutes and instances again when
someone asks. Durations travel as exponential histograms, so that adding them up loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.analysis import histograms
from investigations.analysis.histograms import Histogram
from investigations.catalog.models import FunctionMinute, Instance, Service
from investigations.catalog.paths import below_root
from sightline import wire

KEPT = timedelta(days=3)
MOST_MINUTES = 24 * 60
MOST_FUNCTIONS = 1000
"""In one minute of one instance; sensors record no more."""
MOST_OTHERS = 60
"""Callers or exceptions of one function."""
LONGEST_NAME = 500
MOST_COUNT = 2**53
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


# ---------------------------------------------------------------- what an instance tells


@transaction.atomic
def record_functions(instance: Instance, told: wire.Functions, received_at: datetime) -> None:
    """Add what an instance told to its minute. What makes no sense is passed over: a sensor cannot be asked back."""
    minute = received_at.replace(second=0, microsecond=0)
    FunctionMinute.objects.get_or_create(
        instance=instance,
        minute=minute,
        defaults={"service_id": instance.service_id, "environment_id": instance.environment_id},
    )
    row = FunctionMinute.objects.select_for_update().get(instance=instance, minute=minute)
    for counts in told.functions:
        name = _name(counts.function)
        if name and (name in row.functions or len(row.functions) < MOST_FUNCTIONS):
            row.functions[name] = _added(row.functions.get(name), _facts(counts, instance.roots))
    row.save(update_fields=["functions"])


def forget_functions(before: datetime) -> int:
    """Drop the minutes before then; answers how many rows that were."""
    dropped, _ = FunctionMinute.objects.filter(minute__lt=before).delete()
    return dropped


def _facts(counts: wire.FunctionCounts, roots: Iterable[str]) -> dict[str, Any]:
    calls = _count(counts.calls)
    share = counts.observed if 0.0 < counts.observed <= 1.0 else 1.0
    duration = histograms.read(counts.duration) or Histogram(unit="ms")
    return {
        "file": below_root(roots, _name(counts.file)),
        "line": _count(counts.line),
        "calls": calls,
        "estimated": calls / share,
        "errors": min(calls, _count(counts.errors)),
        "exceptions": _named_counts(counts.exceptions),
        "callers": _named_counts(counts.callers),
        "duration": histograms.plain(duration),
    }


def _name(text: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", text[:LONGEST_NAME])


def _count(number: int) -> int:
    return min(max(number, 0), MOST_COUNT)


def _named_counts(told: Mapping[str, int]) -> dict[str, int]:
    return {_name(name): _count(count) for name, count in list(told.items())[:MOST_OTHERS]}


def _added(before: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """Both together; ``before`` as it is stored."""
    if before is None:
        return new
    both = [part for part in map(histograms.read, (before["duration"], new["duration"])) if part is not None]
    return new | {
        **{name: before[name] + new[name] for name in ("calls", "estimated", "errors")},
        **{name: _counts_added(before[name], new[name]) for name in ("exceptions", "callers")},
        "duration": histograms.plain(histograms.merged(both)),
    }


def _counts_added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    total = dict(one)
    for name, count in other.items():
        if name in total or len(total) < MOST_OTHERS:
            total[name] = total.get(name, 0) + count
    return total


# ---------------------------------------------------------------- what people and agents ask


@dataclass(slots=True)
class RecordedFunction:
    """One function over a window, all instances together."""

    name: str
    file: str
    line: int
    calls: int = 0
    """Counted."""
    estimated: float = 0.0
    """As many as there were, by the share of the time in which calls were counted."""
    errors: int = 0
    exceptions: dict[str, int] = field(default_factory=dict)
    callers: dict[str, int] = field(default_factory=dict)
    duration: Histogram = field(default_factory=Histogram)
    trend: list[float | None] = field(default_factory=list)
    """Estimated calls minute by minute; None where no instance told anything."""

    @property
    def observed(self) -> float:
        """The share of its calls that was counted; below 1 the counts are of a sample."""
        return self.calls / self.estimated if self.estimated else 1.0

    @property
    def error_share(self) -> float:
        return self.errors / self.calls if self.calls else 0.0

    @property
    def total_ms(self) -> float:
        """All the time spent in it, waiting and what it called included, estimated."""
        return self.duration.sum / self.observed

    def percentile_ms(self, share: float) -> float | None:
        found = histograms.quantile(self.duration, share)
        return None if found is None else found.estimate


@dataclass(frozen=True, slots=True)
class Edge:
    """Calls of one recorded function by another; an empty caller is everything that is not recorded."""

    caller: str
    callee: str
    calls: int


@dataclass(frozen=True, slots=True)
class FunctionRecord:
    """The record of one service over a window."""

    began: datetime
    ended: datetime
    functions: list[RecordedFunction]
    edges: list[Edge]
    instances: int
    """Those that told anything."""


ORDERS = {
    "calls": lambda each: each.estimated,
    "errors": lambda each: each.errors,
    "time": lambda each: each.total_ms,
    "slowest": lambda each: each.percentile_ms(0.95) or 0.0,
}


def function_record(
    by: Actor, service: Service, minutes: int = 60, order: str = "calls", query: str = ""
) -> FunctionRecord:
    """What the sensors of a service counted of its functions in the last ``minutes``, the foremost first.

    ``order`` is one of `ORDERS`; ``query`` is a part of names.
    """
    permissions.require(by, "read", service.environment)
    ended = timezone.now()
    minutes = min(max(minutes, 1), MOST_MINUTES)
    began = ended.replace(second=0, microsecond=0) - timedelta(minutes=minutes - 1)
    rows = service.function_minutes.filter(minute__gte=began).order_by("minute")
    functions: dict[str, RecordedFunction] = {}
    parts: dict[str, list[Histogram]] = {}
    told: set[int] = set()
    instances = set()
    for row in rows.iterator(chunk_size=50):
        at = int((row.minute - began) / timedelta(minutes=1))
        told.add(at)
        instances.add(row.instance_id)
        for name, facts in row.functions.items():
            if query.lower() in name.lower():
                _take_in(functions, parts, name, facts, at, minutes)
    for name, found in functions.items():
        found.duration = histograms.merged(parts[name])
        found.trend = [value if at in told else None for at, value in enumerate(found.trend)]
    ordered = sorted(functions.values(), key=ORDERS.get(order, ORDERS["calls"]), reverse=True)
    return FunctionRecord(began, ended, ordered, _edges(ordered), len(instances))


def _take_in(
    functions: dict[str, RecordedFunction],
    parts: dict[str, list[Histogram]],
    name: str,
    facts: Mapping[str, Any],
    at: int,
    minutes: int,
) -> None:
    found = functions.get(name)
    if found is None:
        found = functions[name] = RecordedFunction(name, facts["file"], facts["line"], trend=[0.0] * minutes)
    found.file, found.line = facts["file"], facts["line"]
    found.calls += facts["calls"]
    found.estimated += facts["estimated"]
    found.errors += facts["errors"]
    found.exceptions = _counts_added(found.exceptions, facts["exceptions"])
    found.callers = _counts_added(found.callers, facts["callers"])
    if at < minutes:
        found.trend[at] = (found.trend[at] or 0.0) + facts["estimated"]
    duration = histograms.read(facts["duration"])
    parts.setdefault(name, []).append(duration or Histogram(unit="ms"))


def _edges(functions: Iterable[RecordedFunction]) -> list[Edge]:
    edges = [Edge(caller, each.name, calls) for each in functions for caller, calls in each.callers.items()]
    return sorted(edges, key=lambda edge: edge.calls, reverse=True)
