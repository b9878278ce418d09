"""One hit, gate by gate, in the application's thread; what a kind keeps of it and writes of that is said in `kinds`.

    armed → re-entrancy → evaluation budget → condition → capture limiter → copy within its deadline → ring

Without a condition the limiter comes first, because it is the cheapest way to say no. Every hit that is observed ends
in exactly one of `wire.HitEnding`. Counters are plain integers: in CPython with a GIL no other thread can come between
the reading and the writing of ``tally.x += 1``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, get_args

from . import context, expressions, native, snapshots, wire
from .engines.base import ABOVE_FIRE, Engine, Fire, Names
from .errors import BudgetExceeded, DeadlinePassed, ExpressionError
from .expressions import Compiled
from .ids import uuid7
from .limits import Budget, Rate
from .outbox import Outbox
from .redaction import Redactor

if TYPE_CHECKING:
    from .kinds.base import Kind

ENDINGS: tuple[str, ...] = get_args(wire.HitEnding)

LIMITED_EVERY, EVALUATED_EVERY = 64, 64
"""One hit in so many is booked for all of them: reading the thread's clock costs as much as a whole cheap hit."""
DISPATCH_NS = 250
"""What the interpreter and the engine spend on a hit before its gates are reached."""
LIMITED_NS = 400
"""What a hit costs that ends at the limiter, or a count."""
REFUSED_NS = 1_000
"""What a hit costs that passes all gates and finds no room."""
IDLE_HIT_NS = 150
"""What a call costs that reaches a rewritten place while it is switched off."""

_getframe = sys._getframe
_get_ident = native.get_ident
_monotonic = native.monotonic
_thread_time_ns = native.thread_time_ns

Keep = Callable[[FrameType, Any], Any]
"""Copies out of a frame what the kind is about: a tuple where that is leaves alone. The second is what is told: at
lines the locals that are at hand."""
Then = Callable[[FrameType, Any, float], bool]
"""A gate: frame, what is told, and the moment (monotonic, s); True asks to switch the place off."""

Record = tuple[Any, ...]
"""What the ring holds of a capture: (hits, hit number, monotonic s, context, payload, cost in ns)."""


class Room:
    """What all probes of a process share."""

    def __init__(self, outbox: Outbox, budget: Budget, redactor: Redactor, *, guarded: bool) -> None:
        self.guarded = guarded
        """Whether a hit may come while one is being kept on the same thread; `sys.monitoring` prevents that itself."""
        self.engine: Engine | None = None
        """What probes are armed with, for kinds that switch events on and off themselves."""
        self.outbox = outbox
        self.budget = budget
        self.redactor = redactor
        self.busy: set[int] = set()
        """Threads on which hits are not observed: the sensor's own while it works, and whoever is inside a capture just
        now. Mostly empty, which is what hits look at first: to ask for the thread's identity costs more."""


class Tally:
    """How a probe's hits ended."""

    __slots__ = (*ENDINGS, "rare")

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        self.captured = self.condition_false = self.rate_limited = 0
        self.condition_error = self.evaluation_budget = self.over_budget = self.deadline = 0
        self.queue_full = self.hit_limit = self.re_entrant = self.sensor_error = 0
        self.rare = 0
        """The sum of the endings but the first three, so that a hit's number is a short sum."""

    def hits(self) -> int:
        return self.captured + self.condition_false + self.rate_limited + self.rare

    def endings(self) -> dict[str, int]:
        return {name: count for name in ENDINGS if (count := getattr(self, name))}


