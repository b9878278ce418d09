"""The classes and functions of a file, for those that no interpreter has outlined for us."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from investigations.codebase.source import (
    Module,
    field,
    last_line_of,
    line_of,
    qualified_name,
    scopes_of,
    text_of,
    walk,
)


class Symbol(NamedTuple):
    """A class or function by its lines, decorators left out; one inside another has a dotted name."""

    name: str
    kind: Literal["class", "function"]
    first_line: int
    last_line: int


def outline(module: Module) -> list[Symbol]:
    """Every class and function, in order of the text."""
    found = []
    for node in walk(module.root):
        if node.type not in ("class_definition", "function_definition"):
            continue
        around = qualified_name(scopes_of(node))
        name = text_of(field(node, "name"))
        kind: Literal["class", "function"] = "class" if node.type == "class_definition" else "function"
        found.append(Symbol(f"{around}.{name}" if around else name, kind, line_of(node), last_line_of(node)))
    return found


def enclosing(symbols: Iterable[Symbol], line: int) -> str:
    """The name of the innermost class or function round a line; empty at module level."""
    around = [symbol for symbol in symbols if symbol.first_line <= line <= symbol.last_line]
    return max(around, key=lambda symbol: symbol.first_line).name if around else ""
