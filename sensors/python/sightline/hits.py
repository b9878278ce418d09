"""One hit, gate by gate, in the application's thread; and the writing of what it kept, on the sensor's.

    armed → re-entrancy → evaluation budget → condition → capture limiter → copy within its deadline → ring

Without a condition the limiter comes first, because it is the cheapest way to say no. Every hit that is observed ends in
exactly one of `wire.HitEnding`. Counters are plain integers: in CPython with a GIL no other thread can come between the
reading and the writing of ``tally.x += 1``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any, get_args

from . import context, expressions, messages, native, snapshots, wire
from .engines.base import Fire
from .errors import BudgetExceeded, ExpressionError, SightlineError
from .ids import uuid7
from .limits import Budget, Rate
from .outbox import Outbox
from .redaction import Redactor

ENDINGS: tuple[str, ...] = get_args(wire.HitEnding)
RARE = tuple(sorted(set(ENDINGS) - {"captured", "condition_false", "rate_limited"}))

LIMITED_EVERY, EVALUATED_EVERY, LOGGED_EVERY = 64, 32, 16
"""One hit in so many is booked for all of them: reading the thread's clock costs as much as a whole cheap hit."""
DISPATCH_NS = 250
"""What the interpreter and the engine spend on a hit before its gates are reached."""
LIMITED_NS = 400
"""What a hit costs that ends at the limiter, or a count."""

_log = logging.getLogger("sightline.probe")
_ATOMS = frozenset(map(id, (type(None), bool, int, float)))
_getframe = sys._getframe
_get_ident = native.get_ident
_monotonic = native.monotonic
_thread_time_ns = native.thread_time_ns

Record = tuple[Any, ...]
"""What the ring holds of a capture: (hits, hit number, wall ns, monotonic s, context, payload, cost in ns)."""


class Room:
    """What all probes of a process share."""

    def __init__(self, outbox: Outbox, budget: Budget, redactor: Redactor) -> None:
        self.outbox = outbox
        self.budget = budget
        self.redactor = redactor
        self.busy: set[int] = set()
        """Threads on which hits are not observed: the sensor's own, and whoever is inside a capture just now."""


class Tally:
    """How a probe's hits ended."""

    __slots__ = (*ENDINGS, "rare")

    def __init__(self) -> None:
        self.captured = self.condition_false = self.rate_limited = 0
        self.condition_error = self.evaluation_budget = self.over_budget = self.deadline = 0
        self.queue_full = self.hit_limit = self.re_entrant = self.sensor_error = 0
        self.rare = 0
        """The sum of the endings of `RARE`, so that a hit's number is a short sum."""

    def hits(self) -> int:
        return self.captured + self.condition_false + self.rate_limited + self.rare

    def endings(self) -> dict[str, int]:
        return {name: count for name in ENDINGS if (count := getattr(self, name))}


