"""The snapshot: the stack with its variables, chosen expressions, and a message if there is a template."""

from __future__ import annotations

from collections.abc import Sequence
from types import FrameType
from typing import Any

from sightline import hits, native, snapshots, wire
from sightline.engines.base import Fire, Names
from sightline.errors import DeadlinePassed
from sightline.hits import Keep, ProbeHits
from sightline.kinds import logpoint
from sightline.kinds.base import LineKind
from sightline.kinds.kept import keep_value, write_value

_monotonic = native.monotonic


class Snapshot(LineKind):
    """Keeps frames, watches, and what the template asks for."""

    def fire(self) -> Fire:
        return hits.recording(self.hits, frames(self.hits), 1)

    def write(self, capture: wire.Capture, payload: Any) -> None:
        write_frames(self.hits, capture, payload)


def frames(hits: ProbeHits) -> Keep:
    """Keeps the stack with its variables, the watches, and a message's values if there is one."""
    limits, variables = hits.probe.limits, hits.probe.variables
    deadline_s = limits.deadline_ms / 1e3
    values = logpoint.values(hits)

    def keep(frame: FrameType, names: Names | None) -> list[Any]:
        copied = snapshots.copy_frames(frame, limits, variables=variables, deadline=_monotonic() + deadline_s)
        if copied.late:
            raise DeadlinePassed
        if not hits.watches:
            return [copied, (), values(frame, names) if hits.parts else ()]
        if names is None:
            names = hits.scope(frame) if hits.scope else frame.f_locals
        watched = [keep_value(compiled, names, watch.limits or limits) for watch, compiled in hits.watches]
        return [copied, watched, values(frame, names) if hits.parts else ()]

    return keep


def write_frames(hits: ProbeHits, capture: wire.Capture, payload: Any) -> None:
    """What `frames` kept, as a capture's frames, watches and message."""
    copied, watched, values = payload
    capture.frames, capture.cuts = snapshots.write(copied, hits.room.redactor)
    write_watches(hits, capture, watched)
    if hits.parts:
        logpoint.write_message(hits, capture, values)


def write_watches(hits: ProbeHits, capture: wire.Capture, watched: Sequence[Any]) -> None:
    """The values kept of the probe's watches, in their order."""
    if not watched:
        return
    capture.watches = {}
    cuts = set(capture.cuts or ())
    for (watch, compiled), kept in zip(hits.watches, watched, strict=True):
        capture.watches[watch.name], cut = write_value(hits, compiled, kept, watch.limits)
        cuts.update(cut)
    capture.cuts = sorted(cuts)
