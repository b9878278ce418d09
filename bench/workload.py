"""What is run in every measurement of a hit, and what is asked at which line: the same for the sensor and its peers."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.loading import loaded

FOLDER = Path(__file__).parent
NAME = "sightline_bench_target"
UNBOUNDED: dict[str, Any] = {"rate": 1e9, "hit_limit": 0}
OWN_FRAME: dict[str, Any] = {**UNBOUNDED, "limits": {"variable_frames": 1}}
"""Variables of the target's frame alone: those of the benchmark are large, and nobody's business."""


target: Any = loaded(NAME, FOLDER / "target.py")


def call(times: int) -> None:
    function = target.hot
    for _ in range(times):
        function(3, 4)


def loop(times: int) -> None:
    target.loopy(times)


def deep(times: int) -> None:
    """Seventeen frames of the target's, and those that called it: about twenty."""
    function = target.descend
    for _ in range(times):
        function(15)


def branchy(times: int) -> None:
    """Thirteen lines and eight decisions."""
    function = target.branchy
    for _ in range(times):
        function(4, 1)


def assign(times: int) -> None:
    function, holder = target.assign, target.HOLDER
    for number in range(times):
        function(holder, number)


class Scenario(NamedTuple):
    """What is run, how often in one round, where the probe goes and what it is asked."""

    name: str
    drive: Callable[[int], None]
    times: int
    marker: str
    kind: str
    asked: dict[str, Any]


SCENARIOS = (
    Scenario("idle_elsewhere", call, 4_000, "other", "logpoint", {"template": "{a} {b}", **UNBOUNDED}),
    Scenario("idle_same_function", loop, 8_000, "cold", "logpoint", {"template": "{t}", **UNBOUNDED}),
    Scenario("throttled", deep, 800, "leaf", "snapshot", {"rate": 0.001, "hit_limit": 0}),
    Scenario("counter", call, 4_000, "hot", "counter", {}),
    Scenario("condition_false", call, 4_000, "hot", "snapshot", {"condition": "b == -1", **UNBOUNDED}),
    Scenario("log", call, 2_000, "hot", "logpoint", {"template": "a={a} b={b}", **UNBOUNDED}),
    Scenario("snapshot", deep, 100, "leaf", "snapshot", UNBOUNDED),
    Scenario("metric", call, 4_000, "hot", "metric", {"value": "b"}),
    Scenario("expectation", call, 4_000, "hot", "expectation", {"value": "b > 0", **UNBOUNDED}),
    Scenario("duration", call, 4_000, "hot", "duration", {}),
    Scenario("function", call, 2_000, "hot", "function", UNBOUNDED),
    Scenario("path", branchy, 100, "branchy", "path", OWN_FRAME),
    Scenario("path_not_sampled", branchy, 2_000, "branchy", "path", {"rate": 0.001, "hit_limit": 0}),
    Scenario("assignment", assign, 500, "assign", "assignment", OWN_FRAME),
)


def timed(scenario: Scenario) -> float:
    """Microseconds of this thread's processor time a call: what others run on the machine meanwhile does not count."""
    gc.collect()
    gc.disable()
    try:
        began = time.thread_time_ns()
        scenario.drive(scenario.times)
        return (time.thread_time_ns() - began) / scenario.times / 1e3
    finally:
        gc.enable()
