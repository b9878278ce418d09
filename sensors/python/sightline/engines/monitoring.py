"""The engine of CPython 3.12 and later: `sys.monitoring` events, local to the watched code objects where they can be.

Exceptions are told process-wide before 3.15, at about 150 ns each in all code: these events are on only while a probe
asks for them, and everything but the watched code objects is passed over by identity.
"""

from __future__ import annotations

import gc
import opcode
import sys
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, Final

from sightline.engines.base import (
    ABOVE_FIRE,
    MISSING,
    PROCESS_WIDE,
    CannotArm,
    Event,
    Fire,
    Site,
    Spot,
    Watcher,
    Watching,
    is_the_applications,
)

_monitoring: Any = getattr(sys, "monitoring", None)
TOOL = "sightline"
CHOICES = (4, 3, 5)
"""Tool ids tried in turn. 0 is the debugger's, 1 coverage's and 2 the profiler's by convention: never those."""
ONE_LINERS_NEED_START = sys.version_info >= (3, 13)
"""From 3.13 a function that lies on one line has no LINE event of its own unless PY_START is on as well."""

_NAMES: Final[dict[Event, str]] = {
    "line": "LINE", "every_line": "LINE", "start": "PY_START", "resume": "PY_RESUME", "return": "PY_RETURN",
    "yield": "PY_YIELD", "call": "CALL", "unwind": "PY_UNWIND", "raise": "RAISE", "reraise": "RERAISE",
    "handled": "EXCEPTION_HANDLED", "write": "INSTRUCTION",
}  # fmt: skip
_RESUME = opcode.opmap.get("RESUME", -1)
_AFTER_YIELD = 1
"""The argument of the RESUME that follows a plain `yield`; `yield from` has 2, `await` 3."""
_ASYNC_GENERATOR = 0x200  # inspect.CO_ASYNC_GENERATOR
_getframe = sys._getframe


def free_tool() -> int | None:
    """A tool id that nobody holds, or None."""
    return next((tool for tool in CHOICES if _monitoring.get_tool(tool) is None), None)


