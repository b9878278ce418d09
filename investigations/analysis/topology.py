"""Which node of the call graph is the cause, when a caller at the top is slow or fails; or that nothing is
wrong.

Work is additive: what a caller loses in seconds (or in failed requests) is lost in itself or in those it
calls. So each node's excess over its own past, times its requests, less what its callees account for, is what
it lost itself. Whether anything is wrong at all is asked of the target first, against stretches of its own
past of the same length; trouble travels only over calls that are themselves out of the ordinary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import networkx
import numpy as np
import numpy.typing as npt

from investigations.analysis.series import robust_z

Floats = npt.NDArray[np.float64]

UNUSUAL = 0.01
"""How rare a stretch must be in the target's past to count as wrong."""
SUSPICIOUS = 0.1
"""How rare it must be when something the target calls is far out of its own past and accounts for it."""
FAR_Z = 3.0
VERY_FAR_Z = 6.0
ACCOUNTS_FOR = 0.3
SAME_CALL = 0.9
"""Two callees of one caller are one call seen twice when their series agree so far (correlation)."""


@dataclass(frozen=True, slots=True)
class NodeSeries:
    """One metric of a node before and during, with its requests in the samples of ``during``. NaN is no data.

    Units: seconds for latency, shares of one for failures (not availability), so that larger is worse.
    ``recent`` are the samples just before ``during``: a level that was there already is not what changed.
    """

    before: Floats
    during: Floats
    requests: Floats
    recent: Floats = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, slots=True)
class Cause:
    """``own`` and ``excess`` are in units times requests, a sample; ``z`` is that of the stretch; ``depth``
    calls down.
    """

    node: str
    score: float
    own: float
    excess: float
    z: float
    depth: int
    coverage: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """``verdict`` is ``wrong``, ``nothing_wrong`` or ``no_data``; ``rarity`` the share of past stretches as
    bad as this.
    """

    verdict: Literal["wrong", "nothing_wrong", "no_data"]
    rarity: float
    causes: tuple[Cause, ...]
    coverage: float
    sentence: str


@dataclass(frozen=True, slots=True)
class _State:
    z: float
    excess: float
    coverage: float
    series: Floats


def rank_causes(
    calls: Iterable[tuple[str, str]],
    nodes: Mapping[str, NodeSeries],
    target: str,
    *,
    unusual: float = UNUSUAL,
) -> Diagnosis:
    """The nodes below ``target`` (and itself) by what they lost themselves. ``calls`` are (caller, callee)."""
    if target not in nodes or np.isnan(nodes[target].during).all() or np.isnan(nodes[target].before).all():
        return Diagnosis("no_data", 1.0, (), 0.0, f"There is no data about {target}.")
    rarity = _rarity(nodes[target])
    if rarity > SUSPICIOUS:
        return _nothing_wrong(target, rarity)
    graph = _below(calls, target)
    states = {node: _state(nodes[node]) for node in sorted(graph) if node in nodes}
    coverage = len(states) / len(graph)
    causes = _ranked(graph, states, target)
    is_far = states[target].z >= FAR_Z
    if not (rarity <= unusual and is_far) and not any(_accounts_for_it(each, target) for each in causes[:1]):
        return _nothing_wrong(target, rarity)
    sentence = causes[0].sentence if causes else f"{target} is out of its past; nothing it calls is."
    return Diagnosis("wrong", rarity, tuple(causes), coverage, sentence)


def _nothing_wrong(target: str, rarity: float) -> Diagnosis:
    sentence = f"Nothing is wrong: {target} was as bad in {rarity:.0%} of the stretches before."
    return Diagnosis("nothing_wrong", rarity, (), 1.0, sentence)


def _accounts_for_it(cause: Cause, target: str) -> bool:
    return cause.node != target and cause.z >= VERY_FAR_Z and cause.score >= ACCOUNTS_FOR


def _below(calls: Iterable[tuple[str, str]], target: str) -> networkx.DiGraph[str]:
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_node(target)
    graph.add_edges_from(sorted({(caller, callee) for caller, callee in calls if caller != callee}))
    return graph.subgraph({target, *networkx.descendants(graph, target)}).copy()


