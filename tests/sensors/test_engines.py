"""Every shape of code fires on the engine of this interpreter, and nothing is left behind."""

from __future__ import annotations

import asyncio
import dis
import functools
import gc
import inspect
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import jinja2
import pytest

from sightline import engines, linetables, testing, walk
from sightline.engines.base import is_the_applications
from sightline.engines.monitoring import MonitoringEngine
from tests.observed import shapes
from tests.sensors.places import armed, traced

MONITORING = sys.version_info >= (3, 12)
"""A test that speaks of one engine exists only where that engine does: nothing is skipped."""

SHAPES: list[tuple[str, Callable[[], Any], int]] = [
    ("simple", lambda: shapes.simple(1), 1),
    ("closure", lambda: [*(old(1) for old in shapes.OLD_CLOSURES), shapes.make_closure(3)(1)], 3),
    ("lambda_body", lambda: shapes.LAMBDA(1), 1),
    ("comprehension_element", lambda: shapes.comprehension([1, 2, 3]), 3),
    ("generator_element", lambda: shapes.generator_expression([1, 2, 3]), 3),
    ("generator_within_a_statement", lambda: shapes.one_line_sum([1, 2, 3]), 1),
    ("wrapped", lambda: shapes.wrapped(1), 1),
    ("hidden_by_closure", lambda: shapes.hidden_by_closure(1), 1),
    ("hidden_by_class", lambda: shapes.hidden_by_class(1), 1),
    ("lru_cache", lambda: (shapes.cached.cache_clear(), shapes.cached(1)), 1),
    ("method", lambda: shapes.Thing().method(1), 1),
    ("staticmethod", lambda: shapes.Thing.static(1), 1),
    ("classmethod", lambda: shapes.Thing.of_class(1), 1),
    ("property", lambda: shapes.Thing().shown, 1),
    ("cached_property", lambda: shapes.Thing().once, 1),
    ("nested_class", lambda: shapes.Thing.Inner().method(1), 1),
    ("partial", lambda: shapes.PARTIAL(2), 1),
    ("finally_both_ways", lambda: (shapes.with_finally(0), shapes.with_finally(1)), 2),
    ("handler_body", lambda: shapes.handles("k"), 1),
    ("after_with", lambda: shapes.with_statement("k"), 1),
    ("middle_of_a_call", lambda: shapes.multiline(1), 1),
    ("method_name_on_its_own_line", lambda: shapes.keywords_over_lines(shapes.Thing(), 1), 1),
    ("one_line_function", lambda: shapes.one_line(1), 1),
    ("for_header", lambda: shapes.for_header(3), 4),
    ("while_header", lambda: shapes.while_header(3), 4),
    ("loop_on_one_line", lambda: shapes.one_line_loop(3), 1),
    ("else_branch", lambda: (shapes.conditional(1), shapes.conditional(5)), 1),
    ("match_case", lambda: (shapes.matching({"kind": 1}), shapes.matching(2)), 1),
    ("only_in_a_registry", lambda: shapes.REGISTRY["only"](1), 1),
    ("deleted_from_the_module", lambda: shapes.KEEPER.held[0]["handler"](1), 1),
    ("all_kinds_of_arguments", lambda: shapes.default_arguments(1, 2, flag=False, z=3), 1),
]


