"""What a hit costs on each CPython: `sensor.idle` to `sensor.snapshot`, in µs added to the application's thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.environments import environment_of
from bench.figures import figure, show

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
GOALS = {
    "throttled": 0.5, "counter": 0.5, "condition_false": 1.0, "log": 2.0, "snapshot": 50.0,
    "metric": 2.0, "expectation": 2.0, "duration": 2.0, "function": 5.0,
    "path": 150.0, "path_not_sampled": 2.0, "assignment": 60.0,
}  # fmt: skip
PEERS = ("ddtrace", "debugpy")
COMPILED = ROOT / "build" / "compiled"
"""Where `make test-compiled` leaves the project with its sensor compiled."""
GIVE_UP_S = 900.0
CPU_OF_A_SNAPSHOT = 150.0
HIT_FIGURES = [f"sensor.{name}" for name in ("idle", *GOALS, "snapshot_cpu")]
PROCESS_GOALS = {"memory": ("ratio", 1.05), "arm_stall": ("ms", 5.0), "load": ("of a core", 0.02 * 1.2)}
NOISE = 0.09
"""Below this many µs a difference is noise on a shared machine."""


def figures(wanted: list[str]) -> Iterator[dict[str, Any]]:
    """Every figure whose name begins with one of ``wanted``; all of them when nothing is named."""
    for version in PYTHONS:
        interpreter = interpreter_of(version)
        if interpreter is None:
            yield {
                "figure": "sensor",
                "python": version,
                "missing": "this CPython is not installed",
                "met": False,
            }
            continue
        if _wants(wanted, HIT_FIGURES):
            for line in _of_one_python(interpreter, version):
                if _wants(wanted, [line["figure"]]):
                    yield line
        for name in PROCESS_GOALS:
            if _wants(wanted, [f"sensor.{name}"]):
                yield _of_the_process(interpreter, version, name)


def _wants(wanted: list[str], names: Iterable[str]) -> bool:
    return not wanted or any(name.startswith(begin) for name in names for begin in wanted)


def interpreter_of(version: str) -> Path | None:
    """The Python of the environment that is made for this version, if there is one."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    path = ROOT / (".venv" if version == own else f".venv-{version}") / "bin" / "python"
    return path if path.exists() else None


def _of_one_python(interpreter: Path, version: str) -> Iterator[dict[str, Any]]:
    peers, missing = _peers(interpreter, version)
    yield from _of_one_sensor(_measure(interpreter), version, peers, missing)
    if _is_compiled_for(version):
        yield from _of_one_sensor(_measure(interpreter, root=COMPILED), version, peers, missing)


def _is_compiled_for(version: str) -> bool:
    tag = version.replace(".", "")
    return any((COMPILED / "sensors" / "python" / "sightline").glob(f"hits.cpython-{tag}-*"))


def _of_one_sensor(
    lines: Iterable[dict[str, Any]], version: str, peers: dict[str, dict[str, float]], missing: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    measured = {line["scenario"]: line for line in lines}
    idle = max(
        (measured[name] for name in ("idle_elsewhere", "idle_same_function")), key=lambda line: line["value"]
    )
    yield figure(
        "sensor.idle", idle["value"], "us", python=version, **_of_the_run(idle), goal=0.0, tolerance=NOISE,
        peers=_worse_of(peers, "idle_elsewhere", "idle_same_function"), **missing,
    )  # fmt: skip
    for name, goal in GOALS.items():
        line = measured[name]
        yield figure(
            f"sensor.{name}", line["value"], "us", python=version, **_of_the_run(line), goal=goal,
            peers=_worse_of(peers, name), **missing,
        )  # fmt: skip
    line = measured["snapshot"]
    yield figure(
        "sensor.snapshot_cpu", line["cpu"], "us", python=version, **_of_the_run(line), goal=CPU_OF_A_SNAPSHOT
    )


def _of_the_run(line: dict[str, Any]) -> dict[str, Any]:
    """Engine, whether the sensor was compiled, and the baseline."""
    return {name: line[name] for name in ("engine", "sensor", "baseline")}


def _of_the_process(interpreter: Path, version: str, name: str) -> dict[str, Any]:
    """A figure about what the sensor does to a whole process; beside it, what its program tells."""
    [line] = _measure(interpreter, "endurance.py", name)
    unit, goal = PROCESS_GOALS[name]
    value, baseline = line.pop("value"), line.pop("baseline")
    return figure(f"sensor.{name}", value, unit, goal=goal, baseline=baseline, python=version, **line)


def _peers(interpreter: Path, version: str) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Microseconds by peer and scenario, from the same core minutes before; and what could not be had, with why."""
    measured: dict[str, dict[str, float]] = {}
    missing: dict[str, str] = {}
    for peer in PEERS:
        try:
            python = environment_of("peers", interpreter, version)
            lines = _measure(python, "peers.py", peer)
            measured[peer] = {line["scenario"]: round(line["value"], 3) for line in lines}
        except (subprocess.SubprocessError, OSError, ValueError) as problem:
            missing[peer] = str(problem)
    return measured, {"peers_missing": missing} if missing else {}


def _worse_of(peers: dict[str, dict[str, float]], *scenarios: str) -> dict[str, float]:
    """By peer; one that offers nothing of the kind is left out."""
    return {
        peer: max(found)
        for peer, values in peers.items()
        if (found := [values[name] for name in scenarios if name in values])
    }


def _measure(
    interpreter: Path, program: str = "hits.py", *arguments: str, root: Path = ROOT
) -> Iterator[dict[str, Any]]:
    """The lines of a program of this folder under that interpreter, kept to one core where the system allows it."""
    pinned = {min(os.sched_getaffinity(0))} if hasattr(os, "sched_setaffinity") else None
    command = [str(interpreter), str(root / "bench" / program), *arguments]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=GIVE_UP_S,
        preexec_fn=(lambda: os.sched_setaffinity(0, pinned)) if pinned else None,
    )
    yield from map(json.loads, done.stdout.splitlines())


if __name__ == "__main__":
    for line in figures(sys.argv[1:]):
        show(line)
