"""`python -m bench.quixbugs DIR [CASES.csv]`: faulty lines of QuixBugs' Python programs (Lin et al., SPLASH
2017), from a clone in DIR.

Each program's own tests are its executions, watched line by line by snapshot probes of the real sensor. The
combined ranking stands beside Ochiai and Tarantula on the very same executions; ties count by their
expectation, for all alike.
"""

from __future__ import annotations

import ast
import csv
import difflib
import importlib
import importlib.util
import math
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest

from bench.figures import figure, show
from investigations.analysis import localisation, marks, slices
from investigations.analysis.differences import compare
from investigations.analysis.features import Observation, tabulate
from investigations.analysis.localisation import Spectrum
from investigations.codebase.statements import Statements
from sightline import testing, wire

Floats = npt.NDArray[np.float64]
Test = Callable[[], object]
Ending = Literal["passed", "wrong", "raised", "hung", "skipped"]

CPU_S = 1.0
"""Processor time one test may take; a program that loops forever fails."""
WATCHED_S = 0.1
"""The same for one that loops, while its lines are watched."""
MOST_STEPS = 1_000
"""So many of these are looked at, whatever the machine's speed: five times what is taken for a loop's lap."""
STRIKE_S = 0.005
MOST_HITS = 100
LIMITS = wire.Limits(depth=2, items=12, length=64, frames=64, variable_frames=1, deadline_ms=10_000.0)
METHODS = ("combined", "ochiai", "tarantula", "dstar")
PLACES = (1, 3, 5)
ENDINGS: Mapping[Ending, marks.Ending] = {
    "passed": "returned", "wrong": "returned", "raised": "raised", "hung": "endless",
}  # fmt: skip


class TooLong(BaseException):
    """Raised in a program that ran out of time."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program: its file, its lines that execute, those that are faulty, and where its tests are."""

    name: str
    path: Path
    tree: ast.Module
    lines: tuple[int, ...]
    faulty: frozenset[int]
    tests: Path


@dataclass(frozen=True, slots=True)
class Run:
    """One execution: how it ended, and the captures of its lines in their order."""

    ending: Ending
    captures: Sequence[wire.Capture]

    @property
    def failed(self) -> bool:
        return self.ending != "passed"

    @property
    def returned(self) -> bool:
        """The program came to an end: right, or with something the test did not want."""
        return self.ending in {"passed", "wrong"}

    @property
    def steps(self) -> list[tuple[int, int]]:
        """The lines it took, each with the depth of its call."""
        return [(each.frames[0].line, len(each.frames)) for each in self.captures if each.frames]


def programs(folder: Path) -> Iterator[Program]:
    """All programs that have tests and a correct form."""
    for tests in sorted((folder / "python_testcases").glob("test_*.py")):
        name = tests.stem.removeprefix("test_")
        path = folder / "python_programs" / f"{name}.py"
        fixed = folder / "correct_python_programs" / f"{name}.py"
        if path.exists() and fixed.exists():
            wrong = path.read_text()
            tree = ast.parse(wrong)
            lines = tuple(sorted(executable(tree)))
            yield Program(name, path, tree, lines, faulty(wrong, fixed.read_text(), lines), tests)


def executable(tree: ast.Module) -> set[int]:
    """The first line of each statement inside a function, but for documentation."""
    return {
        node.lineno
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef) and not _is_text(node)
    }


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def faulty(wrong: str, right: str, lines: Sequence[int]) -> frozenset[int]:
    """Statements whose lines the fix changes; where it only adds some, those on both sides of that place."""
    statement_of = Statements(wrong).first_lines
    before, after = _code(wrong), _code(right)
    found: set[int] = set()
    for tag, first, last, start, stop in difflib.SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if tag == "insert" and any(after[start:stop]):
            found.add(max((n for n in lines if n <= first), default=0))
            found.add(min((n for n in lines if n > first), default=0))
        elif tag in {"replace", "delete"}:
            found |= {statement_of.get(n, n) for n in range(first + 1, last + 1)}
    return frozenset(found & set(lines))