class CallableObject:
    """A handler that is an object, as some frameworks install."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function

    def __call__(self, number: int, frame: object) -> None:
        self.function(number, frame)


def place(gateway: testing.Gateway, line: int, kind: str = "counter", **asked: Any) -> str:
    return armed(gateway, kind, file="tests/observed/shapes.py", line=line, **asked)


@pytest.mark.parametrize(("shape", "run", "hits"), SHAPES, ids=[shape for shape, _, _ in SHAPES])
def test_the_line_fires_and_the_result_is_the_same(gateway, line_of, shape, run, hits):
    expected = run()
    probe = place(gateway, line_of(shapes, shape))

    assert run() == expected
    assert gateway.endings(probe) == {"captured": hits}


@pytest.mark.parametrize(("shape", "run", "hits"), SHAPES, ids=[shape for shape, _, _ in SHAPES])
def test_a_removed_probe_leaves_the_code_as_it_was(gateway, line_of, shape, run, hits):
    before = code_of_everything()
    probe = place(gateway, line_of(shapes, shape))
    run()
    gateway.remove(probe)

    run()
    assert code_of_everything() == before
    assert not watched_by_monitoring()


def test_jinja_leaves_its_own_functions_out_of_tracebacks_with_probes_in_them_too(gateway):
    known = set(jinja2.utils.internal_code)
    probe = armed(
        gateway,
        "counter",
        file="jinja2/runtime.py",
        line=line_in(jinja2.runtime.Context.call, "return __obj("),
    )
    template = jinja2.Template("{{ fail() }}")
    with pytest.raises(ZeroDivisionError) as failed:
        template.render(fail=lambda: 1 / 0)

    assert gateway.endings(probe) == {"captured": 1}
    assert "runtime.py" not in [Path(frame.path).name for frame in failed.traceback]
    gateway.remove(probe)
    assert jinja2.utils.internal_code == known


def line_in(function: Callable[..., Any], text: str) -> int:
    """The line of a function's source that begins with ``text``."""
    lines, first = inspect.getsourcelines(function)
    return next(first + number for number, line in enumerate(lines) if line.strip().startswith(text))


def code_of_everything() -> dict[int, int]:
    """The identity of the code of every function of the module, wherever the function is held."""
    return {
        id(thing): id(thing.__code__)
        for thing in gc.get_objects()
        if type(thing) is FunctionType and thing.__globals__ is vars(shapes)
    }


def watched_by_monitoring() -> list[str]:
    if not MONITORING:
        return []
    functions = [t for t in gc.get_objects() if type(t) is FunctionType and t.__globals__ is vars(shapes)]
    return [f.__qualname__ for f in functions for tool in (3, 4, 5) if local_events(tool, f)]


def local_events(tool: int, function: FunctionType) -> int:
    return sys.monitoring.get_tool(tool) is not None and sys.monitoring.get_local_events(
        tool, function.__code__
    )


if MONITORING:

    class TestFramesThatRunAlready:
        def test_a_loop_on_another_thread(self, gateway, line_of):
            stop, ticks = threading.Event(), []
            thread = threading.Thread(target=shapes.long_running, args=(stop, ticks))
            thread.start()
            try:
                while not ticks:
                    time.sleep(0.001)
                probe = place(gateway, line_of(shapes, "running_loop"))
                seen = len(ticks)
                while len(ticks) < seen + 3:
                    time.sleep(0.001)
            finally:
                stop.set()
                thread.join()
            assert gateway.endings(probe)["captured"] >= 2

        def test_a_suspended_generator(self, gateway, line_of):
            suspended = shapes.generator()
            next(suspended)
            probe = place(gateway, line_of(shapes, "suspended_generator"))
            next(suspended)
            assert gateway.endings(probe) == {"captured": 1}

        def test_a_suspended_coroutine_and_async_generator(self, gateway, line_of):
            async def both() -> tuple[str, str]:
                future = asyncio.get_running_loop().create_future()
                task = asyncio.create_task(shapes.coroutine(future))
                numbers = shapes.async_generator()
                await anext(numbers)
                first = place(gateway, line_of(shapes, "suspended_coroutine"))
                second = place(gateway, line_of(shapes, "suspended_async_generator"))
                future.set_result(1)
                await task
                await anext(numbers)
                await numbers.aclose()
                return first, second

            for probe in asyncio.run(both()):
                assert gateway.endings(probe) == {"captured": 1}


