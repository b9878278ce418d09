"""A capture as plain JSON, in the long names of the docs, and the paths in it that are not whole. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import Struct, UnsetType

from investigations.probes import details
from sightline import wire


def capture_json(body: wire.Capture) -> dict[str, Any]:
    """What a capture holds: message, watches, frames, context, detail. Where it was seen is told beside it."""
    facts: dict[str, Any] = {"kind": body.kind, "hit": body.hit}
    if body.message:
        facts["message"] = body.message
    if body.watches:
        facts["watches"] = {name: value_json(value) for name, value in body.watches.items()}
    if body.frames:
        facts["frames"] = [frame_json(frame) for frame in body.frames]
    if body.context:
        facts["context"] = dict(body.context)
    if detail := detail_json(body):
        facts["detail"] = detail
    return facts


def detail_json(body: wire.Capture) -> dict[str, Any]:
    """What only its kind captures, in the names of `investigations.probes.details`; empty where there is none."""
    found = _plain(details.read(body))
    return found if isinstance(found, dict) else {}


def _plain(part: Any) -> Any:
    """Any part of a detail as JSON, without what is not there."""
    if isinstance(part, wire.Value):
        return value_json(part)
    if isinstance(part, Struct):
        named = {name: _plain(getattr(part, name)) for name in part.__struct_fields__}
        return {name: item for name, item in named.items() if item not in (None, "", [], {})}
    if isinstance(part, dict):
        return {name: _plain(item) for name, item in part.items()}
    if isinstance(part, list):
        return [_plain(item) for item in part]
    return None if isinstance(part, UnsetType) else part


def frame_json(frame: wire.Frame) -> dict[str, Any]:
    """A frame with its variables."""
    facts: dict[str, Any] = {"function": frame.function, "file": frame.file, "line": frame.line}
    if frame.variables is not None:
        facts["variables"] = {name: value_json(value) for name, value in frame.variables.items()}
    if frame.cut:
        facts["cut"] = frame.cut
    return facts


def value_json(value: wire.Value) -> dict[str, Any]:
    """A value tree: type, value, size, items, entries, fields, cut, redacted, hash, note."""
    facts: dict[str, Any] = {"type": value.type}
    if not isinstance(value.value, UnsetType):
        facts["value"] = value.value
    if value.size is not None:
        facts["size"] = value.size
    if value.items is not None:
        facts["items"] = [value_json(item) for item in value.items]
    if value.entries is not None:
        facts["entries"] = [[value_json(key), value_json(item)] for key, item in value.entries]
    if value.fields is not None:
        facts["fields"] = {name: value_json(item) for name, item in value.fields.items()}
    for mark in ("cut", "redacted", "note"):
        if getattr(value, mark) is not None:
            facts[mark] = getattr(value, mark)
    if value.hash is not None:
        facts["hash"] = value.hash.hex()
    return facts


@dataclass(frozen=True, slots=True)
class Place:
    """One value of a capture: its path (``watches.high_value``, ``frames.0.variables.trade.amount``) and marks."""

    path: str
    type: str
    cut: str | None
    redacted: str | None


def places(body: wire.Capture) -> Iterator[Place]:
    """Every value of the capture with its path, outermost first."""
    for name, value in (body.watches or {}).items():
        yield from _below(f"watches.{name}", value)
    for number, frame in enumerate(body.frames or []):
        if frame.cut:
            yield Place(f"frames.{number}", "frame", frame.cut, None)
        for name, value in (frame.variables or {}).items():
            yield from _below(f"frames.{number}.variables.{name}", value)
    for path, value in details.values(details.read(body)):
        yield from _below(path, value)


def _below(path: str, value: wire.Value) -> Iterator[Place]:
    yield Place(path, value.type, value.cut, value.redacted)
    for number, item in enumerate(value.items or []):
        yield from _below(f"{path}.{number}", item)
    for key, item in value.entries or []:
        yield from _below(f"{path}[{_key(key)}]", item)
    for name, item in (value.fields or {}).items():
        yield from _below(f"{path}.{name}", item)


def _key(key: wire.Value) -> str:
    return key.type if isinstance(key.value, UnsetType) else repr(key.value)