class ProbeHits:
    """The hits of one armed probe in this process: its expressions, counts and limits. Implements `limits.Costly`."""

    def __init__(self, probe: wire.Probe, room: Room, make_kind: Callable[[ProbeHits], Kind]) -> None:
        """Raises `ExpressionError` when an expression cannot be compiled, or the kind cannot be asked so."""
        self.probe = probe
        self.room = room
        self.condition = self.compile(probe.condition) if probe.condition else None
        self.value = self.compile(probe.value) if probe.value else None
        self.parts = [part if isinstance(part, str) else self.compile(part) for part in probe.template or ()]
        self.watches = [(watch, self.compile(watch.expression)) for watch in probe.watches or ()]
        self.scope: Callable[[FrameType], Mapping[str, Any]] | None = None
        """What expressions see of a frame; None where that is its ``f_locals``."""
        self.wants: frozenset[str] | None = None
        """The locals that expressions use, where they use nothing else."""
        self.shed_because = ""
        self.last_error: ExpressionError | None = None
        """Why the condition could not be answered at a hit."""
        self.last_value_error: ExpressionError | BudgetExceeded | None = None
        self.tally = Tally()
        self.rate = Rate(probe.rate)
        self.kind = make_kind(self)
        self.start_over()

    def compile(self, expression: wire.Expression) -> Compiled:
        """Raises `ExpressionError`."""
        return expressions.compile(expression, self.room.redactor.name_rule)

    def compiled(self) -> list[Compiled]:
        """Every expression of the probe."""
        single = [each for each in (self.condition, self.value) if each is not None]
        parts = [part for part in self.parts if not isinstance(part, str)]
        return [*single, *parts, *(expression for _, expression in self.watches)]

    def start_over(self) -> None:
        """Count from nothing: at first, and in a forked child, which is an instance of its own."""
        probe = self.probe
        self.tally.start_over()
        self.rate.start_over()
        self.since = native.time_ns()
        self.left: float = probe.hit_limit if probe.hit_limit and self.kind.captures else math.inf
        self.cost_ns = 0
        self.resting_lines = 0
        self._unobserved = 0.0
        self._resting_since = 0.0
        self.kind.start_over()

    def bind(self, codes: list[CodeType]) -> None:
        """Learn which names are local to the code objects the probe is to be armed on. Call it before arming."""
        names = {name for each in self.compiled() for name in each.names} - expressions.CALL_NAMES
        local = [{*code.co_varnames, *code.co_cellvars, *code.co_freevars} for code in codes]
        outside = sorted(name for name in names if not all(name in some for some in local))
        self.scope = _locals_and_globals(outside) if outside else native.fast_locals
        self.wants = None if outside else frozenset(names)

    @property
    def exhausted(self) -> bool:
        """Whether the hit limit is used up."""
        return self.left <= 0

    @property
    def complaint(self) -> tuple[str, str] | None:
        """What goes wrong with its expressions at hits, as a slug and a sentence for the status."""
        if self.last_error is not None:
            return (
                "condition_error",
                f"Its condition could not be answered at a hit: {self.last_error.sentence}.",
            )
        if self.last_value_error is not None:
            return "value_error", f"Its value could not be read at a hit: {self.last_value_error.sentence}."
        return None

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
        if not self.resting_lines:
            return  # it began to count anew meanwhile, in a forked child
        self.resting_lines -= 1
        if not self.resting_lines:
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
            figures=self.kind.figures(),
        )

    def write(self, record: Record) -> wire.Capture:
        """Name, cut and redact what a hit kept."""
        _, hit, moment, here, payload, cost = record
        mono = int(moment * 1e9)
        at = mono + native.time_ns() - native.monotonic_ns()
        capture = wire.Capture(
            id=uuid7(at).bytes,
            probe_id=self.probe.id,
            kind=self.probe.kind,
            hit=hit,
            at=at,
            mono=mono,
            cost_us=round(cost / 1e3, 3),
        )
        context.fill(capture, here, self.room.redactor.mask_again)
        self.kind.write(capture, payload)
        return capture


class Listener:
    """One probe's ear at one or more spots. Implements `engines.base.Watcher`."""

    __slots__ = ("fire", "hits", "points", "wants")

    def __init__(
        self, hits: ProbeHits, fire: Fire, wants: frozenset[str] | None = None, points: tuple[Any, ...] = ()
    ) -> None:
        self.hits = hits
        self.fire = fire
        self.wants = wants
        self.points = points

    def rested(self) -> None:
        self.hits.rested()

    def woke(self) -> None:
        self.hits.woke()

    def failed(self) -> None:
        self.hits.failed()

    def idled(self, calls: int) -> None:
        self.hits.cost_ns += calls * IDLE_HIT_NS


