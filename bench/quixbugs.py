"""`python -m bench.quixbugs DIR`: faulty lines of QuixBugs' Python programs (Lin et al., SPLASH 2017), from a
clone in DIR.

Each program's own JSON tests are its executions, watched line by line by snapshot probes of the real sensor.
The combined ranking stands beside Ochiai and Tarantula on the very same executions; ties count by their
expectation. Only programs with JSON tests take part (31); the graph programs have none.
"""

from __future__ import annotations

import ast
import copy
import csv
import difflib
import importlib.util
import json
import math
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, GeneratorType
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.figures import figure, show
from investigations.analysis import localisation
from investigations.analysis.differences import compare
from investigations.analysis.features import Observation, tabulate
from investigations.analysis.localisation import Spectrum
from sightline import testing, wire

Floats = npt.NDArray[np.float64]

MOST_TESTS = 40
CPU_S = 0.1
"""Processor time one test may take; a program that loops forever fails."""
MOST_HITS = 100
LIMITS = wire.Limits(depth=2, items=12, length=64, frames=1, variable_frames=1, deadline_ms=10_000.0)
ENDED = "ended"
METHODS = ("combined", "ochiai", "tarantula")


class TooLong(BaseException):
    """Raised in a test that ran out of time."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program: its file, its function, its lines that execute, those that are faulty, and its tests."""

    name: str
    path: Path
    tree: ast.Module
    lines: tuple[int, ...]
    faulty: frozenset[int]
    tests: Sequence[tuple[list[Any], Any]]


@dataclass(frozen=True, slots=True)
class Run:
    """One execution: whether it failed, and the captures of each line."""

    failed: bool
    captures: Sequence[wire.Capture]


def programs(folder: Path) -> Iterator[Program]:
    """All programs with JSON tests."""
    for told in sorted((folder / "json_testcases").glob("*.json")):
        path = folder / "python_programs" / f"{told.stem}.py"
        fixed = folder / "correct_python_programs" / f"{told.stem}.py"
        if not (path.exists() and fixed.exists()):
            continue
        tree = ast.parse(path.read_text())
        lines = tuple(sorted(_executable(tree)))
        tests = [_test(line) for line in told.read_text().splitlines() if line.strip()]
        yield Program(told.stem, path, tree, lines, _faulty(path, fixed, lines), _spread(tests))


def _test(line: str) -> tuple[list[Any], Any]:
    given, expected = json.loads(line)
    return (given if isinstance(given, list) else [given]), expected


def _spread(tests: list[Any]) -> list[Any]:
    """At most `MOST_TESTS`, evenly from all."""
    step = max(1, math.ceil(len(tests) / MOST_TESTS))
    return tests[::step]