def _code(text: str) -> list[str]:
    """Lines up to the documentation at the end, which may hold other correct forms."""
    last = 0
    for node in ast.parse(text).body:
        if _is_text(node) and last:
            break
        last = node.end_lineno or last
    return [line.split("#")[0].strip() for line in text.splitlines()[:last]]


# ---------------------------------------------------------------- running


def runs(program: Program) -> list[Run]:
    """Every test as one execution, with a snapshot probe on each line. What fails is told without probes."""
    endings = [_ending(program.path, test, CPU_S) for test in _tests(program)]
    found = []
    with testing.gateway(budget=1.0) as gateway:
        for line in program.lines:
            gateway.place("snapshot", file=str(program.path), line=line, rate=1e9, hit_limit=0, limits=LIMITS)
        seen = 0
        for ending, test in zip(endings, _tests(program), strict=True):
            _ending(program.path, test, WATCHED_S if ending == "hung" else CPU_S)
            captures = gateway.captures()
            if ending != "skipped":
                found.append(Run(ending, captures[seen:][: MOST_STEPS if ending == "hung" else None]))
            seen = len(captures)
    return found


def _tests(program: Program) -> list[Test]:
    """The tests of a freshly loaded module: they change what they are given."""
    spec = importlib.util.spec_from_file_location(program.tests.stem, program.tests)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [test for name in vars(module) if name.startswith("test") for test in _each(module, name)]


