"""`python -m bench.mutants`: one place broken in small programs (`bench.small_programs`), and how it is found again.

How ties of coverage are broken is chosen here, so that QuixBugs can be measured with what was chosen on other programs.
Broken are all kinds of things that the tables of published small faults name (Lin et al., SPLASH 2017; Karampatsis &
Sutton, MSR 2020; Just et al., FSE 2014), each kind as likely as the others, however many places there are for it.
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
from bench.quixbugs import executable, faulty, named, within
from bench.small_programs import PROGRAMS
from investigations.analysis import localisation, slices
from investigations.analysis.localisation import Spectrum
from investigations.analysis.marks import Ending, marks
from investigations.codebase.statements import Statements

SEED = 1
MUTANTS = 9
"""Of each program."""
TRIES = 60
EXECUTIONS = (4, 10)
MOST_STEPS = 1_500
MOST_HITS = 100
METHODS = ("combined", "without_steps", "ochiai", "tarantula")
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult,
}  # fmt: skip
METHOD: dict[str, str] = {
    "append": "extend", "extend": "append", "add": "discard", "isdigit": "isalpha", "isalpha": "isdigit",
    "isupper": "islower", "lower": "upper", "get": "pop", "setdefault": "get", "min": "max", "max": "min",
    "any": "all", "all": "any", "sorted": "list", "reversed": "iter", "len": "sum", "set": "list", "enumerate": "list",
}  # fmt: skip
SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Continue, ast.Break)
Change = Callable[[Any], object]


class TooLong(BaseException):
    """Raised in a program that takes too many steps."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution: whether it differs from the right program's, and its steps as (line, depth of the call)."""

    failed: bool
    ending: Ending
    steps: Sequence[tuple[int, int]]

    @property
    def returned(self) -> bool:
        return self.ending == "returned"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program with one thing wrong, of a ``kind``, its ``faulty`` lines, and executions of which some fail."""

    program: str
    kind: str
    text: str
    lines: Sequence[int]
    faulty: frozenset[int]
    runs: Sequence[Run]


# ---------------------------------------------------------------- how programs are broken


def mutants() -> Iterator[Mutant]:
    """Every program broken in some ways that its executions notice."""
    for name, (source, arguments) in PROGRAMS.items():
        chance = random.Random(f"{SEED} {name}")
        right = ast.unparse(ast.parse(source))
        kept: set[str] = set()
        for kind, text in _drawn(right, chance):
            if text in kept:
                continue
            asked = [arguments(chance) for _ in range(chance.randint(*EXECUTIONS))]
            runs = _runs(right, text, asked)
            lines = sorted(executable(ast.parse(text)))
            wrong = faulty(text, right, lines)
            if wrong and _is_worth_looking(runs):
                kept.add(text)
                yield Mutant(name, kind, text, lines, wrong, runs)
            if len(kept) == MUTANTS:
                break


def _is_worth_looking(runs: Sequence[Run]) -> bool:
    """Some execution fails, and right ones come to their end; where all raise, whoever wrote it would have seen."""
    return (
        any(run.failed for run in runs)
        and any(run.ending != "raised" for run in runs)
        and all(run.failed or run.ending == "returned" for run in runs)
    )


def _drawn(right: str, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Kinds and broken texts, each kind about as often as the others."""
    tree = ast.parse(right)
    of_kind: dict[str, list[tuple[int, Change]]] = defaultdict(list)
    for kind, at, change in _ways(tree):
        of_kind[kind].append((at, change))
    for _ in range(TRIES):
        kind = chance.choice(sorted(of_kind))
        at, change = chance.choice(of_kind[kind])
        copied = copy.deepcopy(tree)
        change(list(ast.walk(copied))[at])
        text = ast.unparse(ast.fix_missing_locations(copied))
        if text != right and _parses(text):
            yield kind, text


def _ways(tree: ast.Module) -> Iterator[tuple[str, int, Change]]:
    """All ways to break one place of a program: the kind, the place in the tree's order, and the change."""
    nodes = list(ast.walk(tree))
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and _is_stored(node)}
    names = sorted(stored | {node.arg for node in nodes if isinstance(node, ast.arg)})
    fields = sorted({node.attr for node in nodes if isinstance(node, ast.Attribute) and _is_stored(node)})
    for at, node in enumerate(nodes):
        for kind, change in _changes(node, names, fields):
            yield kind, at, change


