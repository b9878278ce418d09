"""What the function record adds to a request: `sensor.function_record`, the share of a request's processor time.

`python -m bench.recording` runs itself under each CPython there is. A Flask application answers through its WSGI door:
checks an order of twenty lines in small functions of its own (about 60 calls), and writes JSON. Stretches with the
record on and off take turns in one process. With it on a stretch is one interval of the record, filled with requests
back to back, which is the most a process can do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "sensors" / "python")]

GOAL = 0.02
INTERVALS = 4
INTERVAL_S = 2.0
"""Shorter than in service, with as many fewer calls, so that a run takes less than a minute."""


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
    without, with_it, recorded = [], [], 0.0
    _stretch(ask, 1.0)
    for _ in range(INTERVALS):
        without.append(_stretch(ask, INTERVAL_S))
        with testing.gateway(functions="bench.ordering") as gateway:
            gateway.tick()
            _stretch(ask, INTERVAL_S)  # the first interval knows nothing yet of how many functions share it
            gateway.sensor.take_functions()
            gateway.tick()
            _stretch(ask, 0.25)
            gateway.tick()
            with_it.append(_stretch(ask, INTERVAL_S))
            told = gateway.sensor.take_functions()
            recorded = sum(each.calls for each in told.functions) if told else 0
            engine = gateway.sensor.engine.name
    off, on = min(without), min(with_it)
    return {"share": (on - off) / off, "request_us": off * 1e6, "engine": engine, "recorded": recorded}


def _stretch(ask: Any, seconds: float) -> float:
    """Seconds of processor time of one request, over so long."""
    until, requests, began = time.monotonic() + seconds, 0, time.thread_time()
    while time.monotonic() < until:
        for _ in range(20):
            ask()
        requests += 20
    return (time.thread_time() - began) / requests


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        print(json.dumps(measure()))
    else:
        figures(sys.argv[1:])
