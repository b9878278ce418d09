"""The function: its calls with arguments, what they return or raise, and how long they take."""

from __future__ import annotations

import operator
import sys
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Any, Final

from sightline import exceptions, hits, native, snapshots, wire
from sightline.engines.base import ABOVE_FIRE, Fire, Names, Watching
from sightline.errors import BudgetExceeded, ExpressionError
from sightline.expressions import CALL_NAMES
from sightline.histograms import Histogram
from sightline.hits import DISPATCH_NS, Listener, ProbeHits, rare
from sightline.kinds import logpoint, snapshot
from sightline.kinds.base import FunctionKind
from sightline.kinds.kept import keep_value
from sightline.kinds.pairing import MOST_CALLS, Calls, make_room, opening
from sightline.limits import Rate
from sightline.locator import Found
from sightline.readers import LEAF_IDS

BOOKED_EVERY: Final = 32
"""One call in so many is timed and booked for all of them."""
UNCAPTURED_EVERY: Final = 64
UNCAPTURED_NS: Final = 2500
"""What a call costs of which nothing is kept, estimated."""
_YIELDING: Final = 0x20 | 0x200  # CO_GENERATOR, CO_ASYNC_GENERATOR
_getframe = sys._getframe
_monotonic = native.monotonic
_thread_time_ns = native.thread_time_ns


_weight_of = operator.itemgetter(-1)
"""How many values stand in what was kept of a call: it is kept with them."""

Begun = tuple[float, snapshots.CopiedArguments | None, dict[str, Any]]
"""A call that has been entered: when, and what was kept of its beginning (its watches too) if anything was."""
Ended = tuple[Begun, str, Any, float]
"""How a call ended or what it yielded: how (returned, raised or yielded), with what, and after how many ms."""


