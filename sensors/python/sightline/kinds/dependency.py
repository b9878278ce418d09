"""The dependency: calls over HTTP, to databases and caches, with what came back.

The libraries' own functions are watched from beginning to end; sqlite3 is compiled, so there the calls themselves are
watched where they stand. A call within another that is watched too (requests over urllib3) belongs to the outer one.
"""

from __future__ import annotations

import json
import re
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any, Final, NamedTuple

import msgspec

from sightline import exceptions, foreign, heap, linetables, native, snapshots, wire, writers, writes
from sightline.engines.base import ABOVE_FIRE, Names, Spot, Watching
from sightline.histograms import Histogram
from sightline.hits import Listener, ProbeHits
from sightline.kinds import libraries, options
from sightline.kinds.base import Kind
from sightline.kinds.gates import Gate
from sightline.kinds.kept import keep_value
from sightline.kinds.libraries import ENTRIES, LIBRARIES, SQLITE, Entry, Key, Told, key_of
from sightline.kinds.snapshot import write_watches
from sightline.locator import Found, Locator, NotImportedYet, file_of, modules
from sightline.writers import is_own
from sightline.writes import CallPoint

MOST_FOLLOWED: Final = 10_000
MOST_CALLERS: Final = 100
"""Code objects in which calls of sqlite3 are looked for; the service's own come first."""
DEEPEST: Final = 100
"""Frames looked through for an outer call, the caller, or the function asked for."""
LONGEST_TARGET: Final = 2_000
_MOST_KNOWN: Final = 5_000

_getframe = sys._getframe
_monotonic = native.monotonic


@dataclass(frozen=True)
class FoundCalls(Found):
    """The functions of libraries, and the places that call sqlite3."""

    entries: tuple[tuple[Spot, Entry], ...] = ()
    callers: tuple[tuple[Spot, tuple[CallPoint, ...]], ...] = ()

    def places(self) -> list[wire.ResolvedPlace]:
        return [
            wire.ResolvedPlace(spot.code.co_filename, spot.line, spot.code.co_qualname) for spot in self.spots
        ]


class Statement(NamedTuple):
    """A statement that sqlite3 is executing."""

    at: float
    point: CallPoint
    owner: weakref.ref[Any] | None
    text: str


