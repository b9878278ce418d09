"""Measures what `sys.monitoring` itself asks for one hit, before a sensor does anything; prints one line a step.

Each callback does what the one before it does and one thing more that no sensor in Python can leave out. CPython 3.12
and later; the figures stand in `docs/decisions/0010-what-a-hit-costs-at-least.md`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.workload import Scenario, call, target, timed

ROUNDS = 60
LINE = target.line_of("hot")
SCENARIO = Scenario("floor", call, 4_000, "hot", "counter", {})
_monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
DISABLE = _monitoring.DISABLE
_getframe = sys._getframe
_monotonic = time.monotonic

Callback = Callable[[CodeType, int], Any]


def empty(code: CodeType, line: int) -> Any:
    return None if line == LINE else DISABLE


def _finding(fire: Callable[[], bool]) -> Callback:
    """Finds by code and line what is to be called, and keeps its exceptions from the application."""
    fires = {id(target.hot.__code__): {LINE: fire}}

    def on_line(code: CodeType, line: int) -> Any:
        try:
            found = fires[id(code)][line]
        except KeyError:
            return DISABLE
        try:
            if found():
                return DISABLE
        except Exception:  # noqa: BLE001 (as the engine does)
            pass
        return None

    return on_line


def nothing() -> bool:
    return False


def clock() -> bool:
    return _monotonic() < 0


def frame() -> bool:
    return _getframe(2) is None


def local() -> bool:
    return bool(_getframe(2).f_locals["b"] == -1)


STEPS: dict[str, Callback] = {
    "an empty callback": empty,
    "and one that finds whom to call": _finding(nothing),
    "who reads the clock": _finding(clock),
    "who asks for the frame": _finding(frame),
    "and for one of its locals": _finding(local),
}


def main() -> None:
    _monitoring.use_tool_id(4, "floor")
    events, code = _monitoring.events.LINE, target.hot.__code__
    best = dict.fromkeys(["", *STEPS], float("inf"))
    for _ in range(ROUNDS):
        _monitoring.set_local_events(4, code, 0)
        best[""] = min(best[""], timed(SCENARIO))
        for name, callback in STEPS.items():
            _monitoring.register_callback(4, events, callback)
            _monitoring.set_local_events(4, code, 0)
            _monitoring.set_local_events(4, code, events)
            SCENARIO.drive(3)
            best[name] = min(best[name], timed(SCENARIO))
    for name in STEPS:
        print(f"{name:34} {best[name] - best['']:.2f} µs")


if __name__ == "__main__":
    main()
