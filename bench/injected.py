"""`python -m bench.injected [DIR]`: root causes put at every place of call graphs, because an engine may fit the
one place that recorded issues share.

Faults are put into generated topologies and, with DIR, into the data without an issue of a folder of PetShop's
form: delays, growing delays, and errors, at nodes chosen by their traffic alone; levels are moved first, as
months do. What a fault adds at its place reaches callers in proportion to their calls. Seeds are fixed.
"""

from __future__ import annotations

import random
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import networkx
import numpy as np
import numpy.typing as npt

from bench import petshop
from bench.figures import figure, show
from bench.petshop import Answer, Issue, Metrics, Recording

Floats = npt.NDArray[np.float64]

FAULTS = ("delay", "growing delay", "errors")
SIZES = {"delay": (0.15, 0.4), "growing delay": (0.25, 0.6), "errors": (0.01, 0.03)}
"""What the target loses: a share of its usual latency, or of its requests."""
SAMPLES, STEP_S = 576, 300.0
TOPOLOGIES, PLACES, CALM = 6, 15, 40
LEVELS_MOVE = 0.12


@dataclass(frozen=True, slots=True)
class Place:
    """Where faults are put: a call graph with normal data, and who complains."""

    name: str
    calls: Sequence[tuple[str, str]]
    usual: Recording
    target: str


# ---------------------------------------------------------------- topologies