def _state(series: NodeSeries) -> _State:
    """Mean of the stretch against means of past stretches of its length."""
    during = series.during[~np.isnan(series.during)]
    past = _stretches(series.before, max(len(during), 1))
    coverage = len(during) / max(len(series.during), 1)
    if not (len(during) and len(past)):
        return _State(0.0, 0.0, coverage, series.during)
    usual = float(np.nanmedian(series.before))
    recent = series.recent[~np.isnan(series.recent)]
    risen = max(0.0, float(recent.mean()) - usual) if len(recent) else 0.0
    level = float(during.mean()) - risen
    requests = series.requests[~np.isnan(series.requests)]
    excess = (level - usual) * (float(requests.mean()) if len(requests) else 0.0)
    return _State(float(robust_z(past, np.array([level]))[0]), excess, coverage, series.during)


def _stretches(values: Floats, length: int) -> Floats:
    known = values[~np.isnan(values)]
    if len(known) < length:
        return known
    sums = np.cumsum(np.concatenate([[0.0], known]))
    return np.asarray((sums[length:] - sums[:-length]) / length)


def _rarity(series: NodeSeries) -> float:
    """The share of past stretches at least as bad, one added above and below: never quite 0."""
    during = series.during[~np.isnan(series.during)]
    past = _stretches(series.before, len(during))
    worse = int((past >= float(during.mean()) - 1e-12).sum())
    return (worse + 1) / (len(past) + 1)


def _ranked(graph: networkx.DiGraph[str], states: Mapping[str, _State], target: str) -> list[Cause]:
    """Only nodes that the trouble can have come from: over calls that are all out of their past, or without
    data.
    """
    whole = max(states[target].excess, 1e-12)
    troubled = graph.subgraph(
        node for node in graph if node == target or node not in states or _is_out(states[node])
    )
    depths = networkx.single_source_shortest_path_length(troubled, target)
    twins = _shadowed(graph, states)
    causes = [
        _cause(graph, states, node, target, whole, depth)
        for node, depth in depths.items()
        if node in states and _is_out(states[node])
    ]
    return sorted(
        causes,
        key=lambda each: (
            each.node in twins,
            -round(each.score, 6),
            -each.depth,
            -round(each.z, 6),
            each.node,
        ),
    )


def _is_out(state: _State) -> bool:
    return state.z >= FAR_Z and state.excess > 0


def _cause(
    graph: networkx.DiGraph[str],
    states: Mapping[str, _State],
    node: str,
    target: str,
    whole: float,
    depth: int,
) -> Cause:
    state = states[node]
    callees = _distinct_callees(graph, states, node)
    below = sum(states[each].excess for each in callees if _is_out(states[each]))
    own = state.excess - min(below, state.excess)
    score = min(own / whole, 1.0)
    sentence = f"{node} lost {score:.0%} of what {target} lost itself, and is {state.z:.1f} deviations out of its past."
    return Cause(node, score, own, state.excess, state.z, depth, state.coverage, sentence)


def _distinct_callees(graph: networkx.DiGraph[str], states: Mapping[str, _State], node: str) -> list[str]:
    """Callees with data, without those that are another view of one already counted."""
    kept: list[str] = []
    for callee in sorted(graph.successors(node), key=lambda each: (-graph.out_degree(each), each)):
        if callee in states and not any(_same_call(states[callee], states[other]) for other in kept):
            kept.append(callee)
    return kept


def _shadowed(graph: networkx.DiGraph[str], states: Mapping[str, _State]) -> set[str]:
    """Nodes that are the outside view of a sibling which tells more (it has callees of its own)."""
    shadows: set[str] = set()
    for node in graph:
        callees = [each for each in sorted(graph.successors(node)) if each in states]
        for one in callees:
            if any(_tells_more(graph, states, other, one) for other in callees if other != one):
                shadows.add(one)
    return shadows


def _tells_more(graph: networkx.DiGraph[str], states: Mapping[str, _State], other: str, one: str) -> bool:
    return graph.out_degree(other) > 0 == graph.out_degree(one) and _same_call(states[one], states[other])


def _same_call(one: _State, other: _State) -> bool:
    """Both lost about the same, in the same samples."""
    if min(one.excess, other.excess) <= 0 or min(one.z, other.z) < FAR_Z:
        return False
    if not 0.5 <= one.excess / other.excess <= 2.0:
        return False
    known = ~(np.isnan(one.series) | np.isnan(other.series))
    x, y = one.series[known], other.series[known]
    if len(x) < 3 or x.std() == 0 or y.std() == 0:
        return True
    return float(np.corrcoef(x, y)[0, 1]) >= SAME_CALL
