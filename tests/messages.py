"""Reads every message a person may have to act on from the code, and writes the page about them (`make docs`)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "messages.md"
KINDS = {
    "Problem": "400",
    "Invalid": "400",
    "Unauthorized": "401",
    "Forbidden": "403",
    "NotFound": "404",
    "Conflict": "409",
    "Limited": "429",
    "Unavailable": "503",
    "Unstartable": "start",
    "ConfigError": "sensor",
    "LocationError": "sensor",
    "ProtocolError": "sensor",
}
HEADS = {
    "400": "400: the request makes no sense as it is",
    "401": "401: no valid sign-in or token",
    "403": "403: known, but may not",
    "404": "404: no such thing, or none you may see",
    "409": "409: the thing is in another state than the request assumes",
    "429": "429: too much or too often",
    "503": "503: a part this needs is away; worth trying again",
    "start": "At the start: `manage.py up` stops with this sentence",
    "sensor": "In the sensor",
}
INTRODUCTION = """\
# Messages

Every error that somebody can act on carries a slug, a sentence, and what to do. Pages show the sentence; REST
sends the slug as `code` in `application/problem+json`, MCP as `code` of a tool's error. An ellipsis stands for
what is filled in. Written from the code by `make docs`.
"""


@dataclass(frozen=True, order=True)
class Message:
    """One error as the code says it; what is filled in at run time is an ellipsis."""

    kind: str
    slug: str
    sentence: str
    fix: str


def messages() -> list[Message]:
    """Each slug once, with the first sentence the code gives it."""
    files = [*(ROOT / "investigations").rglob("*.py"), *(ROOT / "sensors/python/sightline").rglob("*.py")]
    found: dict[tuple[str, str], Message] = {}
    for file in sorted(files):
        for message in _raised_in(ast.parse(file.read_text())):
            found.setdefault((message.kind, message.slug), message)
    return sorted(found.values())


def page() -> str:
    """The page about all of them."""
    parts = [INTRODUCTION]
    everything = messages()
    for kind, head in HEADS.items():
        rows = [message for message in everything if message.kind == kind]
        lines = [f"| `{row.slug}` | {_cell(row.sentence)} | {_cell(row.fix)} |" for row in rows]
        parts.append(
            "\n".join([f"## {head}\n", "| Slug | It says | What to do |", "|---|---|---|", *lines, ""])
        )
    return "\n".join(parts)


def _raised_in(tree: ast.Module) -> Iterator[Message]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and (name := _name(call.func)) in KINDS and call.args:
            slug = call.args[0]
            if isinstance(slug, ast.Constant) and re.fullmatch(r"[a-z][a-z_]+", str(slug.value)):
                sentence = _text(call.args[1]) if len(call.args) > 1 else "…"
                fix = next((_text(keyword.value) for keyword in call.keywords if keyword.arg == "fix"), "")
                yield Message(KINDS[name], str(slug.value), sentence, fix)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) if isinstance(value, ast.Constant) else "…" for value in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "…"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").strip()


if __name__ == "__main__":
    PAGE.write_text(page())