class ProbeHits:
    """The hits of one armed probe in this process. Implements `engines.base.Watcher` and `limits.Costly`."""

    def __init__(self, probe: wire.Probe, room: Room) -> None:
        """Raises `ExpressionError` when the condition, the template or a watch cannot be compiled."""
        self.probe = probe
        self.room = room
        rule = room.redactor.name_rule
        self.condition = expressions.compile(probe.condition, rule) if probe.condition else None
        self.parts = [part if isinstance(part, str) else expressions.compile(part, rule) for part in probe.template or ()]
        self.watches = [(watch, expressions.compile(watch.expression, rule)) for watch in probe.watches or ()]
        self.outside: tuple[str, ...] = ()
        """Names that expressions use and that are globals where the probe is armed."""
        self.shed_because = ""
        self.last_error: ExpressionError | None = None
        self.start_over()
        self.fire: Fire = _KINDS[probe.kind](self)

    def start_over(self) -> None:
        """Count from nothing: at first, and in a forked child, which is an instance of its own."""
        probe = self.probe
        self.tally = Tally()
        self.since = native.time_ns()
        self.left = probe.hit_limit if probe.hit_limit and probe.kind != "counter" else sys.maxsize
        self.rate = Rate(probe.rate)
        self.seen = 0
        self.cost_ns = 0
        self.resting_lines = 0
        self._unobserved = 0.0
        self._resting_since = 0.0

    def bind(self, codes: list[CodeType]) -> None:
        """Learn which names are local to the code objects the probe is armed on."""
        compiled = [self.condition, *self.parts, *(expression for _, expression in self.watches)]
        names = {name for each in compiled if isinstance(each, expressions.Compiled) for name in each.names}
        local = [{*code.co_varnames, *code.co_cellvars, *code.co_freevars} for code in codes]
        self.outside = tuple(sorted(name for name in names if not all(name in some for some in local)))

    @property
    def exhausted(self) -> bool:
        """Whether the hit limit is used up."""
        return self.left <= 0

    def scope(self, frame: FrameType) -> Mapping[str, Any]:
        """The names expressions can see in a frame: its locals, then its globals."""
        if not self.outside:
            return frame.f_locals
        local, more = frame.f_locals, frame.f_globals
        return {**{name: more[name] for name in self.outside if name in more}, **local}

    def book(self, ns: int) -> bool:
        """Account for work; True when the process has none left, so that the line had better be switched off."""
        self.cost_ns += ns
        budget = self.room.budget
        budget.spend(ns)
        return budget.balance < 0

    # What engine and breaker tell

    def rested(self) -> None:
        self.resting_lines += 1
        if self.resting_lines == 1:
            self._resting_since = _monotonic()

    def woke(self) -> None:
        self.resting_lines = max(0, self.resting_lines - 1)
        if self.resting_lines == 0:
            self._unobserved += _monotonic() - self._resting_since

    def failed(self) -> None:
        self.tally.sensor_error += 1
        self.tally.rare += 1

    def shed(self, sentence: str) -> None:
        self.shed_because = sentence

    # On the sensor's thread

    def counters(self) -> wire.ProbeCounters:
        """The state of the counts now."""
        unobserved = self._unobserved
        if self.resting_lines:
            unobserved += _monotonic() - self._resting_since
        return wire.ProbeCounters(
            probe_id=self.probe.id,
            since=self.since,
            endings=self.tally.endings(),
            unobserved_ms=round(unobserved * 1e3, 3),
            cost_us=round(self.cost_ns / 1e3, 3),
            figures={"count": self.tally.captured} if self.probe.kind == "counter" else None,
        )

    def write(self, record: Record) -> wire.Capture:
        """Name, cut and redact what a hit kept."""
        _, hit, at, mono, (thread, task, trace, execution), payload, cost = record
        trace_id, span_id = context.formatted(trace)
        capture = wire.Capture(
            id=uuid7(at).bytes,
            probe_id=self.probe.id,
            kind=self.probe.kind,
            hit=hit,
            at=at,
            mono=int(mono * 1e9),
            thread=thread,
            task=task,
            trace_id=trace_id,
            span_id=span_id,
            execution_id=trace_id or execution,
            cost_us=round(cost / 1e3, 3),
        )
        _WRITERS[self.probe.kind](self, capture, payload)
        return capture


# ---------------------------------------------------------------- gates


def _counting(hits: ProbeHits) -> Fire:
    """A counter: without a condition it is the count and nothing else."""
    if hits.condition is not None:
        return _conditional(hits, _count_true(hits))
    busy = hits.room.busy

    def fire(frame: FrameType | None = None) -> bool:
        tally = hits.tally
        if _get_ident() in busy:
            return _rare(tally, "re_entrant")
        count = tally.captured = tally.captured + 1
        return not count % LIMITED_EVERY and hits.book(LIMITED_EVERY * LIMITED_NS)

    return fire


def _count_true(hits: ProbeHits) -> Callable[[FrameType], bool]:
    def count(frame: FrameType) -> bool:
        hits.tally.captured += 1
        return False

    return count


