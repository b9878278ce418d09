"""The assignment: who writes an attribute of a class, where, in which way, and with what.

The writers are watched, never the class. An attribute is read before and after each instruction that may write it, by
the rules of `foreign`: so a setter's or a base class's ``__setattr__`` counts as one write, by whoever began it.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, NamedTuple

from sightline import exceptions, foreign, native, snapshots, wire, writers, writes
from sightline.engines.base import ABOVE_FIRE, MISSING, Spot, Watching
from sightline.errors import LocationError
from sightline.hits import Listener, ProbeHits
from sightline.kinds.base import Kind, named
from sightline.kinds.gates import Gate
from sightline.kinds.kept import keep_value
from sightline.kinds.snapshot import write_watches
from sightline.locator import Found, Locator
from sightline.readers import LEAF_IDS
from sightline.writes import Point

MOST_KEYS: Final = 50
"""Writers that are counted one by one; the others are counted together."""
OTHERS: Final = "others"
MOST_PLACES: Final = 100
MOST_BEGUN: Final = 32
"""Writes within writes on one thread; those that were left by an exception are among them."""
_OUTER_FRAMES: Final = 12
CANNOT_SEE: Final = (
    "It cannot see what compiled code writes (unpickling, copying, an extension's own constructor), a `__dict__` that "
    "is replaced, code made by exec, and setattr that is passed on as a value."
)

_getframe = sys._getframe
_get_ident = native.get_ident
_monotonic = native.monotonic


@dataclass(frozen=True)
class FoundWriters(Found):
    """Where an attribute may be written."""

    writers: tuple[writers.Writer, ...] = ()
    left_out: int = 0

    def places(self) -> list[wire.ResolvedPlace]:
        told = {
            (writer.spot.code.co_filename, point.line, writer.spot.code.co_qualname): None
            for writer in self.writers
            for point in writer.points
        }
        return [wire.ResolvedPlace(*place) for place in [*told][:MOST_PLACES]]


class Begun(NamedTuple):
    """A write whose instruction is running."""

    frame: int
    point: Point
    owner: int
    get_owner: Callable[[], Any]
    old: Any
    """As it was: an immutable leaf, a copy, or `foreign.MISSING`."""
    old_id: int
    named: bool
    """Whether it is certain that this attribute is meant."""


class Assignment(Kind):
    """Follows the writers of one attribute."""

    def __init__(self, hits: ProbeHits) -> None:
        super().__init__(hits)
        self.gate = Gate(hits)
        self.target: writers.Target | None = None
        self.begun: dict[int, list[Begun]] = {}
        self.seen_modules: set[str] = set()
        self.left_out = 0
        self.start_over()

    def start_over(self) -> None:
        self.writes = self.unreadable = 0
        self.counts: dict[str, int] = {}
        self.begun.clear()

    def disarmed(self) -> None:
        self.begun.clear()

    def figures(self) -> dict[str, Any]:
        return {"writes": self.writes, "unreadable": self.unreadable, "writers": dict(self.counts)}

    # where

    def locate(self, locator: Locator) -> FoundWriters:
        asked = self.probe.location.attribute
        if not asked:
            raise LocationError("location_incomplete", "Name an attribute as `module:Class.attribute`.")
        self.seen_modules = set(writers.whole_modules())
        self.target = writers.target_of(asked)
        engine = self.hits.room.engine
        found = writers.find(self.target, engine.original if engine is not None else lambda code: code)
        spots = [writer.spot for writer in found.found]
        self.left_out = found.left_out
        return FoundWriters(
            spots[0].code.co_filename,
            spots[0].line,
            spots,
            writers=tuple(found.found),
            left_out=found.left_out,
        )

    def watchings(self, found: Found) -> list[Watching]:
        assert isinstance(found, FoundWriters)
        self.hits.bind([spot.code for spot in found.spots])
        told: list[Watching] = []
        for writer in found.writers:
            told.append((writer.spot, Listener(self.hits, self.on_point, points=writer.points)))
            unknown = {
                point.offset: point for point in writer.points if point.is_call and point.owner is None
            }
            if unknown and not self.hits.room.guarded:  # rewritten code hands the object over itself
                spot = writer.spot._replace(event="call")
                told.append((spot, Listener(self.hits, self.on_call_of(unknown))))
        return told

    def armed_on(self, found: Found) -> str:
        assert isinstance(found, FoundWriters)
        return f"{len(found.places())} places that may write it: in {named(_once(found.spots))}"

    def remark(self) -> str:
        said = CANNOT_SEE
        if self.left_out:
            said += f" {self.left_out} functions of libraries that call setattr are beyond what is watched."
        return said

    def outdated(self) -> bool:
        """Whether modules were imported that may write, or the class was replaced: look again."""
        if self.target is None or self.target.replaced():
            return self.target is not None
        now = writers.whole_modules()
        new = [module for name, module in now.items() if name not in self.seen_modules]
        self.seen_modules.update(now)
        attribute = self.target.attribute
        return any(writers.could_write(module, attribute) for module in new)

    # in the application's thread

    def on_point(self, told: tuple[Point, bool, Any], frame: FrameType | None = None) -> bool:
        point, before, owner = told
        frame = frame or _getframe(ABOVE_FIRE)
        if not before:
            return self.end(point, frame)
        if _get_ident() in self.hits.room.busy:
            return False
        if owner is MISSING and point.owner is None:
            if not point.is_call:
                self.unreadable += 1
            return self.gate.book()
        return self.begin(point, frame, owner)

    def on_call_of(self, points: Mapping[int, Point]) -> Callable[..., bool]:
        """For calls whose object is known only when they are made: it is their first argument."""

        def fire(told: tuple[Any, Any], frame: FrameType | None = None) -> bool:
            frame = frame or _getframe(ABOVE_FIRE)
            point = points.get(frame.f_lasti)
            if point is None or told[1] is MISSING or _get_ident() in self.hits.room.busy:
                return False
            return self.begin(point, frame, told[1])

        return fire

    def begin(self, point: Point, frame: FrameType, owner: Any) -> bool:
        """Take down what the attribute holds before an instruction that may write it."""
        target = self.target
        if target is None:
            return False
        names = dict(snapshots.variables_of(frame))
        try:
            if owner is MISSING:
                owner = writes.follow(point.owner, names, frame.f_globals)
            name = writes.follow(point.name, names, frame.f_globals) if point.name is not None else None
        except writes.Unseen:
            if owner is MISSING:
                self.unreadable += 1
                return self.gate.book()
            name = None
        meant = type(name) is str and name == target.attribute
        if (type(name) is str and not meant) or not target.owns(type(owner)):
            return self.gate.book()
        begun = self.begun.setdefault(_get_ident(), [])
        if any(each.owner == id(owner) and _is_within(frame, each.frame) for each in begun):
            return False  # an outer write goes through this one
        del begun[MOST_BEGUN - 1 :]
        old = stored(owner, target.attribute)
        begun.append(
            Begun(
                id(frame),
                point,
                id(owner),
                _reference(owner),
                self.keep_old(old),
                id(old),
                meant or point.operation in ("STORE_ATTR", "DELETE_ATTR"),
            )
        )
        return False

    def keep_old(self, old: Any) -> Any:
        """What may be kept of a value that is about to be replaced, and perhaps to die."""
        if id(type(old)) in LEAF_IDS or old is foreign.MISSING:
            return old
        if _monotonic() < self.hits.rate.until:
            return snapshots.copy_value(old, _NOTHING)
        return snapshots.copy_value(old, self.probe.limits)

    def end(self, point: Point, frame: FrameType) -> bool:
        """Compare: what the attribute holds now is what was written."""
        begun = self.begun.get(_get_ident())
        if not begun or self.target is None:
            return False
        at = next(
            (
                at
                for at in reversed(range(len(begun)))
                if begun[at].frame == id(frame) and begun[at].point is point
            ),
            None,
        )
        if at is None:
            return False
        entry = begun[at]
        del begun[at:]
        owner = entry.get_owner()
        if owner is None:
            return False
        new = stored(owner, self.target.attribute)
        if id(new) == entry.old_id and not (entry.named and new is not foreign.MISSING):
            return self.gate.book()
        return self.written(entry, frame, owner, new)

    def written(self, entry: Begun, frame: FrameType, owner: Any, new: Any) -> bool:
        self.writes += 1
        code, point = frame.f_code, entry.point
        what = "deleted" if new is foreign.MISSING else foreign.type_name(new)
        key = f"{code.co_qualname}:{point.line} {point.how} {what}"
        if key not in self.counts and len(self.counts) >= MOST_KEYS:
            key = OTHERS
        self.counts[key] = self.counts.get(key, 0) + 1
        now = _monotonic()
        names = self.names(frame, owner, entry.old, new) if self.hits.compiled() else None
        refused = self.gate.refuses(frame, now, names)
        if refused:
            return self.gate.ends(refused)
        if not self.gate.admit(now):
            return True
        kept, cost = self.gate.keep(lambda: self.copy(entry, frame, owner, new, names))
        self.gate.offer(frame, now, kept, cost)
        return False

    def names(self, frame: FrameType, owner: Any, old: Any, new: Any) -> dict[str, Any]:
        """What expressions see: the writer's names, and `owner`, `old` and `new`."""
        scope = self.hits.scope
        names = {**(scope(frame) if scope else frame.f_locals), "owner": owner}
        if new is not foreign.MISSING:
            names["new"] = new
        if id(type(old)) in LEAF_IDS:
            names["old"] = old
        return names

    def copy(
        self, entry: Begun, frame: FrameType, owner: Any, new: Any, names: Mapping[str, Any] | None
    ) -> tuple[Any, ...]:
        probe = self.probe
        limits = probe.limits
        until = _monotonic() + limits.deadline_ms / 1e3
        value = new if new is foreign.MISSING else snapshots.copy_value(new, limits, deadline=until)
        frames = snapshots.copy_frames(frame, limits, variables=probe.variables, deadline=until)
        watched = [keep_value(each, names or {}, watch.limits or limits) for watch, each in self.hits.watches]
        return frames, watched, entry.point, frame.f_code, foreign.type_name(owner), entry.old, value

    # on the sensor's thread

    def write(self, capture: wire.Capture, payload: Any) -> None:
        frames, watched, point, code, owner, old, new = payload
        capture.frames, capture.cuts = snapshots.write(frames, self.hits.room.redactor)
        write_watches(self.hits, capture, watched)
        place = exceptions.place_of(code, point.offset)
        detail: dict[str, Any] = {
            "writer": {**place, "line": point.line},
            "how": point.how,
            "owner": owner,
        }
        cuts = set(capture.cuts or ())
        for name, value in (("old", old), ("new", new)):
            if value is not foreign.MISSING:
                detail[name], more = self.value(value)
                cuts.update(more)
        capture.detail = detail
        capture.cuts = sorted(cuts) or None

    def value(self, kept: Any) -> tuple[wire.Value, list[str]]:
        attribute = self.target.attribute if self.target is not None else ""
        return snapshots.write_value(kept, self.hits.room.redactor, name=attribute, limits=self.probe.limits)


