"""Which node of the call graph is the cause, when a caller at the top is slow or fails; or that nothing is
wrong.

Work is additive: what a caller loses in seconds (or in failed requests) it loses itself or in those it calls.
So the target's loss is handed down the calls: each node passes it on to the callees that lost about as much
beyond their own past, and keeps what they do not account for. What a node keeps is its share of the cause.
Whether anything is wrong at all is asked of the target first, against stretches of its own past.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import networkx
import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control

from investigations.analysis.series import robust_spread, robust_z
from investigations.analysis.significance import Z95, Interval

Floats = npt.NDArray[np.float64]

UNUSUAL = 0.02
"""How rare a stretch must be in the target's past to count as wrong by itself."""
SUSPICIOUS = 0.3
"""How rare it must be when something the target calls is far out of its own past and accounts for it."""
UNUSUAL_Z = 2.0
FAR_Z = 3.0
VERY_FAR_Z = 5.0
ACCOUNTS_FOR = 0.3
NOISE_Z = math.sqrt(2)
"""An excess is shrunk by the share of it that noise of this size explains (Breiman's garrote): noise passes nothing on.
Below it, believing an excess makes a larger error than leaving it out (Mallows' Cp).
"""
EXPLAINED = 1 / 3
"""Callees that account for this much of a loss, of which there is one cause, account for all of it; and so do those
that leave no more of it than noise is.
"""
HIDDEN = 2 / 3
"""What a callee gets of its caller's own loss that fell silent while calls to a stranger began to fail."""
SILENT = 0.5
TEST = "past_stretches"


@dataclass(frozen=True, slots=True)
class NodeSeries:
    """One metric of a node before and during, with its requests in the samples of ``during``. NaN is no data.

    Units: seconds for latency, shares of one for failures (not availability), so that larger is worse.
    ``recent`` are the samples just before ``during``: a level that was there already is not what changed.
    ``usual_requests`` is the middle of its requests a sample in the past. Nodes without ``before`` are new.
    """

    before: Floats
    during: Floats
    requests: Floats
    recent: Floats = field(default_factory=lambda: np.empty(0))
    usual_requests: float = np.nan


