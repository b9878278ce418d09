"""Measures what one hit adds to the application's thread, in this interpreter; prints one JSON object a scenario.

Run by `bench.sensor` with the Python it is to speak for. It imports the sensor and nothing else that is not in the
standard library. Rounds with and without the probe take turns, so that a slow stretch of the machine meets both; the
best of each is compared.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "sensors" / "python")]

from bench.workload import NAME, SCENARIOS, Scenario, target, timed  # noqa: E402
from sightline import testing, wire  # noqa: E402
from sightline.engines.base import COMPILED  # noqa: E402

ROUNDS = 30


def measure(scenario: Scenario) -> dict[str, Any]:
    """Microseconds a hit adds, beside the call without a probe; CPU in all where something is sent."""
    with_probe, without, cpu = [], [], []
    place = {"file": "bench/target.py", "line": target.line_of(scenario.marker)}
    if scenario.kind == "assignment":
        place = {"attribute": f"{NAME}:Holder.value"}
    asked = dict(scenario.asked)
    if "limits" in asked:
        asked["limits"] = wire.Limits(**asked["limits"])
    with testing.gateway(budget=1.0) as gateway:
        for _ in range(ROUNDS):
            without.append(timed(scenario))
            probe = gateway.place(scenario.kind, **place, **asked)  # type: ignore[arg-type]
            assert gateway.status(probe).state == "armed", gateway.status(probe)
            scenario.drive(3)
            gateway.tick()
            with_probe.append(timed(scenario))
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
        "sensor": "compiled" if COMPILED else "pure",
        "value": min(with_probe) - base,
        "baseline": base,
        "noise": sorted(without)[len(without) // 4] - base,
        "cpu": min(cpu) - base,
        "endings": ended,
    }


def main(names: list[str]) -> None:
    for scenario in SCENARIOS:
        if not names or scenario.name in names:
            print(json.dumps(measure(scenario)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
