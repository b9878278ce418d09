"""Python source as a syntax tree, read by tree-sitter: any version's grammar, and files that are half wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import tree_sitter_python
from tree_sitter import Language, Node, Parser

LARGEST = 2_000_000
"""Characters of a file worth reading: what is longer was generated."""

_PYTHON = Language(tree_sitter_python.language())
_LINE_END = re.compile(r"\r\n|\r|\n")
_SCOPES = frozenset({"function_definition", "class_definition"})


@dataclass(frozen=True)
class Module:
    """One file and its tree. Lines count from 1, as people and interpreters count them."""

    path: str
    text: str

    @cached_property
    def root(self) -> Node:
        return Parser(_PYTHON).parse(self.text.encode()).root_node

    @cached_property
    def lines(self) -> list[str]:
        return split_lines(self.text)

    @property
    def has_errors(self) -> bool:
        """Whether some of it is no Python that the grammar knows; the rest is read all the same."""
        return self.root.has_error

    def line_text(self, line: int) -> str:
        """A line without its indentation; empty beyond the end."""
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""


def split_lines(text: str) -> list[str]:
    """The lines as the interpreter counts them: a form feed, say, ends none."""
    lines = _LINE_END.split(text)
    return lines if lines[-1] else lines[:-1]


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it in order of the text, without recursion: nesting may be as deep as it likes."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(reversed(found.named_children))


def text_of(node: Node | None) -> str:
    """The text a node stands for; empty for none."""
    return "" if node is None or node.text is None else node.text.decode(errors="replace")


def line_of(node: Node) -> int:
    return node.start_point.row + 1


def last_line_of(node: Node) -> int:
    """The last line with something of the node on it; a block's node may end at the start of the line below."""
    row, column = node.end_point
    return row if column == 0 and row > node.start_point.row else row + 1


def field(node: Node | None, name: str) -> Node | None:
    return None if node is None else node.child_by_field_name(name)


def scopes_of(node: Node) -> list[Node]:
    """The classes and functions round a node, outermost first, the node itself left out."""
    found = []
    parent = node.parent
    while parent is not None:
        if parent.type in _SCOPES:
            found.append(parent)
        parent = parent.parent
    return found[::-1]


def qualified_name(scopes: list[Node]) -> str:
    """Their names joined by dots, as ``TradeRequest.from_payload``; empty at module level."""
    return ".".join(text_of(field(scope, "name")) for scope in scopes)


def enclosing_function(node: Node) -> Node | None:
    """The innermost function round a node."""
    return next((scope for scope in reversed(scopes_of(node)) if scope.type == "function_definition"), None)


def enclosing_class(node: Node) -> Node | None:
    """The class whose body or method a node stands in, also from a function inside a method."""
    return next((scope for scope in reversed(scopes_of(node)) if scope.type == "class_definition"), None)


def statement_of(node: Node) -> Node:
    """The statement a node is part of: the outermost node below a block or the module."""
    while node.parent is not None and node.parent.type not in ("block", "module"):
        node = node.parent
    return node


def string_value(node: Node | None) -> str | None:
    """The value of a plain string literal; None for anything that is computed."""
    if node is None or node.type != "string":
        return None
    parts = node.named_children
    if text_of(parts[0])[:1].lower() not in ("'", '"', "r", "u"):
        return None
    content = [part for part in parts if part.type not in ("string_start", "string_end")]
    if any(part.type != "string_content" or part.named_children for part in content):
        return None
    return "".join(text_of(part) for part in content)
