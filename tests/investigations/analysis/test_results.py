"""Every result says what it rests on, the test, n, the effect with its interval, q, and a plain sentence."""

from __future__ import annotations

import dataclasses
import importlib
import math
import pkgutil

import numpy as np
import pytest

from investigations import analysis
from investigations.analysis import (
    commits,
    differences,
    grouping,
    invariants,
    localisation,
    next_probe,
    series,
    topology,
)
from investigations.analysis.results import Answer, Finding
from investigations.analysis.significance import Interval
from tests.investigations.analysis.samples import orders

ROWS, LABELS = orders(6, 40, lambda row: row.update(urgent="true", amount=row["amount"] * 3))
COMPARISON = differences.compare(ROWS, LABELS)
LEARNT = invariants.learn(orders(0, 40, lambda row: None)[0])
SPECTRUM = localisation.Spectrum.of_lines(["a", "b", "c"], np.arange(138).reshape(46, 3) % 4, LABELS)
RANKED = localisation.combined(SPECTRUM, COMPARISON, {"urgent": ["b"]})
EXPLAINED = localisation.explain_failures(
    localisation.Spectrum(
        ("bad",), np.repeat([[1.0], [0.0]], 20, axis=0), np.ones((40, 1)), np.arange(40) < 20
    )
)
NODE = topology.NodeSeries(np.sin(np.arange(60)) / 50 + 1, np.array([3.0, 4.0]), np.array([9.0, 9.0]))
DIAGNOSIS = topology.rank_causes([("web", "orders")], {"web": NODE, "orders": NODE}, "web")
LEVELS = np.r_[np.sin(np.arange(40)), 6 + np.sin(np.arange(30))]
HISTORY = [commits.Commit("c1", (), frozenset("a"), frozenset("f"))]

FINDINGS: list[Finding] = [
    *COMPARISON.differences,
    *LEARNT,
    *invariants.violations(LEARNT, ROWS),
    *RANKED,
    *EXPLAINED,
    *DIAGNOSIS.causes,
    *series.rank_series({"a": LEVELS, "b": LEVELS}, {"a": LEVELS + 9, "b": np.full(3, math.nan)}),
    *series.change_points(LEVELS),
    *commits.suspect_commits(HISTORY, "c1", {"a": 0.5}, suspects={each.element: each for each in RANKED}),
    *commits.suspect_commits(HISTORY, "c1", {}, stack=["a"]),
]
ANSWERS: list[Answer] = [
    *FINDINGS,
    COMPARISON,
    DIAGNOSIS,
    *invariants.drift([("v1", orders(0, 40, lambda row: None)[0]), ("v2", ROWS)]),
    series.onset([float(at) for at in range(70)], LEVELS),
    grouping.Grouper().add(grouping.Alert("one", 5.0, "shop", {"team": "t"}, "too slow: 5 s")),
    next_probe.next_probes({"H1": 1}, [next_probe.Candidate("p", {"H1": {"x": 1}}, 1.0)])[0],
]
PARTS = {
    differences.Needed: "says how many more captures a comparison needs; the comparison carries the rest"
}


def result_classes() -> set[type]:
    """All dataclasses of the analysis that speak in a sentence."""
    found = set()
    for module in pkgutil.iter_modules(analysis.__path__):
        for each in vars(importlib.import_module(f"{analysis.__name__}.{module.name}")).values():
            if isinstance(each, type) and dataclasses.is_dataclass(each) and hasattr(each, "sentence"):
                found.add(each)
    return found


def test_every_class_of_results_is_looked_at_here():
    assert result_classes() == {type(each) for each in ANSWERS} | PARTS.keys()


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda each: type(each).__name__)
def test_an_answer_says_how_many_stand_behind_it_how_much_was_known_and_a_sentence(answer: Answer):
    assert answer.n >= 0
    assert 0 <= answer.coverage <= 1
    assert answer.sentence.endswith(".")


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda each: type(each).__name__)
def test_a_finding_says_how_surely(finding: Finding):
    assert finding.test
    assert isinstance(finding.effect, Interval)
    assert finding.effect.low <= finding.effect.estimate <= finding.effect.high
    assert 0 <= finding.q <= 1


def test_what_only_touched_the_stack_is_sure_of_nothing():
    (found,) = commits.suspect_commits(HISTORY, "c1", {}, stack=["a"])
    assert (found.n, found.q) == (0, 1.0)
