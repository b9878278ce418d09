"""`python -m bench.petshop DIR`: root causes in PetShop's metrics (Hardt et al., CLeaR 2024), for any folder
of that form.

Node names are hidden: the method sees ``n17``, numbered by a shuffle that the issue seeds. The training
issues share one cause, so a constant answer would be right on all of them: its score stands beside ours as
``constant``. Every issue is also asked under other names and another order of nodes: answers must not move.
"""

from __future__ import annotations

import csv
import json
import math
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.figures import figure, show
from investigations.analysis.topology import NodeSeries, rank_causes

Floats = npt.NDArray[np.float64]
Metrics = dict[tuple[str, str], Floats]

SUBJECTS = ("latency", "availability")
HEADERS = 3
STRETCH = 2
"""Samples that are looked at from an issue's time on: those that begin nearest to it; a sample's time is its
beginning.
"""
OTHER_ORDERS = 3


@dataclass(frozen=True, slots=True)
class Recording:
    """Metrics by (node, metric), one value for each of ``times`` (seconds); NaN is no data."""

    times: Floats
    metrics: Metrics

    @property
    def sample_s(self) -> float:
        """Seconds between samples."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 300.0


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue: its metrics, what was asked about, and the true cause."""

    traffic: str
    name: str
    recording: Recording
    target: str
    subject: str
    at: float
    cause: str

    @property
    def nodes(self) -> set[str]:
        return {node for node, _ in self.recording.metrics}


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of an issue. ``steady`` unless other names or another order changed it."""

    issue: Issue
    verdict: str
    causes: list[str]
    steady: bool

    @property
    def rank(self) -> int:
        """Of the true cause; 0 when it was not named."""
        return self.causes.index(self.issue.cause) + 1 if self.issue.cause in self.causes else 0


def read_metrics(path: Path, statistic: str = "Average") -> Recording:
    """Averages (sums for requests) of each (node, metric). Cells that are empty or no number are NaN.

    Where a metric has no column of this ``statistic``, its first column counts.
    """
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    body = [row for row in rows[HEADERS:] if not math.isnan(_number(row[0]))]
    chosen: dict[tuple[str, str], int] = {}
    for at, (node, metric, told) in enumerate(zip(*rows[:HEADERS], strict=False)):
        if at and ((node, metric) not in chosen or told in {statistic, "Sum"}):
            chosen[node, metric] = at
    times = np.array([float(row[0]) for row in body])
    order = np.argsort(times, kind="stable")
    found = {
        key: np.array([_number(row[at]) if at < len(row) else math.nan for row in body])[order]
        for key, at in chosen.items()
    }
    return Recording(times[order], found)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def read_graph(path: Path) -> list[tuple[str, str]]:
    """(caller, callee) pairs of an adjacency matrix whose rows call its columns."""
    with path.open(newline="") as file:
        head, *rows = [row for row in csv.reader(file) if row]
    return [
        (row[0], callee)
        for row in rows
        for callee, cell in zip(head[1:], row[1:], strict=False)
        if _number(cell or "0") > 0
    ]


def read_issues(folder: Path) -> Iterator[Issue]:
    """Every issue anywhere below a traffic's folder."""
    for target_file in sorted(folder.rglob("target.json")):
        told = json.loads(target_file.read_text())
        target, cause = told["target"], told["root_cause"]["node"]
        yield Issue(
            traffic=folder.name,
            name=str(target_file.parent.relative_to(folder)),
            recording=read_metrics(target_file.parent / "metrics.csv", target.get("agg", "Average")),
            target=target["node"],
            subject=target["metric"],
            at=float(target["timestamp"]),
            cause=cause,
        )


# ---------------------------------------------------------------- asking


def series_of(
    before: Metrics, during: Metrics, recent: Metrics, subject: str, names: Mapping[str, str]
) -> dict[str, NodeSeries]:
    """Series by hidden name; availability in per cent becomes the share that failed. Nodes without past are
    new.
    """
    nothing = np.empty(0)
    return {
        names[node]: NodeSeries(
            _worse(before.get((node, metric), nothing), subject),
            _worse(values, subject),
            during.get((node, "requests"), np.full(len(values), np.nan)),
            _worse(recent.get((node, metric), nothing), subject),
            _middle(before.get((node, "requests"), nothing)),
        )
        for (node, metric), values in during.items()
        if metric == subject and node in names
    }


def _worse(values: Floats, subject: str) -> Floats:
    return 1 - values / 100 if subject == "availability" else values