def _recording(keep: Callable[[ProbeHits, FrameType], Any], booked_every: int) -> Callable[[ProbeHits], Fire]:
    """A kind that keeps something of each hit that passes its gates."""

    def build(hits: ProbeHits) -> Fire:
        record = _recorder(hits, keep, booked_every)
        if hits.condition is not None:
            return _conditional(hits, _limited(hits, record))
        return _limiter_first(hits, record)

    return build


def _limiter_first(hits: ProbeHits, record: Callable[[FrameType, float], bool]) -> Fire:
    busy = hits.room.busy

    def fire(frame: FrameType | None = None) -> bool:
        if _get_ident() in busy:
            return _rare(hits.tally, "re_entrant")
        now = _monotonic()
        if now < hits.rate.until:
            tally = hits.tally
            count = tally.rate_limited = tally.rate_limited + 1
            return not count % LIMITED_EVERY and hits.book(LIMITED_EVERY * LIMITED_NS)
        return record(frame or _getframe(2), now)

    return fire


def _limited(hits: ProbeHits, record: Callable[[FrameType, float], bool]) -> Callable[[FrameType], bool]:
    def limit(frame: FrameType) -> bool:
        now = _monotonic()
        if now < hits.rate.until:
            hits.tally.rate_limited += 1
            return False
        return record(frame, now)

    return limit


def _conditional(hits: ProbeHits, then: Callable[[FrameType], bool]) -> Fire:
    """The gates in front of a condition, the condition, and what follows when it holds."""
    assert hits.condition is not None
    evaluate, busy, room = hits.condition.evaluate, hits.room.busy, hits.room

    def decide(frame: FrameType) -> bool:
        try:
            holds = evaluate(hits.scope(frame))
        except BudgetExceeded:
            return _rare(hits.tally, "evaluation_budget")
        except ExpressionError as error:
            hits.last_error = error
            return _rare(hits.tally, "condition_error")
        if holds:
            return then(frame)
        hits.tally.condition_false += 1
        return False

    def fire(frame: FrameType | None = None) -> bool:
        if _get_ident() in busy:
            return _rare(hits.tally, "re_entrant")
        if room.budget.balance < 0:
            _rare(hits.tally, "evaluation_budget")
            return True
        seen = hits.seen = hits.seen + 1
        if seen % EVALUATED_EVERY:
            return decide(frame or _getframe(2))
        before, booked = _thread_time_ns(), hits.cost_ns
        off = decide(frame or _getframe(2))
        spent = _thread_time_ns() - before - (hits.cost_ns - booked)
        return hits.book(EVALUATED_EVERY * (max(0, spent) + DISPATCH_NS)) or off

    return fire


def _rare(tally: Tally, ending: str) -> bool:
    setattr(tally, ending, getattr(tally, ending) + 1)
    tally.rare += 1
    return False


# ---------------------------------------------------------------- keeping


def _recorder(
    hits: ProbeHits, keep: Callable[[ProbeHits, FrameType], Any], booked_every: int
) -> Callable[[FrameType, float], bool]:
    """Keeps a hit whose gates are passed, unless the process's budget or the probe's hit limit is used up."""
    room = hits.room

    def put(frame: FrameType, now: float, number: int, began: int) -> int:
        """Keep it; the thread time it took, when that was to be measured."""
        here = context.current()
        payload = keep(hits, frame)
        cost = _thread_time_ns() - began + DISPATCH_NS if began else 0
        record = (hits, number, native.time_ns(), now, here, payload, cost)
        if room.outbox.offer(record):
            hits.tally.captured += 1
        else:
            _rare(hits.tally, "queue_full")
        return cost

    def record(frame: FrameType, now: float) -> bool:
        tally = hits.tally
        if room.budget.balance < 0:
            _rare(tally, "over_budget")
            return True
        left = hits.left = hits.left - 1
        if left < 0:
            _rare(tally, "hit_limit")
            return True
        hits.rate.take(now)
        number = tally.captured + tally.condition_false + tally.rate_limited + tally.rare + 1
        ident = _get_ident()
        room.busy.add(ident)
        try:
            cost = put(frame, now, number, 0 if number % booked_every else _thread_time_ns())
        finally:
            room.busy.discard(ident)
        return (cost > 0 and hits.book(cost * booked_every)) or left == 0

    return record


