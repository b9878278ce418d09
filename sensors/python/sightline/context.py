"""Which execution a hit belongs to: the trace, request, task and thread it happened in.

Tracers are read only if the application has loaded them already; nothing is imported for it, and nothing is made.
What is read here must be read in the application's thread, because context variables know nothing outside it. It is
read when a hit is kept, or when a condition names it.

One execution is one trace where a tracer runs; else one request or task of a framework (`sightline.frameworks`); else
one asyncio task with all it starts, one piece of work given to a thread pool, one thread that is not the main one. The
main thread alone is none: how much of a script or of a loop belongs together, nobody can tell from outside.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType
from typing import Any

from . import frameworks, heap, native, wire
from .engines.base import from_signal_handler
from .frameworks import Work

Trace = tuple[int | str, int | str]
"""Trace id and span id, as the tracer keeps them: formatted later, on the sensor's thread."""
NO_TRACE: Trace = ("", "")


Context = tuple[str, str, Trace, str, "Work | None"]
"""Where a hit happened: thread, task, trace, the execution where no trace tells it, and the request or task."""

tenant_header = ""
"""The header of a request, or of a task's message, that names the tenant (the setting ``tenant``)."""
_threads: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]
"""Read, never written: `threading.current_thread()` would make a dummy thread where there is none."""
_task_execution: ContextVar[str] = ContextVar("sightline_execution", default="")
kept: dict[str, Trace] = {}
"""Requests and tasks under way of which something was kept, each with its trace."""
_executions = iter(range(1, sys.maxsize))


def current(frame: FrameType | None = None) -> Context:
    """The context of the calling thread. Runs no code of the application, though a tracer's own reader may run.

    ``frame`` is where the hit happened; without it no request or task is looked for.
    """
    thread = _threads.get(threading.get_ident())
    name = thread._name if thread is not None else ""  # type: ignore[attr-defined]
    if not _tracers and not _frameworks and _asyncio is None and thread is threading._main_thread:  # type: ignore[attr-defined]
        return _bare if name is _bare[0] else _made_bare(name)  # nothing is loaded that could tell more
    task, execution = _task() if _asyncio is not None else ("", "")
    elsewhere = thread is not None and thread is not threading._main_thread  # type: ignore[attr-defined]
    looked_for = _frameworks or (
        elsewhere and not execution
    )  # without a framework only a pool's work is to be found
    work = _work(frame) if looked_for and frame is not None else None
    if work is not None and work.execution:
        execution = work.execution
    elif not execution and elsewhere:
        execution = frameworks.execution_of(thread, "thread")
    trace = _trace()
    if work is not None and work.framework != "executor" and execution:
        if len(kept) >= frameworks.MOST_EXECUTIONS:
            kept.clear()
        kept[execution] = trace
    return name, task, trace, execution, work


_bare: Context = "", "", NO_TRACE, "", None
"""The main thread's, where nothing but its name is to be told: one for all hits, because they are kept by thousands."""


def _made_bare(name: str) -> Context:
    global _bare
    _bare = name, "", NO_TRACE, "", None
    return _bare


def ended(execution: str) -> Trace | None:
    """An execution is over: the trace under which something of it was kept; None when nothing was."""
    return kept.pop(execution, None)


def task_execution() -> str:
    """The execution of the running asyncio task, if it has one already."""
    return _task_execution.get()


def fill(capture: wire.Capture, here: Context, mask: Callable[[str], str]) -> None:
    """Write into ``capture`` where it happened; ``mask`` withholds what must not leave, for these are texts too."""
    capture.thread, capture.task, trace, execution, work = here
    capture.trace_id, capture.span_id = formatted(trace)
    capture.execution_id = capture.trace_id or execution
    told = _told(work)
    if capture.execution_id:
        told["execution"] = "trace" if capture.trace_id else execution_kind(execution, work)
    capture.context = {name: mask(text) for name, text in told.items()} or None


def _told(work: Work | None) -> dict[str, str]:
    if work is None or work.framework == "executor":
        return {}
    facts = work._asdict()
    del facts["execution"]
    return {name: text for name, text in facts.items() if text}


def execution_kind(execution: str, work: Work | None) -> str:
    """What one execution is here: ``request``, ``task``, ``work`` of a thread pool, or a ``thread``."""
    if work is not None and work.framework == "celery":
        return "task"
    return execution.partition("-")[0]


def _trace() -> Trace:
    for read in _tracers:
        trace = read()
        if trace is not NO_TRACE:
            return trace
    return NO_TRACE


def _work(frame: FrameType | None) -> Work | None:
    """A framework that changed its ways costs us the route, not the hit."""
    try:
        return frameworks.work_of(frame, tenant_header)
    except Exception as error:
        if from_signal_handler(error):
            raise
        return None


# ---------------------------------------------------------------- what conditions may name


def _of_work(field: str) -> Callable[[FrameType], str | None]:
    def read(frame: FrameType) -> str | None:
        work = _work(frame)
        return (getattr(work, field) or None) if work is not None else None

    return read


def _trace_id(frame: FrameType) -> str | None:
    return formatted(_trace())[0] or None


def _execution_id(frame: FrameType) -> str | None:
    _, _, trace, execution, _ = current(frame)
    return formatted(trace)[0] or execution or None


def _thread_name(frame: FrameType) -> str | None:
    thread = _threads.get(threading.get_ident())
    return str(thread._name) if thread is not None else None  # type: ignore[attr-defined]


NAMES: dict[str, Callable[[FrameType], str | None]] = {
    "@route": _of_work("route"),
    "@method": _of_work("method"),
    "@task": _of_work("task"),
    "@tenant": _of_work("tenant"),
    "@trace_id": _trace_id,
    "@execution_id": _execution_id,
    "@thread": _thread_name,
}
"""How each context name of the expression language is read; None where there is no such thing here."""

# ---------------------------------------------------------------- formats and modules


def formatted(trace: Trace) -> tuple[str, str]:
    """Both ids as lower-case hexadecimal, 32 and 16 digits."""
    trace_id, span_id = trace
    return (
        format(trace_id, "032x") if type(trace_id) is int and trace_id else str(trace_id or ""),
        format(span_id, "016x") if type(span_id) is int and span_id else str(span_id or ""),
    )


def look_around() -> None:
    """Notice what the application has loaded since; called on the sensor's thread now and then."""
    global _asyncio, _frameworks, _tracers
    _frameworks = frameworks.loaded()
    if _asyncio is None and _loaded("asyncio") and _loaded("asyncio.tasks"):
        _asyncio = sys.modules.get("_asyncio")
    _tracers = [reader for name, reader in _READERS if _loaded(name)]


def _loaded(name: str) -> bool:
    """Whether ``name`` is imported to its end: a module that is still being made is not to be touched."""
    names = heap.names_in(name)
    return bool(names) and not getattr(names.get("__spec__"), "_initializing", False)


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
_frameworks = False