_NOTHING: Final = wire.Limits(depth=0, items=0, fields=0)


def stored(owner: Any, attribute: str) -> Any:
    """What the object itself holds under that name, a default of its class aside; `foreign.MISSING` for nothing."""
    cls = type(owner)
    facts = foreign.facts_of(cls)
    try:
        if foreign.attribute_of(facts, cls, attribute).kind == foreign.MEMBER:
            return foreign.read_attribute(owner, attribute)
    except foreign.Unreadable:
        return foreign.MISSING
    fields = foreign.instance_dict(owner, facts)
    return foreign.MISSING if fields is None else foreign.field(fields, attribute)


def _reference(owner: Any) -> Callable[[], Any]:
    """How to come by the object when its write is done, without keeping it alive where that can be had."""
    try:
        return weakref.ref(owner)
    except TypeError:
        return lambda: owner


def _is_within(frame: FrameType, outer: int) -> bool:
    """Whether the frame is, or was called by, the one with that identity."""
    inner: FrameType | None = frame.f_back
    for _ in range(_OUTER_FRAMES):
        if inner is None:
            return False
        if id(inner) == outer:
            return True
        inner = inner.f_back
    return False


def _once(spots: list[Spot]) -> list[Spot]:
    return [*{spot.code.co_qualname: spot for spot in spots}.values()]
