"""The path: which lines one call really took, in order, and what decided at each branch.

Lines are told only while a sampled call runs; other calls pay for its beginning alone. What decides is looked at just
before the deciding line runs; which way it went is told by the line that came next.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any, Final

from msgspec.structs import replace

from sightline import decisions, exceptions, native, snapshots, wire
from sightline.decisions import Decision, Decisions
from sightline.engines.base import ABOVE_FIRE, Fire, Names, Spot, Watching
from sightline.hits import Listener, ProbeHits
from sightline.kinds import options
from sightline.kinds.base import Kind
from sightline.kinds.gates import Gate
from sightline.kinds.kept import keep_value, write_value
from sightline.locator import Found, Locator

MOST_STEPS, DEFAULT_STEPS = 20_000, 2_000
MOST_DECISIONS: Final = 1_000
"""Decisions told of one call."""
MOST_OF_A_LINE: Final = 50
"""Times that the values at one line are looked at in one call: a loop's later turns tell their way only."""
LONGEST_S: Final = 60.0
"""A sampled call that has not ended by then, a suspended coroutine perhaps, is told as far as it came."""
STEP_NS, STRANGER_NS = 600, 400
"""What a line costs of a sampled call, and of another call that runs at the same time."""
_LOOK_EVERY: Final = 64
_GENERATOR: Final = 0x20 | 0x200  # inspect.CO_GENERATOR, CO_ASYNC_GENERATOR

_getframe = sys._getframe
_monotonic = native.monotonic
_thread_time_ns = native.thread_time_ns


Decided = tuple[int, Decision, list[Any] | None, bool | None]
"""A decision that was come to: at which step, the values if they were looked at, its truth if it was asked."""


class Call:
    """One sampled call. It is known by its frame's identity, and the frame is not kept."""

    __slots__ = ("began", "cost", "decided", "frames", "left_ns", "lines", "looked", "suspended")

    def __init__(self, began: float, frames: Any, cost: int, left_ns: int) -> None:
        self.began = began
        self.frames = frames
        self.cost = cost
        self.left_ns = left_ns
        """Of the time its values may take in all."""
        self.lines: list[int] = []
        self.decided: list[Decided] = []
        self.looked: dict[int, int] = {}
        self.suspended = False


Calls = dict[int, Call]


class Path(Kind):
    """Follows sampled calls of one function."""

    def __init__(self, hits: ProbeHits) -> None:
        super().__init__(hits)
        self.most_steps = options.whole_number(self.probe, "most_steps", DEFAULT_STEPS, MOST_STEPS)
        self.gate = Gate(hits)
        limits = self.probe.limits
        self.value_limits = replace(
            limits,
            depth=min(limits.depth, 1),
            items=min(limits.items, 10),
            fields=min(limits.fields, 10),
            bytes=min(limits.bytes, 2048),
        )
        self.followers: list[Follower] = []
        self.without_source = False
        self.seen = self.sampled = 0

    def start_over(self) -> None:
        self.seen = self.sampled = 0
        for follower in self.followers:
            follower.calls.clear()
            follower.listen(on=False)

    def locate(self, locator: Locator) -> Found:
        return locator.locate_function(self.probe.location)

    def watchings(self, found: Found) -> list[Watching]:
        self.hits.bind([spot.code for spot in found.spots])
        self.followers = [Follower(self, spot) for spot in found.spots]
        self.without_source = any(follower.decisions is None for follower in self.followers)
        return [watching for follower in self.followers for watching in follower.watchings()]

    def armed_on(self, found: Found) -> str:
        return f"every line of {found.spots[0].code.co_qualname}"

    def remark(self) -> str:
        said = "Only sampled calls are followed."
        if self.without_source:
            said += (
                " Its source is not at hand or not what runs here, so what decides at a branch is not told."
            )
        return said

    def disarmed(self) -> None:
        for follower in self.followers:
            follower.calls.clear()

    def figures(self) -> dict[str, Any]:
        return {"calls": self.seen, "sampled": self.sampled}

    # writing

    def write(self, capture: wire.Capture, payload: Any) -> None:
        call, how, outcome = payload
        redactor = self.hits.room.redactor
        capture.frames, cuts = snapshots.write(call.frames, redactor)
        ended: dict[str, Any] = {"how": how}
        found = set(cuts)
        cut = outcome if how == "cut" else ""
        if how == "returned":
            name = call.frames.frames[0][0].co_name  # what `get_password` returns is a password
            ended["value"], more = snapshots.write_value(
                outcome, redactor, name=name, path="@return", limits=self.probe.limits
            )
            found.update(more)
        elif how == "raised":
            ended["exception"], more = exceptions.write_exception(outcome, redactor)
            found.update(more)
        if cut:
            found.add(cut.partition(" ")[0])
        told = [self._decision(call.lines, each, how, found) for each in call.decided]
        capture.detail = {"steps": run_lengths(call.lines), "decisions": told, "ended": ended, "cut": cut}
        capture.cuts = sorted(found) or None

    def _decision(self, lines: list[int], decided: Decided, how: str, cuts: set[str]) -> dict[str, Any]:
        at, decision, kept, truth = decided
        taken, to = way_taken(lines, at, decision, truth, how)
        told: dict[str, Any] = {"line": decision.line, "taken": taken, "to": to}
        if kept is None:
            return {**told, "values": {}}
        values: dict[str, wire.Value] = {}
        if decision.raised and kept:
            values["raised"], more = snapshots.write_value(
                kept[0], self.hits.room.redactor, limits=self.value_limits
            )
            cuts.update(more)
        for part, value in zip(decision.parts, kept, strict=False):
            values[part.text], more = write_value(self.hits, part, value, self.value_limits)
            cuts.update(more)
        return {**told, "values": values}


