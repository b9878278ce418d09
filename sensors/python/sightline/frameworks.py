"""Which request or task a frame works for, read from the frames and context variables of the frameworks themselves.

Nothing is patched, imported or called for it: the frames outside a hit are gone through, by the names of the few
functions in which a framework serves one request or runs one task, and what those hold is read as any other value is
(see `sightline.foreign`). A function of that name in a file of another name is passed by.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import FrameType
from typing import Any, Final, NamedTuple

from . import foreign, heap, native
from .snapshots import variables_of

_MODULES: Final = (
    "django.core.handlers.base", "flask.app", "starlette.routing", "celery.app.trace", "gunicorn.workers",
)  # fmt: skip
MOST_FRAMES: Final = 250
"""Frames that are gone through at most; those of a request lie far above that."""
_FRAMES: Final = range(MOST_FRAMES)
MOST_EXECUTIONS: Final = 4096
LONGEST: Final = 200
"""Characters of a route, a name or a tenant."""


class Work(NamedTuple):
    """What a hit happened in; texts are empty where there is no such thing. Holds nothing of the application's."""

    framework: str
    """``django``, ``flask``, ``starlette``, ``celery``, ``gunicorn``, or ``executor``."""
    method: str = ""
    route: str = ""
    """As it was declared, ``/trades/<int:id>``: never the address itself, which may hold anybody's data."""
    task: str = ""
    tenant: str = ""
    execution: str = ""


Reader = Callable[[FrameType, "FrameType | None", str], "Work | None"]
"""``(the framework's frame, the frame it called, the header that names the tenant)``."""


def loaded() -> bool:
    """Whether the application has imported anything that is looked for here."""
    return any(name in sys.modules for name in _MODULES)


def work_of(frame: FrameType | None, header: str = "") -> Work | None:
    """The innermost request or task around ``frame``; None where no known framework is at work."""
    inner: FrameType | None = None
    for _ in _FRAMES:  # written for speed: this runs at every hit that is kept
        if frame is None:
            break
        if frame.f_code.co_name in _ENTRIES:
            work = _read(frame, inner, header)
            if work is not None:
                return work
        inner = frame
        frame = frame.f_back
    return _flask(header)  # a thread may carry a request's context and none of its frames


def _read(frame: FrameType, inner: FrameType | None, header: str) -> Work | None:
    code = frame.f_code
    file = code.co_filename.replace("\\", "/")
    for part, read in _ENTRIES[code.co_name]:
        if part in file:
            return read(frame, inner, header)
    return None


# ---------------------------------------------------------------- reading without running anything


def field(value: object, name: str) -> Any:
    """``value.name``, or None when there is none or reading it would run code."""
    try:
        found = foreign.read_attribute(value, name)
    except foreign.Unreadable:
        return None
    return None if found is foreign.MISSING else found


def locals_of(frame: FrameType) -> dict[str, Any]:
    """The local variables of ``frame`` by their names."""
    return dict(variables_of(frame))


def local(frame: FrameType, name: str) -> Any:
    """A local variable of ``frame``, or None."""
    return locals_of(frame).get(name)


def _text(value: object) -> str:
    return value[:LONGEST] if type(value) is str else ""


def _entry(mapping: object, key: object) -> Any:
    return dict.get(mapping, key) if type(mapping) is dict else None


def _is(value: object, module: str, name: str) -> bool:
    """Whether ``value`` is of a class that the application has imported from ``module``, or of one derived from it."""
    cls = heap.names_in(module).get(name)
    return cls is not None and foreign.is_one_of(cls, foreign.mro_of(type(value)))


# ---------------------------------------------------------------- one request or task, one name


_executions: dict[int, tuple[weakref.ref[Any], str]] = {}
_numbers = iter(range(1, sys.maxsize))


def execution_of(anchor: object, kind: str) -> str:
    """One name for as long as ``anchor`` lives, held weakly; empty for what cannot be held so."""
    known = _executions.get(id(anchor))
    if known is not None and known[0]() is anchor:
        return known[1]
    try:
        reference = weakref.ref(anchor)
    except TypeError:
        return ""
    if len(_executions) >= MOST_EXECUTIONS:
        for key, (held, _) in list(_executions.items()):
            if held() is None:
                _executions.pop(key, None)
        if len(_executions) >= MOST_EXECUTIONS:
            _executions.clear()
    name = f"{kind}-{native.time_ns():x}-{next(_numbers):x}"
    _executions[id(anchor)] = (reference, name)
    return name


# ---------------------------------------------------------------- Django


def _django(frame: FrameType, inner: FrameType | None, header: str) -> Work | None:
    return _django_request(local(frame, "request"), header)


def _django_request(request: object, header: str) -> Work | None:
    if not _is(request, "django.http.request", "HttpRequest"):
        return None
    meta = field(request, "META")
    return Work(
        "django",
        method=_text(field(request, "method")),
        route=_text(field(field(request, "resolver_match"), "route")),
        tenant=_text(_entry(meta, _wsgi_name(header))) if header else "",
        execution=execution_of(request, "request"),
    )