class Dependency(Kind):
    """Follows calls of the chosen libraries."""

    def __init__(self, hits: ProbeHits) -> None:
        super().__init__(hits)
        self.chosen = options.chosen(self.probe, "libraries", LIBRARIES)
        self.gate = Gate(hits)
        self.duration = Histogram()
        self.within: frozenset[Key] = frozenset()
        self.watched: frozenset[Key] = frozenset()
        self.begun: dict[int, float] = {}
        self.statements: dict[int, Statement] = {}
        self.loaded: frozenset[str] = frozenset()
        self.seen_modules: set[str] = set()
        self.calls = self.errors = 0
        self._own: dict[str, bool] = {}

    def start_over(self) -> None:
        self.duration.start_over()
        self.calls = self.errors = 0
        self.disarmed()

    def disarmed(self) -> None:
        self.begun.clear()
        self.statements.clear()

    def figures(self) -> dict[str, Any]:
        return {"calls": self.calls, "errors": self.errors, "duration": self.duration.plain("ms")}

    def outdated(self) -> bool:
        """Whether another of the libraries is loaded now, or more code that may call sqlite3."""
        if libraries.loaded() != self.loaded:
            return True
        if SQLITE not in self.chosen or SQLITE not in self.loaded:
            return False
        now = writers.whole_modules()
        new = [module for name, module in now.items() if name not in self.seen_modules]
        self.seen_modules.update(now)
        return any(_may_execute(module) for module in new)

    # where

    def locate(self, locator: Locator) -> FoundCalls:
        location = self.probe.location
        if location.function or location.file:
            around = locator.locate_function(location)
            self.within = frozenset(key_of(spot.code) for spot in around.spots)
        self.loaded = libraries.loaded()
        entries = [found for entry in ENTRIES if (found := self._spot(entry)) is not None]
        callers = self._callers_of_sqlite() if SQLITE in self.chosen and SQLITE in sys.modules else []
        spots = [spot for spot, _ in entries] + [spot for spot, _ in callers]
        if not spots:
            raise NotImportedYet(f"None of {', '.join(sorted(self.chosen))} is used in this process yet.")
        self.watched = frozenset(key_of(spot.code) for spot, _ in entries)
        file = spots[0].code.co_filename
        return FoundCalls(file, spots[0].line, spots, entries=tuple(entries), callers=tuple(callers))

    def _spot(self, entry: Entry) -> tuple[Spot, Entry] | None:
        function = entry.function() if entry.library in self.chosen else None
        if function is None:
            return None
        engine = self.hits.room.engine
        code = engine.original(function.__code__) if engine is not None else function.__code__
        return Spot(code, linetables.first_line_of(code), (), (weakref.ref(function),), "start"), entry

    def _callers_of_sqlite(self) -> list[tuple[Spot, tuple[CallPoint, ...]]]:
        """Code that calls execute and its like, the service's own first."""
        engine = self.hits.room.engine
        self.seen_modules = set(writers.whole_modules())
        found: dict[int, tuple[Spot, tuple[CallPoint, ...]]] = {}
        for module in sorted(modules(), key=lambda module: not is_own(file_of(module))):
            if len(found) >= MOST_CALLERS or not _may_execute(module):
                continue
            codes = heap.Codes()
            for function in heap.shown(module):
                codes.add_function(
                    function, engine.original(function.__code__) if engine is not None else function.__code__
                )
            for code in codes:
                points = writes.calls(code, libraries.SQLITE_METHODS) if linetables.is_function(code) else []
                known = tuple(point for point in points if point.owner is not None)
                if known and id(code) not in found:
                    spot = Spot(
                        code,
                        known[0].line,
                        codes.lineages.get(id(code), ()),
                        codes.functions_of(code),
                        "write",
                    )
                    found[id(code)] = spot, known
            native.sleep(0)
        return [*found.values()][:MOST_CALLERS]

    def watchings(self, found: Found) -> list[Watching]:
        assert isinstance(found, FoundCalls)
        self.hits.bind([_NO_NAMES])
        told: list[Watching] = []
        for spot, entry in found.entries:
            told += [
                (spot, Listener(self.hits, self.on_start)),
                (spot._replace(event="return"), Listener(self.hits, self.on_return(entry))),
                (spot._replace(event="unwind"), Listener(self.hits, self.on_unwind(entry))),
            ]
        for spot, points in found.callers:
            told += [
                (spot, Listener(self.hits, self.on_call, points=points)),
                (spot._replace(event="raise"), Listener(self.hits, self.on_raise)),
            ]
        return told

    def armed_on(self, found: Found) -> str:
        assert isinstance(found, FoundCalls)
        names = sorted({entry.library for _, entry in found.entries} | ({SQLITE} if found.callers else set()))
        return f"calls of {', '.join(names)}"

    def remark(self) -> str:
        said = "Bodies are told where they have been read already."
        if SQLITE in self.chosen:
            said += (
                " Of sqlite3 it sees calls on cursors and connections that have a name where they are called."
            )
        return said

    # in the application's thread

    def asked_for(self, frame: FrameType) -> bool:
        """Whether this call is an outermost one, made while the function asked for is on the stack."""
        outer, wanted = frame.f_back, not self.within
        for _ in range(DEEPEST):
            if outer is None:
                break
            code = outer.f_code
            key = (code.co_qualname, code.co_filename)
            if key in self.watched:
                return False
            wanted = wanted or key in self.within
            outer = outer.f_back
        return wanted or key_of(frame.f_code) in self.within

    def caller_of(self, frame: FrameType) -> FrameType:
        """The innermost frame that is the service's own, else the one that called the library."""
        outer: FrameType | None = frame
        for _ in range(DEEPEST):
            if outer is None:
                break
            if self.is_own(outer.f_code.co_filename):
                return outer
            outer = outer.f_back
        return frame.f_back or frame

    def is_own(self, path: str) -> bool:
        known = self._own.get(path)
        if known is None:
            if len(self._own) >= _MOST_KNOWN:
                self._own.clear()
            known = self._own[path] = is_own(path)
        return known

    def on_start(self, frame: FrameType | None = None, names: Names | None = None) -> bool:
        frame = frame or _getframe(ABOVE_FIRE)
        self.begun.pop(id(frame), None)
        if self.asked_for(frame):
            if len(self.begun) >= MOST_FOLLOWED:
                self.begun.clear()
            self.begun[id(frame)] = _monotonic()
        return self.gate.book()

    def on_return(self, entry: Entry) -> Callable[..., bool]:
        def fire(value: Any, frame: FrameType | None = None) -> bool:
            frame = frame or _getframe(ABOVE_FIRE)
            began = self.begun.pop(id(frame), None)
            if began is None:
                return False
            return self.ended(frame, began, entry.library, self.reader(entry, frame, value), None)

        return fire

    def on_unwind(self, entry: Entry) -> Callable[..., bool]:
        def fire(error: BaseException, frame: FrameType | None = None) -> bool:
            frame = frame or _getframe(ABOVE_FIRE)
            began = self.begun.pop(id(frame), None)
            if began is None:
                return False
            return self.ended(frame, began, entry.library, self.reader(entry, frame, foreign.MISSING), error)

        return fire

    def reader(self, entry: Entry, frame: FrameType, value: Any) -> Callable[[], Told]:
        """Reads the call when it is to be kept, and not before."""
        return lambda: entry.read(dict(snapshots.variables_of(frame)), value, self.probe.limits)

    def on_call(self, told: tuple[CallPoint, bool, Any], frame: FrameType | None = None) -> bool:
        """Before and after a call that may be one of sqlite3."""
        point, before, _ = told
        frame = frame or _getframe(ABOVE_FIRE)
        if not before:
            statement = self.statements.pop(id(frame), None)
            return statement is not None and self.executed(frame, statement, None)
        names = dict(snapshots.variables_of(frame))
        try:
            owner = writes.follow(point.owner, names, frame.f_globals)
            if not libraries.sqlite_class(owner) or not self.asked_for(frame):
                return self.gate.book()
        except writes.Unseen:
            return self.gate.book()
        try:
            text = libraries.text(writes.follow(point.first, names, frame.f_globals))
        except writes.Unseen:
            text = ""
        if len(self.statements) >= MOST_FOLLOWED:
            self.statements.clear()
        self.statements[id(frame)] = Statement(_monotonic(), point, _reference(owner), text)
        return False

    def on_raise(self, error: BaseException, frame: FrameType | None = None) -> bool:
        frame = frame or _getframe(ABOVE_FIRE)
        statement = self.statements.pop(id(frame), None)
        if statement is not None:
            self.executed(frame, statement, error)
        return False

    def executed(self, frame: FrameType, statement: Statement, error: BaseException | None) -> bool:
        def read() -> Told:
            owner = statement.owner() if statement.owner is not None else None
            rows = libraries.sqlite_rows(owner) if error is None and owner is not None else None
            operation = libraries.operation_of(statement.text) or statement.point.method.upper()
            return Told(operation, statement.text, size=rows, statement=True)

        return self.ended(frame, statement.at, SQLITE, read, error)

    def ended(
        self,
        frame: FrameType,
        began: float,
        library: str,
        read: Callable[[], Told],
        error: BaseException | None,
    ) -> bool:
        now = _monotonic()
        took_ms = (now - began) * 1e3
        self.calls += 1
        self.errors += error is not None
        self.duration.add(took_ms)
        caller = self.caller_of(frame)
        refused = self.gate.refuses(caller, now)
        if refused:
            return self.gate.ends(refused)
        if not self.gate.admit(now):
            return True
        kept, cost = self.gate.keep(lambda: self.copy(caller, library, read(), took_ms, error))
        self.gate.offer(caller, now, kept, cost)
        return False

    def copy(
        self, caller: FrameType, library: str, told: Told, took_ms: float, error: BaseException | None
    ) -> tuple[Any, ...]:
        probe = self.probe
        limits = probe.limits
        until = _monotonic() + limits.deadline_ms / 1e3
        failed = None if error is None else exceptions.copy_exception(error, limits, deadline=until)
        frames = snapshots.copy_frames(caller, limits, variables=probe.variables, deadline=until)
        scope = self.hits.scope
        names = (scope(caller) if scope else caller.f_locals) if self.hits.watches else {}
        watched = [keep_value(each, names, watch.limits or limits) for watch, each in self.hits.watches]
        return frames, watched, library, told, took_ms, failed

    # on the sensor's thread

    def write(self, capture: wire.Capture, payload: Any) -> None:
        frames, watched, library, told, took_ms, failed = payload
        redactor = self.hits.room.redactor
        capture.frames, capture.cuts = snapshots.write(frames, redactor)
        write_watches(self.hits, capture, watched)
        cuts = set(capture.cuts or ())
        target = masked(told.target) if told.statement else told.target
        detail: dict[str, Any] = {
            "library": library,
            "operation": redactor.mask(told.operation)[:100],
            "target": redactor.mask(target)[:LONGEST_TARGET],
            "status": told.status,
            "duration_ms": round(took_ms, 6),
            "size": told.size,
            "shape": "",
        }
        if failed is not None:
            detail["exception"], more = exceptions.write_exception(failed, redactor)
            cuts.update(more)
        else:
            answer, detail["shape"] = self.answer(told)
            if answer is not foreign.MISSING:
                key = told.target if library == "redis" else ""
                detail["answer"], more = snapshots.write_value(
                    answer, redactor, name=key, limits=self.probe.limits
                )
                cuts.update(more)
        capture.detail = detail
        capture.cuts = sorted(cuts) or None

    def answer(self, told: Told) -> tuple[Any, str]:
        """The answer as a value, read as JSON where it is, and its shape in words."""
        answer = told.answer
        if told.body is not None:
            whole = told.size is not None and told.size == len(told.body)
            answer = snapshots.copy_value(readable(told.body, whole=whole), self.probe.limits)
        if answer is foreign.MISSING:
            return answer, "" if told.size is None else f"{told.size} rows"
        written, _ = snapshots.write_value(answer, self.hits.room.redactor, limits=self.probe.limits)
        return answer, shape_of(written)


