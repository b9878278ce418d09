"""`python -m bench.petshop DIR`: root causes in PetShop's metrics (Hardt et al., CLeaR 2024), for any folder
of that form.

Node names are hidden: the method sees ``n17``, numbered by a shuffle that the issue seeds. The training
issues share one cause, so a constant answer would be right on all of them: its score stands beside ours as
``constant``.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.figures import figure, show
from investigations.analysis.topology import NodeSeries, rank_causes

Floats = npt.NDArray[np.float64]
Metrics = dict[tuple[str, str], Floats]

SUBJECTS = ("latency", "availability")
SAMPLE_S = 300
STRETCH = 2
"""Samples that are looked at from an issue's time on: those that begin nearest to it; a sample's time is its
beginning.
"""


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue: its metrics, what was asked about, and the true cause."""

    traffic: str
    name: str
    metrics: Metrics
    times: Floats
    target: str
    subject: str
    at: float
    cause: str


def read_metrics(path: Path) -> tuple[Floats, Metrics]:
    """Times, and for each (node, metric) its averages (sums for requests). Empty cells are NaN."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    body = [row for row in rows[3:] if row and _is_number(row[0])]
    times = np.array([float(row[0]) for row in body])
    found = {
        (node, metric): np.array([float(row[at]) if row[at] else np.nan for row in body])
        for at, (node, metric, statistic) in enumerate(zip(*rows[:3], strict=True))
        if statistic in {"Average", "Sum"}
    }
    return times, found


def read_graph(path: Path) -> list[tuple[str, str]]:
    """(caller, callee) pairs of an adjacency matrix whose rows call its columns."""
    with path.open(newline="") as file:
        head, *rows = list(csv.reader(file))
    return [
        (row[0], callee)
        for row in rows
        for callee, cell in zip(head[1:], row[1:], strict=True)
        if float(cell or 0)
    ]


def read_issues(folder: Path) -> Iterator[Issue]:
    """Every issue below a traffic's folder."""
    for target_file in sorted(folder.glob("*/*/target.json")):
        told = json.loads(target_file.read_text())
        times, metrics = read_metrics(target_file.parent / "metrics.csv")
        name = f"{target_file.parent.parent.name}/{target_file.parent.name}"
        target, cause = told["target"], told["root_cause"]["node"]
        yield Issue(
            folder.name, name, metrics, times, target["node"], target["metric"], target["timestamp"], cause
        )


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


# ---------------------------------------------------------------- asking


def series_of(
    before: Metrics, during: Metrics, recent: Metrics, subject: str, names: dict[str, str]
) -> dict[str, NodeSeries]:
    """Series by hidden name; availability in per cent becomes the share that failed."""
    found = {}
    for (node, metric), values in during.items():
        if metric != subject or (node, metric) not in before:
            continue
        requests = (node, "requests")
        nothing = np.full(len(values), np.nan)
        found[names[node]] = NodeSeries(
            _worse(before[node, metric], subject),
            _worse(values, subject),
            during.get(requests, nothing),
            _worse(recent[node, metric], subject),
        )
    return found


def _worse(values: Floats, subject: str) -> Floats:
    return 1 - values / 100 if subject == "availability" else values


def hidden(nodes: Sequence[str], seed: str) -> dict[str, str]:
    """Names that tell nothing, given out by a shuffle."""
    order = sorted(nodes)
    random.Random(seed).shuffle(order)
    return {node: f"n{at}" for at, node in enumerate(order)}


def answer(calls: Sequence[tuple[str, str]], usual: Metrics, issue: Issue) -> tuple[str, list[str]]:
    """The verdict and the ranked causes by their real names."""
    first = issue.at - SAMPLE_S / 2
    inside = (issue.times >= first) & (issue.times < first + SAMPLE_S * STRETCH)
    during = {key: values[inside] for key, values in issue.metrics.items()}
    recent = {key: values[issue.times + SAMPLE_S <= issue.at] for key, values in issue.metrics.items()}
    nodes = sorted({node for node, _ in during} | {node for pair in calls for node in pair})
    names = hidden(nodes, f"{issue.traffic}/{issue.name}")
    real = {secret: node for node, secret in names.items()}
    found = rank_causes(
        [(names[caller], names[callee]) for caller, callee in calls],
        series_of(usual, during, recent, issue.subject, names),
        names[issue.target],
    )
    return found.verdict, [real[cause.node] for cause in found.causes]