class Follower:
    """The calls of one code object."""

    def __init__(self, kind: Path, spot: Spot) -> None:
        self.kind = kind
        self.spot = spot._replace(event="every_line")
        self.calls: Calls = {}
        self.decisions: Decisions | None = decisions.of_code(spot.code, kind.hits.room.redactor.name_rule)
        self.outside = _outside(spot.code, self.decisions or {})
        self.listener = Listener(kind.hits, self.on_line())

    def watchings(self) -> list[Watching]:
        hits, spot = self.kind.hits, self.spot
        told: list[Watching] = [
            (spot, self.listener),
            (spot._replace(event="start"), Listener(hits, self.on_start(), hits.wants)),
            (spot._replace(event="return"), Listener(hits, self.on_return)),
            (spot._replace(event="unwind"), Listener(hits, self.on_unwind)),
        ]
        if spot.code.co_flags & _GENERATOR:
            told += [
                (spot._replace(event="yield"), Listener(hits, self.on_yield)),
                (spot._replace(event="resume"), Listener(hits, self.on_resume)),
            ]
        return told

    # the beginning

    def on_start(self) -> Fire:
        kind, gate, calls = self.kind, self.kind.gate, self.calls

        def fire(frame: FrameType | None = None, names: Names | None = None) -> bool:
            kind.seen += 1
            frame = frame or _getframe(ABOVE_FIRE)
            now = _monotonic()
            if calls:
                self.give_up(frame, now)
            refused = gate.refuses(frame, now, names)
            if refused:
                return gate.ends(refused)
            if not gate.admit(now):
                return True
            self.begin(frame, now)
            return False

        return fire

    def begin(self, frame: FrameType, now: float) -> None:
        probe = self.kind.probe
        until = now + probe.limits.deadline_ms / 1e3
        frames, cost = self.kind.gate.keep(
            lambda: snapshots.copy_frames(frame, probe.limits, variables=probe.variables, deadline=until)
        )
        self.kind.sampled += 1
        self.calls[id(frame)] = Call(now, frames, cost, int(probe.limits.deadline_ms * 1e6))
        self.listen(on=True)

    def give_up(self, frame: FrameType, now: float) -> None:
        """End calls that were lost: those of whose frame another has the place now, and those that take too long."""
        lost = self.calls.pop(id(frame), None)
        if lost is not None:
            self.hand_over(frame, lost, "cut", "lost")
        for ident, call in list(self.calls.items()):
            if now - call.began > LONGEST_S and self.calls.pop(ident, None) is not None:
                self.hand_over(frame, call, "cut", f"time {LONGEST_S:.0f}")

    def listen(self, *, on: bool) -> None:
        engine = self.kind.hits.room.engine
        if engine is None:
            return
        engine.switch(self.spot, self.listener, on=on)
        if not on and any(not call.suspended for call in list(self.calls.values())):
            engine.switch(self.spot, self.listener, on=True)  # another thread's call began meanwhile

    # its lines

    def on_line(self) -> Fire:
        calls, found = self.calls, self.decisions or {}
        hits, most = self.kind.hits, self.kind.most_steps
        strangers = 0

        def fire(line: int, frame: FrameType | None = None) -> bool:
            nonlocal strangers
            frame = frame or _getframe(ABOVE_FIRE)
            call = calls.get(id(frame))
            if call is None:
                strangers += 1
                return not strangers % _LOOK_EVERY and hits.book(_LOOK_EVERY * STRANGER_NS)
            lines = call.lines
            if len(lines) >= most:
                self.cut(frame, f"steps {most}")
                return False
            lines.append(line)
            if line in found:
                self.decide(call, frame, found[line])
            if not len(lines) % _LOOK_EVERY and hits.book(_LOOK_EVERY * STEP_NS):
                self.cut(frame, "budget")
            return False

        return fire

    def decide(self, call: Call, frame: FrameType, here: list[Decision]) -> None:
        """Look at what decides here, while this call may still spend time on it."""
        at = len(call.lines) - 1
        line = call.lines[at]
        times = call.looked[line] = call.looked.get(line, 0) + 1
        if len(call.decided) + len(here) > MOST_DECISIONS:
            return
        if times > MOST_OF_A_LINE or call.left_ns <= 0:
            call.decided += [(at, decision, None, None) for decision in here]
            return
        began = _thread_time_ns()
        names = self.names(frame)
        for decision in here:
            call.decided.append((at, decision, self.look(decision, names), _truth(decision, names)))
        spent = _thread_time_ns() - began
        call.left_ns -= spent
        call.cost += spent
        self.kind.hits.book(spent)

    def names(self, frame: FrameType) -> dict[str, Any]:
        own = dict(snapshots.variables_of(frame))
        return {**{name: frame.f_globals[name] for name in self.outside if name in frame.f_globals}, **own}

    def look(self, decision: Decision, names: Mapping[str, Any]) -> list[Any]:
        limits = self.kind.value_limits
        if decision.raised:
            error = sys.exc_info()[1]
            return [] if error is None else [snapshots.copy_value(error, limits)]
        return [keep_value(part, names, limits) for part in decision.parts]

    # its end

    def on_return(self, value: object, frame: FrameType | None = None) -> bool:
        return self.ended(
            frame or _getframe(ABOVE_FIRE), "returned", lambda limits: snapshots.copy_value(value, limits)
        )

    def on_unwind(self, error: BaseException, frame: FrameType | None = None) -> bool:
        return self.ended(
            frame or _getframe(ABOVE_FIRE), "raised", lambda limits: exceptions.copy_exception(error, limits)
        )

    def ended(self, frame: FrameType, how: str, copy: Callable[[wire.Limits], Any]) -> bool:
        call = self.calls.pop(id(frame), None)
        if call is not None:
            kept, cost = self.kind.gate.keep(lambda: copy(self.kind.probe.limits))
            call.cost += cost
            self.hand_over(frame, call, how, kept)
        return False

    def cut(self, frame: FrameType, reason: str) -> None:
        call = self.calls.pop(id(frame), None)
        if call is not None:
            self.hand_over(frame, call, "cut", reason)

    def hand_over(self, frame: FrameType, call: Call, how: str, outcome: Any) -> None:
        if not any(not other.suspended for other in self.calls.values()):
            self.listen(on=False)
        self.kind.hits.book(len(call.lines) % _LOOK_EVERY * STEP_NS)
        self.kind.gate.offer(frame, call.began, (call, how, outcome), call.cost + len(call.lines) * STEP_NS)

    # generators rest in between

    def on_yield(self, value: object, frame: FrameType | None = None) -> bool:
        call = self.calls.get(id(frame or _getframe(ABOVE_FIRE)))
        if call is not None:
            call.suspended = True
            if all(each.suspended for each in self.calls.values()):
                self.listen(on=False)
        return False

    def on_resume(self, frame: FrameType | None = None, names: Names | None = None) -> bool:
        call = self.calls.get(id(frame or _getframe(ABOVE_FIRE)))
        if call is not None and call.suspended:
            call.suspended = False
            self.listen(on=True)
        return False