_NO_NAMES: Final = compile("", "<none>", "exec")
"""Code without names: expressions look at whatever calls the library, and its globals."""


def _may_execute(module: ModuleType) -> bool:
    """Whether the text of a module has a call of execute in it; true where there is no text to look at. Not ours."""
    name = foreign.plain_str(heap.namespace(module).get("__name__", ""))
    text = writers.text_of(module)
    return name.partition(".")[0] != _OURS and (text is None or b"execute" in text)


_OURS: Final = __name__.partition(".")[0]


def _reference(owner: Any) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(owner)
    except TypeError:
        return None


# ---------------------------------------------------------------- on the sensor's thread

_LITERALS: Final = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|[eExXbBnN]?'(?:[^'\\]|''|\\.)*(?:'|\Z)|\$(\w*)\$.*?(?:\$\1\$|\Z)"
    r"|\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b",
    re.DOTALL,
)


def masked(statement: str) -> str:
    """A statement without its comments, and with a question mark for each literal."""
    return _LITERALS.sub(lambda found: "" if found[0][:2] in ("--", "/*") else "?", statement).strip()


def readable(body: bytes, *, whole: bool) -> Any:
    """JSON as what it says, other text as text, anything else as it is."""
    if whole and body[:1] in b'{["' and body:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def shape_of(value: wire.Value) -> str:
    """What kind of answer it is, in words: ``dict of 3: id, name, price``, ``list of 20 dict``."""
    size = f" of {value.size}" if value.size is not None else ""
    if value.entries:
        names = [str(key.value) for key, _ in value.entries[:8] if type(key.value) is str]
        return f"{value.type}{size}: {', '.join(names)}"[:200]
    if value.items:
        kinds = list(dict.fromkeys(each.type for each in value.items))
        return f"{value.type}{size} {' or '.join(kinds[:3])}"[:200]
    if value.value is not msgspec.UNSET and type(value.value) is str:
        return f"{value.type} of {value.size or len(value.value)}"
    return f"{value.type}{size}"
