"""A path probe tells the lines of a call in order, and what decided."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from sightline import testing, wire
from tests.observed import roads
from tests.sensors.places import UNHURRIED, armed

HERE = "tests.observed.roads"


@pytest.fixture
def follow(gateway: testing.Gateway) -> Any:
    def place(function: str, **asked: Any) -> str:
        return armed(gateway, "path", function=f"{HERE}:{function}", **UNHURRIED | asked)

    return place


@pytest.fixture
def at(line_of: Any) -> Any:
    return lambda name: line_of(roads, name)


def decisions_of(capture: Any) -> dict[int, tuple[bool | None, int | None]]:
    return {each["line"]: (each["taken"], each["to"]) for each in capture.detail["decisions"]}


class TestWhatIsTold:
    def test_the_lines_in_order_and_the_ways_taken(self, gateway, follow, at):
        probe = follow("book")
        assert roads.book({"amount": 5, "tested": False, "items": [1, 2]}, 10) == 3

        (capture,) = gateway.captures(probe)
        steps = capture.detail["steps"]
        assert at("large") not in steps
        assert [step for step in steps if step in (at("for"), at("item"))] == [
            at("for"), at("item"), at("for"), at("item"), at("for"),
        ]  # fmt: skip
        ways = decisions_of(capture)
        assert ways[at("if")] == (False, at("elif"))
        assert ways[at("elif")] == (False, at("for"))
        assert ways[at("return")] == (True, None)
        assert capture.detail["ended"]["how"] == "returned"
        assert capture.detail["ended"]["value"]["v"] == 3
        assert capture.detail["cut"] == ""

    def test_the_deciding_values(self, gateway, follow, at):
        probe = follow("book")
        roads.book({"amount": 50, "tested": False, "items": []}, 10)
        (capture,) = gateway.captures(probe)
        first = capture.detail["decisions"][0]
        assert (first["line"], first["taken"], first["to"]) == (at("if"), True, at("large"))
        assert {text: value["v"] for text, value in first["values"].items()} == {
            "order['amount']": 50,
            "limit": 10,
        }

    def test_an_exception_that_decides(self, gateway, follow, at):
        probe = follow("book")
        roads.book({"amount": 5, "tested": 0, "items": [101]}, 10)
        (capture,) = gateway.captures(probe)
        caught = next(each for each in capture.detail["decisions"] if each["line"] == at("except"))
        assert (caught["taken"], caught["to"]) == (True, at("closed"))
        assert caught["values"]["raised"]["t"].endswith("Closed")

    def test_the_frames_are_those_at_entry(self, gateway, follow):
        probe = follow("book")
        roads.book({"amount": 5, "tested": 0, "items": []}, 10)
        top = gateway.captures(probe)[0].frames[0]
        assert (top.function, sorted(top.variables)) == ("book", ["limit", "order"])

    def test_a_call_that_raises(self, gateway, follow):
        probe = follow("failing")
        with pytest.raises(ValueError, match="no order"):
            roads.failing(None)
        (capture,) = gateway.captures(probe)
        ended = capture.detail["ended"]
        assert (ended["how"], ended["exception"]["type"]) == ("raised", "ValueError")
        assert [value["v"] for value in ended["exception"]["arguments"]] == ["no order", 7]

    def test_a_generator_is_followed_over_its_yields(self, gateway, follow):
        probe = follow("steps")
        assert list(roads.steps(4)) == [1, 3]
        (capture,) = gateway.captures(probe)
        assert [each["taken"] for each in capture.detail["decisions"] if "number % 2" in each["values"]] == [
            False, True, False, True,
        ]  # fmt: skip

    def test_a_coroutine_is_followed_over_its_awaits(self, gateway, follow):
        async def run() -> int:
            async def soon() -> bool:
                await asyncio.sleep(0)
                return True

            return await roads.awaited(soon())

        probe = follow("awaited")
        assert asyncio.run(run()) == 1
        (capture,) = gateway.captures(probe)
        assert [each["taken"] for each in capture.detail["decisions"]] == [True]
        assert capture.detail["ended"]["how"] == "returned"

    def test_calls_within_calls_are_kept_apart(self, gateway, follow):
        probe = follow("recursive")
        roads.recursive(2)
        captures = gateway.captures(probe)
        assert [len(capture.detail["steps"]) for capture in captures] == [2, 2, 2]

    def test_a_secret_that_decides_is_withheld(self, gateway, follow):
        probe = follow("login")
        roads.login("hunter2")
        (capture,) = gateway.captures(probe)
        assert "hunter2" not in repr(capture)
        assert capture.detail["decisions"][0]["values"]["password"]["r"] == "name: password"


class TestHowMuch:
    def test_steps_are_bounded_and_loops_told_short(self, gateway, follow):
        probe = follow("long", options={"most_steps": 20})
        assert roads.long(1000) == 499500
        (capture,) = gateway.captures(probe)
        assert capture.detail["cut"] == "steps 20"
        assert capture.detail["ended"] == {"how": "cut"}
        assert sum(step[1] if isinstance(step, list) else 1 for step in capture.detail["steps"]) == 20

    def test_only_sampled_calls_are_followed(self, gateway, follow):
        probe = follow("failing", rate=1.0)
        for _ in range(10):
            roads.failing(1)
        assert len(gateway.captures(probe)) == 1
        assert gateway.endings(probe) == {"captured": 1, "rate_limited": 9}
        assert gateway.counters(probe).figures == {"calls": 10, "sampled": 1}

    def test_a_condition_chooses_the_calls(self, gateway, follow):
        probe = follow("failing", condition="order == 3")
        for number in range(5):
            roads.failing(number)
        assert gateway.endings(probe) == {"captured": 1, "condition_false": 4}

    def test_the_hit_limit_ends_it(self, gateway, follow):
        probe = follow("failing", hit_limit=2)
        for number in range(5):
            roads.failing(number)
        gateway.tick()
        assert len(gateway.captures(probe)) == 2
        assert gateway.status(probe).slug == "hit_limit"

    def test_values_stop_when_their_time_is_up(self, gateway, follow):
        probe = follow("book", limits=wire.Limits(deadline_ms=0.0))
        roads.book({"amount": 5, "tested": False, "items": [1]}, 10)
        (capture,) = gateway.captures(probe)
        assert [each["values"] for each in capture.detail["decisions"][1:]] == [{}] * 4
        assert capture.detail["decisions"][0]["taken"] is False

    def test_an_option_that_cannot_be_meant_is_refused(self, gateway):
        probe = gateway.place("path", function=f"{HERE}:long", options={"most_steps": 10**9})
        status = gateway.status(probe)
        assert (status.state, status.slug) == ("rejected", "option_unknown")
        assert "20000" in status.sentence

    def test_nothing_is_left_when_it_is_removed(self, gateway, follow):
        before = roads.book.__code__
        probe = follow("book")
        generator = roads.steps(3)
        next(generator)
        roads.book({"amount": 5, "tested": 0, "items": []}, 10)
        gateway.remove(probe)
        assert roads.book.__code__ is before
        assert list(generator) == []

    def test_threads_are_kept_apart(self, gateway, follow):
        probe = follow("long", hit_limit=0)
        threads = [threading.Thread(target=roads.long, args=(200,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        captures = gateway.captures(probe)
        assert [capture.detail["ended"]["how"] for capture in captures] == ["returned"] * 4
        assert {len(capture.detail["steps"]) for capture in captures} == {403}
