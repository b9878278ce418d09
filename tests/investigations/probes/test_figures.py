"""Figures of every kind add up over instances, and their running totals can be told apart."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from investigations.probes import figures

HISTOGRAM = {
    "count": 3, "sum": 7.0, "min": 1.0, "max": 4.0, "unusable": 1, "scale": 3, "zero": 0,
    "positive": {-1: 1, 7: 1, 15: 1}, "negative": {}, "unit": "ms",
}  # fmt: skip
TOLD: dict[str, dict[str, Any]] = {
    "counter": {"count": 4},
    "metric": HISTOGRAM,
    "duration": HISTOGRAM,
    "function": {"calls": 5, "errors": 1, "duration": HISTOGRAM},
    "exception": {"raised": 3, "swallowed": 2, "left": 1},
    "path": {"calls": 900, "sampled": 10},
    "assignment": {"writes": 3, "writers": {"from_payload:86 setattr str": 2, "__init__:12 plain bool": 1}},
    "expectation": {"true": 90, "false": 3, "unknown": 2, "unknown_because": {"name_missing": 2}},
    "dependency": {"calls": 7, "errors": 2, "duration": HISTOGRAM},
}
kinds = pytest.mark.parametrize("kind", TOLD)


@kinds
def test_what_a_sensor_tells_can_be_kept_as_json(kind: str) -> None:
    read = figures.read(kind, TOLD[kind])

    assert read is not None
    assert json.loads(json.dumps(read)) == read
    assert figures.read(kind, read) == read


@kinds
def test_two_instances_count_twice_as_much(kind: str) -> None:
    one = figures.read(kind, TOLD[kind]) or {}
    both = figures.added(kind, [one, one])

    assert figures.since(kind, both, one) is not None
    first = next(iter(figures.FORMS[kind]))
    key = first or "count"
    assert both[key] == 2 * one[key]


@kinds
def test_the_same_totals_again_bring_nothing(kind: str) -> None:
    one = figures.read(kind, TOLD[kind]) or {}
    between = figures.since(kind, one, one)

    assert between is not None
    assert figures.empty(kind, between)
    assert not figures.empty(kind, one)


@kinds
def test_the_first_totals_are_all_new(kind: str) -> None:
    one = figures.read(kind, TOLD[kind]) or {}

    assert figures.since(kind, one, {}) == one


@kinds
def test_totals_that_came_late_are_no_news(kind: str) -> None:
    one = figures.read(kind, TOLD[kind]) or {}

    assert figures.since(kind, one, figures.added(kind, [one, one])) is None
    assert figures.since(kind, {}, one) is None


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("counter", {"count": "many"}),
        ("counter", {"count": -1}),
        ("counter", 4),
        ("metric", {"sum": math.inf}),
        ("assignment", {"writers": {"a": "b"}}),
        ("snapshot", {"count": 1}),
    ],
)
def test_what_no_sensor_tells_is_left_out(kind: str, told: Any) -> None:
    assert figures.read(kind, told) is None


def test_words_of_a_sensor_are_made_storable_and_few() -> None:
    writers = {f"f\x00{n}:1 plain int": 1 for n in range(80)}
    read = figures.read("assignment", {"writes": 80, "writers": writers})

    assert read is not None
    assert len(read["writers"]) == figures.MOST_WORDS
    assert "\x00" not in "".join(read["writers"])