def _django_elsewhere(frame: FrameType, inner: FrameType | None, header: str) -> Work | None:
    """A view that asgiref runs on another thread or loop: the request is among what it was called with."""
    if inner is None:
        return None
    for value in _arguments(inner):
        work = _django_request(value, header)
        if work is not None:
            return work
    return None


def _arguments(frame: FrameType) -> Iterator[object]:
    """What the frame's function was called with, as far as it still stands under its names."""
    code, held = frame.f_code, locals_of(frame)
    count = code.co_argcount + code.co_kwonlyargcount
    for name in code.co_varnames[:count]:
        yield held.get(name)
    if code.co_flags & 0x04:  # *args
        several = held.get(code.co_varnames[count])
        if type(several) is tuple:
            yield from several[:4]


def _wsgi_name(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


# ---------------------------------------------------------------- Flask


def _flask_frame(frame: FrameType, inner: FrameType | None, header: str) -> Work | None:
    return _flask(header)


def _flask_context() -> Any:
    names = heap.names_in("flask.globals")
    variable = names.get("_cv_request") or names.get("_cv_app")
    return variable.get(None) if type(variable) is ContextVar else None


def flask_execution() -> str:
    """The execution of the request that Flask is serving here; empty when it serves none."""
    context = _flask_context()
    return "" if context is None else execution_of(context, "request")


def _flask(header: str) -> Work | None:
    context = _flask_context()
    request = field(context, "request") or field(context, "_request")
    if request is None:
        return None
    return Work(
        "flask",
        method=_text(field(request, "method")),
        route=_text(field(field(request, "url_rule"), "rule")),
        tenant=_text(_entry(field(request, "environ"), _wsgi_name(header))) if header else "",
        execution=execution_of(context, "request"),
    )


# ---------------------------------------------------------------- Starlette and FastAPI


def _starlette(frame: FrameType, inner: FrameType | None, header: str) -> Work | None:
    held = locals_of(frame)
    scope = held.get("scope")
    if type(scope) is not dict or _entry(scope, "type") not in ("http", "websocket"):
        return None
    route = _entry(scope, "route")
    if route is None:  # older versions do not put it there: the frame is the route's own method
        route = held.get("self")
    return Work(
        "starlette",
        method=_text(_entry(scope, "method")),
        route=_text(field(route, "path")),
        tenant=_header_of(_entry(scope, "headers"), header) if header else "",
    )


def _header_of(headers: object, name: str) -> str:
    wanted = name.lower().encode("latin-1", "replace")
    for pair in headers if type(headers) is list else ():
        if type(pair) in (tuple, list) and len(pair) == 2 and type(pair[0]) is bytes and pair[0] == wanted:
            return pair[1].decode("latin-1")[:LONGEST] if type(pair[1]) is bytes else ""
    return ""


# ---------------------------------------------------------------- Celery, gunicorn, executors


def _celery(frame: FrameType, inner: FrameType | None, header: str) -> Work | None:
    held = locals_of(frame)
    headers = _entry(held.get("request"), "headers")
    return Work(
        "celery",
        task=_text(field(held.get("task"), "name")),
        tenant=_text(_entry(headers, header)) if header else "",
        execution=_text(held.get("uuid")),
    )


def _gunicorn(frame: FrameType, inner: FrameType | None, header: str) -> Work | None:
    request = local(frame, "req")
    if request is None:
        return None
    return Work(
        "gunicorn", method=_text(field(request, "method")), execution=execution_of(request, "request")
    )


def _work_item(frame: FrameType, inner: FrameType | None, header: str) -> Work | None:
    """What was handed to a thread pool with ``submit`` or ``map``."""
    item = local(frame, "self")
    if not _is(item, "concurrent.futures.thread", "_WorkItem"):
        return None
    return _flask(header) or Work("executor", execution=execution_of(item, "work"))


def _anyio(frame: FrameType, inner: FrameType | None, header: str) -> Work | None:
    """A plain function that Starlette or FastAPI runs on a thread: its request is not to be seen from there."""
    return _flask(header) or Work("executor", execution=execution_of(local(frame, "future"), "work"))


_ENTRIES: Final[dict[str, tuple[tuple[str, Reader], ...]]] = {
    "inner": (("django/core/handlers/exception.py", _django),),
    "_get_response": (("django/core/handlers/base.py", _django),),
    "_get_response_async": (("django/core/handlers/base.py", _django),),
    **dict.fromkeys(
        ("run_child", "func", "thread_handler", "main_wrap"), (("asgiref/sync.py", _django_elsewhere),)
    ),
    "full_dispatch_request": (("flask/app.py", _flask_frame),),
    "handle": (("starlette/routing.py", _starlette), ("fastapi/routing.py", _starlette)),
    "trace_task": (("celery/app/trace.py", _celery),),
    "handle_request": (("gunicorn/workers/", _gunicorn),),
    "run": (("concurrent/futures/thread.py", _work_item), ("anyio/_backends/_asyncio.py", _anyio)),
}
"""The functions in which a framework serves one request or runs one task, by their name and part of their file's."""
