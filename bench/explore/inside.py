"""Runs a library's own tests in this process, with probes on each of its lines or without, and records how each ended.

    python inside.py --record FILE [--arm] --packages json,click pytest|unittest|script ARGUMENTS...

Run by `bench.explore` with the Python and in the folder the suite wants. One JSON line is written when a test begins
and one when it has ended, so that a process that dies or hangs has said how far it came.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import pkgutil
import runpy
import sys
import time
import unittest
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import IO, Any

sys.path[0] = str(Path(__file__).parents[2] / "sensors" / "python")  # in the place of this folder

from sightline import expressions, linetables, locator, sensor, wire  # noqa: E402

FALSE = "1 == 2"
CAPTURES_A_SECOND = 0.01
BUDGET = 0.5
"""Of a core: with less, lines are switched off for most of the time; with more, a suite of minutes takes an hour."""


class Record:
    """The file in which it is written how each test ended."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def collected(self, count: int) -> None:
        self._write(collected=count)

    def began(self, test: str) -> None:
        self._write(began=test)

    def ended(self, test: str, outcome: str, why: str = "") -> None:
        self._write(ended=test, outcome=outcome, why=why[-4000:])

    def probed(self, summary: dict[str, Any]) -> None:
        self._write(probes=summary)

    def _write(self, **line: Any) -> None:
        self._file.write(json.dumps({**line, "at": time.time()}) + "\n")
        self._file.flush()


# ---------------------------------------------------------------- what is armed


def modules_of(packages: list[str]) -> list[ModuleType]:
    """The packages with all that can be imported below them; the same with probes and without."""
    found = []
    for name in packages:
        package = importlib.import_module(name)
        found.append(package)
        for _, inner, _ in pkgutil.walk_packages(getattr(package, "__path__", ()), name + "."):
            found += _imported(inner)
    return found


def _imported(name: str) -> list[ModuleType]:
    """The module, unless it is a program of its own or wants something that is not installed."""
    if name.rpartition(".")[2] in ("__main__", "tests", "test", "conftest"):
        return []
    try:
        return [importlib.import_module(name)]
    except (Exception, SystemExit):  # noqa: BLE001 (whatever a module does when it cannot be used here)
        return []


def lines_of(module: ModuleType) -> Iterator[tuple[str, int]]:
    """Every file and line in the module's functions; what stands outside of them has run already."""
    path = locator.file_of(module)
    body = linetables.compiled(path) if path else None
    if body is not None:
        codes = [code for code, _ in linetables.tree(body) if linetables.is_function(code)]
        yield from (
            (path, line) for line in sorted({each for code in codes for each in linetables.lines_of(code)})
        )


def probes_on(modules: list[ModuleType]) -> list[wire.Probe]:
    """A snapshot and a snapshot under a false condition on each line."""
    places = dict.fromkeys(place for module in modules for place in lines_of(module))
    condition = expressions.parse(FALSE)
    always = {"kind": "snapshot", "valid_for": 1e6, "hit_limit": 0, "rate": CAPTURES_A_SECOND}
    made: list[wire.Probe] = []
    for path, line in places:
        location = wire.Location(file=path, line=line)
        made.append(wire.Probe(id=f"s{len(made)}", location=location, **always))  # type: ignore[arg-type]
        made.append(wire.Probe(id=f"c{len(made)}", location=location, condition=condition, **always))  # type: ignore[arg-type]
    return made


def arm(packages: list[str], sink: Path, budget: float) -> sensor.Sensor:
    """Start the process's sensor and have every line probed before anything else happens."""
    running = sensor.start(
        {"service": "explored", "environment": "test", "file": str(sink), "budget": budget}
    )
    running.on_probe_set(1, probes_on(modules_of(packages)))
    return running


def summary(running: sensor.Sensor) -> dict[str, Any]:
    """How many probes were armed and hit, how hits ended, and what the sensor failed at."""
    entries = list(running.registry)
    counted = running.registry.counters()
    endings: Counter[str] = Counter()
    for each in counted:
        endings.update(each.endings)
    return {
        "probes": len(entries),
        "armed": sum(entry.armed for entry in entries),
        "hit": sum(bool(each.endings) for each in counted),
        "refused": dict(Counter(entry.status.slug for entry in entries if not entry.armed)),
        "endings": dict(endings),
        "drops": dict(running.outbox.drops),
    }


