"""Which function of a service is the cause of a slow or failing one, by the service's own function record.

The call graph is who was seen to call whom; a function's metric is the mean of its minutes: seconds a call, or the
share of calls that raised. What others measured (services beyond this one) can be put beside it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.catalog.models import Service

if TYPE_CHECKING:
    from investigations.analysis.topology import Diagnosis, NodeSeries

PAST_MINUTES = 6 * 60
MOST_MINUTES = 60
Metric = Literal["latency", "errors"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Calls between nodes as (caller, callee), and one metric of each node."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    nodes: dict[str, NodeSeries] = field(default_factory=dict)
    entry: str = ""
    """The function that took most of the time among those nothing recorded calls."""


def rank_causes(
    by: Actor,
    service: Service | None,
    target: str = "",
    *,
    metric: Metric = "latency",
    minutes: int = 10,
    until: datetime | None = None,
    calls: Iterable[tuple[str, str]] = (),
    nodes: Mapping[str, NodeSeries] | None = None,
) -> Diagnosis:
    """What the last ``minutes`` before ``until`` (now) lost against the hours before them, and where.

    Without a ``target`` it is the entry of the service. ``calls`` and ``nodes`` are added, and win where both know one.
    """
    # Only ranking pays for SciPy: it takes longer to import than most pages take to answer.
    from investigations.analysis import topology

    own = (
        Measured() if service is None else measured(by, service, metric=metric, minutes=minutes, until=until)
    )
    return topology.rank_causes(
        [*own.calls, *calls], {**own.nodes, **(nodes or {})}, target or own.entry or "the entry"
    )


def measured(
    by: Actor,
    service: Service,
    *,
    metric: Metric = "latency",
    minutes: int = 10,
    until: datetime | None = None,
) -> Measured:
    """The function record as the analysis takes it: minutes without a call are no data."""
    permissions.require(by, "read", service.environment)
    minutes = min(max(minutes, 2), MOST_MINUTES)
    end = (until or timezone.now()).replace(second=0, microsecond=0)
    began = end - timedelta(minutes=PAST_MINUTES + minutes)
    series: dict[str, _Series] = defaultdict(lambda: _Series(PAST_MINUTES + minutes))
    callers: dict[str, set[str]] = defaultdict(set)
    rows = service.function_minutes.filter(minute__gte=began, minute__lt=end)
    for minute, functions in rows.values_list("minute", "functions").iterator(chunk_size=50):
        at = int((minute - began) / timedelta(minutes=1))
        for name, facts in functions.items():
            series[name].add(at, facts, metric)
            callers[name] |= facts["callers"].keys()
    calls = sorted((caller, name) for name, names in callers.items() for caller in names if caller in series)
    entries = [name for name, names in callers.items() if "" in names] or list(callers)
    entry = max(entries, key=lambda name: (series[name].spent_s, name), default="")
    return Measured(calls, {name: each.node(minutes) for name, each in sorted(series.items())}, entry)


@dataclass(slots=True)
class _Series:
    """One function's minutes: what adds up, and how many calls it is of."""

    minutes: int
    total: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    of: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    requests: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    spent_s: float = 0.0

    def add(self, at: int, facts: Mapping[str, Any], metric: Metric) -> None:
        duration = facts["duration"]
        spent_s = float(duration.get("sum", 0.0)) / 1e3
        slow = metric == "latency"
        self.total[at] += spent_s if slow else float(facts["errors"])
        self.of[at] += float(duration.get("count", 0)) if slow else float(facts["calls"])
        self.requests[at] += float(facts["estimated"])
        self.spent_s += spent_s

    def node(self, minutes: int) -> NodeSeries:
        """The last ``minutes`` are asked about, as many before them are what was just before."""
        import numpy as np

        from investigations.analysis.topology import NodeSeries

        values = np.array(
            [self.total[at] / self.of[at] if self.of.get(at) else math.nan for at in range(self.minutes)]
        )
        requests = np.array([self.requests.get(at, 0.0) for at in range(self.minutes)])
        known = requests[:-minutes][requests[:-minutes] > 0]
        return NodeSeries(
            before=values[: -2 * minutes],
            during=values[-minutes:],
            requests=requests[-minutes:],
            recent=values[-2 * minutes : -minutes],
            usual_requests=float(np.median(known)) if len(known) else math.nan,
        )