def generated(number: int) -> Place:
    """A service graph of 12 to 30 nodes: callees shared now and then, noise of all sizes, some without data."""
    chance = np.random.default_rng([2024, number])
    size = int(chance.integers(12, 31))
    names = [f"s{at}" for at in range(size)]
    calls = [(names[int(chance.integers(max(0, at - 8), at))], names[at]) for at in range(1, size)]
    shared = [(names[a], names[b]) for a, b in chance.integers(0, size, (size // 4, 2)) if a < b]
    calls = sorted({*calls, *shared})
    graph = networkx.DiGraph(calls)
    requests, latency = {names[0]: 500.0}, {}
    for node in names[1:]:
        requests[node] = sum(requests[each] * chance.uniform(0.3, 1.2) for each in graph.predecessors(node))
    for node in reversed(names):
        below = sum(latency[each] * requests[each] / requests[node] for each in graph.successors(node))
        latency[node] = chance.lognormal(-4.5, 0.8) + min(below, 3.0)
    metrics: Metrics = {}
    for node in names:
        metrics[node, "requests"] = np.round(requests[node] * chance.normal(1, 0.05, SAMPLES).clip(0.5))
        metrics[node, "latency"] = latency[node] * chance.lognormal(0, chance.uniform(0.02, 0.15), SAMPLES)
        failed = chance.binomial(1, 0.05, SAMPLES) / np.maximum(metrics[node, "requests"], 1)
        metrics[node, "availability"] = 100 * (1 - failed)
        if node != names[0] and chance.random() < 0.1:
            lost = chance.random(SAMPLES) < 0.5
            for metric in petshop.SUBJECTS:
                metrics[node, metric][lost] = np.nan
    return Place(f"generated {number}", calls, Recording(np.arange(SAMPLES) * STEP_S, metrics), names[0])


def recorded(folder: Path) -> Iterator[Place]:
    """Each traffic's graph and data without an issue, with the target its issues complain of."""
    for traffic in sorted({each.parent for each in folder.rglob("graph.csv")}):
        usual = petshop.read_normal(traffic)
        issue = next(petshop.read_issues(traffic), None)
        if issue is not None and len(usual.times) > 20:
            yield Place(traffic.name, petshop.read_graph(traffic / "graph.csv"), usual, issue.target)


# ---------------------------------------------------------------- faults


def where(place: Place) -> list[str]:
    """Up to `PLACES` nodes that at least a tenth of the target's requests reach, with data; by name alone."""
    graph = networkx.DiGraph(place.calls)
    reached = {place.target, *networkx.descendants(graph, place.target)}
    usual = _usual(place)
    known = [
        node
        for node in sorted(reached)
        if usual.get(node, 0.0) >= usual[place.target] / 10
        and np.isnan(place.usual.metrics.get((node, "latency"), np.array([np.nan]))).mean() < 0.5
    ]
    random.Random(f"{place.name} places").shuffle(known)
    return known[:PLACES]


def _usual(place: Place) -> dict[str, float]:
    return {
        node: float(np.nanmean(values))
        for (node, metric), values in place.usual.metrics.items()
        if metric == "requests"
    }


def _reach(place: Place, node: str) -> dict[str, float]:
    """What each request of a node loses when the target's lose one, by the calls it makes on the way down."""
    graph = networkx.DiGraph(edge for edge in place.calls if edge[0] != edge[1])
    if not networkx.is_directed_acyclic_graph(graph):
        raise ValueError(f"{place.name} calls in circles; put faults elsewhere.")
    usual = _usual(place)
    above = (networkx.ancestors(graph, node) if node in graph else set()) | {node}
    lost = {node: 1.0}
    for caller in reversed(list(networkx.topological_sort(graph.subgraph(above)))):
        if caller == node:
            continue
        lost[caller] = 0.0
        for callee in graph.successors(caller):
            callers = sum(usual.get(each, 0.0) for each in graph.predecessors(callee))
            lost[caller] += lost.get(callee, 0.0) * usual.get(callee, 0.0) / max(callers, 1e-9)
    return (
        {each: share / lost[place.target] for each, share in lost.items()} if lost.get(place.target) else {}
    )


def issue(place: Place, node: str, fault: str, size: float) -> tuple[Issue, Recording] | None:
    """Five samples of normal data with a fault in two of them, and the data before and after as the usual."""
    reach = _reach(place, node) if fault else {node: 0.0}
    if not reach:
        return None
    name = f"{place.name}/{node}/{fault}/{size}"
    chance = np.random.default_rng(zlib.crc32(name.encode()))
    at = int(chance.integers(8, len(place.usual.times) - 8))
    subject = "availability" if fault == "errors" else "latency"
    now = slice(at - 2, at + 3)
    metrics = {key: values[now].copy() for key, values in place.usual.metrics.items()}
    common = chance.lognormal(0, 0.2, 2)
    growth = np.array([0.4, 1.0]) if fault == "growing delay" else np.array([chance.uniform(0.5, 1), 1.0])
    for (each, metric), values in metrics.items():
        if metric == "latency":
            values *= chance.lognormal(0, LEVELS_MOVE)
        if metric == subject and each in reach:
            added = size * reach[each] * common * growth * chance.lognormal(0, 0.12, 2)
            values[2:4] = _spoilt(values[2:4], added, subject, metrics.get((each, "requests")), chance)
    kept = np.r_[0 : at - 6, at + 6 : len(place.usual.times)]
    usual = {key: values[kept] for key, values in place.usual.metrics.items()}
    recording = Recording(place.usual.times[now], metrics)
    made = Issue(place.name, name, recording, place.target, subject, float(place.usual.times[at]), node)
    return made, Recording(place.usual.times[kept], usual)


def _spoilt(
    values: Floats, added: Floats, subject: str, requests: Floats | None, chance: np.random.Generator
) -> Floats:
    if subject == "latency":
        return values + added
    count = np.nan_to_num(np.ones(2) if requests is None else requests[2:4]).astype(np.int64)
    failed = chance.binomial(count, np.minimum(added, 1.0)) / np.maximum(count, 1)
    return np.maximum(values - 100 * failed, 0.0)


# ---------------------------------------------------------------- figures


def answers(place: Place) -> Iterator[tuple[str, Answer]]:
    """Every fault of every size at every place, and what was said; ``calm`` are those without a fault."""
    usual = place.usual.metrics[place.target, "latency"]
    level = float(np.nanmedian(usual))
    for node in where(place):
        for fault in FAULTS:
            for size in SIZES[fault]:
                made = issue(place, node, fault, size if fault == "errors" else size * level)
                if made is not None:
                    yield fault, petshop.answer(place.calls, made[1], made[0])
    for turn in range(CALM):
        made = issue(place, place.target, "", float(turn))
        assert made is not None
        yield "calm", petshop.answer(place.calls, made[1], made[0])


def main(folder: Path | None = None) -> int:
    """Print the figures: the share of faults whose place is named first, and in the first three."""
    places = [generated(number) for number in range(TOPOLOGIES)]
    places += list(recorded(folder)) if folder is not None else []
    groups: dict[str, list[Answer]] = defaultdict(list)
    for place in places:
        for fault, each in answers(place):
            groups[f"{place.name.partition(' ')[0]} {fault}"].append(each)
    calm = {name: group for name, group in groups.items() if name.endswith(" calm")}
    faulty = {name: group for name, group in groups.items() if name not in calm}
    for most in (1, 3):
        _show_located(faulty, most)
    quiet = {name: _mean([each.verdict != "wrong" for each in group]) for name, group in calm.items()}
    show(
        figure(
            "analysis.injected_specificity", min(quiet.values()), "share", goal=0.9, baseline=0.5,
            larger_is_better=True, by=quiet, cases=sum(map(len, calm.values())),
        )
    )  # fmt: skip
    return 0


def _show_located(groups: dict[str, list[Answer]], most: int) -> None:
    everything = [each for group in groups.values() for each in group]
    chance = _mean([min(1.0, most / len(each.issue.nodes)) for each in everything])
    named = [each for each in everything if each.verdict == "wrong"]
    target = _mean([each.issue.cause == each.issue.target for each in everything])
    show(
        figure(
            f"analysis.injected_top{most}", _mean([0 < each.rank <= most for each in everything]), "share",
            goal=None, baseline=chance, peers={"constant": target}, larger_is_better=True,
            by={name: _mean([0 < each.rank <= most for each in group]) for name, group in groups.items()},
            of_those_noticed=_mean([0 < each.rank <= most for each in named]),
            noticed=round(len(named) / len(everything), 4), cases=len(everything),
            steady=_mean([each.steady for each in everything]),
        )
    )  # fmt: skip


def _mean(values: Sequence[float] | Sequence[bool]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
