"""Which execution a hit belongs to: the trace, task and thread it happened in.

Tracers are read only if the application has loaded them already; nothing is imported for it, and nothing is made.
What is read here must be read in the application's thread, because context variables know nothing outside it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from . import native
from .engines.base import from_signal_handler

Trace = tuple[int | str, int | str]
"""Trace id and span id, as the tracer keeps them: formatted later, on the sensor's thread."""
NO_TRACE: Trace = ("", "")


Context = tuple[str, str, Trace, str]
"""Where a hit happened: thread, task, trace, and the execution where no trace tells it."""

_threads: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]
"""Read, never written: `threading.current_thread()` would make a dummy thread where there is none."""
_task_execution: ContextVar[str] = ContextVar("sightline_execution", default="")
_executions = iter(range(1, sys.maxsize))


def current() -> Context:
    """The context of the calling thread. Runs no code of the application, though a tracer's own reader may run."""
    thread = _threads.get(threading.get_ident())
    name = thread._name if thread is not None else ""  # type: ignore[attr-defined]
    if _asyncio is None and not _tracers:
        return name, "", NO_TRACE, ""
    task, execution = _task() if _asyncio is not None else ("", "")
    trace = NO_TRACE
    for read in _tracers:
        trace = read()
        if trace is not NO_TRACE:
            break
    return name, task, trace, execution


def formatted(trace: Trace) -> tuple[str, str]:
    """Both ids as lower-case hexadecimal, 32 and 16 digits."""
    trace_id, span_id = trace
    return (
        format(trace_id, "032x") if type(trace_id) is int and trace_id else str(trace_id or ""),
        format(span_id, "016x") if type(span_id) is int and span_id else str(span_id or ""),
    )


def look_around() -> None:
    """Notice what the application has loaded since; called on the sensor's thread now and then."""
    global _asyncio, _tracers
    if _asyncio is None and _loaded("asyncio") and _loaded("asyncio.tasks"):
        _asyncio = sys.modules.get("_asyncio")
    _tracers = [reader for name, reader in _READERS if _loaded(name)]


def _loaded(name: str) -> bool:
    """Whether ``name`` is imported to its end: a module that is still being made is not to be touched."""
    module = sys.modules.get(name)
    return module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False)


# ---------------------------------------------------------------- tasks


_asyncio: Any = None


def _task() -> tuple[str, str]:
    """The name of the running asyncio task and the id of the execution it belongs to, empty without one.

    The id lives in the task's own context, so tasks that it starts belong to the same execution.
    """
    loop = _asyncio._get_running_loop()
    if loop is None:
        return "", ""
    task = sys.modules["asyncio.tasks"].current_task(loop)
    if type(task) is not _asyncio.Task:
        return "", ""
    execution = _task_execution.get()
    if not execution:
        execution = f"task-{native.time_ns():x}-{next(_executions):x}"
        _task_execution.set(execution)
    return task.get_name(), execution


# ---------------------------------------------------------------- tracers


def _opentelemetry() -> Trace:
    span = sys.modules["opentelemetry.trace"].get_current_span().get_span_context()
    return (span.trace_id, span.span_id) if span.is_valid else NO_TRACE


def _ddtrace() -> Trace:
    context = sys.modules["ddtrace.trace"].tracer.current_trace_context()
    return (context.trace_id, context.span_id or 0) if context is not None and context.trace_id else NO_TRACE


def _sentry() -> Trace:
    span = sys.modules["sentry_sdk"].get_current_span()
    return (span.trace_id, span.span_id) if span is not None else NO_TRACE


def _never_failing(read: Callable[[], Trace]) -> Callable[[], Trace]:
    """A tracer that changed its ways costs us the trace id, not the hit."""

    def safely() -> Trace:
        try:
            return read()
        except Exception as error:
            if from_signal_handler(error):
                raise
            return NO_TRACE

    return safely


_READERS = [
    ("opentelemetry.trace", _never_failing(_opentelemetry)),
    ("ddtrace.trace", _never_failing(_ddtrace)),
    ("sentry_sdk", _never_failing(_sentry)),
]
_tracers: list[Callable[[], Trace]] = []
