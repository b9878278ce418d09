"""Where a function decides which way it goes, and what of that can be looked at without running code.

Read from the source of the one function, once, on the sensor's thread; a source that does not fit the code that runs
tells nothing. Which way was taken is seen from the line that came next; where all of it stands on one line, from
the safe language's own answer, if it has one.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import CodeType
from typing import Final, NamedTuple

from . import expressions, linetables
from .errors import BudgetExceeded, ExpressionError

MOST_SOURCE: Final = 4 * 1024 * 1024
MOST_LINES: Final = 2_000
"""Lines of a function whose decisions are read."""
MOST_PARTS: Final = 6
"""Deciding values of one decision."""
MOST_AT_A_LINE: Final = 8
_MORE_LINES: Final = 30
"""How far behind its last instruction the end of a function is looked for."""

Unanswered = (ExpressionError, BudgetExceeded)
"""What the safe language raises instead of an answer."""
Withholds = Callable[[str], str]
Lines = range


class Decision(NamedTuple):
    """One place where the way parts."""

    line: int
    last: int
    """Last line of what decides."""
    body: Lines
    """Where it goes on when taken; empty where that cannot be told from lines."""
    parts: tuple[expressions.Compiled, ...]
    """What decides, as far as it may be read."""
    truth: expressions.Compiled | None
    """The whole of it, where the safe language can answer that."""
    raised: bool = False
    """Whether an exception in flight decides: an ``except`` with a type."""


Decisions = dict[int, list[Decision]]


def of_code(code: CodeType, withholds: Withholds) -> Decisions | None:
    """The decisions of ``code`` by the line at which they begin; None when its source is not at hand or not its own."""
    function = _function_of(code)
    if function is None:
        return None
    found: Decisions = {}
    for decision in _Finder(withholds).within(function):
        at_line = found.setdefault(decision.line, [])
        if len(at_line) < MOST_AT_A_LINE:
            at_line.append(decision)
    return found


# ---------------------------------------------------------------- the function's own syntax tree


def _function_of(code: CodeType) -> ast.AST | None:
    lines = _source_lines(code)
    if not lines:
        return None
    last = _last_line(code) - code.co_firstlineno + 1
    if last > MOST_LINES:
        return None
    for end in range(last, min(len(lines), last + _MORE_LINES) + 1):
        tree = _parsed(lines[:end], code.co_firstlineno)
        if tree is not None:
            function = _named(tree, code)
            return function if function is not None and _fits(tree, code) else None
    return None


def _source_lines(code: CodeType) -> list[str]:
    """The file's lines from the function's first."""
    try:
        with open(code.co_filename, encoding="utf-8", errors="replace") as file:
            wanted = islice(file, code.co_firstlineno - 1, code.co_firstlineno - 1 + MOST_LINES + _MORE_LINES)
            return list(wanted)
    except (OSError, ValueError):
        return []


def _last_line(code: CodeType) -> int:
    ends = [
        end or line or 0 for inner, _ in linetables.tree(code) for line, end, _, _ in inner.co_positions()
    ]
    return max(ends, default=code.co_firstlineno)


def _parsed(lines: list[str], first: int) -> ast.Module | None:
    """The tree of these lines, which may be indented, with the line numbers of their file."""
    try:
        tree = ast.parse("if 1:\n" + "".join(lines) if lines[0][:1].isspace() else "\n" + "".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return ast.increment_lineno(tree, first - 2)


def _named(tree: ast.Module, code: CodeType) -> ast.AST | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return None


def _fits(tree: ast.Module, code: CodeType) -> bool:
    """Whether the text, compiled, runs on the very lines that ``code`` does."""
    try:
        body = compile(tree, code.co_filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    mine = linetables.lines_of(code)
    return any(
        inner.co_name == code.co_name
        and inner.co_firstlineno == code.co_firstlineno
        and linetables.lines_of(inner) == mine
        for inner, _ in linetables.tree(body)
    )


# ---------------------------------------------------------------- its decisions


_OTHER_CODE: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.GeneratorExp)
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp)
_INLINED: Final = sys.version_info >= (3, 12)
"""Whether comprehensions run in the frame of the function around them."""


class _Finder:
    """Walks one function, leaving out the code of functions within it."""

    def __init__(self, withholds: Withholds) -> None:
        self.withholds = withholds

    def within(self, function: ast.AST) -> Iterator[Decision]:
        body = getattr(function, "body", [])
        for statement in body if isinstance(body, list) else [body]:
            yield from self.walk(statement)

    def walk(self, node: ast.AST) -> Iterator[Decision]:
        if isinstance(node, _OTHER_CODE) or (isinstance(node, _COMPREHENSIONS) and not _INLINED):
            return
        yield from self.at(node)
        tested = node.test if isinstance(node, ast.If | ast.While | ast.IfExp) else None
        for child in ast.iter_child_nodes(node):
            if child is tested and isinstance(child, ast.BoolOp | ast.UnaryOp):
                yield from self.below(child)
            else:
                yield from self.walk(child)

    def below(self, test: ast.AST) -> Iterator[Decision]:
        """What lies within a test, whose own ``and`` and ``or`` are part of the decision around it."""
        for child in ast.iter_child_nodes(test):
            yield from self.below(child) if isinstance(child, ast.BoolOp) else self.walk(child)

    def at(self, node: ast.AST) -> Iterator[Decision]:
        if isinstance(node, ast.If | ast.While):
            if not isinstance(node.test, ast.Constant):
                yield self.decision(node.test, node.body)
        elif isinstance(node, ast.For | ast.AsyncFor):
            yield self.decision(node.iter, node.body)._replace(truth=None)
        elif isinstance(node, ast.IfExp | ast.BoolOp):
            yield self.decision(node.test if isinstance(node, ast.IfExp) else node, [])
        elif isinstance(node, ast.comprehension):
            yield from (self.decision(test, []) for test in node.ifs)
        elif isinstance(node, ast.Match):
            yield from self.cases(node)
        elif isinstance(node, ast.Try | ast.TryStar):
            yield from self.handlers(node.handlers)

    def cases(self, node: ast.Match) -> Iterator[Decision]:
        for case in node.cases:
            asked = [node.subject, *([case.guard] if case.guard is not None else [])]
            last = (case.guard or case.pattern).end_lineno or case.pattern.lineno
            parts = self.compiled(part for each in asked for part in _parts(each))
            yield Decision(case.pattern.lineno, last, _lines(case.body, last), parts, None)

    def handlers(self, handlers: list[ast.ExceptHandler]) -> Iterator[Decision]:
        for handler in handlers:
            if handler.type is not None:
                last = handler.type.end_lineno or handler.lineno
                yield Decision(handler.lineno, last, _lines(handler.body, last), (), None, raised=True)

    def decision(self, test: ast.expr, body: list[ast.stmt]) -> Decision:
        last = test.end_lineno or test.lineno
        whole = self.compiled([test])
        truth = whole[0] if whole and not whole[0].withheld else None
        return Decision(test.lineno, last, _lines(body, last), self.compiled(_parts(test)), truth)

    def compiled(self, parts: Iterable[ast.expr]) -> tuple[expressions.Compiled, ...]:
        texts = dict.fromkeys(ast.unparse(part) for part in parts)
        return tuple(islice(filter(None, map(self.compile, texts)), MOST_PARTS))

    def compile(self, text: str) -> expressions.Compiled | None:
        try:
            return expressions.compile(expressions.parse(text), self.withholds)
        except ExpressionError:
            return None


def _lines(body: list[ast.stmt], header: int) -> Lines:
    """The lines of a block, if it begins behind what decides."""
    if not body or _first(body[0]) <= header:
        return range(0)
    return range(_first(body[0]), (body[-1].end_lineno or body[-1].lineno) + 1)


def _first(statement: ast.stmt) -> int:
    decorated: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(each.lineno for each in decorated)])


def _parts(test: ast.AST) -> Iterator[ast.expr]:
    """The values a test looks at: operands, never the whole, which only says true or false."""
    if isinstance(test, ast.BoolOp | ast.UnaryOp | ast.Compare | ast.NamedExpr | ast.Await):
        for child in ast.iter_child_nodes(test):
            yield from () if isinstance(getattr(child, "ctx", None), ast.Store) else _parts(child)
    elif isinstance(test, ast.Constant) or not isinstance(test, ast.expr):
        return
    elif _in_language(test):
        yield test
    elif isinstance(test, ast.Call):
        if isinstance(test.func, ast.Attribute):
            yield from _parts(test.func.value)
        for argument in (*test.args, *(keyword.value for keyword in test.keywords)):
            yield from _parts(argument)
    else:
        for child in ast.iter_child_nodes(test):
            yield from _parts(child)


def _in_language(test: ast.expr) -> bool:
    try:
        expressions.parse(ast.unparse(test))
    except ExpressionError:
        return False
    return True
