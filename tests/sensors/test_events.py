"""Every event of a code object is told on the engine of this interpreter, and the code does what it did before."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

import pytest

from sightline import engines, linetables
from sightline.engines.base import ABOVE_HOOK, EVENTS, MISSING, PROCESS_WIDE, Engine, Event, Spot
from tests.observed import calls
from tests.sensors.places import traced


class Ear:
    """Hears one spot, and writes down what it is told."""

    wants: frozenset[str] | None = None
    points: tuple[Any, ...] = ()

    def __init__(self, event: Event, heard: list[tuple[Any, ...]], *, off: bool = False) -> None:
        self.event = event
        self.heard = heard
        self.off = off
        self.rests: list[str] = []
        self.failures = 0
        entry = event in ("line", "start", "resume")
        self.fire: Callable[..., bool] = self.on_entry if entry else self.on_told

    def on_entry(self, frame: FrameType | None = None, names: Any = None) -> bool:
        frame = frame or sys._getframe(ABOVE_HOOK + 1)
        self.heard.append((self.event, frame.f_code.co_name))
        return self.off

    def on_told(self, told: Any, frame: FrameType | None = None) -> bool:
        frame = frame or sys._getframe(ABOVE_HOOK + 1)
        assert isinstance(frame.f_code, CodeType)
        self.heard.append((self.event, told))
        return self.off

    def rested(self) -> None:
        self.rests.append("rested")

    def woke(self) -> None:
        self.rests.append("woke")

    def failed(self) -> None:
        self.failures += 1


@pytest.fixture
def engine() -> Iterator[Engine]:
    chosen = engines.choose()
    yield chosen
    chosen.close()


class Listening:
    """Arms events of one function, and gives what was told of it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.heard: list[tuple[Any, ...]] = []
        self.ears: dict[Event, tuple[Spot, Ear]] = {}

    def to(self, function: Any, *events: Event, off: bool = False) -> Listening:
        code = self.engine.original(function.__code__)
        for event in events:
            spot = Spot(code, linetables.first_line_of(code), functions=(weakref.ref(function),), event=event)
            self.ears[event] = spot, Ear(event, self.heard, off=off)
        self.engine.arm(list(self.ears.values()))
        return self

    def no_more(self) -> None:
        self.engine.disarm(list(self.ears.values()))

    def take(self) -> list[tuple[Any, ...]]:
        taken = [*self.heard]
        self.heard.clear()
        return taken


@pytest.fixture
def listening(engine) -> Listening:
    return Listening(engine)


class TestCalls:
    def test_start_and_return_are_told_with_the_value(self, listening):
        listening.to(calls.double, "start", "return")
        assert calls.double(4) == 8
        assert listening.take() == [("start", "double"), ("return", 8)]

    def test_every_way_of_returning(self, listening):
        listening.to(calls.many_ways_out, "return")
        assert [calls.many_ways_out(n) for n in range(5)] == ["zero", "one", "two", None, "finally"]
        assert [value for _, value in listening.take()] == ["zero", "one", "two", None, "finally"]

    def test_a_lambda_and_a_one_line_function(self, listening):
        listening.to(calls.LAMBDA, "start", "return")
        assert calls.LAMBDA(1) == 2
        assert listening.take() == [("start", "<lambda>"), ("return", 2)]

    def test_a_closure_made_before(self, listening):
        made = calls.make_adder(5)
        listening.to(made, "start", "return")
        assert made(1) == 6
        assert listening.take() == [("start", "add"), ("return", 6)]

    def test_recursion_is_told_inside_out(self, listening):
        listening.to(calls.factorial, "start", "return")
        assert calls.factorial(2) == 2
        assert listening.take() == [("start", "factorial")] * 3 + [
            ("return", 1),
            ("return", 1),
            ("return", 2),
        ]

    def test_what_is_disarmed_is_not_told_and_code_is_as_it_was(self, listening):
        before = calls.double.__code__
        listening.to(calls.double, *EVENTS)
        listening.no_more()
        assert calls.double(1) == 2
        assert listening.take() == []
        assert calls.double.__code__ is before

    def test_a_closed_engine_leaves_nothing(self, engine):
        before = calls.double.__code__
        Listening(engine).to(calls.double, *EVENTS)
        engine.close()
        assert calls.double.__code__ is before
        if sys.version_info >= (3, 12):
            assert all(sys.monitoring.get_tool(tool) is None for tool in (3, 4, 5))
        engine.__init__(*([4] if sys.version_info >= (3, 12) else []))  # for the fixture to close


