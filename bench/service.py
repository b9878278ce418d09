"""The figure of a whole service: how much longer its p99 is with the sensor in it.

    loop.service_p99_ratio      gunicorn with two workers, a logpoint on every request and a snapshot of every tenth,
                                held against the same service without the sensor, request by request in turns

Gateway and databases are real and run on the same machine: leave it otherwise idle, or the interval says nothing.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.figures import figure, show
from bench.gateway import ROOT, Stage, daphne, is_wanted, line_of, servers, wait_for
from bench.interleaved import Load, p99_ratio, served
from investigations.supervise.parts import free_port

NAME = "loop.service_p99_ratio"
FILE = "bench/till.py"
SECONDS = 90.0
PAIRS_PER_S = 60.0


def service_p99_ratio(stage: Stage, url: str, seconds: float) -> dict[str, Any]:
    """The median over blocks, with its 95 % interval; met when the interval reaches down to the goal."""
    watched, plain = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="sightline-bench-") as folder, ExitStack() as running:
        log = Path(folder) / "till.log"
        env = {**os.environ, **_sensor_settings(stage, url)}
        running.enter_context(served("bench.till:app", watched, log, env=env, watched=True))
        running.enter_context(served("bench.till:app", plain, log, env=os.environ, watched=False))
        _arm(stage)
        load = Load(watched, plain, pairs_per_s=PAIRS_PER_S, seed=1)
        load.start()
        time.sleep(seconds)
        load.stop()
    if load.failures:
        raise SystemExit(f"requests failed: {load.failures[:3]}")
    ratio = p99_ratio(load.watched.seconds, load.plain.seconds)
    return figure(
        NAME,
        ratio.value,
        "ratio",
        goal=1.03,
        baseline=1.0,
        tolerance=ratio.value - ratio.low,
        low=round(ratio.low, 3),
        high=round(ratio.high, 3),
        blocks=ratio.blocks,
        p99_ms=round(ratio.p99_ms, 2),
        plain_p99_ms=round(ratio.plain_p99_ms, 2),
    )


def _sensor_settings(stage: Stage, url: str) -> dict[str, str]:
    return {
        "SIGHTLINE_URL": url,
        "SIGHTLINE_TOKEN": stage.token_text,
        "SIGHTLINE_SERVICE": stage.service.name,
        "SIGHTLINE_ENVIRONMENT": stage.environment.name,
        "SIGHTLINE_ROOTS": str(ROOT),
    }


def _arm(stage: Stage) -> None:
    from investigations.catalog.services import bump_probe_revision
    from investigations.probes.models import ProbeDelivery

    line = line_of(ROOT / FILE, "PROBE:sold")
    for probe in _probes():
        stage.place(FILE, line, **probe)
    bump_probe_revision(stage.service)
    wait_for(lambda: ProbeDelivery.objects.filter(state="armed").count() == 4)


def _probes() -> Iterator[dict[str, Any]]:
    yield {"kind": "logpoint", "template": "sold {basket.number}", "rate": 500.0}
    yield {"kind": "snapshot", "template": "", "condition": "basket.number % 10 == 0", "rate": 500.0}


def main(wanted: list[str]) -> None:
    """Print the figure, if it is wanted."""
    if not is_wanted(NAME, wanted):
        return
    with servers():
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        stage = Stage()
        stage.probe.delete()
        with daphne() as url:
            show(service_p99_ratio(stage, url, float(os.environ.get("BENCH_SECONDS", SECONDS))))


if __name__ == "__main__":
    main(sys.argv[1:])
