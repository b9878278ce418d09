"""The engine of CPython 3.12 and later: local `sys.monitoring` events on the code objects that hold a watched line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from sightline.engines.base import CannotArm, Fire, Site, Spot, Watcher, is_the_applications

_monitoring: Any = getattr(sys, "monitoring", None)
TOOL = "sightline"
CHOICES = (4, 3, 5)
"""Tool ids tried in turn. 0 is the debugger's, 1 coverage's and 2 the profiler's by convention: never those."""
ONE_LINERS_NEED_START = sys.version_info >= (3, 13)
"""From 3.13 a function that lies on one line has no LINE event of its own unless PY_START is on as well."""


def free_tool() -> int | None:
    """A tool id that nobody holds, or None."""
    return next((tool for tool in CHOICES if _monitoring.get_tool(tool) is None), None)


class MonitoringEngine:
    """Watches lines by local LINE events; every other line of the code object is disabled at its first run."""

    name = "monitoring"
    late = ""

    def __init__(self, tool: int) -> None:
        self.tool = tool
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        self.reason = f"CPython {version} has sys.monitoring; tool id {tool} was free."
        self._fires: dict[int, dict[int, Fire]] = {}
        self._sites: dict[int, dict[int, Site]] = {}
        self._codes: dict[int, CodeType] = {}
        self._woken: set[int] = set()
        """Woken last time, and once more next time: a callback may have stood between resting and disabling."""
        _monitoring.use_tool_id(tool, TOOL)
        _monitoring.register_callback(tool, _monitoring.events.LINE, self._callback())

    def arm(self, spot: Spot, watcher: Watcher) -> None:
        key = id(spot.code)
        self._codes[key] = spot.code  # kept alive, so that the identity stays ours
        site = self._sites.setdefault(key, {}).setdefault(spot.line, Site(spot))
        site.add(watcher)
        self._fires.setdefault(key, {})[spot.line] = site.fire
        self._listen(spot.code)

    def disarm(self, spot: Spot, watcher: Watcher) -> None:
        key = id(spot.code)
        site = self._sites.get(key, {}).get(spot.line)
        if site is None:
            return
        site.remove(watcher)
        self._fires[key][spot.line] = site.fire
        if site.watchers:
            return
        del self._sites[key][spot.line], self._fires[key][spot.line]
        if not self._sites[key]:
            _monitoring.set_local_events(self.tool, spot.code, 0)
            del self._sites[key], self._fires[key], self._codes[key]

    def wake(self) -> None:
        woken = set()
        for key, sites in list(self._sites.items()):
            resting = [site for site in sites.values() if site.resting]
            for site in resting:
                site.wake()
            if resting or key in self._woken:
                self._listen(self._codes[key])
            if resting:
                woken.add(key)
        self._woken = woken

    def idle_hits(self) -> int:
        return 0  # a line that is switched off makes no calls

    def original(self, code: CodeType) -> CodeType:
        return code

    def close(self) -> None:
        for code in self._codes.values():
            _monitoring.set_local_events(self.tool, code, 0)
        for table in (self._fires, self._sites, self._codes):
            table.clear()
        _monitoring.register_callback(self.tool, _monitoring.events.LINE, None)
        _monitoring.free_tool_id(self.tool)

    def _listen(self, code: CodeType) -> None:
        """Clear and set the local events, which also forgets every DISABLE in this code object and in no other."""
        events = _monitoring.events.LINE
        if ONE_LINERS_NEED_START and code.co_firstlineno in self._sites[id(code)]:
            events |= _monitoring.events.PY_START  # without a callback: one that disables would stop LINE too
        try:
            _monitoring.set_local_events(self.tool, code, 0)
            _monitoring.set_local_events(self.tool, code, events)
        except ValueError as error:
            raise CannotArm(
                "tool_taken",
                f"Another tool took sys.monitoring's id {self.tool} ({error}); restart the process.",
            ) from error

    def _callback(self) -> Callable[[CodeType, int], object]:
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


def _note_failure(sites: dict[int, dict[int, Site]], code: CodeType, line: int) -> None:
    try:
        sites[id(code)][line].failed()
    except KeyError:
        pass  # disarmed meanwhile
