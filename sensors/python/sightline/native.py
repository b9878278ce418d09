"""The interpreter's own threads, locks and clocks, also where gevent or eventlet have put theirs in their place.

The sensor's thread must be a real one: a greenlet would wait for the application to yield, and the application for it.
"""

from __future__ import annotations

import _thread
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any


def original(module: str, name: str) -> Any:
    """``module.name`` as the standard library made it, whoever patched it since.

    A patcher that is only half imported (on another thread) has patched nothing yet.
    """
    from_gevent = getattr(sys.modules.get("gevent.monkey"), "get_original", None)
    if from_gevent is not None:
        return from_gevent(module, name)
    from_eventlet = getattr(sys.modules.get("eventlet.patcher"), "original", None)
    if from_eventlet is not None:
        return getattr(from_eventlet(module), name)
    return getattr(sys.modules.get(module) or __import__(module), name)


def start_thread(run: Callable[[], None]) -> int:
    """Start a real thread, unknown to `threading`: nothing joins it when the interpreter ends."""
    ident: int = original("_thread", "start_new_thread")(run, ())
    return ident


allocate_lock: Callable[[], _thread.LockType] = original("_thread", "allocate_lock")
get_ident: Callable[[], int] = original("_thread", "get_ident")
sleep: Callable[[float], None] = original("time", "sleep")
fast_locals: Callable[[FrameType], Mapping[str, Any]] | None
"""The locals of a frame, read one at a time; None where the sensor was not compiled, and on 3.11."""
try:
    from . import _locals  # type: ignore[attr-defined, unused-ignore]
except ImportError:
    fast_locals = None
else:
    fast_locals = _locals.Locals
monotonic = time.monotonic
monotonic_ns = time.monotonic_ns
time_ns = time.time_ns
thread_time_ns = time.thread_time_ns
