"""Alerts that belong together, online and with the reason kept.

An alert joins the group of the open alert it is most like, when it is like enough; the sentence says why, so
that a person can split it again. Labels that differ in every alert (pods, instances) say nothing and weigh
nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import networkx
from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig

WINDOW_S = 15 * 60.0
CLOSE_S = 120.0
"""How fast being near in time counts for less: its share falls to 1/e in this time."""
ENOUGH = 0.55
LONGEST_GROUP_S = 6 * 3600.0
NOISY = 0.8
"""Share of distinct values among a label's occurrences above which it says nothing."""
NOISY_AFTER = 8
MOST_HOPS = 3
"""Services farther apart have as good as nothing to do with each other."""
WEIGHTS = {"labels": 0.35, "text": 0.15, "time": 0.2, "topology": 0.2, "shared": 0.1}


@dataclass(frozen=True, slots=True)
class Alert:
    """What grouping looks at. ``at`` in seconds; ``shared`` are trace ids, deploys, changes it is known to go
    with.
    """

    id: str
    at: float
    service: str
    labels: Mapping[str, str]
    summary: str = ""
    shared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Joined:
    """Where an alert went: its group (named by the group's first alert), the alert it is like, and why.

    ``similarity`` is that to the likest of the ``n`` alerts open then; ``coverage`` is the share of it that could be
    told, for some alerts name no service, or one of which nobody knows who calls it.
    """

    alert: str
    group: str
    like: str
    similarity: float
    parts: Mapping[str, float]
    sentence: str
    n: int
    coverage: float


Hops = Callable[[str, str], int | None]


def hops_over(calls: Iterable[tuple[str, str]]) -> Hops:
    """The calls between two services, either way, by (caller, callee); None beyond `MOST_HOPS` or for no service."""
    graph: networkx.Graph[str] = networkx.Graph()
    graph.add_edges_from(calls)
    near: dict[str, Mapping[str, int]] = {}

    def hops(one: str, other: str) -> int | None:
        if not (one and other):
            return None
        if one not in near and one in graph:
            near[one] = networkx.single_source_shortest_path_length(graph, one, cutoff=MOST_HOPS)
        return 0 if one == other else near.get(one, {}).get(other)

    return hops


@dataclass(slots=True)
class Grouper:
    """Takes alerts in the order they come. ``hops`` gives the calls between two services, None when not
    connected.
    """

    hops: Hops = field(default_factory=lambda: hops_over(()))
    _open: list[tuple[Alert, str, str]] = field(default_factory=list)
    _starts: dict[str, float] = field(default_factory=dict)
    _seen: dict[str, Counter[str]] = field(default_factory=dict)
    _miner: TemplateMiner = field(default_factory=lambda: TemplateMiner(config=_quiet_config()))

    def add(self, alert: Alert) -> Joined:
        """Puts one alert in a group, its own when it is like no other."""
        for name, value in alert.labels.items():
            self._seen.setdefault(name, Counter())[value] += 1
        template = str(self._miner.add_log_message(alert.summary)["template_mined"]) if alert.summary else ""
        self._open = [each for each in self._open if alert.at - each[0].at <= WINDOW_S]
        joined = self._nearest(alert, template)
        self._starts.setdefault(joined.group, alert.at)
        self._open.append((alert, joined.group, template))
        return joined

    def _nearest(self, alert: Alert, template: str) -> Joined:
        best: tuple[float, Alert, str, dict[str, float]] | None = None
        for other, group, text in self._open:
            if alert.at - self._starts[group] > LONGEST_GROUP_S:
                continue
            parts = self._parts(alert, other, template, text)
            similarity = sum(WEIGHTS[name] * value for name, value in parts.items())
            if best is None or similarity > best[0]:
                best = (similarity, other, group, parts)
        if best is None or best[0] < ENOUGH:
            sentence = "A group of its own: like no alert of the last quarter of an hour."
            alone, parts = (best[0], best[3]) if best else (0.0, {})
            return Joined(alert.id, alert.id, "", alone, {}, sentence, len(self._open), _told(alert, parts))
        similarity, other, group, parts = best
        reason, coverage = _reason(alert, other, parts), _told(alert, parts)
        return Joined(alert.id, group, other.id, similarity, parts, reason, len(self._open), coverage)

    def _parts(self, one: Alert, other: Alert, template: str, text: str) -> dict[str, float]:
        hops = self.hops(one.service, other.service)
        return {
            "labels": _jaccard(self._telling(one), self._telling(other)),
            "text": float(bool(template) and template == text),
            "time": math.exp(-abs(one.at - other.at) / CLOSE_S),
            "topology": 0.0 if hops is None else 1 / (1 + hops),
            "shared": float(bool(one.shared & other.shared)),
        }

    def _telling(self, alert: Alert) -> set[tuple[str, str]]:
        return {pair for pair in alert.labels.items() if not self._is_noisy(pair[0])}

    def _is_noisy(self, name: str) -> bool:
        seen = self._seen[name]
        total = seen.total()
        return total >= NOISY_AFTER and len(seen) / total >= NOISY


def _told(alert: Alert, parts: Mapping[str, float]) -> float:
    """The share of `WEIGHTS` about which something is known."""
    unknown = {"topology"} if not parts.get("topology") else set()
    unknown |= set() if alert.summary else {"text"}
    return round(sum(weight for name, weight in WEIGHTS.items() if name not in unknown), 6)


def _quiet_config() -> TemplateMinerConfig:
    config = TemplateMinerConfig()
    config.profiling_enabled = False
    return config


def _jaccard(one: set[tuple[str, str]], other: set[tuple[str, str]]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def _reason(alert: Alert, other: Alert, parts: Mapping[str, float]) -> str:
    reasons = []
    if parts["topology"] == 1:
        reasons.append(f"both about {alert.service}")
    elif parts["topology"]:
        hops = round(1 / parts["topology"] - 1)
        reasons.append(f"{alert.service} and {other.service} are {hops} call{'s' * (hops > 1)} apart")
    if parts["labels"] >= 0.5:
        reasons.append(f"{parts['labels']:.0%} of their telling labels agree")
    if parts["text"]:
        reasons.append("their summaries are of one form")
    if parts["shared"]:
        reasons.append(f"they share {', '.join(sorted(alert.shared & other.shared))}")
    reasons.append(f"{abs(alert.at - other.at):.0f} s apart")
    return f"With {other.id}: {', '.join(reasons)}."
