"""Calls that are followed from a beginning to an end, by the identity of their frame.

A frame's object lives as long as its call, so its address tells calls apart: recursive ones, those of other threads and
tasks, and generators that wait. The frame itself is never kept. Where an end is not told (a generator that was thrown
away), the entry goes when the next call begins at that address, or when there are too many.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Final

from sightline import hits, native
from sightline.engines.base import ABOVE_FIRE, Fire, Names
from sightline.hits import ProbeHits, Then, rare

MOST_CALLS: Final = 10_000
"""Calls of one probe that are followed at a time; beyond them the oldest is let go."""
_getframe = sys._getframe
_get_ident = native.get_ident
_monotonic = native.monotonic

Calls = dict[int, Any]
"""What is known of each call that has begun."""


def opening(probe_hits: ProbeHits, calls: Calls, begin: Then, *, conditional: bool = True) -> Fire:
    """The gates in front of a call that is to be followed; ``begin`` puts it into ``calls``.

    ``conditional``: the probe's condition, if it has one, is judged here.
    """
    tally, busy, budget = probe_hits.tally, probe_hits.room.busy, probe_hits.room.budget
    if conditional and probe_hits.condition is not None:
        gated = hits.conditional(probe_hits, probe_hits.condition, begin)

        def fire_conditional(frame: FrameType | None = None, names: Names | None = None) -> bool:
            if frame is None:
                frame = _getframe(ABOVE_FIRE)
            calls.pop(id(frame), None)
            return gated(frame, names)

        return fire_conditional

    def fire(frame: FrameType | None = None, names: Names | None = None) -> bool:
        if frame is None:
            frame = _getframe(ABOVE_FIRE)
        if busy and _get_ident() in busy:
            calls.pop(id(frame), None)
            return rare(tally, "re_entrant")
        if budget.balance < 0:
            calls.pop(id(frame), None)
            rare(tally, "over_budget")
            return True
        return begin(frame, names, _monotonic())

    return fire


def make_room(calls: Calls) -> None:
    """Let go of the oldest call, whose end was perhaps never told."""
    try:
        del calls[next(iter(calls))]
    except (RuntimeError, KeyError, StopIteration):
        pass  # another thread changed them meanwhile