class TestExceptions:
    def test_an_exception_that_leaves_is_told_and_its_traceback_is_as_without_us(self, listening):
        expected = traceback_of(lambda: calls.raises_deep(3))
        listening.to(calls.raises_deep, "start", "return", "unwind")
        assert traceback_of(lambda: calls.raises_deep(3)) == expected
        heard = listening.take()
        assert [event for event, _ in heard] == ["start"] * 4 + ["unwind"] * 4
        assert {repr(told) for event, told in heard if event == "unwind"} == {"KeyError('deep')"}

    @pytest.mark.parametrize(
        "run",
        [calls.reraises, calls.raises_from, calls.raises_in_handler, calls.raises_in_loop, calls.with_raises],
    )
    def test_tracebacks_causes_and_contexts_stay_what_they_were(self, listening, run):
        expected = traceback_of(run)
        listening.to(run, *EVENTS)
        assert traceback_of(run) == expected
        assert [event for event, _ in listening.take() if event == "unwind"] == ["unwind"]

    def test_a_swallowed_exception_is_raised_and_handled_and_does_not_leave(self, listening):
        listening.to(calls.swallows, "raise", "reraise", "handled", "unwind", "return")
        assert calls.swallows() == "swallowed"
        heard = [(event, repr(told)) for event, told in listening.take()]
        assert ("raise", "ValueError('swallowed')") in heard
        assert ("handled", "ValueError('swallowed')") in heard
        assert [event for event, _ in heard if event in ("unwind", "reraise")] == []

    def test_a_bare_raise_and_a_handler_that_does_not_fit_are_reraises(self, listening):
        listening.to(calls.reraises, "handled", "reraise", "unwind")
        with pytest.raises(ValueError, match="again"):
            calls.reraises()
        events = [event for event, _ in listening.take()]
        assert events.count("unwind") == 1
        assert "reraise" in events
        assert events.index("handled") < events.index("reraise") < events.index("unwind")

    def test_exceptions_in_other_code_are_not_told(self, listening):
        listening.to(calls.double, *PROCESS_WIDE)
        with pytest.raises(KeyError):
            calls.raises_deep(0)
        assert listening.take() == []

    def test_the_handled_exception_is_unchanged_while_a_handler_runs(self, listening):
        listening.to(calls.looks_at_exc_info, *EVENTS)
        assert calls.looks_at_exc_info() == ("ValueError", None)


class TestGenerators:
    def test_start_comes_with_the_first_step_and_each_yield_is_told(self, listening):
        listening.to(calls.counts, "start", "resume", "yield", "return")
        made = calls.counts(2)
        assert listening.take() == []
        assert list(made) == [0, 1]
        assert listening.take() == [
            ("start", "counts"),
            ("yield", 0),
            ("resume", "counts"),
            ("yield", 1),
            ("resume", "counts"),
            ("return", "end"),
        ]

    def test_what_is_sent_thrown_and_closed_arrives_as_without_us(self, listening):
        expected = drive(calls.echoes())
        listening.to(calls.echoes, *EVENTS)
        assert drive(calls.echoes()) == expected

    def test_an_exception_thrown_into_a_generator_leaves_it(self, listening):
        listening.to(calls.counts, "unwind")
        made = calls.counts(2)
        next(made)
        with pytest.raises(LookupError):
            made.throw(LookupError("thrown"))
        assert [repr(told) for _, told in listening.take()] == ["LookupError('thrown')"]

    def test_yield_from_tells_no_yields_of_its_own(self, listening):
        listening.to(calls.delegates, "start", "yield", "return")
        assert list(calls.delegates()) == [0, 1, 7]
        assert listening.take() == [("start", "delegates"), ("yield", 7), ("return", None)]

    def test_a_coroutine_is_one_call_however_often_it_waits(self, listening):
        listening.to(calls.waits, "start", "yield", "return", "unwind")
        assert asyncio.run(calls.waits(3)) == 3
        assert listening.take() == [("start", "waits"), ("return", 3)]

    def test_an_asynchronous_generator(self, listening):
        async def collect() -> list[int]:
            return [number async for number in calls.ticks(2)]

        listening.to(calls.ticks, "start", "yield", "return")
        assert asyncio.run(collect()) == [0, 1]
        assert listening.take() == [("start", "ticks"), ("yield", 0), ("yield", 1), ("return", None)]

    def test_a_cancelled_task_unwinds(self, listening):
        listening.to(calls.waits_for_ever, "start", "unwind")

        async def cancel() -> None:
            task = asyncio.create_task(calls.waits_for_ever())
            await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        asyncio.run(cancel())
        assert [event for event, _ in listening.take()] == ["start", "unwind"]

    def test_a_generator_that_vanishes_is_kept_by_nobody(self, listening):
        listening.to(calls.holds, "start", "yield", "return")
        thing = calls.Thing()
        gone = weakref.ref(thing)
        made = calls.holds(thing)
        next(made)
        del made, thing
        gc.collect()
        assert gone() is None


