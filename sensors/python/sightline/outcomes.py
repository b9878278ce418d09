"""How executions ended, where that is known: a request that was answered with 500 or more, a task that failed.

While a probe is armed, the few functions are watched in which a framework answers a request or notes a failure; nothing
of theirs is replaced or called. Only failures are told, and only of executions of which something was captured: that
a request was answered does not make it right.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Any, Final, NamedTuple

from . import context, foreign, frameworks, heap, native, wire
from .engines.base import ABOVE_FIRE, CannotArm, Engine, Event, Fire, Observer, Spot, Watching
from .outbox import Outbox

LOOK_EVERY_S: Final = 2.0
LEAST_FAILURE: Final = 500
_getframe = sys._getframe

Ended = tuple[str, str]
"""The execution, by the name it has without a tracer, and why it counts as failed; an empty reason when it does not."""


class _End(NamedTuple):
    """A function of a framework: what happens there, and how it is read (from what is told, and the frame)."""

    module: str
    name: str
    event: Event
    read: Callable[[Any, FrameType], Ended]


class Outcomes:
    """The outcomes of one process. ``tick`` and ``close`` are called under the registry's lock."""

    def __init__(self, engine: Engine, outbox: Callable[[], Outbox]) -> None:
        self._engine = engine
        self._outbox = outbox
        self._watchings: dict[_End, list[Watching]] = {}
        self._look_at = 0.0

    def tick(self, now: float, *, wanted: bool) -> None:
        """Watch while something is captured, also what is imported meanwhile."""
        if not wanted:
            self.close()
        elif now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            for end in _ENDS:
                if end not in self._watchings and end.module in sys.modules:
                    self._watch(end)

    def close(self) -> None:
        """Watch nothing more."""
        for watchings in self._watchings.values():
            self._engine.disarm(watchings)
        self._watchings.clear()
        self._look_at = 0.0

    def _watch(self, end: _End) -> None:
        function = _function(end)
        if function is None:
            return
        codes, code = heap.Codes(), self._engine.original(function.__code__)
        codes.add_function(function, code)
        spot = Spot(
            code, code.co_firstlineno, codes.lineages.get(id(code), ()), codes.functions_of(code), end.event
        )
        watchings: list[Watching] = [(spot, Observer(self._fire(end)))]
        try:
            self._engine.arm(watchings)
        except CannotArm:
            watchings = []
        self._watchings[end] = watchings

    def _fire(self, end: _End) -> Fire:
        def tell(told: Any, frame: FrameType) -> bool:
            if not context.kept:
                return False  # nothing was captured of any execution
            execution, reason = end.read(told, frame)
            trace = context.ended(execution) if execution else None
            if reason and trace is not None:
                self._outbox().offer((self, execution, trace, reason, native.time_ns()))
            return False

        def at_start(frame: FrameType | None = None, names: object = None) -> bool:
            return tell(None, frame or _getframe(ABOVE_FIRE))

        def with_value(told: object, frame: FrameType | None = None) -> bool:
            return tell(told, frame or _getframe(ABOVE_FIRE))

        return at_start if end.event == "start" else with_value

    def write(self, record: tuple[Any, ...]) -> wire.Outcome:
        """On the sensor's thread: the outcome as it is sent."""
        _, execution, trace, reason, at = record
        return wire.Outcome(context.formatted(trace)[0] or execution, "fail", at, reason)


def _function(end: _End) -> FunctionType | None:
    """The framework's function, looked up without running anything of it."""
    found: Any = sys.modules[end.module]
    for name in end.name.split("."):
        names = heap.namespace(found) if found is sys.modules[end.module] else foreign.namespace_of(found)
        found = names.get(name)
        if found is None:
            return None
    return found if type(found) is FunctionType else None


# ---------------------------------------------------------------- reading how it ended


def _answered(status: object) -> str:
    return f"answered {status}" if type(status) is int and status >= LEAST_FAILURE else ""


def _django(response: Any, frame: FrameType) -> Ended:
    request = frameworks.local(frame, "request")
    return frameworks.execution_of(request, "request"), _answered(frameworks.field(response, "status_code"))


def _flask(response: Any, frame: FrameType) -> Ended:
    execution = frameworks.flask_execution()
    return execution, _answered(frameworks.field(response, "_status_code"))


def _starlette(told: Any, frame: FrameType) -> Ended:
    response = frameworks.local(frame, "self")
    return context.task_execution(), _answered(frameworks.field(response, "status_code"))


def _celery(told: Any, frame: FrameType) -> Ended:
    execution = frameworks.field(frameworks.local(frame, "req"), "id")
    raised = frameworks.field(frameworks.local(frame, "self"), "retval")
    return execution if type(execution) is str else "", f"raised {foreign.type_name(raised)}"


_ENDS: Final = (
    _End("django.core.handlers.base", "BaseHandler.get_response", "return", _django),
    _End("django.core.handlers.base", "BaseHandler.get_response_async", "return", _django),
    _End("flask.app", "Flask.finalize_request", "return", _flask),
    _End("starlette.responses", "Response.__call__", "start", _starlette),
    _End("celery.app.trace", "TraceInfo.handle_failure", "start", _celery),
)
