"""An exception probe tells what came up in a function, what was swallowed there and what left it."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from contextlib import suppress
from typing import Any

import pytest

from sightline import testing
from tests.observed import failing
from tests.sensors.places import UNHURRIED, armed

HERE = "tests.observed.failing"


@pytest.fixture
def watch(gateway: testing.Gateway) -> Any:
    def place(function: str, **asked: Any) -> str:
        return armed(gateway, "exception", function=f"{HERE}:{function}", **UNHURRIED | asked)

    return place


def run(function: Any, *given: Any) -> None:
    with suppress(Exception):
        function(*given)


def told(gateway: testing.Gateway, probe: str) -> list[str]:
    return [capture.detail["how"] for capture in gateway.captures(probe) if capture.detail]


@pytest.mark.parametrize(
    ("function", "given", "expected"),
    [
        (failing.leaves, "o", ["raised", "left"]),
        (failing.swallows, "x", ["raised", "swallowed"]),
        (failing.swallows, "1", []),
        (failing.passes_on, "x", ["raised", "left"]),
        (failing.reraises, "x", ["raised", "left"]),
        (failing.raises_again, "x", ["raised", "left"]),
        (failing.translates, "x", ["raised", "raised", "left"]),
        (failing.inner_swallowed, "x", ["raised", "raised", "swallowed", "swallowed"]),
        (failing.suppressed, "x", ["raised", "swallowed"]),
        (failing.calls, "x", ["raised", "left"]),
    ],
)
def test_what_becomes_of_it_is_told(gateway, watch, function, given, expected):
    probe = watch(function.__name__)
    run(function, given)
    assert told(gateway, probe) == expected
    counted = {how: expected.count(how) for how in ("raised", "swallowed", "left")}
    assert gateway.counters(probe).figures == counted


def test_each_of_a_loop_is_one_of_its_own(gateway, watch):
    probe = watch("swallows_many")
    assert failing.swallows_many(["1", "x", "2", "y", "z"]) == 3
    assert gateway.counters(probe).figures == {"raised": 3, "swallowed": 3, "left": 0}


def test_a_lock_around_it_swallows_nothing(gateway, watch):
    probe = watch("within")
    with pytest.raises(ValueError, match="invalid literal"):
        failing.within(threading.Lock(), "x")
    assert told(gateway, probe) == ["raised", "left"]


def test_a_generator_tells_at_its_next_yield(gateway, watch):
    probe = watch("yields")
    generator = failing.yields(["x", "1", "y"])
    assert next(generator) == -1
    assert told(gateway, probe) == ["raised", "swallowed"]
    assert list(generator) == [1, -1]
    assert gateway.counters(probe).figures == {"raised": 2, "swallowed": 2, "left": 0}


def test_a_coroutine_is_seen_over_its_awaits(gateway, watch):
    async def soon() -> int:
        await asyncio.sleep(0)
        raise ValueError(3)

    probe = watch("awaits")
    assert asyncio.run(failing.awaits(soon())) == -1
    assert told(gateway, probe) == ["raised", "swallowed"]


class TestWhatIsKept:
    def test_the_exception_the_frames_and_the_values(self, gateway, watch, line_of):
        probe = watch("leaves", options={"how": ["left"]})
        run(failing.leaves, "late")
        (capture,) = gateway.captures(probe)
        exception = capture.detail["exception"]
        assert exception["type"].endswith("Refused")
        assert exception["fields"]["reason"]["v"] == "late"
        assert exception["where"]["line"] == line_of(failing, "leaves")
        top = capture.frames[0]
        assert (top.function, top.line) == ("leaves", line_of(failing, "leaves"))
        assert top.variables["order"].value == "late"

    def test_where_it_was_swallowed(self, gateway, watch, line_of):
        probe = watch("swallows", options={"how": ["swallowed"]}, watches={"v": "value"})
        failing.swallows("x")
        (capture,) = gateway.captures(probe)
        assert capture.detail["handled_at"]["function"] == "swallows"
        assert capture.detail["handled_at"]["line"] == line_of(failing, "except")
        assert capture.detail["exception"]["where"]["line"] == line_of(failing, "int")
        assert capture.watches["v"].value == "x"

    def test_where_it_came_up(self, gateway, watch, line_of):
        probe = watch("swallows", options={"how": ["raised"]})
        failing.swallows("x")
        (capture,) = gateway.captures(probe)
        assert capture.frames[0].line == line_of(failing, "int")

    def test_cycles_and_groups(self, gateway, watch):
        one, other = watch("cyclic"), watch("grouped")
        run(failing.cyclic)
        run(failing.grouped)
        chain = gateway.captures(one)[0].detail["exception"]["chain"]
        assert chain[-1] == {"link": "cause", "cut": "cycle"}
        parts = gateway.captures(other)[0].detail["exception"]["fields"]["exceptions"]["i"]
        assert [part["t"].rpartition(".")[2] for part in parts] == ["ValueError", "Refused"]


class TestHowMuch:
    @pytest.mark.parametrize(
        ("names", "expected"),
        [(["ValueError"], 1), (["Exception"], 1), ([f"{HERE}.Refused"], 1), (["KeyError"], 0), ([], 1)],
    )
    def test_types_are_chosen_by_name_or_by_what_they_derive_from(self, gateway, watch, names, expected):
        probe = watch("leaves", options={"exceptions": names, "how": ["left"]})
        run(failing.leaves, 1)
        assert len(gateway.captures(probe)) == expected

    def test_a_condition_chooses(self, gateway, watch):
        probe = watch("leaves", condition="order > 2", options={"how": ["left"]})
        for number in range(4):
            run(failing.leaves, number)
        assert gateway.endings(probe) == {"captured": 1, "condition_false": 3}

    def test_the_rate_and_the_hit_limit_hold(self, gateway, watch):
        slow, few = watch("leaves", rate=1.0, options={"how": ["left"]}), watch("leaves", hit_limit=2)
        for number in range(4):
            run(failing.leaves, number)
        assert gateway.endings(slow) == {"captured": 1, "rate_limited": 3}
        assert gateway.endings(few)["captured"] == 2
        assert gateway.counters(slow).figures == {"raised": 4, "swallowed": 0, "left": 4}

    def test_what_is_unknown_is_refused(self, gateway):
        probe = gateway.place("exception", function=f"{HERE}:leaves", options={"how": ["vanished"]})
        assert gateway.status(probe).slug == "option_unknown"
        assert "swallowed" in gateway.status(probe).sentence

    def test_no_exception_is_kept_alive(self, gateway, watch):
        class Mine(ValueError):
            def __int__(self) -> int:
                raise self

        probe = watch("swallows")
        error = Mine()
        gone = weakref.ref(error)
        assert failing.swallows(error) == -1
        error.__traceback__ = None
        del error
        gc.collect()
        assert gone() is None
        assert told(gateway, probe) == ["raised", "swallowed"]

    def test_the_code_is_as_before_when_it_is_removed(self, gateway, watch):
        before = failing.leaves.__code__
        probe = watch("leaves")
        run(failing.leaves, 1)
        gateway.remove(probe)
        assert failing.leaves.__code__ is before
        run(failing.leaves, 1)
        assert len(gateway.captures(probe)) == 2