def _outside(code: CodeType, found: Decisions) -> frozenset[str]:
    """The names that its decisions use and that are not the function's own."""
    local = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
    everything = [decision for here in found.values() for decision in here]
    compiled = [part for each in everything for part in (*each.parts, *([each.truth] if each.truth else []))]
    return frozenset(name for part in compiled for name in part.names if name not in local)


def _truth(decision: Decision, names: Mapping[str, Any]) -> bool | None:
    """The whole decision, where lines cannot tell which way it went."""
    if decision.truth is None or decision.body:
        return None
    try:
        return decision.truth.holds(names)
    except decisions.Unanswered:
        return None


# ---------------------------------------------------------------- on the sensor's thread


def way_taken(
    lines: list[int], at: int, decision: Decision, truth: bool | None, how: str
) -> tuple[bool | None, int | None]:
    """Whether the decision at step ``at`` was taken, and the line it led to; None for what cannot be told."""
    beyond = range(decision.line + 1, decision.last + 1)
    to = next((line for line in lines[at + 1 :] if line not in beyond), None)
    if not decision.body:
        return truth, to
    if to is None:
        return (False if how == "returned" else None), None
    return to in decision.body, to


def run_lengths(lines: list[int]) -> list[int | list[int]]:
    """Steps in order; ``[line, n]`` for one that was taken n times in a row."""
    steps: list[int | list[int]] = []
    for line in lines:
        last = steps[-1] if steps else None
        if type(last) is list and last[0] == line:
            last[1] += 1
        elif last == line:
            steps[-1] = [line, 2]
        else:
            steps.append(line)
    return steps
