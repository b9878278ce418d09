"""Captured values as rows to read: one tree, or PASS beside FAIL with what differs between them marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from msgspec import UNSET

from sightline.wire import Value

_OPEN_DEPTH = 1  # rows deeper than this start folded
_OPEN_SIZE = 24  # and so does anything longer
_DEEPEST_INDENT = 6


@dataclass(frozen=True, slots=True)
class Node:
    """One row of a variable tree. `path` is an expression that names it, `text` is what stood there, cut to limits."""

    name: str
    path: str
    type: str
    text: str = ""
    extent: str = ""
    cut: str = ""
    redacted: str = ""
    mark: str = ""
    depth: int = 0
    unusual: bool = False
    children: list[Node] = field(default_factory=list)

    @property
    def short_type(self) -> str:
        return self.type.rpartition(".")[2]

    @property
    def indent(self) -> int:
        return min(self.depth, _DEEPEST_INDENT)

    @property
    def open(self) -> bool:
        return self.depth < _OPEN_DEPTH and len(self.children) <= _OPEN_SIZE


Sides = tuple[bool, bool]
"""Something of the passing and of the failing capture."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One path in a passing and a failing capture. `standing` is a class of components.css."""

    name: str
    path: str
    depth: int
    passing: Node | None
    failing: Node | None
    standing: str
    children: list[Pair] = field(default_factory=list)

    @property
    def indent(self) -> int:
        return min(self.depth, _DEEPEST_INDENT)

    @property
    def unseen(self) -> bool:
        """One side lacks it, and something was cut there: it may well have been there."""
        return self.standing == "unseen"

    @property
    def differs(self) -> bool:
        return self.standing not in ("same", "unseen") or any(child.differs for child in self.children)

    @property
    def open(self) -> bool:
        return len(self.children) <= _OPEN_SIZE and (self.differs or self.depth < _OPEN_DEPTH)


def tree(variables: Mapping[str, Value], usual: Mapping[str, str] = MappingProxyType({})) -> list[Node]:
    """The variables of one frame as rows, in the order they were captured.

    `usual` is the type that passing captures hold at a path: where this one holds another, the row says so.
    """
    return [node(value, name=name, path=name, usual=usual) for name, value in variables.items()]


def types(nodes: Iterable[Node]) -> dict[str, str]:
    """The type at every path, as `tree` takes it for the usual ones."""
    found: dict[str, str] = {}
    for each in nodes:
        found[each.path] = each.type
        found.update(types(each.children))
    return found


def node(
    value: Value, *, name: str, path: str, depth: int = 0, usual: Mapping[str, str] = MappingProxyType({})
) -> Node:
    """One value with everything below it."""
    alone = leaf(value, name=name, path=path, depth=depth, usual=usual)
    alone.children.extend(
        node(child, name=label, path=path + step, depth=depth + 1, usual=usual)
        for label, step, child in _children(value)
    )
    return alone


def leaf(
    value: Value, *, name: str, path: str, depth: int = 0, usual: Mapping[str, str] = MappingProxyType({})
) -> Node:
    """One value without what is below it, as a list shows it."""
    return Node(
        name=name,
        path=path,
        type=value.type,
        text=written(value),
        extent=_extent(value),
        cut=_cut(value),
        redacted=value.redacted or "",
        mark=value.hash.hex()[:4] if value.hash else "",
        depth=depth,
        unusual=usual.get(path, value.type) != value.type,
    )


def written(value: Value) -> str:
    """A scalar as it would be written in code (``'true'``, ``True``, ``48200.00``); empty for a container."""
    if value.redacted or value.value is UNSET:
        return value.note or ""
    raw = value.value
    if isinstance(raw, str):
        return _written_text(value.type, raw)
    return f"{raw} · {value.note}" if value.note else str(raw)


def _written_text(kind: str, raw: str) -> str:
    if kind == "str":
        return repr(raw)
    if kind in {"bytes", "bytearray"}:
        return repr(raw.encode("latin-1", "replace"))
    return raw


def _children(value: Value) -> Iterator[tuple[str, str, Value]]:
    """Label, step of the path, and value of everything directly inside."""
    for name, inner in (value.fields or {}).items():
        yield name, f".{name}", inner
    for key, inner in value.entries or ():
        step = f"[{written(key) or key.type}]"
        yield step, step, inner
    for index, inner in enumerate(value.items or ()):
        yield f"[{index}]", f"[{index}]", inner


def _extent(value: Value) -> str:
    """How much there is of how much: ``6 items``, ``50 of 212``, ``256 of 1,940 characters``."""
    kept = value.items if value.items is not None else value.entries
    if value.size is None:
        return ""
    if kept is None:
        return f"{value.size:,} long" if value.value is UNSET and not value.redacted else ""
    if len(kept) == value.size or value.cut == "depth":
        return f"{value.size:,} item" + ("" if value.size == 1 else "s")
    return f"{len(kept):,} of {value.size:,}"


def _cut(value: Value) -> str:
    if value.cut == "length" and isinstance(value.value, str) and value.size is not None:
        return f"{len(value.value):,} of {value.size:,}"
    return (value.cut or "").partition(" ")[0]  # "items 50 of 212": how many is the extent's to say


def pairs(passing: Mapping[str, Value], failing: Mapping[str, Value]) -> list[Pair]:
    """Both captures' variables side by side, the failing one's order first."""
    return _paired(tree(passing), tree(failing), depth=0, unseen=(False, False))


def _paired(left: list[Node], right: list[Node], *, depth: int, unseen: Sides) -> list[Pair]:
    passing = {each.name: each for each in left}
    failing = {each.name: each for each in right}
    return [
        _pair(passing.get(name), failing.get(name), depth=depth, unseen=unseen)
        for name in {**failing, **passing}
    ]


def _pair(passing: Node | None, failing: Node | None, *, depth: int, unseen: Sides) -> Pair:
    """``unseen`` tells of which sides something was cut around here: what they lack may well have been there."""
    shown = failing or passing
    assert shown is not None
    below = (_unseen(passing, unseen[0]), _unseen(failing, unseen[1]))
    children = _paired(
        passing.children if passing else [],
        failing.children if failing else [],
        depth=depth + 1,
        unseen=below,
    )
    is_unseen = (passing is None and unseen[0]) or (failing is None and unseen[1])
    standing = "unseen" if is_unseen else _standing(passing, failing)
    if standing == "same" and any(child.differs for child in children):
        standing = "inside-differs"
    return Pair(shown.name, shown.path, depth, passing, failing, standing, children)


def _unseen(node: Node | None, around: bool) -> bool:
    return around if node is None else bool(node.cut)


def _standing(passing: Node | None, failing: Node | None) -> str:
    if passing is None or failing is None:
        return "missing-differs"
    if passing.type != failing.type:
        return "type-differs"
    if passing.redacted or failing.redacted:
        return "same" if passing.mark and passing.mark == failing.mark else "value-differs"
    return "same" if (passing.text, passing.extent) == (failing.text, failing.extent) else "value-differs"