# ---------------------------------------------------------------- how tests are run


class PytestRecorder:
    """A plugin of pytest's."""

    def __init__(self, record: Record, every: int) -> None:
        self._record = record
        self._every = every

    def pytest_collection_finish(self, session: Any) -> None:
        self._record.collected(len(session.items))
        session.items[:] = session.items[:: self._every]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._record.began(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._record.ended(report.nodeid, report.outcome, "" if report.passed else report.longreprtext)


def run_pytest(arguments: list[str], record: Record, every: int) -> None:
    import pytest

    pytest.main([*arguments, "-q", "-p", "no:cacheprovider"], plugins=[PytestRecorder(record, every)])


def run_unittest(arguments: list[str], record: Record, every: int) -> None:
    """The tests of these modules, as `python -m unittest` would."""
    listen(record, every)
    unittest.main(module=None, argv=["unittest", *arguments], exit=False)


def run_script(arguments: list[str], record: Record, every: int) -> None:
    """A program that runs tests of `unittest`, with its own arguments."""
    listen(record, every)
    sys.argv = arguments
    sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit:
        return


def listen(record: Record, every: int) -> None:
    """Write down what every result of `unittest` in this process is told, and run each ``every``-th test."""
    result = unittest.TestResult
    for method, outcome in {
        "addSuccess": "passed",
        "addFailure": "failed",
        "addError": "failed",
        "addSkip": "skipped",
        "addExpectedFailure": "passed",
        "addUnexpectedSuccess": "failed",
    }.items():
        setattr(result, method, _told(getattr(result, method), record, outcome))
    run = unittest.TextTestRunner.run

    def run_counted(self: unittest.TextTestRunner, test: unittest.TestSuite) -> unittest.TestResult:
        record.collected(test.countTestCases())
        return run(self, test if every == 1 else unittest.TestSuite(list(tests_of(test))[::every]))

    unittest.TextTestRunner.run = run_counted  # type: ignore[method-assign, assignment]
    begin = result.startTest

    def start(self: unittest.TestResult, test: unittest.TestCase) -> None:
        record.began(test.id())
        begin(self, test)

    result.startTest = start  # type: ignore[method-assign]
    subtest = result.addSubTest

    def add_subtest(self: unittest.TestResult, test: Any, part: Any, error: Any) -> None:
        subtest(self, test, part, error)
        if error is not None:
            record.ended(test.id(), "failed", self._exc_info_to_string(error, test))  # type: ignore[attr-defined]

    result.addSubTest = add_subtest  # type: ignore[method-assign, assignment]


def tests_of(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """The tests of a suite and of those in it, in their order."""
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from tests_of(part)
        else:
            yield part


def _told(method: Callable[..., None], record: Record, outcome: str) -> Callable[..., None]:
    def told(self: Any, test: Any, *more: Any) -> None:
        method(self, test, *more)
        failed = outcome == "failed" and more
        record.ended(test.id(), outcome, self._exc_info_to_string(more[0], test) if failed else "")

    return told


RUNNERS = {"pytest": run_pytest, "unittest": run_unittest, "script": run_script}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--arm", action="store_true")
    parser.add_argument("--budget", type=float, default=BUDGET)
    parser.add_argument("--packages", required=True)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("runner", choices=RUNNERS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    packages = asked.packages.split(",")
    with asked.record.open("w") as file:
        record = Record(file)
        modules_of(packages)
        running = arm(packages, asked.record.with_suffix(".captures"), asked.budget) if asked.arm else None
        record.probed(summary(running) if running else {})
        gc.freeze()  # asyncio's tests collect garbage after each: without what thousands of probes consist of
        try:
            RUNNERS[asked.runner](asked.arguments, record, asked.every)
        finally:
            if running:
                record.probed(summary(running))


if __name__ == "__main__":
    main()
