"""The expectation probe: counts true, false and unknown, and captures what was false."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline import testing
from tests.observed import worker
from tests.sensors.places import UNHURRIED, armed, line_in


def place(gateway: testing.Gateway, value: str, **asked: Any) -> str:
    asked = {**UNHURRIED, "hit_limit": 0, **asked}
    line = line_in(worker, "measured")
    return armed(gateway, "expectation", file="observed/worker.py", line=line, value=value, **asked)


@pytest.fixture
def expect(gateway: testing.Gateway) -> Callable[..., str]:
    return lambda value, **asked: place(gateway, value, **asked)


def figures(gateway: testing.Gateway, probe: str) -> dict[str, Any]:
    told = gateway.counters(probe).figures
    assert told is not None
    return told


def test_violations_are_captured_and_the_rest_is_counted(gateway, expect):
    probe = expect("value < 3", watches={"twice": "value * 2"})
    worker.measured([1, 2, 3, 1, 4])

    assert figures(gateway, probe) == {"true": 3, "false": 2, "unknown": 0, "unknown_because": {}}
    assert gateway.endings(probe) == {"condition_false": 3, "captured": 2}
    first, second = gateway.captures(probe)
    assert first.detail == {"judged": "false"}
    assert first.frames[0].variables["value"].value == 3
    assert (first.watches["twice"].value, second.watches["twice"].value) == (6, 8)
    assert [capture.hit for capture in (first, second)] == [3, 5]


def test_what_cannot_be_judged_is_unknown_with_its_reason(gateway, expect):
    probe = expect("value.size > 0")
    worker.measured([worker.Job("a", 1), 5, worker.Job("b", "x")])
    told = figures(gateway, probe)
    assert (told["true"], told["false"], told["unknown"]) == (1, 0, 2)
    assert told["unknown_because"] == {"unknown_name": 1, "not_defined": 1}
    assert gateway.endings(probe) == {"condition_false": 1, "condition_error": 2}
    assert gateway.captures(probe) == []
    gateway.tick()
    assert gateway.status(probe).slug == "value_error"


def test_an_expression_without_end_is_unknown_and_stopped(gateway, expect):
    probe = expect("all(n >= 0 for n in value)")
    worker.measured([list(range(200_000))])
    assert figures(gateway, probe)["unknown_because"] == {"evaluation_budget": 1}
    assert gateway.endings(probe) == {"evaluation_budget": 1}


def test_a_condition_says_when_it_should_hold(gateway, expect):
    probe = expect("value != 4", condition="value > 2")
    worker.measured([1, 3, 4])
    assert figures(gateway, probe) == {"true": 1, "false": 1, "unknown": 0, "unknown_because": {}}
    assert gateway.endings(probe) == {"condition_false": 2, "captured": 1}


def test_violations_beyond_the_rate_are_counted_and_not_captured(gateway, expect):
    probe = expect("value < 0", rate=0.01)
    worker.measured(range(10))
    assert figures(gateway, probe)["false"] == 10
    assert gateway.endings(probe) == {"captured": 1, "rate_limited": 9}


def test_the_hit_limit_ends_the_probe(gateway, expect):
    probe = expect("value < 0", hit_limit=2)
    worker.measured(range(2))
    gateway.tick()
    assert gateway.status(probe).slug == "hit_limit"


def test_a_withheld_value_may_not_be_asked_about_bit_by_bit(gateway):
    line = line_in(worker, "handle")
    probe = gateway.place("expectation", file="observed/worker.py", line=line, value="job.password != 'x'")
    assert gateway.status(probe).slug == "withheld"


def test_captures_are_redacted(gateway):
    line = line_in(worker, "handle")
    probe = gateway.place("expectation", file="observed/worker.py", line=line, value="result < 0")
    worker.handle(worker.Job("a", 1))
    assert "hunter2" not in str(gateway.captures(probe))


def test_without_a_value_it_is_refused(gateway):
    probe = gateway.place("expectation", file="observed/worker.py", line=line_in(worker, "handle"))
    assert (gateway.status(probe).state, gateway.status(probe).slug) == ("rejected", "value_missing")


def test_the_budget_switches_the_line_off(gateway, expect):
    probe = expect("value > 0")
    gateway.sensor.budget.balance = -1
    worker.measured([1, 2])
    assert gateway.endings(probe) == {"evaluation_budget": 1}


@given(st.lists(st.one_of(st.integers(-3, 3), st.none(), st.text(max_size=2)), min_size=1, max_size=40))
@settings(max_examples=40)
def test_every_hit_is_one_of_the_three(values):
    with testing.gateway() as gateway:
        probe = place(gateway, "value > 0")
        worker.measured(values)
        told = figures(gateway, probe)
        assert told["true"] + told["false"] + told["unknown"] == len(values)
        assert told["false"] == len(gateway.captures(probe)) == sum(type(v) is int and v <= 0 for v in values)
        assert sum(gateway.endings(probe).values()) == len(values)
