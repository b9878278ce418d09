"""An exception as a capture holds it: type, arguments, fields, notes, where it was raised, and what it came from.

Like any value it is copied where it lives and written on the sensor's thread. Nothing of it is called: arguments,
chain and traceback are read by the descriptors of `BaseException` itself, so classes with mandatory constructor
arguments, properties in the place of ``args``, cyclic chains and groups all survive.
"""

from __future__ import annotations

from types import CodeType, TracebackType
from typing import Any, Final, NamedTuple

from . import foreign, readers, snapshots, wire
from .foreign import read_getset, read_member
from .readers import FIELDS, ITEMS, Node
from .redaction import Redactor

MOST_LINKS: Final = 10
"""Exceptions told of one chain, beside the first."""
MOST_NOTES: Final = 10
_DEEPEST_TRACEBACK: Final = 2_000
"""Entries followed to find where an exception was raised: an endless recursion makes a thousand."""

_OWN = vars(BaseException)
_ARGS, _CAUSE, _CONTEXT, _TRACEBACK = (
    _OWN[name] for name in ("args", "__cause__", "__context__", "__traceback__")
)
_SUPPRESSED = _OWN["__suppress_context__"]

Where = tuple[CodeType, int] | None
"""Code and instruction."""


class CopiedException(NamedTuple):
    """One exception and its chain, ready for the sensor's thread."""

    links: list[Link]
    limits: wire.Limits
    shared: snapshots.Shared
    values: int


class Link(NamedTuple):
    """One exception: nodes of its arguments and fields, its notes, where it was raised, and how it is linked."""

    how: str
    type_name: str
    arguments: Node
    fields: Node
    notes: list[str]
    where: Where
    cut: str = ""


# ---------------------------------------------------------------- in the application's thread


def copy_exception(
    error: BaseException, limits: wire.Limits, *, deadline: float | None = None
) -> CopiedException:
    """``error`` and what it came from, within ``limits``; runs no code of the application's and keeps none of its
    objects.
    """
    links: list[Link] = []
    seen: set[int] = set()
    current: BaseException | None = error
    how = ""
    while current is not None:
        if id(current) in seen or len(links) > MOST_LINKS:
            links.append(_cut(how, "cycle" if id(current) in seen else f"chain {MOST_LINKS}"))
            break
        seen.add(id(current))
        links.append(_link(how, current, limits))
        how, current = _before(current)
    roots = [node for link in links for node in (link.arguments, link.fields)]
    return CopiedException(links, limits, *snapshots.copy_nodes(roots, limits, deadline))


def _link(how: str, error: BaseException, limits: wire.Limits) -> Link:
    args = read_getset(_ARGS, error)
    size = len(args)
    cut = f"items {limits.items} of {size}" if size > limits.items else None
    arguments = readers.node("tuple", ITEMS, [*args[: limits.items]], size, cut)
    pairs, notes = _fields(error, limits)
    return Link(
        how,
        foreign.type_name(error),
        arguments,
        readers.node("", FIELDS, pairs),
        notes,
        _raised_at(error),
    )


def _cut(how: str, reason: str) -> Link:
    return Link(how, "", readers.node("", ITEMS, []), readers.node("", FIELDS, []), [], None, reason)


def _before(error: BaseException) -> tuple[str, BaseException | None]:
    """What this exception came from, as a traceback would show it, and how."""
    cause = read_getset(_CAUSE, error)
    if cause is not None:
        return "cause", cause
    context = read_getset(_CONTEXT, error)
    if context is None or read_member(_SUPPRESSED, error):
        return "", None
    return "context", context


def _fields(error: BaseException, limits: wire.Limits) -> tuple[list[tuple[Any, Any]], list[str]]:
    """Members that say something and the instance's own fields; its notes apart."""
    pairs = [*readers.members_of_exception(error)]
    notes: list[str] = []
    own = foreign.instance_dict(error, foreign.facts_of(type(error)))
    if own is not None:
        for name, value in foreign.take(dict.items(own), limits.fields + 1):
            if type(name) is str and name == "__notes__":
                notes = _notes(value)
            elif len(pairs) < limits.fields:
                pairs.append((name, value))
    return [pair for pair in pairs if type(pair[0]) is str], notes


def _notes(value: object) -> list[str]:
    if type(value) is not list:
        return []
    return [text for note in value[:MOST_NOTES] if (text := foreign.plain_str(note))]


def _raised_at(error: BaseException) -> Where:
    """The innermost place of its traceback; None before there is one."""
    entry = traceback_of(error)
    if entry is None:
        return None
    for _ in range(_DEEPEST_TRACEBACK):
        if entry.tb_next is None:
            break
        entry = entry.tb_next
    return entry.tb_frame.f_code, entry.tb_lasti


def traceback_of(error: BaseException) -> TracebackType | None:
    """Its traceback so far, whatever its class calls ``__traceback__``."""
    found: TracebackType | None = read_getset(_TRACEBACK, error)
    return found


def sources_of(error: BaseException) -> list[BaseException | None]:
    """What it was raised from, and what was being handled when it was raised."""
    return [read_getset(_CAUSE, error), read_getset(_CONTEXT, error)]


# ---------------------------------------------------------------- on the sensor's thread


def write_exception(copied: CopiedException, redactor: Redactor) -> tuple[dict[str, Any], list[str]]:
    """The exception as it leaves the process, and what was cut.

    ``{"type", "arguments": [Value], "fields": {name: Value}, "notes": [text], "where": {"function", "file", "line"},
    "chain": [the same without a chain, with "link": "cause" or "context"]}``; in place of a link that is not told
    stands ``{"link", "cut": "cycle" or "chain 10"}``.
    """
    writer = snapshots.NodeWriter(redactor, copied.limits, copied.shared, copied.values)
    first, *others = [_written(link, writer, redactor) for link in copied.links]
    writer.run()
    writer.end()
    return {**first, "chain": others}, sorted(writer.cuts)


def _written(link: Link, writer: snapshots.NodeWriter, redactor: Redactor) -> dict[str, Any]:
    if link.cut:
        writer.cuts.add(link.cut.partition(" ")[0])
        return {"link": link.how, "cut": link.cut}
    arguments: list[wire.Value] = []
    writer.begin_items(arguments, link.arguments[2])
    fields: dict[str, wire.Value] = {}
    writer.begin(fields, link.fields[2])
    told: dict[str, Any] = {
        "type": link.type_name,
        "arguments": arguments,
        "fields": fields,
        "notes": [redactor.mask(note)[: writer.plain_length] for note in link.notes],
    }
    if link.arguments[4]:
        told["cut"] = link.arguments[4]
        writer.cuts.add("items")
    if link.where is not None:
        told["where"] = place_of(*link.where)
    return {**told, "link": link.how} if link.how else told


def place_of(code: CodeType, instruction: int) -> dict[str, Any]:
    """``{"function", "file", "line"}`` of an instruction."""
    frame = snapshots.frame_at(code, instruction)
    return {"function": frame.function, "file": frame.file, "line": frame.line}
