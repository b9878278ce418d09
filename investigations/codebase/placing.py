"""The probe to place for a write: on the next line that runs after it, looking at what was written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tree_sitter import Node

from investigations.codebase.source import (
    Module,
    enclosing_function,
    last_line_of,
    line_of,
    statement_of,
    text_of,
)
from investigations.codebase.source import field as part
from investigations.codebase.writes import Write

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_BUILTINS = frozenset({"bool", "int", "float", "str", "bytes", "list", "dict", "set", "tuple"})
_SILENT = frozenset({"comment", "global_statement", "nonlocal_statement"})


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A probe that shows the write. ``condition`` keeps surprises only and may be left out; ``note``: what to mind."""

    kind: str
    file: str
    line: int
    condition: str = ""
    watches: list[str] = field(default_factory=list)
    note: str = ""


def suggest(
    module: Module, write: Write, attribute: str, expected_type: str, lines: Sequence[int] | None
) -> Suggestion:
    """Where and how to look at this write; ``lines`` are the file's executable lines, when they are known."""
    written = _written(write)
    after = next_line(write.node, lines)
    if after is None or not written:
        return _before(module, write, attribute, expected_type)
    value = f"{written}.{attribute}"
    return Suggestion(
        kind="snapshot",
        file=module.path,
        line=after,
        condition=_not_of(value, expected_type),
        watches=[value, f"type_name({value})", *_operands(write)],
        note="It runs after the write, and also when the write was passed over.",
    )


def _before(module: Module, write: Write, attribute: str, expected_type: str) -> Suggestion:
    """On the write itself, where nothing follows: the value is there already, the attribute not yet."""
    value = text_of(write.value)
    value = value if _DOTTED.fullmatch(value) else ""
    key = text_of(write.key)
    chosen = f'{key} == "{attribute}"' if _DOTTED.fullmatch(key) and not write.exact else ""
    surprise = _not_of(value, expected_type) if value and write.exact else ""
    first = _first_line(write)
    return Suggestion(
        kind="snapshot",
        file=module.path,
        line=first,
        condition=chosen or surprise,
        watches=[value, f"type_name({value})"] if value else [],
        note="Nothing runs after it in this function: the probe looks before the write, at the value to be written.",
    )


def _first_line(write: Write) -> int:
    """The line of the statement, or for a setter the first of its body."""
    if write.kind == "property_setter":
        body = part(write.node, "body")
        if body is not None and body.named_children:
            return line_of(body.named_children[0])
    return line_of(statement_of(write.node))


def next_line(node: Node, lines: Sequence[int] | None = None) -> int | None:
    """The line that runs next after a statement, out of its block if it is the last there; None at a function's end.

    After the last statement of a loop it is what follows the loop.
    """
    if node.type == "function_definition":
        return None
    statement = statement_of(node)
    if statement.type in ("return_statement", "raise_statement"):
        return None
    function = enclosing_function(node)
    while function is None or statement.id != function.id:
        following = _following(statement)
        if following is not None:
            return _executable(line_of(following), following, lines)
        block = statement.parent
        if block is None or block.parent is None or block.parent.type == "module":
            return None
        statement = block.parent if block.type == "block" else block
    return None


def _following(statement: Node) -> Node | None:
    """The next statement beside this one that runs; clauses of the same ``if`` or ``try`` are none."""
    sibling = statement.next_named_sibling
    while sibling is not None:
        if sibling.type.endswith("_clause"):
            return None
        if sibling.type not in _SILENT and not _is_note(sibling):
            return sibling
        sibling = sibling.next_named_sibling
    return None


def _is_note(statement: Node) -> bool:
    """A lone string, or a bare annotation: neither runs."""
    if statement.type != "expression_statement" or not statement.named_children:
        return False
    inside = statement.named_children[0]
    return inside.type == "string" or (inside.type == "assignment" and part(inside, "right") is None)


def _executable(line: int, statement: Node, lines: Sequence[int] | None) -> int | None:
    """The statement's first executable line, as the interpreter told; the text's own when it told nothing."""
    if not lines:
        return line
    return min((found for found in lines if line <= found <= last_line_of(statement)), default=None)


def _written(write: Write) -> str:
    """How the function names the object written; empty when it has no name here."""
    if write.kind in ("constructor", "replace"):
        return _assigned_to(write.node)
    receiver = text_of(write.receiver)
    return receiver if _DOTTED.fullmatch(receiver) else ""


def _assigned_to(call: Node) -> str:
    """``x`` of ``x = Class(...)``."""
    parent = call.parent
    if parent is None or parent.type != "assignment" or part(parent, "right") is None:
        return ""
    left = text_of(part(parent, "left"))
    return left if _DOTTED.fullmatch(left) else ""


def _operands(write: Write) -> list[str]:
    """For a reflective write the names it used last, where they are plain names."""
    if write.exact:
        return []
    return [text for node in (write.key, write.value) if _DOTTED.fullmatch(text := text_of(node))]


def _not_of(value: str, expected_type: str) -> str:
    return f'type_name({value}) != "{expected_type}"' if value and expected_type in _BUILTINS else ""
