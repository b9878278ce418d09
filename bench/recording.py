"""What the function record adds to a request: `sensor.function_record`, the share of a request's processor time.

`python -m bench.recording` runs itself under each CPython there is. A Flask application answers through its WSGI door:
checks an order of twenty lines in small functions of its own (about 60 calls), and writes JSON. Stretches with the
record on and off take turns in one process, and each with it on is held against those before and after it: the machine
grows faster and slower by more than the record costs. With it on a stretch is one interval of the record, filled with
requests back to back, which is the most a process can do.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "sensors" / "python")]

GOAL = 0.02
INTERVALS = 24
INTERVAL_S = 1.0
"""Shorter than in service, with as many fewer calls, so that a run takes little more than a minute."""
TICKS = 4
RESAMPLED = 2000


def figures(wanted: list[str]) -> None:
    """Print the figure for each CPython."""
    from bench.figures import figure, show
    from bench.sensor import PYTHONS, interpreter_of

    for version in PYTHONS:
        interpreter = interpreter_of(version)
        if interpreter is None or (wanted and not "sensor.function_record".startswith(wanted[0])):
            continue
        command = [str(interpreter), __file__, "measure"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        line = json.loads(done.stdout)
        show(
            figure(
                "sensor.function_record",
                line["share"],
                "share",
                python=version,
                engine=line["engine"],
                baseline=line["request_us"],
                goal=GOAL,
                low=line["low"],
                high=line["high"],
                recorded=line["recorded"],
            )
        )


# ---------------------------------------------------------------- in the process that is measured


def measure() -> dict[str, Any]:
    """Processor time of a request with the record on and off, in turns."""
    from bench import ordering
    from sightline import functions, testing

    functions.INTERVAL_S = INTERVAL_S  # type: ignore[misc]
    functions.CALLS_AN_INTERVAL = int(functions.CALLS_AN_INTERVAL * INTERVAL_S / 10)  # type: ignore[misc]
    ask = ordering.client()
    _stretch(ask, INTERVAL_S)
    off, shares, recorded = [_stretch(ask, INTERVAL_S)], [], 0.0
    for _ in range(INTERVALS):
        with testing.gateway(functions="bench.ordering") as gateway:
            gateway.tick()
            _stretch(ask, INTERVAL_S)  # the first interval knows nothing yet of how many functions share it
            gateway.sensor.take_functions()
            gateway.tick()
            on = _stretch(ask, INTERVAL_S, gateway.tick)
            told = gateway.sensor.take_functions()
            recorded = sum(each.calls for each in told.functions) if told else 0
            engine = gateway.sensor.engine.name
        off.append(_stretch(ask, INTERVAL_S))
        shares.append(on / statistics.mean(off[-2:]) - 1)
    low, high = _interval(shares)
    return {
        "share": statistics.median(shares),
        "low": low,
        "high": high,
        "request_us": statistics.median(off) * 1e6,
        "engine": engine,
        "recorded": recorded,
    }


def _interval(shares: list[float]) -> tuple[float, float]:
    """95 % interval of their median, by resampling."""
    chance = random.Random(0)
    medians = sorted(statistics.median(chance.choices(shares, k=len(shares))) for _ in range(RESAMPLED))
    return medians[int(RESAMPLED * 0.025)], medians[int(RESAMPLED * 0.975)]


def _stretch(ask: Any, seconds: float, tick: Callable[[], object] = lambda: None) -> float:
    """Seconds of processor time of one request, over so long. ``tick``, a sensor's own work, comes between."""
    spent, requests = 0.0, 0
    for _ in range(TICKS):
        until, began = time.monotonic() + seconds / TICKS, time.thread_time()
        while time.monotonic() < until:
            for _ in range(20):
                ask()
            requests += 20
        spent += time.thread_time() - began
        tick()
    return spent / requests


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        print(json.dumps(measure()))
    else:
        figures(sys.argv[1:])
