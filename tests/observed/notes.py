"""How an observed program notes what was acknowledged, and how a walk reads it: batch and answer, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from sightline import wire


class Note(msgspec.Struct, array_like=True):
    """A batch as it was sent, and the slugs of those of its bodies that were refused, by index."""

    frame: bytes
    refused: dict[int, str]


def note(frame: bytes, ack: wire.Ack) -> bytes:
    """What to append to the file: the length in four bytes, then the note."""
    body = msgspec.msgpack.encode(Note(frame, {each.index: each.slug for each in ack.refused}))
    return len(body).to_bytes(4) + body


def answers(file: Path) -> Iterator[tuple[str, str]]:
    """The id of each capture in it as hex, and its answer: ``stored`` or why not."""
    rest = file.read_bytes()
    while rest:
        end = 4 + int.from_bytes(rest[:4])
        noted = msgspec.msgpack.decode(rest[4:end], type=Note)
        rest = rest[end:]
        message = wire.from_sensor.decode(noted.frame)
        if isinstance(message, wire.Captures):
            for index, body in enumerate(message.bodies):
                yield wire.capture_body.decode(body).id.hex(), noted.refused.get(index, "stored")
