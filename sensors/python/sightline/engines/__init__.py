"""Chooses the means by which lines are watched in this process, with the reason that people are shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import CodeType

from .base import CannotArm, Engine, Spot, Watcher, Watching

TESTED = ((3, 11), (3, 12), (3, 13))


class NoEngine:
    """Stands where no line can be watched: everything is refused, with the reason."""

    name = "none"
    late = ""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def arm(self, watchings: Sequence[Watching]) -> None:
        raise CannotArm("no_engine", self.reason)

    def disarm(self, watchings: Sequence[Watching]) -> None:
        """Nothing was armed."""

    def switch(self, spot: Spot, watcher: Watcher, *, on: bool) -> None:
        """Nothing was armed."""

    def wake(self) -> None:
        """Nothing rests."""

    def idle_hits(self) -> int:
        return 0

    def original(self, code: CodeType) -> CodeType:
        return code

    def close(self) -> None:
        """Nothing is held."""


def choose() -> Engine:
    """The engine for this interpreter, as it is now."""
    if sys.implementation.name != "cpython":
        return NoEngine(f"Lines can be watched on CPython only, and this is {sys.implementation.name}.")
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return NoEngine(
            "This is a free-threaded build without its lock, which no version of the sensor supports yet."
        )
    engine = _monitoring() if sys.version_info >= (3, 12) else _rewriting()
    if sys.version_info[:2] not in TESTED:
        engine.reason += " This version of Python is newer than those the sensor is tested on."
    return engine


def _monitoring() -> Engine:
    from .monitoring import MonitoringEngine, free_tool

    tool = free_tool()
    if tool is None:
        return NoEngine("Every id of sys.monitoring that is not reserved is taken by another tool.")
    return MonitoringEngine(tool)


def _rewriting() -> Engine:
    try:
        from .rewriting import RewritingEngine
    except ImportError as error:
        return NoEngine(f"On this version of Python the package `bytecode` is needed ({error}).")
    return RewritingEngine()


__all__ = ["CannotArm", "Engine", "NoEngine", "Spot", "Watcher", "Watching", "choose"]