if not MONITORING:

    def test_on_3_11_the_status_says_what_running_calls_will_see(gateway, line_of):
        suspended = shapes.generator()
        next(suspended)
        probe = place(gateway, line_of(shapes, "suspended_generator"))
        next(suspended)

        assert "see it from their next call" in gateway.status(probe).sentence
        assert gateway.endings(probe) == {}
        list(shapes.generator())
        assert gateway.endings(probe) == {"captured": 1}


def test_a_line_where_nothing_runs_is_refused_with_its_neighbours(gateway, line_of):
    line = line_of(shapes, "comment")
    probe = gateway.place("counter", file="tests/observed/shapes.py", line=line)

    status = gateway.status(probe)
    assert (status.state, status.slug, status.nearest) == ("rejected", "not_executable", [line - 1, line + 1])
    assert f"{line - 1} or {line + 1}" in status.sentence


def test_two_probes_on_one_line_and_one_on_the_next(gateway, line_of):
    line = line_of(shapes, "simple")
    first, second, before = place(gateway, line), place(gateway, line), place(gateway, line - 1)
    shapes.simple(1)
    gateway.remove(first)
    shapes.simple(1)

    assert gateway.endings(second) == {"captured": 2}
    assert gateway.endings(before) == {"captured": 2}


def test_other_lines_run_before_arming_their_own_probe_fire_too(gateway, line_of):
    line = line_of(shapes, "simple")
    place(gateway, line)
    shapes.simple(1)  # disables the line before, for this tool
    before = place(gateway, line - 1)
    shapes.simple(1)
    assert gateway.endings(before) == {"captured": 1}


def test_stopping_leaves_nothing_behind(line_of):
    before = code_of_everything(), threading.active_count(), list(sys.meta_path)
    with testing.gateway() as gateway:
        for shape, run, _ in SHAPES:
            place(gateway, line_of(shapes, shape))
            run()
        gateway.place("counter", file="never/imported.py", line=3)
    assert (code_of_everything(), threading.active_count(), list(sys.meta_path)) == before
    if MONITORING:
        assert all(sys.monitoring.get_tool(tool) != "sightline" for tool in range(6))


def test_the_engine_says_which_and_why():
    engine = engines.choose()
    try:
        assert engine.name == ("monitoring" if MONITORING else "rewriting")
        assert f"{sys.version_info.major}.{sys.version_info.minor}" in engine.reason
    finally:
        engine.close()


if MONITORING:

    def test_reserved_and_taken_tool_ids_are_left_alone(gateway):
        taken = {gateway.sensor.engine.tool}
        others: list[int] = []
        try:
            for _ in range(2):
                engine = engines.choose()
                assert isinstance(engine, MonitoringEngine)
                assert engine.tool not in taken | {0, 1, 2}
                taken.add(engine.tool)
                others.append(engine.tool)
            nothing_left = engines.choose()
            assert (nothing_left.name, "taken" in nothing_left.reason) == ("none", True)
        finally:
            for tool in others:
                sys.monitoring.free_tool_id(tool)


