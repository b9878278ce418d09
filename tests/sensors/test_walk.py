"""The search of a process that is too large to be stopped for it: what it finds, and what it leaves as it was."""

from __future__ import annotations

import asyncio
import functools
import gc
import signal
import sys
import threading
import time
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sightline import walk

pytestmark = pytest.mark.slow  # each test searches all that pytest holds

HOLDER = types.SimpleNamespace()
"""Where these tests put what holds a function; a name of this module, as a service's registry would be."""
Function = Callable[[], int]


@pytest.fixture(autouse=True)
def large_process(monkeypatch):
    """This process counts as large, so that the heap is not copied."""
    monkeypatch.setattr(walk, "FEW_BLOCKS", 0)
    monkeypatch.setattr(walk, "MOST_SEEN", 10_000_000)
    yield
    vars(HOLDER).clear()


def make() -> Function:
    return lambda: 1


def is_found(function_id: int) -> bool:
    return any(id(found) == function_id for found in walk.Walk().functions())


class Slotted:
    __slots__ = ("function",)

    def __init__(self, function: Function) -> None:
        self.function = function


class Instance:
    def __init__(self, function: Function) -> None:
        self.function = function

    def method(self) -> int:
        return self.function()


class Registry(dict[Any, Any]):
    """A service's own kind of dict."""

    def __len__(self) -> int:
        raise AssertionError("foreign code ran")

    __iter__ = values = items = __len__  # type: ignore[assignment]


def generator(function: Function) -> Iterator[int]:
    yield 0
    yield function()


async def coroutine(function: Function) -> int:
    return function()


def failed(function: Function) -> Exception:
    try:
        raise ValueError
    except ValueError as error:
        return error


def many(last: object) -> list[object]:
    return [*range(10 * walk.LONG), last]


def begun(function: Function) -> Iterator[int]:
    started = generator(function)
    next(started)
    return started


HOLDERS: dict[str, Callable[[Function], object]] = {
    "a list": lambda function: [function],
    "an instance": Instance,
    "a slot": Slotted,
    "a bound method": lambda function: Instance(function).method,
    "a partial": functools.partial,
    "a decorator of it": lambda function: functools.wraps(function)(lambda: None),
    "a cache of its results": lambda function: functools.lru_cache(function),
    "a default value": lambda function: lambda given=function: given,
    "a class made in a function": lambda function: type("Local", (), {"call": function}),
    "a key": lambda function: {function: "registered"},
    "a suspended generator": begun,
    "a traceback": failed,
    "an ordered dict": lambda function: OrderedDict(handler=function),
    "a dict of another class": lambda function: Registry(handler=function),
    "a large dict": lambda function: dict(enumerate(many(function))),
    "a large dict's keys": lambda function: dict.fromkeys(many(function)),
    "a large dict of another class": lambda function: Registry(enumerate(many(function))),
    "a large deque": lambda function: deque(many(function)),
    "a large tuple": lambda function: tuple(many(function)),
}


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS.keys())
def test_a_function_is_found_that_is_held_by(hold):
    HOLDER.held = hold(make())
    gc.collect()
    held = next(each for each in gc.get_objects() if _is_made_here(each))
    identity = id(held)
    del held

    assert is_found(identity)


def _is_made_here(thing: object) -> bool:
    return type(thing) is types.FunctionType and thing.__code__ is make().__code__


def test_a_function_is_found_that_only_a_suspended_coroutine_holds():
    HOLDER.held = coroutine(function := make())
    identity = id(function)
    del function
    try:
        assert is_found(identity)
    finally:
        HOLDER.held.close()


def test_a_function_is_found_that_only_a_variable_of_a_running_call_holds():
    def only_here() -> int:
        return 1

    assert is_found(id(only_here))


def test_a_function_is_found_that_only_a_variable_of_another_thread_holds():
    def call() -> None:
        def only_here() -> int:
            return 1

        identities.append(id(only_here))
        holds.set()
        end.wait()

    identities: list[int] = []
    holds, end = threading.Event(), threading.Event()
    thread = threading.Thread(target=call)
    thread.start()
    holds.wait()
    try:
        assert is_found(identities[0])
    finally:
        end.set()
        thread.join()


def test_a_function_is_found_that_is_reached_through_a_weak_dictionary():
    class Held:
        """Can be referred to weakly; who holds it is nobody that the walk comes to."""

    held = Held()
    held.function = make()  # type: ignore[attr-defined]
    HOLDER.held = weakref.WeakValueDictionary(one=held)
    identity = id(held.function)  # type: ignore[attr-defined]
    hidden = [held]
    del held
    assert is_found(identity)
    assert hidden