class MonitoringEngine:
    """Watches code by events; every line that nobody asked for is disabled at its first run."""

    name = "monitoring"
    late = ""

    def __init__(self, tool: int) -> None:
        self.tool = tool
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        self.reason = f"CPython {version} has sys.monitoring; tool id {tool} was free."
        self._fires: dict[int, dict[int, Fire]] = {}
        """Of lines, by code object and line."""
        self._told: dict[Event, dict[int, Fire]] = {event: {} for event in _NAMES}
        """Of other events, by code object."""
        self._sites: dict[int, dict[int | Event, Site]] = {}
        self._codes: dict[int, CodeType] = {}
        self._woken: set[int] = set()
        """Woken last time, and once more next time: a callback may have stood between resting and disabling."""
        self._yields: dict[int, frozenset[int]] = {}
        """Where a watched code object yields by a plain `yield`."""
        self._registered: set[Event] = set()
        _monitoring.use_tool_id(tool, TOOL)
        self._register("line", self._on_line())

    def arm(self, watchings: Sequence[Watching]) -> None:
        try:
            for spot, watcher in watchings:
                self._add(spot, watcher)
            for code in {id(spot.code): spot.code for spot, _ in watchings}.values():
                self._listen(code)
            self._listen_everywhere()
        except ValueError as error:
            self.disarm(watchings)
            raise CannotArm(
                "tool_taken",
                f"Another tool took sys.monitoring's id {self.tool} ({error}); restart the process.",
            ) from error

    def disarm(self, watchings: Sequence[Watching]) -> None:
        for spot, watcher in watchings:
            self._remove(spot, watcher)
        for code in {id(spot.code): spot.code for spot, _ in watchings}.values():
            self._quietly(self._listen, code)
            if not self._sites.get(id(code), True):
                del self._sites[id(code)], self._codes[id(code)]
                self._fires.pop(id(code), None)
        self._quietly(self._listen_everywhere)

    def switch(self, spot: Spot, watcher: Watcher, *, on: bool) -> None:
        site = self._sites.get(id(spot.code), {}).get(spot.key)
        if site is not None:
            site.switch(watcher, on=on)
            self._tell_lines(id(spot.code))
            self._quietly(self._listen, spot.code)

    def wake(self) -> None:
        woken = set()
        for key, sites in list(self._sites.items()):
            resting = [site for site in list(sites.values()) if site.resting]
            for site in resting:
                site.wake()
            if resting or key in self._woken:
                self._quietly(self._listen, self._codes[key])
            if resting:
                woken.add(key)
        self._woken = woken

    def idle_hits(self) -> int:
        return 0  # a line that is switched off makes no calls

    def original(self, code: CodeType) -> CodeType:
        return code

    def close(self) -> None:
        for code in self._codes.values():
            self._quietly(_monitoring.set_local_events, self.tool, code, 0)
        tables: list[dict[Any, Any]] = [
            self._fires,
            self._sites,
            self._codes,
            self._yields,
            *self._told.values(),
        ]
        for table in tables:
            table.clear()
        self._quietly(self._listen_everywhere)
        for event in list(self._registered):
            self._register(event, None)
        _monitoring.free_tool_id(self.tool)

    # What is asked for

    def _add(self, spot: Spot, watcher: Watcher) -> None:
        key = id(spot.code)
        self._codes[key] = spot.code  # kept alive, so that the identity stays ours
        site = self._sites.setdefault(key, {}).setdefault(spot.key, Site(spot))
        site.add(watcher)
        self._tell(key, site)
        if spot.event == "yield":
            self._yields[key] = _plain_yields(spot.code)
        if spot.event not in self._registered and spot.event != "every_line":
            self._register(spot.event, self._callback(spot.event))

    def _remove(self, spot: Spot, watcher: Watcher) -> None:
        key = id(spot.code)
        site = self._sites.get(key, {}).get(spot.key)
        if site is None:
            return
        site.remove(watcher)
        if site.watchers:
            self._tell(key, site)
            return
        del self._sites[key][spot.key]
        self._told[spot.event].pop(key, None)
        if spot.event == "yield":
            self._yields.pop(key, None)
        self._tell_lines(key)

    def _tell(self, key: int, site: Site) -> None:
        event = site.spot.event
        if event in ("line", "every_line"):
            self._tell_lines(key)
        elif event == "write":
            self._told[event][key] = _at_points(site.watchers)
        else:
            self._told[event][key] = site.fire

    def _tell_lines(self, key: int) -> None:
        sites = self._sites.get(key, {})
        lines = {line: site.fire for line, site in sites.items() if type(line) is int}
        every = sites.get("every_line")
        self._fires[key] = _EveryLine(lines, every.fire) if every and every.listening else lines

    # What is listened to

    def _listen(self, code: CodeType) -> None:
        """Clear and set the local events, which also forgets every DISABLE in this code object and in no other.

        Hits switch `every_line` on from any thread: so look again whether what was set is still what is asked for.
        """
        key = id(code)
        while True:
            events = self._local_events(key)
            _monitoring.set_local_events(self.tool, code, 0)
            _monitoring.set_local_events(self.tool, code, events)
            if events == self._local_events(key):
                return

    def _local_events(self, key: int) -> int:
        events = 0
        code, sites = self._codes.get(key), self._sites.get(key, {})
        for site in list(sites.values()):
            if site.spot.event not in PROCESS_WIDE and site.listening:
                events |= _flag(site.spot.event)
        if ONE_LINERS_NEED_START and code is not None and code.co_firstlineno in sites:
            events |= _monitoring.events.PY_START  # one that disables would stop LINE too
        return events

    def _listen_everywhere(self) -> None:
        """Set the process-wide events to what is asked for, and let go of callbacks that nobody needs."""
        wanted = {event for event, told in self._told.items() if told}
        events = 0
        for event in wanted & PROCESS_WIDE:
            events |= _flag(event)
        if events != _monitoring.get_events(self.tool):
            _monitoring.set_events(self.tool, events)
        for event in self._registered - wanted - {"line"}:
            self._register(event, None)

    def _register(self, event: Event, callback: Callable[..., object] | None) -> None:
        _monitoring.register_callback(self.tool, _flag(event), callback)
        (self._registered.add if callback else self._registered.discard)(event)

    def _quietly(self, step: Callable[..., None], *given: object) -> None:
        """Leaving must not fail because another tool took our id meanwhile."""
        try:
            step(*given)
        except ValueError:
            pass

    # What the interpreter calls

    def _on_line(self) -> Callable[[CodeType, int], object]:
        fires, sites, disable = self._fires, self._sites, _monitoring.DISABLE

        def on_line(code: CodeType, line: int) -> object:
            try:
                fire = fires[id(code)][line]
            except KeyError:
                return disable
            try:
                if fire():
                    sites[id(code)][line].rest()
                    return disable
            except Exception as error:
                if is_the_applications(error):
                    raise
                _note_failure(sites, code, line)
            return None

        return on_line

    def _callback(self, event: Event) -> Callable[..., object]:
        if event in ("start", "resume"):
            return self._on_entry(event)
        if event == "yield":
            return self._on_yield()
        if event == "call":
            return self._on_call()
        if event == "write":
            return self._on_write()
        return self._on_told(event, None if event in PROCESS_WIDE else _monitoring.DISABLE)

    # Each of these calls `fire` itself: without a frame it looks for the application's itself.

    def _on_entry(self, event: Event) -> Callable[[CodeType, int], object]:
        fires, sites, rest = self._told[event], self._sites, self._rest

        def on_entry(code: CodeType, offset: int) -> object:
            fire = fires.get(id(code))
            if fire is None:
                return None
            try:
                if fire():
                    return rest(code, event)
            except Exception as error:
                if is_the_applications(error):
                    raise
                _note_failure(sites, code, event)
            return None

        return on_entry

    def _on_told(self, event: Event, disable: object) -> Callable[[CodeType, int, object], object]:
        """Of events that tell one thing; ``disable`` is what switches a place off, None where nothing does."""
        fires, sites, rest = self._told[event], self._sites, self._rest

        def on_told(code: CodeType, offset: int, told: object) -> object:
            fire = fires.get(id(code))
            if fire is None:
                return disable
            try:
                if fire(told) and disable is not None:
                    return rest(code, event)
            except Exception as error:
                if is_the_applications(error):
                    raise
                _note_failure(sites, code, event)
            return None

        return on_told

    def _on_yield(self) -> Callable[[CodeType, int, object], object]:
        fires, sites, rest, disable = self._told["yield"], self._sites, self._rest, _monitoring.DISABLE
        yields, nowhere = self._yields, frozenset[int]()

        def on_yield(code: CodeType, offset: int, value: object) -> object:
            fire = fires.get(id(code))
            if fire is None or offset not in yields.get(id(code), nowhere):
                return disable
            try:
                if code.co_flags & _ASYNC_GENERATOR:
                    value = _unwrapped(value)
                if fire(value):
                    return rest(code, "yield")
            except Exception as error:
                if is_the_applications(error):
                    raise
                _note_failure(sites, code, "yield")
            return None

        return on_yield

    def _on_call(self) -> Callable[[CodeType, int, object, object], object]:
        fires, sites, rest, disable = self._told["call"], self._sites, self._rest, _monitoring.DISABLE

        def on_call(code: CodeType, offset: int, function: object, argument: object) -> object:
            fire = fires.get(id(code))
            if fire is None:
                return disable
            try:
                if fire((function, argument)):
                    return rest(code, "call")
            except Exception as error:
                if is_the_applications(error):
                    raise
                _note_failure(sites, code, "call")
            return None

        return on_call

    def _on_write(self) -> Callable[[CodeType, int], object]:
        fires, sites, rest, disable = self._told["write"], self._sites, self._rest, _monitoring.DISABLE

        def on_write(code: CodeType, offset: int) -> object:
            fire = fires.get(id(code))
            if fire is None:
                return disable
            try:
                said: bool | None = fire(offset)
                if said is None:
                    return disable
                if said:
                    return rest(code, "write")
            except Exception as error:
                if is_the_applications(error):
                    raise
                _note_failure(sites, code, "write")
            return None

        return on_write

    def _rest(self, code: CodeType, event: Event) -> object:
        """Switch one place off; a PY_START that lets the line of a one-line function fire stays on."""
        sites = self._sites.get(id(code), {})
        site = sites.get(event)
        if site is not None:
            site.rest()
        if event == "start" and code.co_firstlineno in sites:
            return None
        return _monitoring.DISABLE