def _parses(text: str) -> bool:
    try:
        compile(text, "<program>", "exec")
    except SyntaxError:
        return False
    return True


def _is_stored(node: ast.Name | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store)


def _changes(node: ast.AST, names: Sequence[str], fields: Sequence[str]) -> Iterator[tuple[str, Change]]:
    """The ways to break one node."""
    yield from _of_operators(node)
    yield from _of_values(node, names, fields)
    yield from _of_calls(node)
    yield from _of_subscripts(node)
    yield from _of_statements(node)


def _of_operators(node: ast.AST) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Compare():
            for other in COMPARISONS.get(type(node.ops[0]), ()):
                yield "comparison", partial(_compare_by, other)
        case ast.BinOp():
            for side in ("left", "right"):
                yield "missing operand", partial(_keep, side)
        case ast.BoolOp():
            yield "condition", partial(_set, "op", _flipped(node.op))
            for at in range(len(node.values)):
                yield "condition", partial(_drop, "values", at)
    match node:
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in OPERATORS:
            kind = "operator" if isinstance(node, ast.BinOp) else "assignment operator"
            yield kind, partial(_set, "op", OPERATORS[type(operator)]())


def _of_values(node: ast.AST, names: Sequence[str], fields: Sequence[str]) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Constant(value=int() as value):
            for step in (1, -1):
                yield "constant", partial(_set, "value", _other(value, step))
        case ast.Name(ctx=ast.Load()) if node.id in names:
            for name in names:
                yield "name", partial(_set, "id", name)
        case ast.Attribute(ctx=ast.Load()) if node.attr in fields:
            for name in fields:
                yield "field", partial(_set, "attr", name)


