"""What the statements of a file do, by their first lines: how much, and which names they read and write."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Statements:
    """A file's statements; what does not parse as this interpreter's Python has none."""

    text: str

    @cached_property
    def first_lines(self) -> Mapping[int, int]:
        """Of each line the first line of the innermost statement it belongs to; of a block, only its head counts."""
        found: dict[int, int] = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.stmt):
                body = getattr(node, "body", None)
                end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
                found.update(dict.fromkeys(range(node.lineno, max(end, node.lineno) + 1), node.lineno))
        return found

    @cached_property
    def operations(self) -> Mapping[int, int]:
        """How many expressions each statement holds, but for constants."""
        return Counter(
            self._first(node)
            for node in ast.walk(self._tree)
            if isinstance(node, ast.expr) and not isinstance(node, ast.Constant)
        )

    @cached_property
    def mentions(self) -> Mapping[str, set[int]]:
        """The statements that read or write each name, an attribute's included."""
        found: dict[str, set[int]] = defaultdict(set)
        for node, name in self._names():
            found[name].add(self._first(node))
        return found

    def _names(self) -> Iterator[tuple[ast.expr, str]]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Name):
                yield node, node.id
            elif isinstance(node, ast.Attribute):
                yield node, node.attr

    def _first(self, node: ast.expr) -> int:
        return self.first_lines.get(node.lineno, node.lineno)

    @cached_property
    def _tree(self) -> ast.Module:
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError):
            return ast.Module([], [])