@dataclass(frozen=True, slots=True)
class Cause:
    """``score`` is the node's share of the target's loss. ``excess`` is its own beyond its past, with the 95 %
    interval ``low`` to ``high``, in units times requests a sample.

    ``p`` is the share of ``n`` past stretches as bad (`TEST`), ``q`` the same held against all nodes; ``z``
    the robust deviations of the stretch, ``depth`` the calls down from the target.
    """

    node: str
    score: float
    excess: float
    low: float
    high: float
    z: float
    test: str
    n: int
    p: float
    q: float
    depth: int
    coverage: float
    sentence: str

    @property
    def effect(self) -> Interval:
        return Interval("excess", self.excess, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """``verdict`` is ``wrong``, ``nothing_wrong`` or ``no_data``; ``rarity`` the share of the target's ``n``
    past stretches as bad as this; ``coverage`` the share of nodes below the target that have data.
    """

    verdict: Literal["wrong", "nothing_wrong", "no_data"]
    rarity: float
    causes: tuple[Cause, ...]
    coverage: float
    sentence: str
    test: str = TEST
    n: int = 0


@dataclass(frozen=True, slots=True)
class _State:
    """How far one node's stretch is out of its past; ``noise`` in units times requests."""

    excess: float
    noise: float
    z: float
    p: float
    n: int
    coverage: float
    requests: float

    @property
    def certain(self) -> float:
        """The excess without what noise alone would make of it."""
        if self.excess <= 0 or self.z <= NOISE_Z:
            return 0.0
        return self.excess * (1 - (NOISE_Z / self.z) ** 2)


def rank_causes(calls: Iterable[tuple[str, str]], nodes: Mapping[str, NodeSeries], target: str) -> Diagnosis:
    """The nodes below ``target`` (and itself) by their share of what it lost. ``calls`` are (caller, callee)."""
    graph = _below(calls, target)
    weighted = any(np.nansum(each.requests) > 0 for each in nodes.values())
    found = {node: _state(nodes[node], weighted) for node in sorted(graph) if node in nodes}
    states = {node: state for node, state in found.items() if state is not None}
    if target not in states:
        return Diagnosis("no_data", 1.0, (), 0.0, f"There is no data about {target}.")
    coverage = len(states) / len(graph)
    causes = _Descent(_bridged(graph, states), nodes, states, target).causes()
    top = states[target]
    is_wrong = top.p <= UNUSUAL and top.z >= UNUSUAL_Z
    if not is_wrong and not (top.p <= SUSPICIOUS and causes and _accounts_for_it(causes[0], target)):
        sentence = f"Nothing is wrong: {target} was as bad in {top.p:.1%} of {top.n} stretches before."
        return Diagnosis("nothing_wrong", top.p, (), coverage, sentence, n=top.n)
    return Diagnosis("wrong", top.p, causes, coverage, causes[0].sentence, n=top.n)


def _accounts_for_it(cause: Cause, target: str) -> bool:
    return cause.node != target and cause.z >= VERY_FAR_Z and cause.score >= ACCOUNTS_FOR


def _below(calls: Iterable[tuple[str, str]], target: str) -> networkx.DiGraph[str]:
    """All that the target calls, directly or not, without calls that lead back up within a cycle."""
    whole: networkx.DiGraph[str] = networkx.DiGraph()
    whole.add_node(target)
    whole.add_edges_from(sorted({(caller, callee) for caller, callee in calls if caller != callee}))
    graph = whole.subgraph({target, *networkx.descendants(whole, target)}).copy()
    depths = networkx.single_source_shortest_path_length(graph, target)
    cycle_of = {
        node: at for at, cycle in enumerate(networkx.strongly_connected_components(graph)) for node in cycle
    }
    graph.remove_edges_from(
        [(a, b) for a, b in graph.edges if cycle_of[a] == cycle_of[b] and depths[b] <= depths[a]]
    )
    return graph


def _bridged(graph: networkx.DiGraph[str], states: Mapping[str, _State]) -> networkx.DiGraph[str]:
    """With calls straight across nodes that tell nothing: trouble goes through them unseen."""
    for node in [each for each in networkx.topological_sort(graph) if each not in states]:
        callers, callees = list(graph.predecessors(node)), list(graph.successors(node))
        graph.add_edges_from((caller, callee) for caller in callers for callee in callees)
    return graph


# ---------------------------------------------------------------- a node against its past


def _state(series: NodeSeries, weighted: bool) -> _State | None:
    """The mean of the stretch less its usual level, against the same of past stretches; None without data.

    Where no node has requests, all count alike.
    """
    during, before = _known(series.during), _known(series.before)
    if not (len(during) and len(before)):
        return None
    past, shift = _past(series, float(np.median(before)))
    excess = float(during.mean()) - float(np.median(before)) - shift
    requests = float(np.nan_to_num(np.nanmean(series.requests))) if len(_known(series.requests)) else 0.0
    weight = requests if weighted else 1.0
    return _State(
        excess=excess * weight,
        noise=robust_spread(past) * weight,
        z=float(robust_z(past, np.array([excess]))[0]),
        p=(int((past >= excess - 1e-12).sum()) + 1) / (len(past) + 1),
        n=len(past),
        coverage=len(during) / len(series.during),
        requests=weight,
    )


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _past(series: NodeSeries, usual: float) -> tuple[Floats, float]:
    """What the past's stretches of this length were beyond the usual level, and how far that level moved of late.

    The level moved by as much as the samples just before lie beyond half their usual spread; what past
    stretches were is measured in just the same way, so that both are comparable.
    """
    length, lead, before = len(series.during), len(series.recent), series.before
    recent = _known(series.recent)
    if len(before) < 2 * (length + lead):
        return _known(before) - usual, 0.0
    past = _rolling(before, length)[lead:] - usual
    shift = 0.0
    if len(recent):
        leads = _rolling(before, lead)[: len(past)] - usual
        slack = robust_spread(_known(leads)) / 2
        past = past - np.nan_to_num(_beyond(leads, slack))
        shift = float(_beyond(np.array([recent.mean() - usual]), slack)[0])
    known = _known(past)
    return (known, shift) if len(known) else (_known(before) - usual, shift)


def _beyond(values: Floats, slack: float) -> Floats:
    return np.sign(values) * np.maximum(np.abs(values) - slack, 0.0)


def _rolling(values: Floats, length: int) -> Floats:
    """Means of all runs of ``length`` samples, over those that are known."""
    known = ~np.isnan(values)
    counts = np.cumsum(np.concatenate([[0], known]))
    sums = np.cumsum(np.concatenate([[0.0], np.where(known, values, 0.0)]))
    number = counts[length:] - counts[:-length]
    means: Floats = np.where(number > 0, (sums[length:] - sums[:-length]) / np.maximum(number, 1), np.nan)
    return means


# ---------------------------------------------------------------- handing the loss down


@dataclass(slots=True)
class _Descent:
    """The target's loss on its way down: what arrived at each node, and what stayed there."""

    graph: networkx.DiGraph[str]
    nodes: Mapping[str, NodeSeries]
    states: Mapping[str, _State]
    target: str
    arrived: dict[str, float] = field(default_factory=dict)
    stayed: dict[str, float] = field(default_factory=dict)

    def causes(self) -> tuple[Cause, ...]:
        """Nodes that kept some of it first, then those it went through, then by how far they are out."""
        self.arrived = {self.target: 1.0}
        for node in networkx.topological_sort(self.graph):
            if node not in self.states:
                self.stayed[node] = self.arrived.get(node, 0.0)
            elif self.arrived.get(node):
                self._hand_down(node)
        depths = networkx.single_source_shortest_path_length(self.graph, self.target)
        q = dict(zip(self.states, false_discovery_control([s.p for s in self.states.values()]), strict=True))
        worth = [node for node, share in self.arrived.items() if share and self._is_worth_telling(node)]
        worth.sort(key=lambda node: (*self._share(node), depths[node], node))
        return tuple(self._cause(node, depths[node], float(q.get(node, 1.0))) for node in worth)

    def _hand_down(self, node: str) -> None:
        loss = self.states[node].excess if node == self.target else self.states[node].certain
        taken = self._taken(node, max(loss, 1e-12))
        total = sum(taken.values())
        rest_is_noise = loss - total <= Z95 * self.states[node].noise
        explained = total >= EXPLAINED * loss or rest_is_noise
        passed = 0.0 if not total else 1.0 if explained else total / loss
        for callee, amount in taken.items():
            part = self.arrived[node] * passed * amount / total
            self.arrived[callee] = self.arrived.get(callee, 0.0) + part
        self.stayed[node] = self.arrived[node] * (1 - passed)
        self._uncover(node)

    def _taken(self, node: str, loss: float) -> dict[str, float]:
        """What each callee accounts for, until all is accounted for: one call may be seen more than once.

        Of callees that account for it alone, one that shows its own calls comes before one seen from outside.
        """
        parts = {callee: self._part(node, callee) for callee in self.graph.successors(node)}
        alone = {callee for callee, part in parts.items() if part >= EXPLAINED * loss}
        seen_inside = {callee for callee in alone if self.graph.out_degree(callee) > 0}
        order = sorted(
            (callee for callee, part in parts.items() if part > 0),
            key=lambda callee: (callee not in alone, callee not in seen_inside, -parts[callee], callee),
        )
        taken: dict[str, float] = {}
        for callee in order:
            taken[callee] = min(parts[callee], loss - sum(taken.values()))
        return {callee: amount for callee, amount in taken.items() if amount > 1e-9 * loss}

    def _part(self, node: str, callee: str) -> float:
        """The callee's certain excess, as far as its calls come from this node (by requests)."""
        if callee not in self.states:
            return 0.0
        callers = [each for each in self.graph.predecessors(callee) if each in self.states]
        requests = sum(self.states[each].requests for each in callers)
        share = self.states[node].requests / requests if requests else 1 / len(callers)
        return self.states[callee].certain * share

    def _uncover(self, node: str) -> None:
        """A callee that fell silent while calls to one never seen before began to fail is who they were meant
        for.
        """
        callees = [callee for callee in self.graph.successors(node) if callee in self.nodes]
        silent = [callee for callee in callees if _is_silent(self.nodes[callee])]
        if not (
            silent and self.stayed[node] and any(_is_failing_stranger(self.nodes[each]) for each in callees)
        ):
            return
        first = max(silent, key=lambda callee: (self.nodes[callee].usual_requests, callee))
        self.arrived[first] = self.arrived.get(first, 0.0) + HIDDEN * self.stayed[node]
        self.stayed[node] *= 1 - HIDDEN

    def _share(self, node: str) -> tuple[float, float, float]:
        z = self.states[node].z if node in self.states else 0.0
        return -round(self.stayed.get(node, 0.0), 6), -round(self.arrived[node], 6), -round(z, 6)

    def _is_worth_telling(self, node: str) -> bool:
        return node == self.target or node not in self.states or self.states[node].z >= FAR_Z

    def _cause(self, node: str, depth: int, q: float) -> Cause:
        share = self.stayed.get(node, 0.0)
        state = self.states.get(node)
        if state is None:
            text = f"{node} fell silent; {share:.0%} of what {self.target} lost goes to calls that were meant for it."
            return Cause(node, share, 0.0, 0.0, 0.0, 0.0, TEST, 0, 1.0, 1.0, depth, 0.0, text)
        text = (
            f"{share:.0%} of what {self.target} lost stays with {node}, {state.z:.1f} deviations out of its past"
            f" ({state.p:.1%} of {state.n} stretches were as bad)."
        )
        low, high = state.excess - Z95 * state.noise, state.excess + Z95 * state.noise
        return Cause(
            node,
            share,
            state.excess,
            low,
            high,
            state.z,
            TEST,
            state.n,
            state.p,
            q,
            depth,
            state.coverage,
            text,
        )


def _is_silent(series: NodeSeries) -> bool:
    """It used to be called in nearly every sample, and now is called less than half as often."""
    if not len(series.before) or not series.usual_requests > 0:
        return False
    now = float(np.nan_to_num(series.requests).mean()) if len(series.requests) else 0.0
    return float(np.isnan(series.before).mean()) < 0.1 and now < SILENT * series.usual_requests


def _is_failing_stranger(series: NodeSeries) -> bool:
    return not len(_known(series.before)) and bool((_known(series.during) > 0).any())
