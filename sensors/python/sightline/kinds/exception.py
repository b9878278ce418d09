"""The exception: where one comes up in a function, is swallowed there, or leaves it, with frames and values.

Swallowed is what reached a handler and went no further; that is known only when the call goes on to return, to yield or
to raise another. Until then what was copied at the handler waits. No exception is held: they are told apart by
identity, and by their tracebacks where a new one may have an old one's place in memory.
"""

from __future__ import annotations

import sys
import weakref
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, NamedTuple

from sightline import exceptions, foreign, linetables, native, snapshots, wire
from sightline.engines.base import ABOVE_FIRE, Names, Spot, Watching
from sightline.hits import Listener, ProbeHits
from sightline.kinds import options
from sightline.kinds.base import Kind
from sightline.kinds.gates import Gate
from sightline.kinds.kept import keep_value
from sightline.kinds.snapshot import write_watches
from sightline.locator import Found, Locator

HOW: Final = ("raised", "swallowed", "left")
MOST_CALLS: Final = 10_000
"""Calls with an exception that are followed at once; generators that vanish leave theirs behind."""
_MOST_TYPES: Final = 1_000
_DEEPEST: Final = 50
_NOT_ASKED: Final = "not_asked"
_RESUMES: Final = 0x20 | 0x80 | 0x200  # inspect.CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR

_getframe = sys._getframe
_monotonic = native.monotonic


class Handled(NamedTuple):
    """An exception that reached a handler, and what was copied there unless it was refused."""

    error: int
    refused: str
    payload: Any
    cost: int
    now: float


class Followed:
    """One call in which an exception came up; known by its frame's identity, and the frame is not kept."""

    __slots__ = ("handled", "last", "passing")

    def __init__(self) -> None:
        self.last = 0
        """The identity of the last exception that came up."""
        self.passing = 0
        """Of the one that a handler is just passing on: where code is rewritten it will be told as raised again."""
        self.handled: list[Handled] = []


class ExceptionKind(Kind):
    """Follows the exceptions of one function."""

    def __init__(self, hits: ProbeHits) -> None:
        super().__init__(hits)
        self.how = options.chosen(self.probe, "how", HOW)
        self.types = options.chosen(self.probe, "exceptions")
        self.gate = Gate(hits)
        self.counts = dict.fromkeys(HOW, 0)
        self.followers: list[Follower] = []
        self._verdicts: dict[int, tuple[weakref.ref[type], bool]] = {}

    def start_over(self) -> None:
        self.counts = dict.fromkeys(HOW, 0)
        self.disarmed()

    def locate(self, locator: Locator) -> Found:
        return locator.locate_function(self.probe.location)

    def watchings(self, found: Found) -> list[Watching]:
        self.hits.bind([spot.code for spot in found.spots])
        self.followers = [Follower(self, spot) for spot in found.spots]
        return [watching for follower in self.followers for watching in follower.watchings()]

    def armed_on(self, found: Found) -> str:
        return f"the exceptions of {found.spots[0].code.co_qualname}"

    def disarmed(self) -> None:
        for follower in self.followers:
            follower.calls.clear()

    def figures(self) -> dict[str, Any]:
        return dict(self.counts)

    def asks_for(self, error: BaseException) -> bool:
        """Whether the type of ``error``, or one it is derived from, is among those asked for."""
        if not self.types:
            return True
        cls = type(error)
        known = self._verdicts.get(id(cls))
        if known is not None and known[0]() is cls:
            return known[1]
        if len(self._verdicts) >= _MOST_TYPES:
            self._verdicts.clear()
        names = {name for base in foreign.mro_of(cls) for name in _names_of(base)}
        verdict = not self.types.isdisjoint(names)
        self._verdicts[id(cls)] = (weakref.ref(cls), verdict)
        return verdict

    # in the application's thread

    def hit(self, how: str, error: BaseException, frame: FrameType) -> None:
        """An exception came up, or left."""
        self.counts[how] += 1
        if how not in self.how:
            return
        now = _monotonic()
        refused = self.gate.refuses(frame, now)
        if refused:
            self.gate.ends(refused)
        elif self.gate.admit(now):
            kept, cost = self.gate.keep(lambda: self.copy(how, error, frame, now))
            self.gate.offer(frame, now, kept, cost)

    def copy(self, how: str, error: BaseException, frame: FrameType, now: float) -> tuple[Any, ...]:
        probe = self.probe
        limits = probe.limits
        until = now + limits.deadline_ms / 1e3
        told = exceptions.copy_exception(error, limits, deadline=until)
        frames = snapshots.copy_frames(frame, limits, variables=probe.variables, deadline=until)
        if how != "swallowed":
            _place_at(frames, error, frame)
        names = self.names(frame) if self.hits.watches else {}
        watched = [keep_value(each, names, watch.limits or limits) for watch, each in self.hits.watches]
        return how, frames, watched, told, (frame.f_code, frame.f_lasti)

    def names(self, frame: FrameType) -> Names:
        scope = self.hits.scope
        return scope(frame) if scope else frame.f_locals

    # on the sensor's thread

    def write(self, capture: wire.Capture, payload: Any) -> None:
        how, frames, watched, told, here = payload
        redactor = self.hits.room.redactor
        capture.frames, capture.cuts = snapshots.write(frames, redactor)
        write_watches(self.hits, capture, watched)
        exception, cuts = exceptions.write_exception(told, redactor)
        capture.detail = {"how": how, "exception": exception}
        if how == "swallowed":
            capture.detail["handled_at"] = _handler(*here, inside=self.hits.room.guarded)
        capture.cuts = sorted({*(capture.cuts or ()), *cuts}) or None