def _middle(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan


def hidden(nodes: Sequence[str], seed: str) -> dict[str, str]:
    """Names that tell nothing, given out by a shuffle."""
    order = sorted(nodes)
    random.Random(seed).shuffle(order)
    return {node: f"n{at}" for at, node in enumerate(order)}


def answer(calls: Sequence[tuple[str, str]], usual: Recording, issue: Issue) -> Answer:
    """The verdict and the ranked causes by their real names, asked under several hidden ones."""
    asked = [_asked(calls, usual, issue, turn) for turn in range(1 + OTHER_ORDERS)]
    return Answer(issue, *asked[0], steady=all(each == asked[0] for each in asked))


def _asked(
    calls: Sequence[tuple[str, str]], usual: Recording, issue: Issue, turn: int
) -> tuple[str, list[str]]:
    seed = f"{issue.traffic}/{issue.name}/{turn}"
    here, step = issue.recording, issue.recording.sample_s
    inside = (here.times >= issue.at - step / 2) & (here.times < issue.at - step / 2 + step * STRETCH)
    during = {key: values[inside] for key, values in here.metrics.items()}
    recent = {key: values[here.times + step <= issue.at] for key, values in here.metrics.items()}
    before = usual.metrics if len(usual.times) else recent
    names = hidden(sorted(issue.nodes | {node for pair in calls for node in pair} | {issue.target}), seed)
    real = {secret: node for node, secret in names.items()}
    series = series_of(before, during, recent, issue.subject, names)
    shuffled = [(names[caller], names[callee]) for caller, callee in calls]
    random.Random(seed).shuffle(shuffled)
    found = rank_causes(shuffled, dict(sorted(series.items())), names[issue.target])
    return found.verdict, [real[cause.node] for cause in found.causes]


def specificity(
    calls: Sequence[tuple[str, str]], usual: Recording, target: str, subject: str
) -> tuple[int, int]:
    """How many stretches of the second half of normal data are told to be normal, by the first half; and of
    how many.
    """
    length = len(usual.times)
    half = length // 2
    before = {key: values[:half] for key, values in usual.metrics.items()}
    names = {node: node for node, _ in usual.metrics}
    right = asked = 0
    for start in range(half, length - STRETCH, STRETCH):
        during = {key: values[start : start + STRETCH] for key, values in usual.metrics.items()}
        recent = {key: values[start - STRETCH : start] for key, values in usual.metrics.items()}
        verdict = rank_causes(calls, series_of(before, during, recent, subject, names), target).verdict
        if verdict != "no_data":
            asked += 1
            right += verdict == "nothing_wrong"
    return right, asked


# ---------------------------------------------------------------- figures


def main(folder: Path, cases_file: Path | None = None) -> int:
    """Print the figures of every traffic below the folder; a CSV of all cases goes to stderr, or a file."""
    answers: list[Answer] = []
    normal: dict[str, tuple[int, int]] = {}
    traffics = sorted({each.parent for each in folder.rglob("graph.csv")})
    for traffic in traffics:
        calls = read_graph(traffic / "graph.csv")
        usual = read_normal(traffic)
        issues = list(read_issues(traffic))
        answers += [answer(calls, usual, issue) for issue in issues]
        for subject in SUBJECTS:
            targets = Counter(issue.target for issue in issues if issue.subject == subject)
            for target, _ in targets.most_common(1):
                normal[f"{traffic.name} {subject}"] = specificity(calls, usual, target, subject)
    if not answers:
        sys.exit(f"There are no issues (graph.csv, and target.json beside metrics.csv) below {folder}.")
    _write_cases(answers, cases_file)
    _show_accuracy(answers)
    _show_specificity(normal)
    return 0


def read_normal(traffic: Path) -> Recording:
    """What was recorded without an issue; nothing when there is none: then an issue's own start must do."""
    path = traffic / "noissue" / "metrics.csv"
    return read_metrics(path) if path.exists() else Recording(np.empty(0), {})


def _write_cases(answers: Sequence[Answer], path: Path | None) -> None:
    file = sys.stderr if path is None else path.open("w", newline="")
    writer = csv.writer(file)
    writer.writerow(
        ["traffic", "issue", "subject", "cause", "verdict", "rank", "steady", "first", "second", "third"]
    )
    for each in answers:
        issue = each.issue
        asked = (issue.traffic, issue.name, issue.subject, issue.cause)
        writer.writerow([*asked, each.verdict, each.rank, each.steady, *each.causes[:3]])
    if path is not None:
        file.close()


def _show_accuracy(answers: Sequence[Answer]) -> None:
    groups: dict[str, list[Answer]] = defaultdict(list)
    for each in answers:
        groups[f"{each.issue.traffic} {each.issue.subject}"].append(each)
    for most, goal in ((1, 0.85), (3, 0.95)):
        shares = {name: _share(group, most) for name, group in sorted(groups.items())}
        chance = sum(min(1.0, most / len(each.issue.nodes)) for each in answers) / len(answers)
        often = Counter(each.issue.cause for each in answers).most_common(most)
        show(
            figure(
                f"analysis.petshop_top{most}",
                min(shares.values()),
                "share",
                goal=goal,
                baseline=chance,
                peers={"constant": round(sum(count for _, count in often) / len(answers), 4)},
                larger_is_better=True,
                by=shares,
                all=_share(answers, most),
                steady=round(sum(each.steady for each in answers) / len(answers), 4),
                issues=len(answers),
                causes=len({each.issue.cause for each in answers}),
            )
        )


def _share(group: Sequence[Answer], most: int) -> float:
    return round(sum(0 < each.rank <= most for each in group) / len(group), 4)


def _show_specificity(normal: Mapping[str, tuple[int, int]]) -> None:
    shares = {name: round(right / asked, 4) for name, (right, asked) in normal.items() if asked}
    if not shares:
        return
    show(
        figure(
            "analysis.petshop_specificity",
            min(shares.values()),
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
    if len(sys.argv) not in {2, 3}:
        sys.exit("usage: python -m bench.petshop DIR [CASES.csv]")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
