"""One line of text from captured values: short, and only from what has been cut and redacted."""

from __future__ import annotations

from msgspec import UNSET

from . import wire

LONGEST = 4096
"""Characters of one message."""
SHOWN = 5
"""Elements of a container that a message spells out."""
_DEEPEST = 2
_BRACKETS = {"tuple": ("(", ")"), "set": ("{", "}"), "frozenset": ("{", "}")}


def text_of(value: wire.Value, *, quoted: bool = False, depth: int = _DEEPEST) -> str:
    """A value as a message shows it: text bare (``quoted`` inside containers), containers by their first elements."""
    if value.redacted is not None:
        return f"[withheld: {value.redacted}]"
    if value.value is not UNSET:
        return _scalar(value, quoted)
    if depth > 0 and value.items is not None:
        shown = [text_of(each, quoted=True, depth=depth - 1) for each in value.items[:SHOWN]]
        opening, closing = _BRACKETS.get(value.type, ("[", "]"))
        return f"{opening}{_joined(shown, value)}{closing}"
    if depth > 0 and value.entries is not None:
        pairs = value.entries[:SHOWN]
        shown = [
            f"{text_of(key, quoted=True)}: {text_of(each, quoted=True, depth=depth - 1)}"
            for key, each in pairs
        ]
        return f"{{{_joined(shown, value)}}}"
    if depth > 0 and value.fields is not None:
        fields = list(value.fields.items())[:SHOWN]
        shown = [f"{name}={text_of(each, quoted=True, depth=depth - 1)}" for name, each in fields]
        return f"{_bare(value.type)}({_joined(shown, value)})"
    return f"<{_bare(value.type)}{f' of {value.size}' if value.size is not None else ''}>"


def _scalar(value: wire.Value, quoted: bool) -> str:
    text = str(value.value)
    if value.cut is not None:
        text += "…"
    if value.type == "bytes":
        return f"b{text!r}"
    return repr(text) if quoted and value.type == "str" else text


def _joined(shown: list[str], value: wire.Value) -> str:
    kept = len(value.items or value.entries or value.fields or ())
    more = kept > SHOWN or value.cut is not None
    return ", ".join([*shown, "…"] if more else shown)


def _bare(name: str) -> str:
    return name.rpartition(".")[2]