def _locals_and_globals(outside: list[str]) -> Callable[[FrameType], Mapping[str, Any]]:
    """A scope for expressions that also use these globals, or the context (``@route``)."""
    told = [(name, context.NAMES[name]) for name in outside if name in context.NAMES]

    def scope(frame: FrameType) -> Mapping[str, Any]:
        more = frame.f_globals
        names = {**{name: more[name] for name in outside if name in more}, **frame.f_locals}
        for name, read in told:
            names[name] = read(frame)
        return names

    return scope


# ---------------------------------------------------------------- gates
#
# Everything below runs on lines that may be hit a million times a second. Names are bound outside the functions, and
# one function does what several would do elsewhere, because a call costs as much as a gate.


def counting(hits: ProbeHits) -> Fire:
    """A count: without a condition it is that and nothing else."""
    tally, busy = hits.tally, hits.room.busy

    def count(frame: FrameType, names: Names | None, now: float) -> bool:
        tally.captured += 1
        return False

    def fire(frame: FrameType | None = None, names: Names | None = None) -> bool:
        if busy and _get_ident() in busy:
            return rare(tally, "re_entrant")
        count = tally.captured = tally.captured + 1
        return not count % LIMITED_EVERY and hits.book(LIMITED_EVERY * LIMITED_NS)

    return fire if hits.condition is None else conditional(hits, hits.condition, count)


def recording(
    hits: ProbeHits, keep: Keep, booked_every: int, weigh: Callable[[Any], int] = snapshots.weight
) -> Fire:
    """All gates, and what `keep` makes of each hit that passes them, handed to the outbox."""
    record = recorder(hits, keep, booked_every, weigh=weigh)
    if hits.condition is None:
        return _limiter_first(hits, record)
    return conditional(hits, hits.condition, limited(hits, record))


def _limiter_first(hits: ProbeHits, record: Then) -> Fire:
    tally, busy, rate = hits.tally, hits.room.busy, hits.rate

    def fire(frame: FrameType | None = None, names: Names | None = None) -> bool:
        if busy and _get_ident() in busy:
            return rare(tally, "re_entrant")
        now = _monotonic()
        if now < rate.until:
            count = tally.rate_limited = tally.rate_limited + 1
            return not count % LIMITED_EVERY and hits.book(LIMITED_EVERY * LIMITED_NS)
        if frame is None:
            frame = _getframe(ABOVE_FIRE)
        return record(frame, names, now)

    return fire


def limited(hits: ProbeHits, record: Then) -> Then:
    tally, rate = hits.tally, hits.rate

    def limit(frame: FrameType, told: Any, now: float) -> bool:
        if now < rate.until:
            tally.rate_limited += 1
            return False
        return record(frame, told, now)

    return limit


def conditional(hits: ProbeHits, condition: expressions.Compiled, then: Then) -> Fire:
    """The gates in front of a condition, the condition, and what follows when it holds."""
    tally, busy, budget = hits.tally, hits.room.busy, hits.room.budget
    evaluate, scope = condition.holds, hits.scope
    untimed = EVALUATED_EVERY

    def fire(frame: FrameType | None = None, names: Names | None = None) -> bool:
        nonlocal untimed
        if busy and _get_ident() in busy:
            return rare(tally, "re_entrant")
        if budget.balance < 0:
            rare(tally, "evaluation_budget")
            return True
        if frame is None:
            frame = _getframe(ABOVE_FIRE)
        untimed -= 1
        if untimed <= 0:
            untimed = EVALUATED_EVERY + 1  # one more, because the timed hit comes through here again
            return _timed(hits, fire, frame, names)
        try:  # no variable holds the locals: see snapshots.variables_of
            if evaluate(names if names is not None else scope(frame) if scope else frame.f_locals):
                return then(frame, names, _monotonic())
        except BudgetExceeded:
            return rare(tally, "evaluation_budget")
        except ExpressionError as error:
            hits.last_error = error
            return rare(tally, "condition_error")
        tally.condition_false += 1
        return False

    return fire