class TestEveryLine:
    def test_nothing_is_told_until_it_is_switched_on_and_then_all_lines(self, engine, listening):
        listening.to(calls.branches, "every_line")
        assert calls.branches(3) == "odd"
        assert listening.take() == []

        engine.switch(*listening.ears["every_line"], on=True)
        assert calls.branches(2) == "even"
        first = calls.branches.__code__.co_firstlineno
        assert [told - first for _, told in listening.take()] == [1, 2, 3, 6]

        engine.switch(*listening.ears["every_line"], on=False)
        calls.branches(2)
        assert listening.take() == []

    def test_a_call_may_switch_it_on_for_itself_and_off_again_as_it_ends(self, engine, listening):
        """As a path probe does: from the callbacks, in the application's thread."""
        listening.to(calls.branches, "every_line", "start", "return")
        ears = listening.ears

        def on(frame: FrameType | None = None, names: Any = None) -> bool:
            engine.switch(*ears["every_line"], on=True)
            return False

        def off(told: object, frame: FrameType | None = None) -> bool:
            engine.switch(*ears["every_line"], on=False)
            return False

        engine.disarm(list(ears.values()))
        ears["start"][1].fire, ears["return"][1].fire = on, off
        engine.arm(list(ears.values()))
        for _ in range(3):
            assert calls.branches(3) == "odd"
            assert len(listening.take()) == 4

    def test_every_line_may_end_in_its_own_hit(self, engine, listening):
        listening.to(calls.loops, "every_line")
        spot, ear = listening.ears["every_line"]

        def cut(line: int, frame: FrameType | None = None) -> bool:
            ear.heard.append(("every_line", line))
            if len(ear.heard) == 5:
                engine.switch(spot, ear, on=False)
            return False

        engine.disarm([(spot, ear)])
        ear.fire = cut
        engine.arm([(spot, ear)])
        engine.switch(spot, ear, on=True)
        assert calls.loops(100) == 4950
        assert len(listening.take()) == 5

    def test_a_line_with_an_ear_of_its_own_is_told_once_to_each(self, engine, listening):
        listening.to(calls.loops, "line", "every_line")
        engine.switch(*listening.ears["every_line"], on=True)
        calls.loops(2)
        heard = [event for event, _ in listening.take()]
        assert heard.count("line") == 1
        assert heard.count("every_line") == 7

    def test_the_lines_are_those_that_sys_settrace_would_tell(self, engine):
        for function, arguments in ((calls.branches, (1,)), (calls.loops, (3,)), (calls.swallows, ())):
            listening = Listening(engine).to(function, "every_line")
            engine.switch(*listening.ears["every_line"], on=True)
            function(*arguments)
            told = [line for _, line in listening.take()]
            listening.no_more()
            assert told == traced(function, arguments)


class TestCallsMade:
    def test_callable_and_first_argument_are_told_before_the_call(self, listening):
        listening.to(calls.sets, "call")
        thing = calls.Thing()
        calls.sets(thing)
        assert vars(thing) == {"a": 1, "b": 2, "c": 3}
        heard = [told for _, told in listening.take()]
        assert (setattr, thing) in heard
        assert any(getattr(function, "__name__", "") == "__setattr__" for function, _ in heard)
        assert any(argument is MISSING for _, argument in heard)

    def test_calls_with_keywords_stars_and_methods_do_what_they_did(self, listening):
        expected = calls.calls_in_every_way()
        listening.to(calls.calls_in_every_way, "call")
        assert calls.calls_in_every_way() == expected
        assert len(listening.take()) >= 5