def _keep_values(hits: ProbeHits, frame: FrameType) -> Any:
    scope = hits.scope(frame)
    return [_value(part, scope, hits.probe.limits) for part in hits.parts if not isinstance(part, str)]


def _keep_frames(hits: ProbeHits, frame: FrameType) -> Any:
    limits = hits.probe.limits
    deadline = _monotonic() + limits.deadline_ms / 1e3
    copied = snapshots.copy_frames(frame, limits, variables=hits.probe.variables, deadline=deadline)
    if not hits.watches and not hits.parts:
        return copied, (), []
    scope = hits.scope(frame)
    watched = [_value(expression, scope, watch.limits or limits) for watch, expression in hits.watches]
    return copied, watched, _keep_values(hits, frame)


def _value(compiled: Any, scope: Mapping[str, Any], limits: wire.Limits) -> Any:
    """The value of an expression as it is now, or the error it is instead."""
    try:
        value = compiled.evaluate(scope)
    except (ExpressionError, BudgetExceeded) as error:
        return error
    if id(type(value)) in _ATOMS:
        return value
    return snapshots.copy_value(value, limits, deadline=_monotonic() + limits.deadline_ms / 1e3)


# ---------------------------------------------------------------- writing


def _write_message(hits: ProbeHits, capture: wire.Capture, values: list[Any]) -> None:
    """The template's text, its values cut and redacted; what could not be read is said in its place."""
    kept, cuts, texts = iter(values), set[str](), []
    for part in hits.parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        written, cut = _write_value(hits, part, next(kept))
        cuts.update(cut)
        texts.append(messages.text_of(written))
    message = hits.room.redactor.mask("".join(texts))
    capture.message = message[: messages.LONGEST]
    if len(message) > messages.LONGEST:
        cuts.add("length")
    capture.level = hits.probe.level
    capture.cuts = sorted({*(capture.cuts or ()), *cuts}) or None
    if hits.probe.pipe:
        _pipe(hits.probe, capture.message)


def _write_frames(hits: ProbeHits, capture: wire.Capture, payload: Any) -> None:
    copied, watched, values = payload
    capture.frames, capture.cuts = snapshots.write(copied, hits.room.redactor)
    if watched:
        capture.watches = {}
        cuts = set(capture.cuts)
        for (watch, compiled), kept in zip(hits.watches, watched, strict=True):
            capture.watches[watch.name], cut = _write_value(hits, compiled, kept, watch.limits)
            cuts.update(cut)
        capture.cuts = sorted(cuts)
    if hits.parts:
        _write_message(hits, capture, values)


def _write_value(
    hits: ProbeHits, compiled: expressions.Compiled, kept: Any, limits: wire.Limits | None = None
) -> tuple[wire.Value, list[str]]:
    if isinstance(kept, SightlineError):
        return wire.Value(type=f"error: {kept.slug}", cut="error", note=kept.sentence), ["error"]
    return snapshots.write_value(
        kept,
        hits.room.redactor,
        path=compiled.path,
        rule=compiled.withheld,
        limits=limits or hits.probe.limits,
    )


def _pipe(probe: wire.Probe, message: str) -> None:
    """Hand the message to the application's logging. From here, not from its own thread: handlers are its code."""
    _log.log(logging.getLevelNamesMapping().get(probe.level.upper(), logging.INFO), "%s", message)


_KINDS: dict[str, Callable[[ProbeHits], Fire]] = {
    "counter": _counting,
    "logpoint": _recording(_keep_values, LOGGED_EVERY),
    "snapshot": _recording(_keep_frames, 1),
}
"""How each kind answers a hit; a kind that is not here is refused when it is armed."""
_WRITERS: dict[str, Callable[[ProbeHits, wire.Capture, Any], None]] = {
    "logpoint": _write_message,
    "snapshot": _write_frames,
}
KINDS = frozenset(_KINDS)