def _handler(code: CodeType, instruction: int, *, inside: bool) -> dict[str, Any]:
    """The place of the handler, given an instruction in it, or else the one that raised."""
    at = instruction if inside else linetables.handler_of(code, instruction)
    return {**exceptions.place_of(code, instruction), "line": linetables.line_from(code, at)}


def _names_of(cls: type) -> tuple[str, str]:
    name = foreign.name_of(cls)
    return name, name.rpartition(".")[2]


def _place_at(frames: snapshots.Copied, error: BaseException, frame: FrameType) -> None:
    """Let the innermost frame stand where the exception came up in it, also when code is past that already."""
    entry = exceptions.traceback_of(error)
    for _ in range(_DEEPEST):
        if entry is None:
            return
        if entry.tb_frame is frame:
            code, _, variables = frames.frames[0]
            frames.frames[0] = (code, entry.tb_lasti, variables)
            return
        entry = entry.tb_next


class Follower:
    """The calls of one code object."""

    def __init__(self, kind: ExceptionKind, spot: Spot) -> None:
        self.kind = kind
        self.spot = spot
        self.calls: dict[int, Followed] = {}
        self.told_again = kind.hits.room.guarded
        """Whether what a handler passes on is told as raised once more: where code is rewritten."""

    def watchings(self) -> list[Watching]:
        hits, spot = self.kind.hits, self.spot
        told: list[Watching] = [
            (spot._replace(event="raise"), Listener(hits, self.on_raise)),
            (spot._replace(event="reraise"), Listener(hits, self.on_reraise)),
            (spot._replace(event="handled"), Listener(hits, self.on_handled)),
            (spot._replace(event="unwind"), Listener(hits, self.on_unwind)),
            (spot._replace(event="return"), Listener(hits, self.on_return)),
        ]
        if spot.code.co_flags & _RESUMES:
            told += [
                (spot._replace(event="start"), Listener(hits, self.on_start)),
                (spot._replace(event="yield"), Listener(hits, self.on_yield)),
            ]
        return told

    def followed(self, frame: FrameType) -> Followed:
        call = self.calls.get(id(frame))
        if call is None:
            if len(self.calls) >= MOST_CALLS:
                self.calls.clear()
            call = self.calls[id(frame)] = Followed()
        return call

    def on_raise(self, error: BaseException, frame: FrameType | None = None) -> bool:
        frame = frame or _getframe(ABOVE_FIRE)
        call = self.followed(frame)
        ident = id(error)
        if call.passing == ident:
            call.passing = 0
            return False
        if call.last == ident and not _is_new(error, frame):
            call.handled = [
                each for each in call.handled if each.error != ident
            ]  # `raise error` in its handler
            return False
        self.settle(call, frame, _came_from(error) - {ident})
        call.last = ident
        if self.kind.asks_for(error):
            self.kind.hit("raised", error, frame)
        return False

    def on_reraise(self, error: BaseException, frame: FrameType | None = None) -> bool:
        frame = frame or _getframe(ABOVE_FIRE)
        call = self.followed(frame)
        ident = id(error)
        if call.last != ident:  # it came up in a handler, and this is its first word
            self.on_raise(error, frame)
        call.passing = ident if self.told_again else 0
        call.handled = [each for each in call.handled if each.error != ident]
        return False

    def on_handled(self, error: BaseException, frame: FrameType | None = None) -> bool:
        frame = frame or _getframe(ABOVE_FIRE)
        call = self.followed(frame)
        if any(each.error == id(error) for each in call.handled):
            return False
        if self.kind.asks_for(error):
            call.handled.append(self.reached(error, frame))
        return False

    def reached(self, error: BaseException, frame: FrameType) -> Handled:
        """Copy now what may be told later: after the handler nothing is as it was."""
        kind, now = self.kind, _monotonic()
        refused = kind.gate.refuses(frame, now) if "swallowed" in kind.how else _NOT_ASKED
        if refused:
            return Handled(id(error), refused, None, 0, now)
        kept, cost = kind.gate.keep(lambda: kind.copy("swallowed", error, frame, now))
        return Handled(id(error), "", kept, cost, now)

    def on_unwind(self, error: BaseException, frame: FrameType | None = None) -> bool:
        frame = frame or _getframe(ABOVE_FIRE)
        call = self.calls.pop(id(frame), None)
        if call is not None and call.handled:
            self.settle(call, frame, _came_from(error))
        if self.kind.asks_for(error):
            self.kind.hit("left", error, frame)
        return False

    def on_return(self, value: object, frame: FrameType | None = None) -> bool:
        if not self.calls:
            return False
        frame = frame or _getframe(ABOVE_FIRE)
        call = self.calls.pop(id(frame), None)
        if call is not None and call.handled:
            self.settle(call, frame, frozenset())
        return False

    def on_yield(self, value: object, frame: FrameType | None = None) -> bool:
        frame = frame or _getframe(ABOVE_FIRE)
        call = self.calls.get(id(frame))
        if call is not None and call.handled:
            self.settle(call, frame, frozenset({id(sys.exc_info()[1])}))
        return False

    def on_start(self, frame: FrameType | None = None, names: Names | None = None) -> bool:
        self.calls.pop(id(frame or _getframe(ABOVE_FIRE)), None)
        return False

    def settle(self, call: Followed, frame: FrameType, unsettled: frozenset[int] | set[int]) -> None:
        """Count as swallowed what was handled, except what is still being handled or is part of what goes on."""
        done = [each for each in call.handled if each.error not in unsettled]
        call.handled = [each for each in call.handled if each.error in unsettled]
        for each in done:
            self.swallowed(each, frame)

    def swallowed(self, handled: Handled, frame: FrameType) -> None:
        kind = self.kind
        kind.counts["swallowed"] += 1
        if handled.refused == _NOT_ASKED:
            return
        if handled.refused:
            kind.gate.ends(handled.refused)
        elif kind.gate.admit(handled.now):
            kind.gate.offer(frame, handled.now, handled.payload, handled.cost)


def _is_new(error: BaseException, frame: FrameType) -> bool:
    """Whether an exception with a known identity is another one: its traceback passes this frame but once."""
    entry: TracebackType | None = exceptions.traceback_of(error)
    times = 0
    for _ in range(_DEEPEST):
        if entry is None:
            break
        times += entry.tb_frame is frame
        entry = entry.tb_next
    return times <= 1


def _came_from(error: BaseException) -> frozenset[int]:
    """The identities of the exception and of what it was raised from or during."""
    found: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo and len(found) < _DEEPEST:
        each = todo.pop()
        if each is not None and id(each) not in found:
            found.add(id(each))
            todo += exceptions.sources_of(each)
    return frozenset(found)