def _each(module: ModuleType, name: str) -> Iterator[Test]:
    function = getattr(module, name)
    if not callable(function):
        return
    given = [mark.args for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    if not given:
        yield function
    for names, values in given:
        for each in values:
            told = getattr(each, "values", each)
            yield partial(function, **dict(zip(str(names).replace(" ", "").split(","), told, strict=True)))


def _ending(path: Path, test: Test, seconds: float) -> Ending:
    """How a test ends that may take so much processor time."""
    end = time.process_time() + seconds

    def strike(signum: int, frame: FrameType | None) -> None:
        # Nothing but the program itself may be interrupted: not the sensor, and not this harness.
        while frame is not None and frame.f_code.co_filename != str(path):
            frame = frame.f_back
        if time.process_time() > end and frame is not None:
            frame.f_trace = _stop
            sys.settrace(_look_no_further)

    signal.signal(signal.SIGVTALRM, strike)
    signal.setitimer(signal.ITIMER_VIRTUAL, STRIKE_S, STRIKE_S)
    try:
        test()
    except pytest.skip.Exception:
        return "skipped"
    except (TooLong, RecursionError):
        return "hung"
    except Exception as problem:  # noqa: BLE001  (whatever a faulty program raises is its failure)
        return "raised" if _innermost(problem) == str(path) else "wrong"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        sys.settrace(None)
    return "passed"


def _innermost(problem: Exception) -> str:
    """The file whose code raised it."""
    frames = list(traceback.walk_tb(problem.__traceback__))
    return frames[-1][0].f_code.co_filename


def _stop(frame: FrameType, event: str, arg: object) -> Any:
    raise TooLong


def _look_no_further(frame: FrameType, event: str, arg: object) -> None:
    """Only frames that were told to stop are traced."""


# ---------------------------------------------------------------- ranking


def scores(program: Program, found: Sequence[Run]) -> dict[str, Floats]:
    """The score of each line by each method."""
    counts = np.array([[_hits(run)[line] for line in program.lines] for run in found], dtype=np.float64)
    failing = np.array([run.failed for run in found])
    spectrum = Spectrum.of_lines([str(line) for line in program.lines], counts, failing)
    table = tabulate([_observed(run) for run in found])
    comparison = compare(table, failing)
    paths = {path for each in (*comparison.differences, *comparison.doubtful) for path in each.paths}
    lines_of = {path: _writers(program, path) for path in paths}
    source = Statements(program.path.read_text())
    operations = {str(line): source.operations[line] for line in program.lines}
    distances = [named(slices.distances(run.steps, source, returned=run.returned)) for run in found]
    marked = [named(marks.marks(run.steps, source, ENDINGS[run.ending])) for run in found]
    ranked = localisation.combined(spectrum, comparison, lines_of, operations, distances, marked)
    rank_of = {each.element: each.rank for each in ranked}
    return {
        "combined": np.array([-rank_of[str(line)] for line in program.lines], dtype=np.float64),
        "ochiai": localisation.ochiai(spectrum),
        "tarantula": localisation.tarantula(spectrum),
        "dstar": localisation.dstar(spectrum),
    }


def named(told: Mapping[int, int]) -> dict[str, int]:
    """By the names that elements of a spectrum have."""
    return {str(line): each for line, each in told.items()}


def _hits(run: Run) -> Counter[int]:
    counts = Counter(line for line, _ in run.steps)
    return Counter({line: min(count, MOST_HITS) for line, count in counts.items()})


def _observed(run: Run) -> Observation:
    """The variables as each line saw them last, under ``name@line``."""
    values: dict[str, wire.Value] = {}
    for capture in run.captures:
        for frame in (capture.frames or [])[:1]:
            values.update({f"{name}@{frame.line}": value for name, value in (frame.variables or {}).items()})
    return Observation(values)


def _writers(program: Program, path: str) -> list[str]:
    """Lines that assign the variable or call its methods."""
    name = path.rpartition("(")[2].partition("@")[0]
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


def main(folder: Path, cases_file: Path | None = None) -> int:
    """Print the figures; a CSV of all programs goes to stderr, or a file."""
    _prepare(folder.resolve())
    found: dict[str, list[list[float]]] = {method: [] for method in (*METHODS, "chance")}
    rows = []
    for program in programs(folder.resolve()):
        seen = runs(program)
        ranked: Mapping[str, Floats] = {**scores(program, seen), "chance": np.zeros(len(program.lines))}
        for method, score in ranked.items():
            found[method].append([within(score, program.lines, program.faulty, most) for most in PLACES])
        failing = sum(run.failed for run in seen)
        at1 = [f"{found[method][-1][0]:.2f}" for method in METHODS]
        rows.append(
            [program.name, len(program.lines), len(program.faulty), failing, len(seen) - failing, *at1]
        )
    _write_cases(rows, cases_file)
    for place, most in enumerate(PLACES):
        means = {method: float(np.mean([each[place] for each in shares])) for method, shares in found.items()}
        better = max(means["ochiai"], means["tarantula"])
        show(
            figure(
                f"analysis.quixbugs_at{most}", means["combined"], "share",
                goal=round(better * 4 / 3, 4) if most == 1 else None, baseline=means["chance"],
                peers={method: round(means[method], 4) for method in METHODS[1:]}, larger_is_better=True,
                programs=len(rows),
            )
        )  # fmt: skip
    return 0


def _prepare(folder: Path) -> None:
    """What QuixBugs' own conftest.py and layout give to its tests."""
    pytest.use_correct, pytest.run_slow = False, False  # type: ignore[attr-defined]
    sys.path[:0] = [str(folder), str(folder / "python_testcases")]


def _write_cases(rows: Sequence[Sequence[object]], path: Path | None) -> None:
    file = sys.stderr if path is None else path.open("w", newline="")
    writer = csv.writer(file)
    writer.writerow(
        ["program", "lines", "faulty", "failing", "passing", *(f"{each}_at1" for each in METHODS)]
    )
    writer.writerows(rows)
    if path is not None:
        file.close()


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3}:
        sys.exit("usage: python -m bench.quixbugs DIR [CASES.csv]")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