def evaluating(hits: ProbeHits, then: Then) -> Fire:
    """The gates in front of what is evaluated at every hit: a condition if there is one, else ``then`` itself."""
    if hits.condition is not None:
        return conditional(hits, hits.condition, then)
    tally, busy, budget = hits.tally, hits.room.busy, hits.room.budget
    untimed = EVALUATED_EVERY

    def fire(frame: FrameType | None = None, names: Names | None = None) -> bool:
        nonlocal untimed
        if busy and _get_ident() in busy:
            return rare(tally, "re_entrant")
        if budget.balance < 0:
            rare(tally, "evaluation_budget")
            return True
        if frame is None:
            frame = _getframe(ABOVE_FIRE)
        untimed -= 1
        if untimed <= 0:
            untimed = EVALUATED_EVERY + 1
            return _timed(hits, fire, frame, names)
        return then(frame, names, 0.0)

    return fire


def _timed(hits: ProbeHits, fire: Fire, frame: FrameType, names: Names | None) -> bool:
    """The same hit again, timed and booked for all of its sample; what a capture within it cost is booked there."""
    began, booked = _thread_time_ns(), hits.cost_ns
    off = fire(frame, names)
    spent = _thread_time_ns() - began - (hits.cost_ns - booked)
    return hits.book(EVALUATED_EVERY * (max(0, spent) + DISPATCH_NS)) or off


def rare(tally: Tally, ending: str) -> bool:
    setattr(tally, ending, getattr(tally, ending) + 1)
    tally.rare += 1
    return False


def _refused(hits: ProbeHits, outbox: Outbox) -> bool:
    """A hit for whose record there is no room: nothing is copied."""
    outbox.refuse()
    rare(hits.tally, "queue_full")
    return not hits.tally.queue_full % LIMITED_EVERY and hits.book(LIMITED_EVERY * REFUSED_NS)


# ---------------------------------------------------------------- keeping


def recorder(
    hits: ProbeHits,
    keep: Keep,
    booked_every: int,
    rate: Rate | None = None,
    weigh: Callable[[Any], int] = snapshots.weight,
) -> Then:
    """Keeps a hit whose gates are passed, unless the process's budget or the probe's hit limit is used up.

    Takes the hit out of the probe's rate, or out of another where it was taken out before. ``weigh`` tells how many
    values stand in what was kept, for kinds that know it without looking; a tuple holds leaves alone.
    """
    room, tally, budget = hits.room, hits.tally, hits.room.budget
    rate = rate or hits.rate
    busy, guarded = room.busy, room.guarded
    tolerance, interval, where = rate.tolerance, rate.interval, context.current

    def record(frame: FrameType, told: Any, now: float) -> bool:
        if budget.balance < 0:
            rare(tally, "over_budget")
            return True
        left = hits.left = hits.left - 1
        if left < 0:
            rare(tally, "hit_limit")
            return True
        number = tally.captured + tally.condition_false + tally.rate_limited + tally.rare + 1
        began = 0 if number % booked_every else _thread_time_ns()
        until, earliest = rate.until, now - tolerance
        rate.until = (until if until > earliest else earliest) + interval
        outbox = room.outbox
        if outbox.full:
            return _refused(hits, outbox) or left == 0
        try:
            if guarded:
                busy.add(_get_ident())
                try:
                    payload = keep(frame, told)
                finally:
                    busy.discard(_get_ident())
            else:
                payload = keep(frame, told)
        except DeadlinePassed:
            return rare(tally, "deadline")
        here = where(frame)
        cost = _thread_time_ns() - began + DISPATCH_NS if began else 0
        values = 1 if type(payload) is tuple else weigh(payload)
        if outbox.offer((hits, number, now, here, payload, cost), values):
            tally.captured += 1
        else:
            rare(tally, "queue_full")
        return left == 0 or (cost > 0 and hits.book(cost * booked_every))

    return record