def test_a_handler_of_a_signal_is_found():
    def function(number: int, frame: object) -> None:
        """Nothing to be done."""

    identity = id(function)
    before = signal.signal(signal.SIGUSR2, function)
    del function
    try:
        assert is_found(identity)
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_modules_are_not_asked_for_what_their_compiled_code_keeps():
    """That of asyncio, of some releases, keeps freed objects and tells of them without end."""

    async def leave_free_objects() -> None:
        for _ in range(10):
            future = asyncio.get_running_loop().create_future()
            future.set_result(None)
            await future

    asyncio.run(leave_free_objects())
    assert list(walk.Walk().functions())


def test_each_function_is_found_once():
    found = [id(function) for function in walk.Walk().functions()]
    assert len(found) == len(set(found))


def test_a_small_process_is_searched_to_its_end_at_once(monkeypatch):
    monkeypatch.setattr(walk, "FEW_BLOCKS", 1 << 62)
    gc.collect()
    alive = {id(thing) for thing in gc.get_objects() if type(thing) is types.FunctionType}
    assert alive <= {id(function) for function in walk.Walk().functions()}


class TestWhatItDoesNotReach:
    def test_is_told_where_there_is_too_much_to_look_at(self, monkeypatch):
        search = walk.Walk()
        list(search.functions())
        assert search.complete

        monkeypatch.setattr(walk, "MOST_SEEN", 1000)
        search = walk.Walk()
        list(search.functions())
        assert not search.complete

    def test_is_told_where_a_large_container_changes_meanwhile(self):
        HOLDER.held = {number: [] for number in range(10 * walk.LONG)}
        search = walk.Walk()
        for number, _ in enumerate(search.functions()):
            HOLDER.held[f"new {number}"] = make()
        assert not search.complete


class TestWhatItLeavesAsItWas:
    def test_a_value_that_a_running_call_lets_go_of_is_gone(self):
        class Value:
            """Something that can be referred to weakly."""

        def value() -> Any:
            made = Value()
            kept.append(weakref.ref(made))
            return made

        kept: list[weakref.ref[Value]] = []
        with running(value) as thread:
            list(walk.Walk().functions())
            assert kept[0]() is not None
            thread.let_go()
            assert kept[0]() is None

    def test_a_call_keeps_its_arguments_while_a_profiler_looks_at_it(self):
        def called(number: int) -> Any:
            def within() -> None:
                """So that the walk asks for the variables of this call."""

            return number, within

        def profile(frame: types.FrameType, event: str, told: object) -> None:
            if frame.f_code is called.__code__ and event == "call":
                looks.set()
                go_on.wait()

        def call() -> None:
            sys.setprofile(profile)
            answers.append(called(7)[0])
            sys.setprofile(None)

        answers: list[int] = []
        looks, go_on = threading.Event(), threading.Event()
        thread = threading.Thread(target=call)
        thread.start()
        looks.wait()
        list(walk.Walk().functions())
        go_on.set()
        thread.join()
        assert answers == [7]

    def test_what_a_call_wrote_into_its_dict_of_variables_stays_there(self):
        def within() -> None:
            """So that its variables would be asked for."""

        number = 1
        shown = locals()
        shown["number"] = number + 1
        list(walk.Walk().functions())
        assert shown["number"] == 2

    def test_what_a_tracer_sees_of_a_traced_call_stays_there(self):
        number, seen = 1, []

        def tracer(frame: types.FrameType, event: str, told: object) -> Any:
            return tracer

        before, frame = sys.gettrace(), sys._getframe()
        frame.f_trace = tracer
        try:
            held = frame.f_locals
            list(walk.Walk().functions())
            seen.append(dict(held))
        finally:
            frame.f_trace = None
            sys.settrace(before)
        assert seen[0]["number"] == number


class running:  # noqa: N801 (reads as what it is: `with running(value) as thread`)
    """A thread in the middle of a call whose variable holds what ``make_value`` made, until it is told to let go."""

    def __init__(self, make_value: Callable[[], Any]) -> None:
        self.identity = 0
        self._make = make_value
        self._events = {name: threading.Event() for name in ("holds", "let go", "has let go", "end")}
        self._thread = threading.Thread(target=self._call)

    def _call(self) -> None:
        value = self._make()
        self.identity = id(value)
        self._events["holds"].set()
        self._events["let go"].wait()
        value = None
        self._events["has let go"].set()
        self._events["end"].wait()

    def let_go(self) -> None:
        self._events["let go"].set()
        self._events["has let go"].wait()

    def __enter__(self) -> running:
        self._thread.start()
        self._events["holds"].wait()
        time.sleep(0)
        return self

    def __exit__(self, *failure: object) -> None:
        self._events["let go"].set()
        self._events["end"].set()
        self._thread.join()