class _EveryLine(dict[int, Fire]):
    """What to call at each line of a code object while every line is told: also at those nobody asked for alone."""

    def __init__(self, lines: dict[int, Fire], every: Fire) -> None:
        super().__init__({line: _both(line, fire, every) for line, fire in lines.items()})
        self.every = every

    def __missing__(self, line: int) -> Fire:
        fire = self[line] = _one_of_every(line, self.every)
        return fire


def _one_of_every(line: int, every: Fire) -> Fire:
    def fire() -> bool:
        every(line, _getframe(ABOVE_FIRE))
        return False

    return fire


def _both(line: int, own: Fire, every: Fire) -> Fire:
    """Also for a line with watchers of its own; it cannot be switched off meanwhile."""

    def fire() -> bool:
        frame = _getframe(ABOVE_FIRE)
        every(line, frame)
        own(frame)
        return False

    return fire


def _at_points(watchers: Sequence[Watcher]) -> Callable[..., Any]:
    """What to call with the offset of an instruction; it gives None where no point is."""
    table: dict[int, list[tuple[Fire, tuple[object, bool, object]]]] = {}
    for watcher in watchers:
        for point in watcher.points:
            table.setdefault(point.after, []).append((watcher.fire, (point, False, MISSING)))
    for watcher in watchers:
        for point in watcher.points:
            table.setdefault(point.offset, []).append((watcher.fire, (point, True, MISSING)))

    def fire(offset: int) -> bool | None:
        here = table.get(offset)
        if here is None:
            return None
        frame = _getframe(ABOVE_FIRE)
        off = True
        for each, told in here:
            off = each(told, frame) and off
        return off

    return fire


def _flag(event: Event) -> int:
    flag: int = getattr(_monitoring.events, _NAMES[event])
    return flag


def _plain_yields(code: CodeType) -> frozenset[int]:
    """The offsets of YIELD_VALUE that stand for a `yield`, and not for a step of `await` or `yield from`."""
    bytecode = code.co_code
    return frozenset(
        offset - 2
        for offset in range(2, len(bytecode), 2)
        if bytecode[offset] == _RESUME and bytecode[offset + 1] & 3 == _AFTER_YIELD
    )


def _unwrapped(value: object) -> object:
    """What an asynchronous generator yields, out of the interpreter's own wrapper."""
    held = gc.get_referents(value)
    return held[0] if len(held) == 1 and type(value).__name__ == "async_generator_wrapped_value" else value


def _note_failure(sites: dict[int, dict[int | Event, Site]], code: CodeType, key: int | Event) -> None:
    try:
        sites[id(code)][key].failed()
    except KeyError:
        pass  # disarmed meanwhile