def _executable(tree: ast.Module) -> Iterator[int]:
    """The first line of each statement inside a function, but for documentation."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                if isinstance(node, ast.stmt) and node is not function and not is_text:
                    yield node.lineno


def _faulty(path: Path, fixed: Path, lines: Sequence[int]) -> frozenset[int]:
    """Lines the fix changes; where it only adds some, the executable lines on both sides of that place."""
    wrong, right = ([line.strip() for line in each.read_text().splitlines()] for each in (path, fixed))
    end = max(lines)
    found: set[int] = set()
    for tag, first, last, start, stop in difflib.SequenceMatcher(
        None, wrong[:end], right, autojunk=False
    ).get_opcodes():
        if tag == "insert" and first < end and any(right[start:stop]):
            found |= {
                max((n for n in lines if n <= first), default=0),
                min((n for n in lines if n > first), default=0),
            }
        elif tag in {"replace", "delete"}:
            found |= {n for n in lines if first < n <= last}
    return frozenset(found - {0})


# ---------------------------------------------------------------- running


def runs(program: Program) -> list[Run]:
    """Every test as one execution, with a snapshot probe on each line."""
    spec = importlib.util.spec_from_file_location(f"quixbugs_{program.name}", program.path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    function = getattr(module, program.name)
    found = []
    with testing.gateway(budget=1.0) as gateway:
        for line in program.lines:
            gateway.place("snapshot", file=str(program.path), line=line, rate=1e9, hit_limit=0, limits=LIMITS)
        seen = 0
        for given, expected in program.tests:
            failed = _fails(function, given, expected)
            captures = gateway.captures()
            found.append(Run(failed, captures[seen:]))
            seen = len(captures)
    return found


def _fails(function: Callable[..., Any], given: list[Any], expected: Any) -> bool:
    def stop(signum: int, frame: FrameType | None) -> None:
        raise TooLong

    signal.signal(signal.SIGVTALRM, stop)
    # The timer strikes again and again: a single strike may land in the sensor, which lets nothing out.
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S, 0.02)
    try:
        return _goes_wrong(function, given, expected)
    except TooLong:
        return True
    finally:
        _stop_timer()


def _stop_timer() -> None:
    while True:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            return
        except TooLong:
            continue


def _goes_wrong(function: Callable[..., Any], given: list[Any], expected: Any) -> bool:
    try:
        answer = function(*copy.deepcopy(given))
        answer = list(answer) if isinstance(answer, GeneratorType) else answer
        return not _equal(answer, expected)
    except Exception:  # noqa: BLE001  (whatever a faulty program raises is its failure)
        return True


def _equal(answer: Any, expected: Any) -> bool:
    if isinstance(expected, float) and isinstance(answer, int | float):
        return math.isclose(answer, expected, rel_tol=0.01)
    return bool(json.loads(json.dumps(answer, default=list)) == expected)


# ---------------------------------------------------------------- ranking


def scores(program: Program, found: Sequence[Run]) -> dict[str, Floats]:
    """The score of each line by each method."""
    counts = np.array([[_hits(run)[line] for line in program.lines] for run in found], dtype=np.float64)
    failing = np.array([run.failed for run in found])
    spectrum = Spectrum.of_lines([str(line) for line in program.lines], counts, failing)
    table = tabulate([_observed(run) for run in found])
    comparison = compare(table, failing)
    paths = {path for each in comparison.differences for path in each.paths}
    ranked = localisation.combined(spectrum, comparison, {path: _writers(program, path) for path in paths})
    combined = {each.element: each.score for each in ranked}
    return {
        "combined": np.array([combined[str(line)] for line in program.lines]),
        "ochiai": localisation.ochiai(spectrum),
        "tarantula": localisation.tarantula(spectrum),
    }


def _hits(run: Run) -> Counter[int]:
    counts = Counter(each.frames[0].line for each in run.captures if each.frames)
    return Counter({line: min(count, MOST_HITS) for line, count in counts.items()})


def _observed(run: Run) -> Observation:
    """The variables as each line saw them last, under ``name@line``, and the line that was reached last."""
    values: dict[str, wire.Value] = {}
    ended = 0
    for capture in run.captures:
        for frame in (capture.frames or [])[:1]:
            values.update({f"{name}@{frame.line}": value for name, value in (frame.variables or {}).items()})
            ended = frame.line
    if values:
        values[f"{ENDED}@{ended}"] = wire.Value("bool", True)
    return Observation(values)


def _writers(program: Program, path: str) -> list[str]:
    """Lines that assign the variable or call its methods; the line itself for where an execution ended."""
    name, _, place = path.rpartition("(")[2].partition("@")
    if name == ENDED:
        return [place]
    found = set()
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            found.add(node.lineno)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.value, ast.Name):
            changes = isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Store)
            if node.value.id == name and changes:
                found.add(node.lineno)
    return [str(line) for line in sorted(found)]


def within(score: Floats, lines: Sequence[int], faulty: frozenset[int], most: int) -> float:
    """The expected share of orders of ties in which a faulty line is among the first ``most``."""
    is_faulty = np.array([line in faulty for line in lines])
    if not is_faulty.any():
        return 0.0
    best = float(score[is_faulty].max())
    ahead = int((score > best).sum())
    tied, wrong = int((score == best).sum()), int((score[is_faulty] == best).sum())
    room = most - ahead
    if room <= 0:
        return 0.0
    if room >= tied:
        return 1.0
    return 1 - math.comb(tied - wrong, room) / math.comb(tied, room)


def main(folder: Path) -> int:
    """Print the figures; a CSV of all programs goes to stderr."""
    writer = csv.writer(sys.stderr)
    writer.writerow(["program", "lines", "faulty", "failing", "passing", *METHODS])
    found: dict[str, list[list[float]]] = {method: [] for method in METHODS}
    chance: list[list[float]] = []
    for program in programs(folder):
        seen = runs(program)
        ranked = scores(program, seen)
        failing = sum(run.failed for run in seen)
        shares = {
            method: [within(ranked[method], program.lines, program.faulty, most) for most in (1, 3, 5)]
            for method in METHODS
        }
        for method in METHODS:
            found[method].append(shares[method])
        chance.append(
            [within(np.zeros(len(program.lines)), program.lines, program.faulty, most) for most in (1, 3, 5)]
        )
        at1 = [f"{shares[method][0]:.2f}" for method in METHODS]
        writer.writerow(
            [program.name, len(program.lines), len(program.faulty), failing, len(seen) - failing, *at1]
        )
    for place, most in enumerate((1, 3, 5)):
        means = {method: float(np.mean([each[place] for each in found[method]])) for method in METHODS}
        better = max(means["ochiai"], means["tarantula"])
        show(
            figure(
                f"analysis.quixbugs_at{most}",
                means["combined"],
                "share",
                goal=better * 4 / 3 if most == 1 else None,
                baseline=float(np.mean([each[place] for each in chance])),
                peers={method: round(means[method], 4) for method in METHODS[1:]},
                larger_is_better=True,
                programs=len(chance),
            )
        )
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bench.quixbugs DIR")
    sys.exit(main(Path(sys.argv[1])))
