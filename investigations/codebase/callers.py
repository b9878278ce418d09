"""Who calls a function or method, by its name in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from investigations.codebase.source import (
    LARGEST,
    Module,
    enclosing_class,
    field,
    line_of,
    qualified_name,
    scopes_of,
    text_of,
    walk,
)

MOST_CALLS = 100


@dataclass(frozen=True, slots=True)
class Call:
    """One call. ``likely``: the class or module is named beside it; ``possible``: only the name is the same."""

    path: str
    line: int
    function: str
    confidence: Literal["likely", "possible"]
    text: str


@dataclass(frozen=True, slots=True)
class Callers:
    """``calls``, likely ones first, at most `MOST_CALLS` of ``total``; ``blind_spots`` say what this cannot see."""

    target: str
    calls: list[Call]
    total: int
    blind_spots: list[str]


def find_callers(files: Mapping[str, str], target: str, *, unread: Sequence[str] = ()) -> Callers:
    """Every call of ``target`` (``settle``, ``Desk.settle``, ``trades.execution:Desk.settle``) in these files."""
    names = re.split(r"[.:]", target.strip())
    name, owner = names[-1], names[-2] if len(names) > 1 else ""
    if not name.isidentifier():
        raise ValueError(f"{target[:80]!r} names no function")
    found = [
        call
        for path in sorted(files)
        if len(files[path]) <= LARGEST and re.search(rf"\b{re.escape(name)}\b", files[path])
        for call in _calls(Module(path, files[path]), name, owner)
    ]
    found.sort(key=lambda call: (call.confidence != "likely", call.path, call.line))
    blind = [
        "Calls through a variable, a decorator, a registry or a framework's routing do not show the name."
    ]
    if unread:
        blind.append(f"{len(unread)} files could not be read: {', '.join(unread[:5])}.")
    return Callers(target, found[:MOST_CALLS], len(found), blind)


def _calls(module: Module, name: str, owner: str) -> Iterator[Call]:
    for node in walk(module.root):
        callee = field(node, "function") if node.type == "call" else None
        if callee is None or text_of(field(callee, "attribute") or callee) != name:
            continue
        receiver = text_of(field(callee, "object")).rsplit(".", 1)[-1]
        around = text_of(field(enclosing_class(node), "name"))
        named = receiver == owner or (receiver in ("self", "cls", "super()") and around == owner)
        yield Call(
            path=module.path,
            line=line_of(node),
            function=qualified_name(scopes_of(node)),
            confidence="likely" if not owner or named else "possible",
            text=module.line_text(line_of(node)),
        )