def specificity(
    calls: Sequence[tuple[str, str]], usual: Metrics, target: str, subject: str
) -> tuple[int, int]:
    """How many stretches of the second half of normal data are told to be normal, by the first half; and of
    how many.
    """
    length = len(next(iter(usual.values())))
    half = length // 2
    before = {key: values[:half] for key, values in usual.items()}
    names = {node: node for node, _ in usual}
    right = asked = 0
    for start in range(half, length - STRETCH, STRETCH):
        during = {key: values[start : start + STRETCH] for key, values in usual.items()}
        recent = {key: values[start - STRETCH : start] for key, values in usual.items()}
        verdict = rank_causes(calls, series_of(before, during, recent, subject, names), target).verdict
        if verdict != "no_data":
            asked += 1
            right += verdict == "nothing_wrong"
    return right, asked


# ---------------------------------------------------------------- figures


def main(folder: Path) -> int:
    """Print the figures of every traffic below the folder; a CSV of all cases goes beside them on stderr."""
    root = folder / "dataset" if (folder / "dataset").is_dir() else folder
    cases: dict[tuple[str, str], list[tuple[Issue, str, list[str], int]]] = defaultdict(list)
    normal: dict[str, tuple[int, int]] = {}
    for traffic in sorted(each for each in root.iterdir() if (each / "graph.csv").exists()):
        calls = read_graph(traffic / "graph.csv")
        _, usual = read_metrics(traffic / "noissue" / "metrics.csv")
        issues = list(read_issues(traffic))
        for issue in issues:
            verdict, causes = answer(calls, usual, issue)
            cases[traffic.name, issue.subject].append(
                (issue, verdict, causes, len({node for node, _ in issue.metrics}))
            )
        for subject in SUBJECTS:
            target = next((issue.target for issue in issues if issue.subject == subject), "PetSite")
            normal[f"{traffic.name} {subject}"] = specificity(calls, usual, target, subject)
    _write_cases([case for group in cases.values() for case in group])
    _show_accuracy(cases)
    _show_specificity(normal)
    return 0


def _write_cases(cases: Sequence[tuple[Issue, str, list[str], int]]) -> None:
    writer = csv.writer(sys.stderr)
    writer.writerow(["traffic", "issue", "subject", "cause", "verdict", "rank", "first", "second", "third"])
    for issue, verdict, causes, _ in cases:
        rank = causes.index(issue.cause) + 1 if issue.cause in causes else 0
        writer.writerow([issue.traffic, issue.name, issue.subject, issue.cause, verdict, rank, *causes[:3]])


def _show_accuracy(cases: dict[tuple[str, str], list[tuple[Issue, str, list[str], int]]]) -> None:
    everything = [case for group in cases.values() for case in group]
    for most, goal in ((1, 0.85), (3, 0.95)):
        groups = {f"{traffic} {subject}": group for (traffic, subject), group in sorted(cases.items())}
        shares = {name: _share(group, most) for name, group in groups.items()}
        chance = sum(min(1.0, most / nodes) for *_, nodes in everything) / max(len(everything), 1)
        often = Counter(issue.cause for issue, *_ in everything).most_common(most)
        constant = sum(count for _, count in often) / max(len(everything), 1)
        show(
            figure(
                f"analysis.petshop_top{most}",
                min(shares.values(), default=0.0),
                "share",
                goal=goal,
                baseline=chance,
                peers={"constant": round(constant, 4)},
                larger_is_better=True,
                by=shares,
                issues=len(everything),
            )
        )


def _share(group: Sequence[tuple[Issue, str, list[str], int]], most: int) -> float:
    return round(sum(issue.cause in causes[:most] for issue, _, causes, _ in group) / len(group), 4)


def _show_specificity(normal: dict[str, tuple[int, int]]) -> None:
    shares = {name: round(right / asked, 4) for name, (right, asked) in normal.items() if asked}
    show(
        figure(
            "analysis.petshop_specificity",
            min(shares.values(), default=0.0),
            "share",
            goal=0.9,
            baseline=0.5,
            peers={"published latency, low": 0.167, "published latency, high": 0.333},
            larger_is_better=True,
            by=shares,
            stretches={name: asked for name, (_, asked) in normal.items()},
        )
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bench.petshop DIR")
    sys.exit(main(Path(sys.argv[1])))