def _of_calls(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if not isinstance(node, ast.Call):
        return
    if len(node.args) == 2:
        yield "arguments", partial(_set, "args", node.args[::-1])
    for at in range(len(node.args)):
        yield "missing call", partial(_keep_item, "args", at)
        for step in (1, -1):
            yield "off by one", partial(_step, "args", at, step)
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in METHOD:
            yield "method", partial(_rename, METHOD[name])


def _of_subscripts(node: ast.AST) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Slice():
            for side, bound in (("lower", node.lower), ("upper", node.upper)):
                if bound is not None:
                    yield "slice", partial(_set, side, None)
                    for step in (1, -1):
                        yield "slice", partial(_set, side, _stepped(bound, step))
        case ast.Subscript() if not isinstance(node.slice, ast.Slice):
            for step in (1, -1):
                yield "off by one", partial(_set, "slice", _stepped(node.slice, step))


def _of_statements(node: ast.AST) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.If() | ast.While():
            yield "condition", partial(_set, "test", ast.UnaryOp(op=ast.Not(), operand=node.test))
        case ast.Return(value=ast.expr() as value):
            for step in (1, -1):
                yield "off by one", partial(_set, "value", _stepped(value, step))
    for block in ("body", "orelse"):
        statements = getattr(node, block, None)
        if isinstance(statements, list):
            yield from _of_block(block, statements)


def _of_block(block: str, statements: Sequence[ast.stmt]) -> Iterator[tuple[str, Change]]:
    for at, statement in enumerate(statements):
        if isinstance(statement, SIMPLE) and len(statements) > 1:
            yield "missing line", partial(_drop, block, at)
        if isinstance(statement, ast.If) and not statement.orelse:
            if len(statements) > 1:
                yield "missing branch", partial(_drop, block, at)
            yield "missing condition", partial(_unwrap, block, at)
        if isinstance(statement, ast.For | ast.While) and len(statement.body) > 1:
            yield "nesting", partial(_move_out, block, at)
        if at and isinstance(statement, SIMPLE) and isinstance(statements[at - 1], SIMPLE):
            yield "order", partial(_swap, block, at)


def _set(name: str, value: object, node: ast.AST) -> None:
    setattr(node, name, value)


def _compare_by(other: type[ast.cmpop], node: ast.Compare) -> None:
    node.ops[0] = other()


def _other(value: int, step: int) -> int:
    return not value if isinstance(value, bool) else value + step


def _flipped(operator: ast.boolop) -> ast.boolop:
    return ast.Or() if isinstance(operator, ast.And) else ast.And()


def _stepped(value: ast.expr, step: int) -> ast.expr:
    operator: ast.operator = ast.Add() if step > 0 else ast.Sub()
    return ast.BinOp(left=value, op=operator, right=ast.Constant(value=1))


def _step(name: str, at: int, step: int, node: ast.AST) -> None:
    getattr(node, name)[at] = _stepped(getattr(node, name)[at], step)


def _become(node: ast.AST, other: ast.AST) -> None:
    node.__class__ = type(other)
    node.__dict__.clear()
    node.__dict__.update(other.__dict__)


def _keep(name: str, node: ast.AST) -> None:
    _become(node, getattr(node, name))


def _keep_item(name: str, at: int, node: ast.AST) -> None:
    _become(node, getattr(node, name)[at])


def _rename(name: str, node: ast.Call) -> None:
    if isinstance(node.func, ast.Attribute):
        node.func.attr = name
    elif isinstance(node.func, ast.Name):
        node.func.id = name


def _drop(name: str, at: int, node: ast.AST) -> None:
    del getattr(node, name)[at]


def _unwrap(name: str, at: int, node: ast.AST) -> None:
    items = getattr(node, name)
    items[at : at + 1] = items[at].body


def _move_out(name: str, at: int, node: ast.AST) -> None:
    items = getattr(node, name)
    items.insert(at + 1, items[at].body.pop())


def _swap(name: str, at: int, node: ast.AST) -> None:
    items = getattr(node, name)
    items[at - 1], items[at] = items[at], items[at - 1]


# ---------------------------------------------------------------- running


def _runs(right: str, text: str, asked: Sequence[tuple[Any, ...]]) -> list[Run]:
    wanted, seen = ([_run(compile(each, "<program>", "exec"), a) for a in asked] for each in (right, text))
    return [
        Run((how, answer) != (expected, value), how, steps)
        for (expected, value, _), (how, answer, steps) in zip(wanted, seen, strict=True)
    ]


def _run(code: CodeType, arguments: tuple[Any, ...]) -> tuple[Ending, Any, list[tuple[int, int]]]:
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
        return "endless", None, steps
    except RecursionError:
        return "endless", None, steps
    except Exception as problem:  # noqa: BLE001  (whatever a broken program raises is how it ended)
        return "raised", type(problem).__name__, steps
    finally:
        sys.settrace(None)


# ---------------------------------------------------------------- figures


def scores(mutant: Mutant) -> dict[str, Any]:
    """The scores of a mutant's lines by each method."""
    source, lines = Statements(mutant.text), mutant.lines
    counts = [Counter(line for line, _ in run.steps) for run in mutant.runs]
    held = [[min(count[line], MOST_HITS) for line in lines] for count in counts]
    spectrum = Spectrum.of_lines([str(line) for line in lines], held, [run.failed for run in mutant.runs])
    operations = {str(line): source.operations.get(line, 0) for line in lines}
    distances = [named(slices.distances(run.steps, source, returned=run.returned)) for run in mutant.runs]
    marked = [named(marks(run.steps, source, run.ending)) for run in mutant.runs]
    return {
        "combined": _places(
            localisation.combined(spectrum, None, None, operations, distances, marked), lines
        ),
        "without_steps": _places(localisation.combined(spectrum, None, None, operations), lines),
        "ochiai": localisation.ochiai(spectrum),
        "tarantula": localisation.tarantula(spectrum),
    }


def _places(ranked: Sequence[localisation.Suspect], lines: Sequence[int]) -> Any:
    rank_of = {each.element: each.rank for each in ranked}
    return np.array([-rank_of[str(line)] for line in lines], dtype=np.float64)


def main() -> int:
    """Print the share of mutants of which a faulty line is named first, by each method."""
    found: dict[str, list[float]] = defaultdict(list)
    for mutant in mutants():
        found["chance"].append(len(mutant.faulty) / len(mutant.lines))
        for method, score in scores(mutant).items():
            found[method].append(within(score, mutant.lines, mutant.faulty, 1))
    means = {name: float(np.mean(told)) for name, told in found.items()}
    show(
        figure(
            "analysis.mutants_at1", means["combined"], "share", goal=None,
            baseline=means["chance"], larger_is_better=True,
            peers={method: round(means[method], 4) for method in METHODS[1:]}, mutants=len(found["combined"]),
        )
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
