"""Whoever asks for a result, as a program or as an agent, is told its test, n, effect, interval, q and coverage."""

from __future__ import annotations

import json
from typing import Any

import pytest

from investigations import shapes
from investigations.analysis.results import Answer, Finding
from tests.investigations.analysis.test_results import ANSWERS, FINDINGS

NO_ANSWERS = {"EffectShape", "LinesShape", "InvariantsShape"}
"""A part of results, and what rooms put together from several; their own tests look at these."""
SHAPES: dict[str, Any] = {
    name.removesuffix("Shape"): shape
    for name, shape in vars(shapes).items()
    if "from_result" in vars(shape if isinstance(shape, type) else object) and name not in NO_ANSWERS
}
ON_PAGES_ONLY = {"Score", "ChangePoint", "Onset", "Joined"}
"""Under an alert's metric, and in an incident's record."""


def name_of(answer: Answer) -> str:
    return type(answer).__name__


def test_every_class_of_results_that_has_a_door_has_a_shape():
    assert {name_of(each) for each in ANSWERS} - ON_PAGES_ONLY == SHAPES.keys()


@pytest.mark.parametrize("answer", [each for each in ANSWERS if name_of(each) in SHAPES], ids=name_of)
def test_a_shape_says_what_its_result_says_and_is_json(answer: Answer):
    told = SHAPES[name_of(answer)].from_result(answer).model_dump(mode="json")
    assert (told["sentence"], told["n"]) == (answer.sentence, answer.n)
    assert told["coverage"] == pytest.approx(answer.coverage, abs=1e-4)
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize("finding", [each for each in FINDINGS if name_of(each) in SHAPES], ids=name_of)
def test_the_shape_of_a_finding_says_how_surely(finding: Finding):
    told = SHAPES[name_of(finding)].from_result(finding).model_dump(mode="json")
    assert (told["test"], told["q"]) == (finding.test, finding.q)
    assert told["effect"].keys() == {"name", "estimate", "low", "high"}