class TestWhatTheApplicationSees:
    def test_a_failure_of_the_sensor_is_counted_and_nothing_else(self, gateway, line_of, monkeypatch):
        monkeypatch.setattr("sightline.context.current", None)
        probe = place(gateway, line_of(shapes, "simple"), "logpoint", template="{x}")

        assert shapes.simple(1) == 2
        assert gateway.endings(probe) == {"sensor_error": 1}

    def test_a_signal_handlers_exception_gets_through(self, gateway, line_of, monkeypatch):
        """A worker's time limit is often an exception raised by a signal handler; it may strike inside a hit."""

        def handler(number: int, frame: object) -> None:
            raise TimeoutError("the application's own")

        def interrupted(frame: object) -> None:
            signal.raise_signal(signal.SIGUSR1)

        previous = signal.signal(signal.SIGUSR1, handler)
        monkeypatch.setattr("sightline.context.current", interrupted)
        probe = place(gateway, line_of(shapes, "simple"), "logpoint", template="{x}")
        try:
            with pytest.raises(TimeoutError, match="the application's own"):
                shapes.simple(1)
        finally:
            signal.signal(signal.SIGUSR1, previous)
        assert gateway.endings(probe) == {}

    @pytest.mark.parametrize(
        "as_handler",
        [lambda f: f, lambda f: functools.partial(f), CallableObject],
        ids=["function", "partial", "object"],
    )
    def test_whatever_kind_of_callable_the_handler_is(self, as_handler):
        def handler(number: int, frame: object) -> None:
            raise TimeoutError

        previous = signal.signal(signal.SIGUSR1, as_handler(handler))
        try:
            with pytest.raises(TimeoutError) as caught:
                signal.raise_signal(signal.SIGUSR1)
            assert is_the_applications(caught.value)
        finally:
            signal.signal(signal.SIGUSR1, previous)

    def test_an_exception_sent_by_another_thread_gets_through(self):
        class Sent(Exception):
            pass

        assert is_the_applications(Sent())
        assert not is_the_applications(ZeroDivisionError())

    def test_what_a_closure_carries_can_be_pickled_for_another_process(self, gateway, line_of):
        """As cloudpickle does: code by value, with its constants."""
        probe = place(gateway, line_of(shapes, "closure"), "counter")
        carried = [
            const for const in shapes.make_closure(3).__code__.co_consts if not isinstance(const, CodeType)
        ]
        pickled = pickle.dumps(carried)
        assert [id(each) for each in pickle.loads(pickled) if callable(each)] == [
            id(each) for each in carried if callable(each)
        ]

        elsewhere = "import pickle, sys; print([each({}) for each in pickle.load(sys.stdin.buffer) if callable(each)])"
        done = subprocess.run(
            [sys.executable, "-c", elsewhere], input=pickled, capture_output=True, check=True
        )
        assert set(done.stdout.decode().strip("[]\n").split(", ")) <= {"", "None"}
        assert shapes.make_closure(3)(1) == 4
        assert gateway.endings(probe) == {"captured": 1}

    def test_tracebacks_show_the_line_that_failed(self, gateway, line_of):
        place(gateway, line_of(shapes, "finally_both_ways"))
        line = line_of(shapes, "method")
        place(gateway, line)
        with pytest.raises(TypeError) as caught:
            shapes.Thing().method("x")
        assert caught.traceback[-1].lineno + 1 == line

    def test_the_handled_exception_is_still_the_handled_one(self, gateway, line_of):
        probe = place(gateway, line_of(shapes, "handler_body"), "snapshot")
        assert shapes.handles("k") == ("k",)
        assert gateway.endings(probe) == {"captured": 1}


if not MONITORING:

    class TestRewriting:
        @pytest.fixture
        def injected(self) -> Callable[..., Any]:
            from sightline.engines.injection import inject

            return inject

        def test_rewritten_code_keeps_its_line_table(self, gateway, line_of):
            original = list(dis.findlinestarts(shapes.with_finally.__code__))
            place(gateway, line_of(shapes, "finally_both_ways"))
            rewritten = list(dis.findlinestarts(shapes.with_finally.__code__))
            assert [line for _, line in rewritten] == [line for _, line in original]

        def test_every_line_of_the_standard_librarys_trickiest_code_can_be_rewritten(self, injected):
            import argparse
            import contextlib
            import dataclasses
            import inspect

            for module in (argparse, asyncio.tasks, contextlib, dataclasses, inspect, shapes):
                body = linetables.compiled(module.__file__)
                for code, _ in linetables.tree(body):
                    if linetables.is_function(code):
                        hooks = {line: (lambda: None) for line in linetables.lines_of(code)}
                        assert injected(code, hooks).co_freevars == code.co_freevars

        @pytest.mark.parametrize("x", [0, 1, 3])
        def test_a_local_that_may_be_unbound_is_never_loaded(self, injected, x):
            function = shapes.sometimes_bound
            code = function.__code__
            for line in linetables.lines_of(code):
                for name in code.co_varnames:
                    given: list[Any] = []
                    rewritten = injected(
                        code, {line: lambda *names, to=given: to.extend(names)}, {line: {name}}
                    )
                    assert FunctionType(rewritten, vars(shapes))(x) == function(x)
                    assert all(set(names) == {name} for names in given)

        def test_locals_that_are_certainly_bound_are_handed_over(self, injected):
            given: list[Any] = []
            code = shapes.simple.__code__
            line = code.co_firstlineno + 2
            rewritten = injected(code, {line: lambda *names: given.extend(names)}, {line: {"x", "y"}})
            FunctionType(rewritten, vars(shapes))(4)
            assert given == [{"x": 4, "y": 5}]

        def test_a_hook_fires_on_each_line_that_sys_settrace_would_tell(self, injected):
            """The interpreter's own tracing is the judge of what a line event is."""
            for function, arguments in TRACED:
                assert hooks_of(injected, function, arguments) == traced(function, arguments), function