class Function(FunctionKind):
    """Keeps the arguments as they were at the beginning, and the result or the exception.

    A condition that names `@return`, `@exception` or `@duration` is judged at the end, any other at the beginning; so
    is each watch. A `yield` is a hit of its own.
    """

    special_names = CALL_NAMES

    def __init__(self, hits: ProbeHits) -> None:
        super().__init__(hits)
        condition = hits.condition
        self.judged_late = condition is not None and bool(condition.names & CALL_NAMES)
        self.early = [(watch, each) for watch, each in hits.watches if not each.names & CALL_NAMES]
        self.late = [(watch, each) for watch, each in hits.watches if each.names & CALL_NAMES]
        late = [condition] if condition is not None and self.judged_late else []
        late += [each for _, each in self.late] + [part for part in hits.parts if not isinstance(part, str)]
        self.names_at_end = {name for each in late for name in each.names}
        self.calls: Calls = {}
        self.duration = Histogram()
        self.ended = self.errors = 0

    def start_over(self) -> None:
        self.calls.clear()
        self.duration.start_over()
        self.ended = self.errors = 0

    def disarmed(self) -> None:
        self.calls.clear()

    def figures(self) -> dict[str, Any]:
        return {"calls": self.ended, "errors": self.errors, "duration": self.duration.plain("ms")}

    def watchings(self, found: Found) -> list[Watching]:
        codes = [spot.code for spot in found.spots]
        self.hits.bind(codes)
        begin = opening(self.hits, self.calls, self._begin(), conditional=not self.judged_late)
        start = Listener(self.hits, begin, self._wanted_at_start(found))
        rate = self.hits.rate if self.judged_late else Rate(0.0)
        record = hits.recorder(self.hits, self._keep(), BOOKED_EVERY, rate, _weight_of)
        returned, raised, yielded = (
            Listener(self.hits, self._end(how, record)) for how in ("returned", "raised", "yielded")
        )
        watchings: list[Watching] = []
        for spot in found.spots:
            watchings += [
                (spot._replace(event="start"), start),
                (spot._replace(event="return"), returned),
                (spot._replace(event="unwind"), raised),
            ]
            if spot.code.co_flags & _YIELDING:
                watchings.append((spot._replace(event="yield"), yielded))
        return watchings

    def _wanted_at_start(self, found: Found) -> frozenset[str] | None:
        """All arguments, which an engine may have at hand; None where the frame is needed anyway."""
        if self.hits.wants is None or len({spot.code.co_varnames for spot in found.spots}) > 1:
            return None
        return frozenset(snapshots.arguments_of(found.spots[0].code))

    # At the beginning

    def _begin(self) -> hits.Then:
        calls, probe_hits, limits = self.calls, self.hits, self.probe.limits
        rate, early, takes_now = probe_hits.rate, self.early, not self.judged_late
        interval, tolerance = rate.interval, rate.tolerance
        deadline_s, nothing = limits.deadline_ms / 1e3, dict[str, Any]()
        copy_arguments = snapshots.copy_arguments
        callers = min(limits.frames, limits.variable_frames) - 1
        known: tuple[CodeType | None, tuple[str, ...]] = None, ()
        untimed = 1

        def begin(frame: FrameType, names: Names | None, now: float) -> bool:
            nonlocal untimed, known
            if len(calls) >= MOST_CALLS:
                make_room(calls)
            until = rate.until
            if now < until or probe_hits.left <= 0:
                calls[id(frame)] = _monotonic(), None, nothing
                return False
            if takes_now:
                earliest = now - tolerance
                rate.until = (until if until > earliest else earliest) + interval
            untimed -= 1
            timed = 0 if untimed > 0 else _thread_time_ns()
            given = known  # in a variable of its own: another thread may be in another function
            if given[0] is not frame.f_code:
                given = known = frame.f_code, snapshots.arguments_of(frame.f_code)
            copied = copy_arguments(frame, given[1], limits, names, now + deadline_s, callers)
            watched = self._watched(early, self._scope(frame)) if early else nothing
            calls[id(frame)] = _monotonic(), copied, watched
            if not timed:
                return False
            untimed = BOOKED_EVERY
            return probe_hits.book(BOOKED_EVERY * (_thread_time_ns() - timed + DISPATCH_NS))

        return begin

    def _scope(self, frame: FrameType) -> Mapping[str, Any]:
        return self.hits.scope(frame) if self.hits.scope else frame.f_locals

    def _watched(self, watches: list[tuple[wire.Watch, Any]], names: Mapping[str, Any]) -> dict[str, Any]:
        limits = self.probe.limits
        return {watch.name: keep_value(each, names, watch.limits or limits) for watch, each in watches}

    # At the end

    def _end(self, how: str, record: hits.Then) -> Fire:
        calls, tally, probe_hits, add = self.calls, self.hits.tally, self.hits, self.duration.add_later
        judged_late, rate = self.judged_late, self.hits.rate
        yielded, raised = how == "yielded", how == "raised"

        def end(told: Any, frame: FrameType | None = None) -> bool:
            if frame is None:
                frame = _getframe(ABOVE_FIRE)
            begun = calls.get(id(frame)) if yielded else calls.pop(id(frame), None)
            if begun is None:
                return probe_hits.resting_lines > 0
            now = _monotonic()
            took_ms = (now - begun[0]) * 1e3
            if judged_late and not self._holds(frame, (begun, how, told, took_ms)):
                return False
            if not yielded:
                self.ended += 1
                add(took_ms)
                if raised and type(told) is not GeneratorExit:
                    self.errors += 1
            if begun[1] is not None and not (judged_late and now < rate.until):
                record(frame, (begun, how, told, took_ms), now)
                return False
            count = tally.rate_limited = tally.rate_limited + 1
            if not count % UNCAPTURED_EVERY:
                probe_hits.book(UNCAPTURED_EVERY * UNCAPTURED_NS)
            return False

        return end

    def _holds(self, frame: FrameType, ended: Ended) -> bool:
        """The condition at the end; where it does not hold, the hit is counted."""
        probe_hits = self.hits
        assert probe_hits.condition is not None
        if probe_hits.room.budget.balance < 0:
            return rare(probe_hits.tally, "evaluation_budget")
        try:
            if probe_hits.condition.holds(self._names_at_end(frame, ended)):
                return True
        except BudgetExceeded:
            return rare(probe_hits.tally, "evaluation_budget")
        except ExpressionError as error:
            probe_hits.last_error = error
            return rare(probe_hits.tally, "condition_error")
        count = probe_hits.tally.condition_false = probe_hits.tally.condition_false + 1
        if not count % UNCAPTURED_EVERY:
            probe_hits.book(UNCAPTURED_EVERY * UNCAPTURED_NS)
        return False

    def _names_at_end(self, frame: FrameType, ended: Ended) -> Mapping[str, Any]:
        _, how, value, took_ms = ended
        raised = how == "raised"
        of_call = {
            "@return": None if raised else value,
            "@exception": value if raised else None,
            "@duration": took_ms,
        }
        return {**self._scope(frame), **of_call} if self.names_at_end - CALL_NAMES else of_call

    def _keep(self) -> hits.Keep:
        limits, looks_again = self.probe.limits, bool(self.names_at_end)
        deadline_s = limits.deadline_ms / 1e3
        leaves, copy_value, copy_exception = LEAF_IDS, snapshots.copy_value, exceptions.copy_exception
        weigh = snapshots.weight

        def keep(frame: FrameType, ended: Ended) -> list[Any]:
            (_, copied, watched), how, value, took_ms = ended
            assert copied is not None
            if how == "raised":
                value = copy_exception(value, limits, deadline=_monotonic() + deadline_s)
            elif id(type(value)) not in leaves:
                value = copy_value(value, limits, deadline=_monotonic() + deadline_s)
            elif not looks_again and not watched:
                return [copied, how, value, took_ms, watched, None, 1 + copied[-1]]
            weight = 1 + copied[-1] + weigh(value)
            if not looks_again:
                weight += sum(map(weigh, watched.values()))
                return [copied, how, value, took_ms, watched, None, weight]
            names = self._names_at_end(frame, ended)
            message = [
                keep_value(part, names, limits) for part in self.hits.parts if not isinstance(part, str)
            ]
            watched = {**watched, **self._watched(self.late, names)}
            weight += sum(map(weigh, (*watched.values(), *message)))
            return [copied, how, value, took_ms, watched, message, weight]

        return keep

    # On the sensor's thread

    def write(self, capture: wire.Capture, payload: Any) -> None:
        copied, how, value, took_ms, watched, message, _ = payload
        redactor = self.hits.room.redactor
        capture.frames, cuts = snapshots.write_arguments(copied, self.probe.limits, redactor)
        detail: dict[str, Any] = {
            "arguments": capture.frames[0].variables or {},
            "duration_ms": round(took_ms, 6),
        }
        if how == "raised":
            detail["exception"], more = exceptions.write_exception(value, redactor)
        else:
            name = copied[0][0].co_name  # what `get_password` returns is a password
            detail["returned"], more = snapshots.write_value(
                value, redactor, name=name, path="@return", limits=self.probe.limits
            )
        capture.detail = {**detail, "how": how}
        capture.cuts = sorted({*cuts, *more})
        snapshot.write_watches(self.hits, capture, [watched[watch.name] for watch, _ in self.hits.watches])
        if self.hits.parts:
            logpoint.write_message(self.hits, capture, message or [])
