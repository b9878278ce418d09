"""The function probe: what a call was given, what it gave back or raised, and how long it took."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline import testing, wire
from sightline.kinds import function
from tests.observed import calls, worker
from tests.observed.worker import Job
from tests.sensors.places import UNHURRIED, armed


def place(gateway: testing.Gateway, name: str, module: str = "worker", **asked: Any) -> str:
    asked = {**UNHURRIED, "hit_limit": 0, **asked}
    return armed(gateway, "function", function=f"tests.observed.{module}:{name}", **asked)


@pytest.fixture
def follow(gateway: testing.Gateway) -> Callable[..., str]:
    return lambda name, *module, **asked: place(gateway, name, *module, **asked)


def figures(gateway: testing.Gateway, probe: str) -> dict[str, Any]:
    told = gateway.counters(probe).figures
    assert told is not None
    return told


def value(told: dict[str, Any]) -> Any:
    """What a value in a detail is: its type and value."""
    return told["t"], told.get("v")


class TestWhatIsKept:
    def test_arguments_as_they_were_at_the_beginning_and_the_result(self, gateway, follow):
        probe = follow("handle")
        worker.handle(Job("a", 5), 3, "extra", loud=True, note="n")

        (capture,) = gateway.captures(probe)
        detail = capture.detail
        assert (detail["how"], value(detail["returned"])) == ("returned", ("int", 15))
        assert detail["duration_ms"] > 0
        given = detail["arguments"]
        assert list(given) == ["job", "factor", "loud", "extra", "options"]
        assert given["job"]["t"].endswith("worker.Job")
        assert value(given["job"]["f"]["size"]) == ("int", 5)
        assert value(given["factor"]) == ("int", 3)
        assert value(given["extra"]["i"][0]) == ("str", "extra")
        assert "exception" not in detail

    def test_the_stack_carries_the_arguments_and_no_other_variables(self, gateway, follow):
        probe = follow("handle")
        worker.handle(Job("a", 5))
        (capture,) = gateway.captures(probe)
        assert capture.frames[0].function == "handle"
        assert set(capture.frames[0].variables) == {"job", "factor", "extra", "loud", "options"}
        assert capture.frames[0].line == worker.handle.__code__.co_firstlineno
        assert capture.frames[1].function.endswith(
            "test_the_stack_carries_the_arguments_and_no_other_variables"
        )
        assert capture.frames[1].variables is None

    def test_an_exception_in_the_place_of_a_result(self, gateway, follow):
        probe = follow("fails")
        with pytest.raises(ValueError, match="too large"):
            worker.fails(Job("a", 11))
        (capture,) = gateway.captures(probe)
        assert capture.detail["how"] == "raised"
        assert "returned" not in capture.detail
        raised = capture.detail["exception"]
        assert raised["type"] == "ValueError"
        assert [value(each) for each in raised["arguments"]] == [("str", "too large"), ("int", 11)]
        assert raised["where"]["function"] == "fails"
        assert figures(gateway, probe)["errors"] == 1

    def test_none_is_a_result_too(self, gateway, follow):
        probe = follow("early")
        worker.early(0)
        assert value(gateway.captures(probe)[0].detail["returned"]) == ("NoneType", None)

    def test_a_coroutine_returns_once_and_lasts_while_it_waits(self, gateway, follow):
        probe = follow("waits")
        asyncio.run(worker.waits(5))
        (capture,) = gateway.captures(probe)
        assert value(capture.detail["returned"]) == ("int", 5)
        assert capture.detail["duration_ms"] >= 4

    def test_each_yield_is_told_and_then_the_return(self, gateway, follow):
        probe = follow("yields")
        list(worker.yields(2))
        told = [(c.detail["how"], value(c.detail["returned"])) for c in gateway.captures(probe)]
        assert told == [("yielded", ("int", 0)), ("yielded", ("int", 1)), ("returned", ("str", "done"))]
        assert figures(gateway, probe)["calls"] == 1

    def test_an_asynchronous_generator_yields_what_it_yields(self, gateway, follow):
        async def collect() -> list[int]:
            return [number async for number in calls.ticks(2)]

        probe = follow("ticks", "calls")
        assert asyncio.run(collect()) == [0, 1]
        told = [(c.detail["how"], value(c.detail["returned"])) for c in gateway.captures(probe)]
        assert told == [("yielded", ("int", 0)), ("yielded", ("int", 1)), ("returned", ("NoneType", None))]

    def test_recursive_calls_keep_their_own_arguments(self, gateway, follow):
        probe = follow("factorial", "calls")
        calls.factorial(3)
        told = [
            (value(c.detail["arguments"]["n"])[1], value(c.detail["returned"])[1])
            for c in gateway.captures(probe)
        ]
        assert told == [(0, 1), (1, 1), (2, 2), (3, 6)]

    def test_methods_closures_and_lambdas(self, gateway, follow):
        added = calls.make_adder(2)
        probe = follow("make_adder.<locals>.add", "calls")
        assert added(3) == 5
        (capture,) = gateway.captures(probe)
        assert list(capture.detail["arguments"]) == ["x"]

    def test_an_argument_that_an_inner_function_keeps(self, gateway, follow):
        probe = follow("make_adder", "calls")
        calls.make_adder(2)
        (capture,) = gateway.captures(probe)
        assert value(capture.detail["arguments"]["n"]) == ("int", 2)
        assert capture.detail["returned"]["t"] == "function"

    def test_the_stack_is_as_long_as_asked(self, gateway, follow):
        probe = follow("handle", limits=wire.Limits(variable_frames=2, deadline_ms=10_000))
        worker.handle(Job("a", 5))
        (capture,) = gateway.captures(probe)
        assert len(capture.frames) == 2
        assert capture.frames[-1].cut == "frames"

    def test_watches_that_ask_for_the_end_are_answered_there_and_others_at_the_beginning(
        self, gateway, follow
    ):
        probe = follow(
            "handle",
            watches={"size": "job.size", "result": "@return + 1", "late": "factor is None and @return > 0"},
        )
        worker.handle(Job("a", 5))
        watches = gateway.captures(probe)[0].watches
        assert (watches["size"].value, watches["result"].value, watches["late"].value) == (5, 11, True)

    def test_a_message_is_written_at_the_end(self, gateway, follow):
        probe = follow("handle", template="{job.name} gave {@return}")
        worker.handle(Job("a", 5))
        assert gateway.captures(probe)[0].message == "a gave 10"

    def test_nothing_of_the_call_is_kept_alive(self, gateway, follow):
        follow("holds", "calls")
        thing = calls.Thing()
        gone = weakref.ref(thing)
        made = calls.holds(thing)
        next(made)
        del made, thing
        gc.collect()
        assert gone() is None


class TestWhatIsWithheld:
    def test_arguments_fields_and_messages(self, gateway, follow):
        probe = follow("handle", template="{job.password}", watches={"p": "job.password"})
        worker.handle(Job("a", 5))
        assert "hunter2" not in str(gateway.captures(probe))

    def test_what_a_function_with_a_telling_name_returns(self, gateway, follow):
        probe = follow("get_password")
        worker.get_password(Job("a", 5))
        (capture,) = gateway.captures(probe)
        assert "hunter2" not in str(capture)
        assert capture.detail["returned"]["r"] == "name: password"
        assert "redacted" in capture.cuts


class TestConditions:
    def test_of_arguments_are_judged_at_the_beginning(self, gateway, follow):
        probe = follow("handle", condition="job.size > 5")
        worker.handle(Job("a", 5))
        worker.handle(Job("b", 6))
        assert gateway.endings(probe) == {"condition_false": 1, "captured": 1}
        assert figures(gateway, probe)["calls"] == 1

    @pytest.mark.parametrize(
        ("condition", "captured"),
        [
            ("@return == 4", ["returned"]),
            ("@return is None", ["raised"]),
            ("@exception is not None", ["raised"]),
            ("type_name(@exception) == 'ValueError'", ["raised"]),
            ("@duration >= 0 and @exception is None", ["returned"]),
            ("@duration > 60000", []),
            ("job.size == 4 and @return is not None", ["returned"]),
        ],
    )
    def test_of_the_end_are_judged_there(self, gateway, follow, condition, captured):
        probe = follow("fails", condition=condition)
        worker.fails(Job("a", 4))
        with pytest.raises(ValueError, match="too large"):
            worker.fails(Job("b", 11))
        assert [capture.detail["how"] for capture in gateway.captures(probe)] == captured
        assert sum(gateway.endings(probe).values()) == 2

    def test_that_cannot_be_answered_are_counted(self, gateway, follow):
        probe = follow("handle", condition="@return.nothing == 1")
        worker.handle(Job("a", 4))
        assert gateway.endings(probe) == {"condition_error": 1}
        gateway.tick()
        assert gateway.status(probe).slug == "condition_error"

    def test_of_the_end_have_no_meaning_at_a_line(self, gateway, line_of):
        line = line_of(worker, "handle")
        probe = gateway.place("snapshot", file="observed/worker.py", line=line, condition="@return == 1")
        assert gateway.status(probe).state == "rejected"


class TestHowCallsEnd:
    def test_rate_limited_calls_are_still_measured(self, gateway, follow):
        probe = follow("elsewhere", rate=0.01)
        for _ in range(10):
            worker.elsewhere()
        assert gateway.endings(probe) == {"captured": 1, "rate_limited": 9}
        assert figures(gateway, probe)["calls"] == figures(gateway, probe)["duration"]["count"] == 10

    def test_rate_limited_at_the_end(self, gateway, follow):
        probe = follow("elsewhere", rate=0.01, condition="@return == 1")
        for _ in range(10):
            worker.elsewhere()
        assert gateway.endings(probe) == {"captured": 1, "rate_limited": 9}

    def test_hit_limit(self, gateway, follow):
        probe = follow("elsewhere", hit_limit=3)
        for _ in range(5):
            worker.elsewhere()
        assert gateway.endings(probe)["captured"] == 3
        gateway.tick()
        assert gateway.status(probe).slug == "hit_limit"

    def test_over_budget_rests_and_comes_back(self, gateway, follow):
        probe = follow("elsewhere")
        gateway.sensor.budget.balance = -1
        for _ in range(5):
            worker.elsewhere()
        assert gateway.endings(probe) == {"over_budget": 1}
        assert gateway.counters(probe).unobserved_ms > 0
        gateway.sensor.budget.balance = 10_000_000
        gateway.tick()
        worker.elsewhere()
        assert gateway.endings(probe) == {"over_budget": 1, "captured": 1}

    def test_queue_full(self, gateway, follow):
        gateway.sensor.outbox.capacity = 1
        probe = follow("elsewhere")
        worker.elsewhere()
        worker.elsewhere()
        assert gateway.endings(probe) == {"captured": 1, "queue_full": 1}

    def test_re_entrant(self, gateway, follow):
        probe = follow("elsewhere")
        gateway.sensor.room.busy.add(function.native.get_ident())
        worker.elsewhere()
        assert gateway.endings(probe) == {"re_entrant": 1}

    def test_sensor_error(self, gateway, follow, monkeypatch):
        monkeypatch.setattr(function.snapshots, "copy_arguments", None)
        probe = follow("elsewhere")
        assert worker.elsewhere() == 1
        assert gateway.endings(probe) == {"sensor_error": 1}

    def test_a_swallowed_exception_of_a_callee_is_its_own(self, gateway, follow):
        outer, inner = follow("swallows_all"), follow("fails")
        assert worker.swallows_all() == "fine"
        assert gateway.captures(outer)[0].detail["how"] == "returned"
        assert gateway.captures(inner)[0].detail["how"] == "raised"


def test_the_cost_of_a_busy_function_is_booked(gateway, follow):
    probe = follow("elsewhere")
    for _ in range(200):
        worker.elsewhere()
    assert gateway.counters(probe).cost_us > 0


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=30),
    st.sampled_from(["", "job.size > 5", "@return is None", "@exception is None and job.size > 3"]),
    st.sampled_from([1e6, 0.01]),
)
@settings(max_examples=60)
def test_every_call_ends_in_exactly_one_way(sizes, condition, rate):
    with testing.gateway() as gateway:
        probe = place(gateway, "fails", condition=condition, rate=rate)
        for size, _ in sizes:
            try:
                worker.fails(Job("a", size))
            except ValueError:
                assert size > 10
        endings = gateway.endings(probe)
        assert sum(endings.values()) == len(sizes)
        assert len(gateway.captures(probe)) == endings.get("captured", 0)
        told = figures(gateway, probe)
        assert told["calls"] == endings.get("captured", 0) + endings.get("rate_limited", 0)
