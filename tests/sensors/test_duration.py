"""The duration probe: whole functions and the way between two lines, each call by itself."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline import testing
from sightline.kinds import duration, pairing
from tests.observed import worker
from tests.sensors.places import armed, line_in


def between(gateway: testing.Gateway, first: str, last: str, **asked: Any) -> str:
    line, until = line_in(worker, first), line_in(worker, last)
    return armed(gateway, "duration", file="observed/worker.py", line=line, until=until, **asked)


def whole(gateway: testing.Gateway, function: str, **asked: Any) -> str:
    return armed(gateway, "duration", function=f"tests.observed.worker:{function}", **asked)


def figures(gateway: testing.Gateway, probe: str) -> dict[str, Any]:
    told = gateway.counters(probe).figures
    assert told is not None
    return told


def in_flight(gateway: testing.Gateway) -> int:
    """Calls that the only probe follows just now."""
    (hits,) = gateway.sensor.registry.armed_hits()
    kind = hits.kind
    assert isinstance(kind, duration.Duration)
    return len(kind.calls)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """Time that goes on by 1 ms whenever a duration probe looks at it."""
    ticks = iter(range(1_000_000))

    def tick() -> float:
        return next(ticks) / 1e3

    monkeypatch.setattr(duration, "_monotonic", tick)
    return tick


class TestBetweenTwoLines:
    def test_milliseconds_from_one_line_to_the_other(self, gateway, clock):
        probe = between(gateway, "steps_first", "steps_last")
        worker.steps(3)
        told = figures(gateway, probe)
        assert (told["count"], told["unit"], told["unusable"]) == (1, "ms", 0)
        assert told["sum"] == pytest.approx(1.0)
        assert gateway.endings(probe) == {"captured": 1}
        assert gateway.captures(probe) == []
        assert in_flight(gateway) == 0

    def test_it_takes_as_long_as_it_takes(self, gateway):
        probe = between(gateway, "steps_first", "steps_last")
        worker.steps(2, 0.01)
        assert figures(gateway, probe)["sum"] >= 20

    def test_from_one_pass_of_a_line_to_the_next(self, gateway, clock):
        probe = between(gateway, "steps_each", "steps_each")
        worker.steps(4)
        assert figures(gateway, probe)["count"] == 3
        assert in_flight(gateway) == 0

    def test_reaching_the_first_line_again_begins_anew(self, gateway, clock):
        probe = between(gateway, "steps_each", "steps_last")
        worker.steps(4)
        assert figures(gateway, probe)["count"] == 1

    def test_recursive_calls_are_told_apart(self, gateway):
        probe = between(gateway, "nested_first", "nested_last")
        worker.nested(4)
        assert figures(gateway, probe)["count"] == 5
        assert in_flight(gateway) == 0

    def test_threads_are_told_apart(self, gateway):
        probe = between(gateway, "steps_first", "steps_last")
        threads = [threading.Thread(target=worker.steps, args=(2, 0.002)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told = figures(gateway, probe)
        assert told["count"] == 4
        assert told["min"] >= 4

    def test_tasks_that_wait_are_told_apart(self, gateway):
        probe = between(gateway, "waits_first", "waits_last")

        async def together() -> None:
            await asyncio.gather(*(worker.waits(n) for n in (20, 0, 10)))

        asyncio.run(together())
        told = figures(gateway, probe)
        assert told["count"] == 3
        assert told["max"] >= 19 > told["min"]

    def test_the_steps_of_a_generator(self, gateway):
        probe = between(gateway, "yields_first", "yields_last")
        assert list(worker.yields(3)) == [0, 1, 2]
        assert figures(gateway, probe)["count"] == 3

    def test_a_call_that_never_reaches_the_second_line_is_forgotten(self, gateway):
        probe = between(gateway, "early_first", "early_last")
        worker.early(0)
        assert in_flight(gateway) == 0
        for _ in range(50):
            with pytest.raises(ValueError, match="-1"):
                worker.early(-1)
        assert in_flight(gateway) <= 5  # the next call at that address ends it
        worker.early(1)
        assert figures(gateway, probe)["count"] == 1

    def test_a_condition_is_judged_at_the_first_line(self, gateway):
        probe = between(gateway, "early_first", "early_last", condition="n > 5")
        for n in (1, 9, 0):
            worker.early(n)
        assert figures(gateway, probe)["count"] == 1
        assert gateway.endings(probe) == {"condition_false": 2, "captured": 1}

    def test_two_lines_of_different_functions_are_refused(self, gateway):
        line, until = line_in(worker, "steps_first"), line_in(worker, "elsewhere")
        probe = gateway.place("duration", file="observed/worker.py", line=line, until=until)
        status = gateway.status(probe)
        assert (status.state, status.slug) == ("rejected", "until_elsewhere")
        assert "steps" in status.sentence

    def test_the_status_names_both_lines(self, gateway):
        probe = between(gateway, "steps_first", "steps_last")
        first, last = line_in(worker, "steps_first"), line_in(worker, "steps_last")
        assert f"lines {first} to {last} of steps" in gateway.status(probe).sentence


class TestAWholeFunction:
    def test_every_call_is_measured_whichever_way_it_ends(self, gateway):
        probe = whole(gateway, "early")
        worker.early(1)
        worker.early(0)
        with pytest.raises(ValueError, match="-1"):
            worker.early(-1)
        assert figures(gateway, probe)["count"] == 3
        assert in_flight(gateway) == 0

    def test_a_coroutine_lasts_while_it_waits(self, gateway):
        probe = whole(gateway, "waits")
        assert asyncio.run(worker.waits(10)) == 10
        told = figures(gateway, probe)
        assert told["count"] == 1
        assert told["min"] >= 9

    def test_a_generator_lasts_from_its_first_step_to_its_end(self, gateway):
        probe = whole(gateway, "yields")
        list(worker.yields(3))
        assert figures(gateway, probe)["count"] == 1

    @pytest.mark.usefixtures("only_new_is_collected")
    def test_a_generator_that_is_thrown_away_leaves_nothing(self, gateway):
        whole(gateway, "yields")
        for _ in range(20):
            next(worker.yields(3))
            gc.collect()
        assert in_flight(gateway) <= 5

    def test_a_line_means_the_function_around_it(self, gateway):
        line = line_in(worker, "steps_last")
        probe = gateway.place("duration", file="observed/worker.py", line=line)
        worker.steps(1)
        assert figures(gateway, probe)["count"] == 1
        assert "calls of steps" in gateway.status(probe).sentence

    def test_a_line_outside_all_functions_is_refused(self, gateway):
        line = line_in(worker, "module_line")
        probe = gateway.place("duration", file="observed/worker.py", line=line)
        assert gateway.status(probe).state == "rejected"

    def test_calls_followed_at_a_time_are_bounded(self, gateway, monkeypatch):
        monkeypatch.setattr(duration, "MOST_CALLS", 5)
        probe = whole(gateway, "yields")
        alive = [worker.yields(2) for _ in range(20)]
        for each in alive:
            next(each)
        assert in_flight(gateway) == 5
        for each in alive:
            list(each)
        assert figures(gateway, probe)["count"] == 5

    def test_removing_the_probe_forgets_what_was_followed(self, gateway):
        probe = whole(gateway, "yields")
        suspended = worker.yields(2)
        next(suspended)
        (hits,) = gateway.sensor.registry.armed_hits()
        gateway.remove(probe)
        assert hits.kind.calls == {}
        assert list(suspended) == [1]


class TestSlowOnes:
    def test_only_what_takes_longer_is_captured(self, gateway, monkeypatch):
        moments = iter([0.0, 0.001, 1.0, 1.5])
        monkeypatch.setattr(duration, "_monotonic", lambda: next(moments))
        probe = whole(gateway, "handle", options={"slower_than_ms": 100})
        worker.handle(worker.Job("a", 1))
        worker.handle(worker.Job("b", 1))
        assert gateway.endings(probe) == {"condition_false": 1, "captured": 1}
        assert figures(gateway, probe)["count"] == 2
        (capture,) = gateway.captures(probe)
        assert capture.detail == {"duration_ms": 500.0}
        assert capture.frames[0].function == "handle"
        assert "hunter2" not in str(capture)

    def test_their_number_is_limited(self, gateway):
        probe = whole(gateway, "elsewhere", options={"slower_than_ms": 0}, rate=1e6, hit_limit=3)
        for _ in range(10):
            worker.elsewhere()
        assert gateway.endings(probe)["captured"] == 3
        gateway.tick()
        assert gateway.status(probe).slug == "hit_limit"

    def test_a_bound_that_is_no_number_is_refused(self, gateway):
        probe = gateway.place(
            "duration", function="tests.observed.worker:handle", options={"slower_than_ms": "long"}
        )
        assert gateway.status(probe).slug == "wrong_option"


def test_the_budget_switches_it_off_and_on_again(gateway):
    probe = whole(gateway, "elsewhere")
    gateway.sensor.budget.balance = -1
    for _ in range(5):
        worker.elsewhere()
    assert gateway.endings(probe) == {"over_budget": 1}
    gateway.sensor.budget.balance = 10_000_000
    gateway.tick()
    worker.elsewhere()
    assert gateway.endings(probe) == {"over_budget": 1, "captured": 1}


def test_a_full_table_that_another_thread_changes_is_left_alone():
    class Restless(dict[int, Any]):
        def __iter__(self) -> Any:
            raise RuntimeError("dictionary changed size during iteration")

    calls = Restless({1: 0.0})
    pairing.make_room(calls)
    assert len(calls) == 1


@given(
    st.lists(st.sampled_from(["new", "step", "drop", "close", "throw"]), min_size=1, max_size=60),
    st.randoms(),
)
@settings(max_examples=40)
def test_generators_in_any_order_are_never_mixed_up(orders, random):
    """Whatever happens to any of them, only those that come to their end are measured, and nothing is kept."""
    with testing.gateway() as gateway:
        probe = whole(gateway, "yields")
        alive: list[Any] = []
        ended = 0
        for order in orders:
            if order == "new":
                alive.append(worker.yields(2))
                next(alive[-1])
                continue
            if not alive:
                continue
            chosen = alive.pop(random.randrange(len(alive)))
            if order == "step":
                list(chosen)
                ended += 1
            elif order == "throw":
                with pytest.raises(KeyError):
                    chosen.throw(KeyError("thrown"))
                ended += 1
            elif order == "close":
                chosen.close()
                ended += CLOSING_IS_TOLD
            else:
                del chosen
                ended += CLOSING_IS_TOLD
        assert figures(gateway, probe)["count"] == ended


CLOSING_IS_TOLD = sys.version_info < (3, 13)
"""From 3.13 a generator that waits outside `try` ends without an exception when it is closed, and nobody is told."""