TRACED: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (shapes.with_finally, (0,)),
    (shapes.with_finally, (1,)),
    (shapes.handles, ("k",)),
    (shapes.multiline, (1,)),
    (shapes.for_header, (3,)),
    (shapes.while_header, (3,)),
    (shapes.conditional, (1,)),
    (shapes.conditional, (5,)),
    (shapes.matching, ({"kind": 1},)),
    (shapes.matching, (1,)),
    (shapes.with_statement, ("k",)),
    (shapes.comment, (1,)),
]


def hooks_of(
    inject: Callable[..., Any], function: Callable[..., Any], arguments: tuple[Any, ...]
) -> list[int]:
    seen: list[int] = []
    code = function.__code__  # type: ignore[attr-defined]
    hooks = {line: (lambda line=line: seen.append(line)) for line in linetables.lines_of(code)}
    FunctionType(inject(code, hooks), vars(shapes))(*arguments)
    return seen


if not MONITORING:
    from sightline.engines import rewriting

    class TestClosuresMadeBefore:
        """On 3.11 each of them has to be found, in a process that must not be stopped for it."""

        @pytest.fixture(autouse=True)
        def large_process(self, monkeypatch):
            monkeypatch.setattr(walk, "FEW_BLOCKS", 0)

        def test_are_watched_wherever_they_are_held(self, gateway, line_of):
            self.partial = functools.partial(shapes.make_closure(1))
            self.handlers = {"handler": [shapes.make_closure(2)]}
            probe = place(gateway, line_of(shapes, "closure"))
            self.partial(1)
            self.handlers["handler"][0](1)
            assert gateway.endings(probe) == {"captured": 2}

        def test_have_their_own_code_again_when_the_probe_is_gone(self, gateway, line_of):
            before = shapes.OLD_CLOSURES[0].__code__
            probe = place(gateway, line_of(shapes, "closure"))
            self.made_meanwhile = {"handler": shapes.make_closure(3)}
            gateway.remove(probe)
            assert self.made_meanwhile["handler"].__code__ is shapes.OLD_CLOSURES[0].__code__ is before

        def test_are_said_to_be_missed_perhaps_where_there_is_too_much_to_search(
            self, gateway, line_of, monkeypatch
        ):
            monkeypatch.setattr(walk, "MOST_SEEN", 1000)
            probe = place(gateway, line_of(shapes, "closure"))
            assert "not all were searched" in gateway.status(probe).sentence

        @pytest.mark.parametrize(
            "shape", ["simple", "comprehension_element", "generator_element", "lambda_body", "method"]
        )
        def test_are_searched_for_only_where_there_can_be_some(self, gateway, line_of, monkeypatch, shape):
            searches: list[walk.Walk] = []
            monkeypatch.setattr(rewriting, "Walk", lambda: searches.append(walk.Walk()) or searches[-1])
            place(gateway, line_of(shapes, shape))
            assert not searches
