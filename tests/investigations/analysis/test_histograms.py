"""Merging loses nothing, percentiles lie within their bounds, and what a sensor never sends is no histogram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.analysis import histograms
from investigations.analysis.histograms import Histogram

usual = st.one_of(
    st.just(0.0),
    st.floats(min_value=1e-9, max_value=1e12),
    st.floats(min_value=-1e12, max_value=-1e-9),
)


def of(values: Sequence[float], scale: int = 3) -> Histogram:
    """What a sensor would have counted."""
    positive: dict[int, int] = {}
    negative: dict[int, int] = {}
    for value in values:
        if value:
            index = math.ceil(math.log2(abs(value)) * 2**scale) - 1
            side = positive if value > 0 else negative
            side[index] = side.get(index, 0) + 1
    return Histogram(
        count=len(values), sum=math.fsum(values), minimum=min(values, default=None),
        maximum=max(values, default=None), scale=scale, zero=sum(value == 0 for value in values),
        positive=positive, negative=negative,
    )  # fmt: skip


@given(st.lists(st.lists(usual, max_size=30), max_size=5))
def test_merged_instances_are_as_one_instance(parts: list[list[float]]) -> None:
    merged = histograms.merged(of(part) for part in parts)
    whole = of([value for part in parts for value in part])

    assert (merged.count, merged.zero) == (whole.count, whole.zero)
    assert (merged.positive, merged.negative) == (whole.positive, whole.negative)
    assert (merged.minimum, merged.maximum) == (whole.minimum, whole.maximum)
    assert merged.sum == pytest.approx(whole.sum, rel=1e-9, abs=1e-6)


@given(st.lists(usual, min_size=1, max_size=60), st.sampled_from([0.0, 0.25, 0.5, 0.9, 0.99, 1.0]))
def test_a_percentile_lies_within_its_bounds(values: list[float], share: float) -> None:
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    found = histograms.quantile(of(values), share)

    assert found is not None
    slack = abs(exact) * 1e-9  # an edge of a bucket is a rounded power
    assert found.low - slack <= exact <= found.high + slack
    assert abs(found.estimate - exact) <= abs(exact) * 0.0434 + slack


@given(st.lists(usual, max_size=30), st.lists(usual, max_size=30))
def test_the_difference_of_two_totals_is_what_came_between(before: list[float], between: list[float]) -> None:
    new = histograms.since(of(before + between), of(before))

    assert new is not None
    assert (new.count, new.zero) == (len(between), sum(value == 0 for value in between))
    assert (new.positive, new.negative) == (of(between).positive, of(between).negative)


def test_a_total_that_fell_is_no_continuation() -> None:
    assert histograms.since(of([1.0]), of([1.0, 2.0])) is None
    assert histograms.since(of([4.0, 8.0]), of([1.0])) is None


def test_histograms_of_two_scales_meet_at_the_coarser() -> None:
    merged = histograms.merged([of([3.0, 5.0], scale=5), of([3.0], scale=1)])

    assert (merged.scale, merged.positive) == (1, of([3.0, 5.0, 3.0], scale=1).positive)


@given(st.lists(usual, max_size=30))
def test_what_is_kept_reads_as_it_was(values: list[float]) -> None:
    assert histograms.read(histograms.plain(of(values))) == of(values)


def test_nothing_measured_has_no_percentile_and_no_mean() -> None:
    nothing = Histogram(unusable=4)

    assert (histograms.quantile(nothing, 0.5), nothing.mean, list(histograms.bars(nothing))) == (
        None,
        None,
        [],
    )


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {"count": -1},
        {"count": 1.5},
        {"count": True},
        {"sum": math.nan},
        {"sum": "a"},
        {"scale": 99},
        {"scale": 10**400},
        {"positive": [1]},
        {"positive": {"a": 1}},
        {"positive": {"1": -1}},
        {"positive": {10**9: 1}},
        {"positive": dict.fromkeys(range(2000), 1)},
        {"zero": 2**70},
    ],
)
def test_what_no_sensor_sends_is_none(told: Any) -> None:
    assert histograms.read(told) is None


def test_the_largest_numbers_have_bounds_too() -> None:
    found = histograms.quantile(of([1.7e308]), 0.5)

    assert found is not None
    assert found.high == 1.7e308


def test_many_buckets_are_joined_to_be_drawn() -> None:
    wide = of([2.0**power for power in range(-40, 40)])
    drawn = histograms.coarser(wide, most=20)

    assert len(list(histograms.bars(drawn))) <= 20
    assert sum(bar.count for bar in histograms.bars(drawn)) == 80
