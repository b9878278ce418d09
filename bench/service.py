"""The figures of a whole service: how much longer its p99 is with the sensor in it.

    loop.service_p99_ratio      gunicorn with two workers and a logpoint on every request, held against the same
                                service without the sensor, request by request in turns
    loop.snapshots_p99_ratio    the same with a snapshot of every tenth request as well, two frames of the service and
                                three of Flask in each: what is copied in one request of a hundred is what a p99 shows

Gateway and databases are real and run on the same machine: leave it otherwise idle, or the interval says nothing.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.figures import figure, show
from bench.gateway import ROOT, Stage, daphne, is_wanted, line_of, servers, wait_for
from bench.interleaved import Load, p99_ratio, served
from investigations.supervise.parts import free_port

LOGPOINT = {"kind": "logpoint", "template": "sold {basket.number}", "rate": 500.0}
SNAPSHOT = {"kind": "snapshot", "template": "", "condition": "basket.number % 10 == 0", "rate": 500.0}
FIGURES: dict[str, list[dict[str, Any]]] = {
    "loop.service_p99_ratio": [LOGPOINT],
    "loop.snapshots_p99_ratio": [LOGPOINT, SNAPSHOT],
}
WORKERS = 2
FILE = "bench/till.py"
SECONDS = 90.0
PAIRS_PER_S = 60.0


def p99_with(
    probes: list[dict[str, Any]], name: str, stage: Stage, url: str, seconds: float
) -> dict[str, Any]:
    """The median over blocks, with its 95 % interval; met when the interval reaches down to the goal."""
    watched, plain = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="sightline-bench-") as folder, ExitStack() as running:
        log = Path(folder) / "till.log"
        env = {**os.environ, **_sensor_settings(stage, url)}
        running.enter_context(served("bench.till:app", watched, log, env=env, watched=True))
        running.enter_context(served("bench.till:app", plain, log, env=os.environ, watched=False))
        placed = _arm(stage, probes)
        load = Load(watched, plain, pairs_per_s=PAIRS_PER_S, seed=1)
        load.start()
        time.sleep(seconds)
        load.stop()
    for probe in placed:
        probe.delete()
    if load.failures:
        raise SystemExit(f"requests failed: {load.failures[:3]}")
    ratio = p99_ratio(load.watched.seconds, load.plain.seconds)
    return figure(
        name,
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


def _arm(stage: Stage, probes: list[dict[str, Any]]) -> list[Any]:
    from investigations.catalog.services import bump_probe_revision
    from investigations.probes.models import ProbeDelivery

    line = line_of(ROOT / FILE, "PROBE:sold")
    placed = [stage.place(FILE, line, **probe) for probe in probes]
    bump_probe_revision(stage.service)
    armed = ProbeDelivery.objects.filter(state="armed", probe__in=placed)
    wait_for(lambda: armed.count() == WORKERS * len(placed))
    return placed


def main(wanted: list[str]) -> None:
    """Print the figures whose names begin as wanted, or all."""
    chosen = {name: probes for name, probes in FIGURES.items() if is_wanted(name, wanted)}
    if not chosen:
        return
    with servers():
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        stage = Stage()
        stage.probe.delete()
        with daphne() as url:
            seconds = float(os.environ.get("BENCH_SECONDS", SECONDS))
            for name, probes in chosen.items():
                show(p99_with(probes, name, stage, url, seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
