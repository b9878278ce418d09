"""`python -m bench.explore [--python 3.12] [suite ...]`: every suite on every CPython, one JSON line each.

Each runs twice without probes and once with. What passed both times without must pass with; 1 when something did not.
Tests that failed or hung with probes are run once more by themselves, with probes still: one that does so there too is
a difference, one that passes depends on the machine's load, or on the tests before it, and is told.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.environments import environment_of
from bench.explore.comparing import Run, compare, excuse_what_passes, failed_once, whole_in
from bench.explore.places import sources
from bench.explore.suites import SUITES, Suite
from bench.sensor import PYTHONS, interpreter_of

ARMED_WITHIN_S = 600.0
INSIDE = Path(__file__).with_name("inside.py")


def explore(suite: Suite, python: Path, keep: Path | None) -> dict[str, Any]:
    """The line about one suite on one Python. Records are left in ``keep`` if that is given."""
    folder = sources(python, suite.sdist) / suite.folder if suite.sdist else None
    with tempfile.TemporaryDirectory(prefix="sightline-explore-") as scratch:
        records = keep or Path(scratch)
        plain = [
            run(suite, python, folder or Path(scratch), records / f"{suite.name}.{number}.jsonl")
            for number in (1, 2)
        ]
        armed = run(suite, python, folder or Path(scratch), records / f"{suite.name}.armed.jsonl", armed=True)
        line = compare(suite, plain, armed)
        if doubtful := failed_once(line, armed):
            alone = replace(suite, tests=tuple(doubtful), every=1)
            again = run(
                alone, python, folder or Path(scratch), records / f"{suite.name}.again.jsonl", armed=True
            )
            excuse_what_passes(line, again)
    return line


def run(suite: Suite, python: Path, folder: Path, record: Path, *, armed: bool = False) -> Run:
    """One run of the suite's tests in a process of its own, in a session of its own, which is ended at the cap."""
    command: list[str | Path] = [
        python,
        "-X",
        "faulthandler",
        INSIDE,
        "--record",
        record,
        "--packages",
        suite.packages,
    ]
    command += ["--every", str(suite.every), *(["--arm"] if armed else [])]
    cap = suite.cap_s if armed else suite.cap_s / 3
    began = time.monotonic()
    record.unlink(missing_ok=True)
    with record.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            [*command, suite.runner, *suite.options, *suite.tests],
            cwd=folder,
            env=_settings(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code = _end_of(process, record, cap)
    return Run.read(record, code, time.monotonic() - began)


def _settings(folder: Path) -> dict[str, str]:
    passed = {
        name: value for name, value in os.environ.items() if not name.startswith(("SIGHTLINE_", "PYTEST_"))
    }
    return {**passed, "PYTHONHASHSEED": "0", "PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def _end_of(process: subprocess.Popen[bytes], record: Path, cap: float) -> int | None:
    """The exit code; None when the time was up, which begins when all is armed. Nothing of it runs on."""
    try:
        _wait_for_its_first_line(process, record)
        return process.wait(cap)
    except subprocess.TimeoutExpired:
        _have_it_say_where_it_is(process)
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _have_it_say_where_it_is(process: subprocess.Popen[bytes]) -> None:
    """End it so that each thread's stack stands at the end of its log: should it hang, that tells at what."""
    process.send_signal(signal.SIGABRT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)


def _wait_for_its_first_line(process: subprocess.Popen[bytes], record: Path) -> None:
    """Arming tens of thousands of probes takes longer than some suites, and gives way to other threads."""
    until = time.monotonic() + ARMED_WITHIN_S
    while process.poll() is None and time.monotonic() < until:
        if record.exists() and record.stat().st_size:
            return
        time.sleep(0.1)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.explore")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="on these only")
    parser.add_argument("--keep", type=Path, help="leave records and logs in this folder")
    parser.add_argument(
        "--cap", type=float, help="the most seconds a suite may take with probes, for all of them"
    )
    parser.add_argument(
        "--every", type=int, default=1, help="run each so many-th test only: a quick look over whole suites"
    )
    parser.add_argument("suite", nargs="*", help=", ".join(suite.name for suite in SUITES))
    parser.add_argument(
        "--lines",
        type=Path,
        help="add the lines to this file, and leave out what it tells to be whole already",
    )
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no suite runs on
    done = whole_in(asked.lines) if asked.lines else set()
    failed = False
    for version in asked.python or PYTHONS:
        interpreter = interpreter_of(version)
        if interpreter is None:
            print(json.dumps({"python": version, "missing": "this CPython is not installed"}), flush=True)
            failed = True
            continue
        keep = asked.keep and asked.keep / version
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
        for suite in SUITES:
            if (not asked.suite or suite.name in asked.suite) and (version, suite.name) not in done:
                suite = replace(suite, cap_s=asked.cap or suite.cap_s, every=asked.every)
                line = {
                    "python": version,
                    **explore(suite, environment_of("explore", interpreter, version), keep),
                }
                failed |= bool(line["differences"])
                tell(line, asked.lines)
    return int(failed)


def tell(line: dict[str, Any], file: Path | None) -> None:
    text = json.dumps(line)
    print(text, flush=True)
    if file:
        with file.open("a") as lines:
            lines.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
