"""How the tests place their probes, find the lines of them, and see which lines really run."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from sightline import testing, wire

UNHURRIED: dict[str, Any] = {"rate": 1e6, "limits": wire.Limits(deadline_ms=10_000)}
"""What a probe asks for so that no busy machine ends its hits."""


def armed(gateway: testing.Gateway, kind: str, **asked: Any) -> str:
    """Place a probe that has to be armed at once; gives its id."""
    probe = gateway.place(kind, **asked)  # type: ignore[arg-type]
    assert gateway.status(probe).state == "armed", gateway.status(probe)
    return probe


def line_in(module: ModuleType, name: str) -> int:
    """The line of a module that ends in `# P:name`."""
    assert module.__file__ is not None
    for number, text in enumerate(Path(module.__file__).read_text().splitlines(), 1):
        if text.endswith(f"# P:{name}"):
            return number
    raise LookupError(name)


def traced(function: FunctionType, arguments: tuple[Any, ...]) -> list[int]:
    """The lines that one call runs, in order, as `sys.settrace` tells them."""
    seen: list[int] = []

    def tracer(frame: Any, event: str, argument: object) -> Any:
        if frame.f_code is not function.__code__:
            return None
        if event == "line":
            seen.append(frame.f_lineno)
        return tracer

    previous = sys.gettrace()
    sys.settrace(tracer)
    try:
        function(*arguments)
    finally:
        sys.settrace(previous)
    return seen
