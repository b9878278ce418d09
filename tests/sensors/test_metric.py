"""The metric probe: an expression's values added up, and none of them sent."""

from __future__ import annotations

import enum
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline import testing, wire
from sightline.histograms import Histogram
from tests.observed import worker
from tests.sensors.places import armed, line_in


def place(gateway: testing.Gateway, **asked: Any) -> str:
    asked = {"value": "value", **asked}
    return armed(gateway, "metric", file="observed/worker.py", line=line_in(worker, "measured"), **asked)


def figures(gateway: testing.Gateway, probe: str) -> dict[str, Any]:
    told = gateway.counters(probe).figures
    assert told is not None
    return told


class Money(float):
    def __float__(self) -> float:
        raise AssertionError("code of the application ran")


class Size(enum.IntEnum):
    LARGE = 3


def test_values_are_added_up_and_nothing_is_captured(gateway):
    probe = place(gateway)
    worker.measured([1, 2.5, -4, 0, True])
    told = figures(gateway, probe)
    assert (told["count"], told["sum"], told["min"], told["max"]) == (5, 0.5, -4, 2.5)
    assert (told["zero"], sum(told["positive"].values()), sum(told["negative"].values())) == (1, 3, 1)
    assert (told["scale"], told["unit"], told["unusable"]) == (3, "", 0)
    assert gateway.endings(probe) == {"captured": 5}
    assert gateway.captures(probe) == []


def test_numbers_of_other_types_are_read_without_running_their_code(gateway):
    probe = place(gateway)
    worker.measured([Decimal("1.5"), Money(2), Size.LARGE])
    assert (figures(gateway, probe)["count"], figures(gateway, probe)["sum"]) == (3, 6.5)


def test_what_is_no_finite_number_is_unusable(gateway):
    probe = place(gateway)
    worker.measured([None, "7", math.nan, math.inf, 10**400, Decimal("sNaN"), [1], 5])
    told = figures(gateway, probe)
    assert (told["count"], told["unusable"]) == (1, 7)
    assert gateway.endings(probe) == {"captured": 8}


def test_an_expression_that_fails_is_unusable_and_the_status_says_why(gateway):
    probe = place(gateway, value="value.size")
    worker.measured([worker.Job("a", 4), 5])
    told = figures(gateway, probe)
    assert (told["count"], told["sum"], told["unusable"]) == (1, 4, 1)
    gateway.tick()
    status = gateway.status(probe)
    assert (status.state, status.slug) == ("armed", "value_error")
    assert "`value.size`" in status.sentence


def test_only_hits_whose_condition_holds_are_measured(gateway):
    probe = place(gateway, condition="value > 1")
    worker.measured([1, 2, 3, "x"])
    assert figures(gateway, probe)["sum"] == 5
    assert gateway.endings(probe) == {"captured": 2, "condition_false": 1, "condition_error": 1}


def test_neither_rate_nor_hit_limit_hold_a_metric_back(gateway):
    probe = place(gateway, rate=1.0, hit_limit=2)
    worker.measured(range(500))
    gateway.tick()
    assert figures(gateway, probe)["count"] == 500
    assert gateway.status(probe).state == "armed"


def test_a_metric_of_globals_and_of_the_length_of_things(gateway):
    probe = place(gateway, value="len(values) * MODULE_LINE")
    worker.measured([1, 2, 3])
    assert figures(gateway, probe)["sum"] == 9


def test_the_budget_switches_the_line_off(gateway):
    probe = place(gateway)
    gateway.sensor.budget.balance = -1
    worker.measured([1, 2, 3])
    assert gateway.endings(probe) == {"evaluation_budget": 1}
    assert gateway.counters(probe).unobserved_ms > 0


def test_a_long_stream_is_booked_on_the_budget(gateway):
    probe = place(gateway)
    worker.measured(range(1000))
    assert gateway.counters(probe).cost_us > 0


@pytest.mark.parametrize(
    ("asked", "slug"),
    [
        ({"value": ""}, "value_missing"),
        ({"value": "@return"}, "unknown_name"),
        ({"value": "value.password"}, "withheld"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_reason(gateway, asked, slug):
    probe = gateway.place("metric", file="observed/worker.py", line=line_in(worker, "measured"), **asked)
    status = gateway.status(probe)
    assert (status.state, status.slug) == ("rejected", slug)
    assert status.sentence


def test_a_forked_child_counts_from_nothing(gateway):
    probe = place(gateway)
    worker.measured([1])
    for entry in gateway.sensor.registry:
        entry.hits.start_over()
    assert figures(gateway, probe)["count"] == 0


@given(
    st.lists(
        st.one_of(st.integers(), st.floats(), st.text(), st.none(), st.booleans()), min_size=1, max_size=60
    )
)
@settings(max_examples=60)
def test_every_hit_is_counted_once_and_buckets_hold_what_was_added(values):
    with testing.gateway() as gateway:
        probe = place(gateway)
        worker.measured(values)
        told = figures(gateway, probe)
        assert told["count"] + told["unusable"] == len(values)
        assert gateway.endings(probe) == {"captured": len(values)}
        bucketed = told["zero"] + sum(told["positive"].values()) + sum(told["negative"].values())
        assert bucketed == told["count"]
        usable = [v for v in values if type(v) in (int, float, bool) and finite(v)]
        if usable:
            assert (told["min"], told["max"]) == (float(min(usable)), float(max(usable)))
        for index, count in told["positive"].items():
            assert (
                len(
                    [
                        v
                        for v in usable
                        if v > 0 and index / 8 - 1e-9 <= math.log2(v) <= (index + 1) / 8 + 1e-9
                    ]
                )
                >= count
            )


def finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


@given(st.lists(st.floats(-1e6, 1e6) | st.sampled_from([math.inf, -math.inf, math.nan]), max_size=200))
def test_values_added_later_are_figures_like_those_added_at_once(values):
    at_once, later = Histogram(), Histogram()
    for value in values:
        at_once.add(value)
        later.add_later(value)
    one, other = at_once.plain(), later.plain()
    assert one.pop("sum") == pytest.approx(other.pop("sum"))
    assert one == other


def test_figures_travel(gateway):
    probe = place(gateway)
    worker.measured([1, 2])
    beat = wire.from_sensor.decode(wire.encode(gateway.sensor.heartbeat()))
    assert isinstance(beat, wire.Heartbeat)
    (counters,) = beat.counters
    assert counters.probe_id == probe
    assert counters.figures is not None
    assert counters.figures["positive"] == {-1: 1, 7: 1}
