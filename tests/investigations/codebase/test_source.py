"""Any Python is read: that of a newer version, broken, huge or strange."""

from __future__ import annotations

import ast
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.codebase import source
from investigations.codebase.outline import Symbol, enclosing, outline
from investigations.codebase.source import Module, split_lines, string_value

NEWER = """
type Pair[T] = tuple[T, T]

def first[T](pair: Pair[T]) -> T:
    match pair:
        case (one, _):
            return f"{f"{one}"}"
    try:
        pass
    except* ValueError:
        pass

class Box[T]:
    async def open(self):
        def inside():
            return t"{self}"
        return inside
"""


def test_source_newer_than_this_interpreter_is_outlined() -> None:
    assert outline(Module("a.py", NEWER)) == [
        Symbol("first", "function", 4, 11),
        Symbol("Box", "class", 13, 17),
        Symbol("Box.open", "function", 14, 17),
        Symbol("Box.open.inside", "function", 15, 16),
    ]


def test_what_is_broken_is_read_as_far_as_it_goes() -> None:
    module = Module("a.py", "def whole():\n    return 1\n\ndef broken(:\n    return (\n")

    assert module.has_errors
    assert Symbol("whole", "function", 1, 2) in outline(module)


def test_deep_nesting_needs_no_stack() -> None:
    module = Module("a.py", "x = " + "(" * 5000 + "1" + ")" * 5000 + "\n")

    assert sum(1 for _ in source.walk(module.root)) > 5000


@pytest.mark.parametrize(
    ("text", "lines"),
    [("", []), ("a", ["a"]), ("a\n", ["a"]), ("a\r\nb\rc\n", ["a", "b", "c"]), ("a\fb\n\n", ["a\fb", ""])],
)
def test_lines_are_counted_as_the_interpreter_counts_them(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines


def test_the_outline_agrees_with_pythons_own_parser() -> None:
    text = inspect.getsource(inspect)
    expected = [
        (node.name, node.lineno, node.end_lineno)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]

    found = [
        (symbol.name.rsplit(".", 1)[-1], symbol.first_line, symbol.last_line)
        for symbol in outline(Module("a", text))
    ]

    assert sorted(found) == sorted(expected)


def test_the_innermost_scope_round_a_line_is_named() -> None:
    symbols = outline(Module("a.py", NEWER))

    assert [enclosing(symbols, line) for line in (2, 5, 13, 14, 16)] == [
        "",
        "first",
        "Box",
        "Box.open",
        "Box.open.inside",
    ]


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    assert isinstance(outline(Module("a.py", text)), list)


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("'a'", "a"),
        ('"""a"""', "a"),
        ("r'a'", "a"),
        ("b'a'", None),
        ("f'a'", None),
        ("f'{a}'", None),
        ("'\\x61'", None),
    ],
)
def test_only_a_plain_literal_has_a_value(literal: str, value: str | None) -> None:
    statement = Module("a.py", literal).root.named_children[0].named_children[0]

    assert string_value(statement) == value
