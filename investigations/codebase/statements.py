"""What the statements of a file do, by their first lines: how much, and which names they read and write."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_DECIDING = (ast.If, ast.While, ast.For, ast.AsyncFor, ast.Match)
_CHANGING = frozenset({
    "add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft", "insert",
    "intersection_update", "pop", "popitem", "popleft", "push", "put", "remove", "reverse", "setdefault", "sort",
    "symmetric_difference_update", "update", "write",
})  # fmt: skip
"""Methods that change what they are called on, by the names of the standard library's collections."""


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

    @cached_property
    def reads(self) -> Mapping[int, set[str]]:
        """The names whose values each statement reads; of what it changes in place, too."""
        return self._touched()[0]

    @cached_property
    def writes(self) -> Mapping[int, set[str]]:
        """The names each statement assigns, or changes in place: by item, by attribute, or by a method that does."""
        return self._touched()[1]

    @cached_property
    def heads(self) -> Mapping[int, int]:
        """The innermost branch or loop around each statement, in the same function."""
        found: dict[int, int] = {}
        waiting: list[tuple[ast.AST, int]] = [(self._tree, 0)]
        while waiting:
            node, head = waiting.pop()
            if isinstance(node, ast.stmt) and head:
                found[node.lineno] = head
            if isinstance(node, _FUNCTIONS):
                head = 0
            elif isinstance(node, _DECIDING):
                head = node.lineno
            waiting.extend((inner, head) for inner in ast.iter_child_nodes(node))
        return found

    @cached_property
    def inside(self) -> Mapping[int, set[str]]:
        """The names that each branch or loop writes somewhere inside, whichever way it goes."""
        found: dict[int, set[str]] = defaultdict(set)
        for line, names in self.writes.items():
            head = self.heads.get(line, 0)
            while head:
                found[head] |= names
                head = self.heads.get(head, 0)
        return found

    @cached_property
    def conditions(self) -> frozenset[int]:
        """The statements that go one of two ways by a condition: ``if`` and ``while``."""
        return self._lines_of((ast.If, ast.While))

    @cached_property
    def returns(self) -> frozenset[int]:
        """The statements that end a call."""
        return self._lines_of((ast.Return,))

    def _lines_of(self, kinds: tuple[type[ast.stmt], ...]) -> frozenset[int]:
        return frozenset(node.lineno for node in ast.walk(self._tree) if isinstance(node, kinds))

    def _touched(self) -> tuple[Mapping[int, set[str]], Mapping[int, set[str]]]:
        reads: dict[int, set[str]] = defaultdict(set)
        writes: dict[int, set[str]] = defaultdict(set)
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Name):
                stored = not isinstance(node.ctx, ast.Load)
                (writes if stored else reads)[self._first(node)].add(node.id)
            elif isinstance(node, ast.Attribute | ast.Subscript) and (changed := _changed(node)):
                writes[self._first(node)].add(changed)
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                reads[self._first(node.target)].add(node.target.id)
        return reads, writes

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


def _changed(node: ast.Attribute | ast.Subscript) -> str:
    """The name whose value is changed in place: an item or attribute is stored, or a method called that changes."""
    is_method = isinstance(node, ast.Attribute) and node.attr in _CHANGING
    if isinstance(node.ctx, ast.Load) and not is_method:
        return ""
    holder: ast.expr = node.value
    while isinstance(holder, ast.Attribute | ast.Subscript):
        holder = holder.value
    return holder.id if isinstance(holder, ast.Name) else ""
