"""Measures what one hit adds to the application's thread, in this interpreter; prints one JSON object a scenario.

Run by `bench.sensor` with the Python it is to speak for. It imports the sensor and nothing else that is not in the
standard library. Rounds with and without the probe take turns, so that a slow stretch of the machine meets both; the
best of each is compared.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "sensors" / "python"))

from sightline import testing  # noqa: E402

ROUNDS = 30
UNBOUNDED: dict[str, Any] = {"rate": 1e9, "hit_limit": 0}


def _load_target() -> Any:
    spec = importlib.util.spec_from_file_location("sightline_bench_target", FOLDER / "target.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


target = _load_target()


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
)


def measure(scenario: Scenario) -> dict[str, Any]:
    """Microseconds a hit adds, beside the call without a probe; CPU in all where something is sent."""
    with_probe, without, cpu = [], [], []
    line = target.line_of(scenario.marker)
    with testing.gateway(budget=1.0) as gateway:
        for _ in range(ROUNDS):
            without.append(_round(scenario))
            probe = gateway.place(scenario.kind, file="bench/target.py", line=line, **scenario.asked)  # type: ignore[arg-type]
            assert gateway.status(probe).state == "armed", gateway.status(probe)
            scenario.drive(3)
            gateway.tick()
            with_probe.append(_round(scenario))
            began = time.process_time()
            gateway.discard_captures()
            written = (time.process_time() - began) * 1e6 / scenario.times
            cpu.append(with_probe[-1] + written)  # the collecting before a round is the benchmark's own
            ended = gateway.endings(probe)
            gateway.remove(probe)
            gateway.tick()
        engine = gateway.sensor.engine.name
    base = min(without)
    return {
        "scenario": scenario.name,
        "engine": engine,
        "value": min(with_probe) - base,
        "baseline": base,
        "noise": sorted(without)[len(without) // 4] - base,
        "cpu": min(cpu) - base,
        "endings": ended,
    }


def _round(scenario: Scenario) -> float:
    """Microseconds of this thread's processor time a call: what others run on the machine meanwhile does not count."""
    gc.collect()
    gc.disable()
    try:
        began = time.thread_time_ns()
        scenario.drive(scenario.times)
        return (time.thread_time_ns() - began) / scenario.times / 1e3
    finally:
        gc.enable()


def main(names: list[str]) -> None:
    for scenario in SCENARIOS:
        if not names or scenario.name in names:
            print(json.dumps(measure(scenario)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