class TestRest:
    @pytest.mark.parametrize("event", ["start", "return", "call"])
    def test_a_place_that_asks_for_it_rests_until_it_is_woken(self, engine, listening, event):
        listening.to(calls.sets, event, off=True)
        thing = calls.Thing()
        calls.sets(thing)
        told = len(listening.take())
        calls.sets(thing)
        assert listening.take() == []
        assert told >= 1

        engine.wake()
        calls.sets(thing)
        assert len(listening.take()) == told
        assert listening.ears[event][1].rests == ["rested", "woke", "rested"]

    def test_exceptions_cannot_be_switched_off_and_nothing_breaks(self, listening):
        listening.to(calls.raises_deep, "unwind", off=True)
        for _ in range(2):
            with pytest.raises(KeyError):
                calls.raises_deep(0)
        assert len(listening.take()) == 2

    def test_a_failing_ear_is_told_so_and_the_application_sees_nothing(self, listening):
        listening.to(calls.double, "start", "return")

        def fail(*_: object) -> bool:
            raise ZeroDivisionError

        for spot, ear in listening.ears.values():
            listening.engine.disarm([(spot, ear)])
            ear.fire = fail
            listening.engine.arm([(spot, ear)])
        assert calls.double(1) == 2
        assert [ear.failures for _, ear in listening.ears.values()] == [1, 1]

    def test_a_one_line_functions_line_still_fires_beside_a_start_that_rests(self, listening):
        listening.to(calls.LAMBDA, "line", "start", off=False)
        listening.ears["start"][1].off = True
        for _ in range(3):
            calls.LAMBDA(1)
        assert listening.take().count(("line", "<lambda>")) == 3


def test_threads_switch_every_line_while_the_registry_arms(engine):
    """The state that is set at last is the state that was asked for at last."""
    listening = Listening(engine).to(calls.branches, "every_line")
    spot, ear = listening.ears["every_line"]
    other = Ear("return", listening.heard)
    stop = threading.Event()

    def flip() -> None:
        while not stop.is_set():
            engine.switch(spot, ear, on=True)
            calls.branches(1)
            engine.switch(spot, ear, on=False)

    threads = [threading.Thread(target=flip) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        engine.arm([(spot._replace(event="return"), other)])
        engine.disarm([(spot._replace(event="return"), other)])
    stop.set()
    for thread in threads:
        thread.join()
    listening.take()
    engine.switch(spot, ear, on=True)
    calls.branches(1)
    assert len(listening.take()) == 4
    engine.switch(spot, ear, on=False)
    calls.branches(1)
    assert listening.take() == []


if sys.version_info < (3, 12):

    @pytest.mark.slow
    def test_the_standard_librarys_trickiest_code_can_be_given_every_hook():
        import argparse
        import dataclasses
        import inspect

        from sightline.engines.injection import Switch, inject

        def hook(*_: object) -> None:
            return None

        for module in (argparse, asyncio.tasks, contextlib, dataclasses, inspect, calls):
            body = linetables.compiled(module.__file__)
            for code, _ in linetables.tree(body):
                if linetables.is_function(code):
                    lines = dict.fromkeys(linetables.lines_of(code), hook)
                    told = dict.fromkeys(set(EVENTS) - {"line", "every_line"}, hook)
                    made = inject(code, lines, events=told, every=lines, switch=Switch())
                    assert hash(made) != 0
                    assert made.co_freevars == code.co_freevars


def traceback_of(run: Callable[[], Any]) -> list[str]:
    """The traceback as people read it, below the frames of the test."""
    try:
        run()
    except (LookupError, ValueError, RuntimeError, NameError, ArithmeticError, AssertionError) as error:
        return [line for line in traceback.format_exception(error) if __file__ not in line]
    return ["nothing was raised"]


def drive(made: Any) -> list[Any]:
    heard = [next(made), made.send("a"), made.throw(KeyError("k")), made.send("b")]
    made.close()
    with pytest.raises(StopIteration):
        next(made)
    return [*heard, list(calls.CLOSED)]
