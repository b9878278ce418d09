"""`python -m bench.mutants`: one place broken in small programs (`bench.small_programs`), and how it is found again.

The order of rules that break ties of coverage is chosen here, so that QuixBugs can be measured with what was chosen on
other programs. Every expression is as likely to be the broken one, however many ways there are to break it. Operators
that can break any statement alike (names, constants) are reported apart: those that break conditions would favour a
rule that prefers conditions.
"""

from __future__ import annotations

import ast
import copy
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import CodeType, FrameType
from typing import Any

import numpy as np

from bench.figures import figure, show
from bench.quixbugs import within
from bench.small_programs import PROGRAMS
from investigations.analysis import localisation, slices
from investigations.analysis.localisation import Spectrum
from investigations.codebase.statements import Statements

SEED = 1
MUTANTS = 14
"""Of each program."""
EXECUTIONS = (4, 10)
MOST_STEPS = 1_500
MOST_HITS = 100
METHODS = ("combined", "without_slices", "ochiai", "tarantula")
ALIKE = frozenset({"name", "constant", "arguments"})
"""Operators that break statements of all kinds."""
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
}  # fmt: skip
Change = Callable[[Any], object]


class TooLong(BaseException):
    """Raised in a program that takes too many steps."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution: whether it differs from the right program's, and its steps as (line, depth of the call)."""

    failed: bool
    returned: bool
    steps: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program broken on one ``line`` by an ``operator``, with executions of which some fail."""

    program: str
    operator: str
    text: str
    line: int
    runs: Sequence[Run]


# ---------------------------------------------------------------- how programs are broken


def mutants() -> Iterator[Mutant]:
    """Every program broken in some ways that its executions notice."""
    chance = random.Random(SEED)
    for name, (source, arguments) in PROGRAMS.items():
        right = ast.unparse(ast.parse(source))
        candidates = [chance.choice(ways) for ways in _broken(right)]
        chance.shuffle(candidates)
        kept = 0
        for operator, text in candidates:
            line = _changed_line(right, text)
            if not line or kept >= MUTANTS:
                continue
            asked = [arguments(chance) for _ in range(chance.randint(*EXECUTIONS))]
            runs = _runs(right, text, asked)
            if any(run.failed for run in runs):
                kept += 1
                yield Mutant(name, operator, text, line, runs)


def _broken(text: str) -> Iterator[list[tuple[str, str]]]:
    """Of each expression that can be broken the ways to do it, as operator and text."""
    tree = ast.parse(text)
    names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and _is_stored(node)})
    for at, node in enumerate(ast.walk(tree)):
        ways = []
        for operator, change in _changes(node, names):
            copied = copy.deepcopy(tree)
            change(list(ast.walk(copied))[at])
            ways.append((operator, ast.unparse(ast.fix_missing_locations(copied))))
        if ways := [each for each in ways if each[1] != text]:
            yield ways


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _changes(node: ast.AST, names: Sequence[str]) -> Iterator[tuple[str, Change]]:
    """The ways to break one node."""
    match node:
        case ast.Compare():
            for other in COMPARISONS.get(type(node.ops[0]), ()):
                yield "comparison", partial(_compare_by, other)
        case ast.BinOp() | ast.AugAssign() if type(node.op) in OPERATORS:
            yield "arithmetic", partial(_set, "op", OPERATORS[type(node.op)]())
        case ast.Constant(value=int() as value):
            for step in (1, -1):
                yield "constant", partial(_set, "value", _other(value, step))
        case ast.BoolOp() | ast.If():
            yield from _conditions(node)
        case ast.Name(ctx=ast.Load()) if node.id in names:
            for name in names:
                yield "name", partial(_set, "id", name)
        case ast.Call(args=[first, second]):
            yield "arguments", partial(_set, "args", [second, first])


def _conditions(node: ast.BoolOp | ast.If) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.If):
        yield "condition", partial(_set, "test", ast.Constant(value=True))
    else:
        yield "condition", partial(_set, "op", _flipped(node.op))
        yield "condition", partial(_set, "values", node.values[:-1])


def _set(name: str, value: object, node: ast.AST) -> None:
    setattr(node, name, value)


def _compare_by(other: type[ast.cmpop], node: ast.Compare) -> None:
    node.ops[0] = other()


def _other(value: int, step: int) -> int:
    return not value if isinstance(value, bool) else value + step


def _flipped(operator: ast.boolop) -> ast.boolop:
    return ast.Or() if isinstance(operator, ast.And) else ast.And()


def _changed_line(right: str, text: str) -> int:
    """The only line that differs; 0 when there is none, or more."""
    before, after = right.splitlines(), text.splitlines()
    if len(before) != len(after):
        return 0
    differing = [at for at, (a, b) in enumerate(zip(before, after, strict=True), start=1) if a != b]
    return differing[0] if len(differing) == 1 else 0


# ---------------------------------------------------------------- running


def _runs(right: str, text: str, asked: Sequence[tuple[Any, ...]]) -> list[Run]:
    wanted, seen = ([_run(compile(each, "<program>", "exec"), a) for a in asked] for each in (right, text))
    return [
        Run((how, answer) != (expected, value), how == "returned", steps)
        for (expected, value, _), (how, answer, steps) in zip(wanted, seen, strict=True)
    ]


def _run(code: CodeType, arguments: tuple[Any, ...]) -> tuple[str, Any, list[tuple[int, int]]]:
    """How one execution ended, with what, and its steps."""
    names: dict[str, Any] = {}
    exec(code, names)
    steps: list[tuple[int, int]] = []
    depth = 0

    def follow(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal depth
        if frame.f_code.co_filename != code.co_filename:
            return None
        depth += (event == "call") - (event == "return")
        if event == "line":
            steps.append((frame.f_lineno, depth))
        if len(steps) > MOST_STEPS:
            raise TooLong
        return follow

    given = copy.deepcopy(arguments)
    sys.settrace(follow)
    try:
        return "returned", names["run"](*given), steps
    except TooLong:
        return "hung", None, steps
    except Exception as problem:  # noqa: BLE001  (whatever a broken program raises is how it ended)
        return "raised", type(problem).__name__, steps
    finally:
        sys.settrace(None)


# ---------------------------------------------------------------- figures


def scores(mutant: Mutant) -> tuple[list[int], dict[str, Any]]:
    """The lines of a mutant, and their scores by each method."""
    source = Statements(mutant.text)
    lines = sorted({line for run in mutant.runs for line, _ in run.steps} | {mutant.line})
    counts = [Counter(line for line, _ in run.steps) for run in mutant.runs]
    held = [[min(count[line], MOST_HITS) for line in lines] for count in counts]
    spectrum = Spectrum.of_lines([str(line) for line in lines], held, [run.failed for run in mutant.runs])
    operations = {str(line): source.operations.get(line, 0) for line in lines}
    told = [slices.distances(run.steps, source, returned=run.returned) for run in mutant.runs]
    distances = [{str(line): distance for line, distance in each.items()} for each in told]
    return lines, {
        "combined": _places(localisation.combined(spectrum, None, None, operations, distances), lines),
        "without_slices": _places(localisation.combined(spectrum, None, None, operations), lines),
        "ochiai": localisation.ochiai(spectrum),
        "tarantula": localisation.tarantula(spectrum),
    }


def _places(ranked: Sequence[localisation.Suspect], lines: Sequence[int]) -> Any:
    rank_of = {each.element: each.rank for each in ranked}
    return np.array([-rank_of[str(line)] for line in lines], dtype=np.float64)


def main() -> int:
    """Print the share of mutants whose line is named first, by each method."""
    found: dict[str, dict[str, list[float]]] = {
        group: defaultdict(list) for group in ("all", "alike", "chance")
    }
    for mutant in mutants():
        lines, ranked = scores(mutant)
        found["chance"]["all"].append(1 / len(lines))
        for method, score in ranked.items():
            share = within(score, lines, frozenset({mutant.line}), 1)
            found["all"][method].append(share)
            if mutant.operator in ALIKE:
                found["alike"][method].append(share)
    means = {group: {name: float(np.mean(told)) for name, told in by.items()} for group, by in found.items()}
    show(
        figure(
            "analysis.mutants_at1", means["all"]["combined"], "share", goal=None,
            baseline=means["chance"]["all"], larger_is_better=True,
            peers={method: round(means["all"][method], 4) for method in METHODS[1:]},
            alike={method: round(means["alike"][method], 4) for method in METHODS},
            mutants=len(found["all"]["combined"]), alike_mutants=len(found["alike"]["combined"]),
        )
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
