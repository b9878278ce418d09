"""The duration: how long a function takes, or the way from one line of a call to another."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Final

from sightline import hits, native, wire
from sightline.engines.base import ABOVE_FIRE, Fire, Names, Watching
from sightline.errors import LocationError, NotInLanguage
from sightline.histograms import Histogram
from sightline.hits import Listener, ProbeHits
from sightline.kinds import snapshot
from sightline.kinds.base import FunctionKind, named
from sightline.kinds.pairing import MOST_CALLS, Calls, make_room, opening
from sightline.locator import Found, Locator

BOOKED_EVERY: Final = 64
PAIR_NS: Final = 1500
"""What a beginning and an end cost together, estimated: they lie too far apart to be timed as one."""
_getframe = sys._getframe
_monotonic = native.monotonic


class Duration(FunctionKind):
    """Keeps a histogram of milliseconds; captures only what took longer than ``options["slower_than_ms"]``."""

    def __init__(self, hits: ProbeHits) -> None:
        super().__init__(hits)
        self.slower_than = _slower_than(self.probe)
        self.captures = self.slower_than is not None
        self.histogram = Histogram()
        self.calls: Calls = {}
        self.until: Found | None = None

    def start_over(self) -> None:
        self.histogram.start_over()
        self.calls.clear()

    def disarmed(self) -> None:
        self.calls.clear()

    def figures(self) -> dict[str, Any]:
        return self.histogram.plain("ms")

    # Where

    def locate(self, locator: Locator) -> Found:
        until = self.probe.until
        if until is None:
            return locator.locate_function(self.probe.location)
        found = locator.locate(self.probe.location)
        if not until.file and not until.function:
            until = wire.Location(found.file, until.line)
        self.until = locator.locate(until)
        began = {id(spot.code) for spot in found.spots}
        if not any(id(spot.code) in began for spot in self.until.spots):
            raise LocationError(
                "until_elsewhere",
                f"Line {self.until.line} is not in {named(found.spots)}, where this duration begins. "
                "Choose two lines of one function.",
            )
        return found

    def armed_on(self, found: Found) -> str:
        if self.until is None:
            return super().armed_on(found)
        return f"lines {found.line} to {self.until.line} of {named(found.spots)}"

    def watchings(self, found: Found) -> list[Watching]:
        self.hits.bind([spot.code for spot in found.spots])
        began = opening(self.hits, self.calls, self._begin())
        start = Listener(self.hits, began, self.hits.wants if self.hits.condition else None)
        ended = self._end()
        told = Listener(self.hits, lambda told, frame=None: ended(frame or _getframe(ABOVE_FIRE)))
        if self.until is None:
            return [
                each
                for spot in found.spots
                for each in (
                    (spot._replace(event="start"), start),
                    (spot._replace(event="return"), told),
                    (spot._replace(event="unwind"), told),
                )
            ]
        return self._between_lines(found, start, ended)

    def _between_lines(self, found: Found, start: Listener, ended: Fire) -> list[Watching]:
        assert self.until is not None
        end = Listener(self.hits, lambda frame=None, names=None: ended(frame or _getframe(ABOVE_FIRE)))
        both = Listener(self.hits, _one_after_the_other(ended, start.fire))
        forget_old = Listener(
            self.hits, lambda frame=None, names=None: self._forget(frame or _getframe(ABOVE_FIRE))
        )
        forget = Listener(self.hits, lambda told, frame=None: self._forget(frame or _getframe(ABOVE_FIRE)))
        ends = {(id(spot.code), spot.line): spot for spot in self.until.spots}
        watchings: list[Watching] = []
        for spot in found.spots:
            same = ends.pop((id(spot.code), spot.line), None)
            watchings += [
                (spot, start if same is None else both),
                (spot._replace(event="start"), forget_old),
                (spot._replace(event="return"), forget),
            ]
        began = {id(spot.code) for spot in found.spots}
        return [*watchings, *((spot, end) for spot in ends.values() if id(spot.code) in began)]

    # At a hit

    def _begin(self) -> hits.Then:
        calls = self.calls

        def begin(frame: FrameType, names: Names | None, now: float) -> bool:
            if len(calls) >= MOST_CALLS:
                make_room(calls)
            calls[id(frame)] = _monotonic()
            return False

        return begin

    def _end(self) -> Fire:
        calls, tally, probe_hits, add = self.calls, self.hits.tally, self.hits, self.histogram.add
        slower_than = self.slower_than
        slow = hits.limited(self.hits, hits.recorder(self.hits, self._keep(), 1))

        def end(frame: FrameType) -> bool:
            began = calls.pop(id(frame), None)
            if began is None:
                return probe_hits.resting_lines > 0
            now = _monotonic()
            took = (now - began) * 1e3
            add(took)
            if slower_than is not None and took > slower_than:
                slow(frame, took, now)
                return False
            if slower_than is None:
                count = tally.captured = tally.captured + 1
            else:
                count = tally.condition_false = tally.condition_false + 1
            if not count % BOOKED_EVERY:
                probe_hits.book(BOOKED_EVERY * PAIR_NS)
            return False

        return end

    def _forget(self, frame: FrameType) -> bool:
        self.calls.pop(id(frame), None)
        return False

    def _keep(self) -> hits.Keep:
        frames = snapshot.frames(self.hits)
        return lambda frame, took: [frames(frame, None), took]

    def write(self, capture: wire.Capture, payload: Any) -> None:
        frames, took = payload
        snapshot.write_frames(self.hits, capture, frames)
        capture.detail = {"duration_ms": round(took, 6)}


def _one_after_the_other(ended: Fire, began: Fire) -> Fire:
    """At a line that is both ends: what the last time began ends, and the next begins."""

    def fire(frame: FrameType | None = None, names: Names | None = None) -> bool:
        frame = frame or _getframe(ABOVE_FIRE)
        ended(frame)
        return began(frame, names)

    return fire


def _slower_than(probe: wire.Probe) -> float | None:
    asked = probe.options.get("slower_than_ms")
    if asked is None:
        return None
    if type(asked) not in (int, float) or not asked >= 0:
        raise NotInLanguage("`slower_than_ms` is a number of milliseconds", "wrong_option")
    return float(asked)
