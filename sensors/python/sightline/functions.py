"""The always-on function record: calls, errors, durations and callers of the service's own functions.

Opt-in by globs of module names (``SIGHTLINE_FUNCTIONS="trading.*"``). It costs a bounded amount: each function is told
of so many calls an interval, then it is switched off until the next one. The time for which it was on is counted
beside the calls, so that whoever reads the figures knows which share of the interval they stand for.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterator
from types import CodeType, FrameType, ModuleType
from typing import Any, Final

from . import engines, foreign, heap, native, wire
from .engines.base import ABOVE_FIRE, CannotArm, Engine, Fire, Names, Observer, Spot, Watching
from .histograms import Histogram
from .limits import Budget
from .locator import file_of, modules, normalised

INTERVAL_S: Final = 10.0
CALLS_AN_INTERVAL: Final = 5_000
"""Of all functions together, shared out among those that were called in the interval before."""
FEWEST_CALLS: Final = 50
"""Told of each function in any interval, however many there are."""
MOST_FUNCTIONS: Final = 1000
MOST_CALLERS: Final = 50
MOST_EXCEPTIONS: Final = 20
MOST_RUNNING: Final = 1000
"""Calls under way whose beginning is remembered; more are generators that nobody will finish."""
CALLERS_WITHIN: Final = 8
"""How many frames further out the caller is looked for: decorators and frameworks stand between."""
LOOK_EVERY_S: Final = 2.0
CALL_NS: Final = 4_000
"""What one recorded call costs, entry and end together; booked on the process's budget."""
OUTSIDE: Final = ""
"""The caller of what none of the recorded functions called."""

_getframe = sys._getframe
_monotonic = native.monotonic


class FunctionRecord:
    """The record of one process. ``engine`` is the sensor's; where events are plenty it makes one of its own.

    All methods are called on the sensor's thread under the registry's lock.
    """

    def __init__(self, patterns: tuple[str, ...], engine: Engine, budget: Budget) -> None:
        self._patterns = patterns
        self._shared = engine
        self._budget = budget
        self._original = engine.original if engine.name == "rewriting" else None
        """Frames show the code an engine put there, where it did."""
        self._engine: Engine | None = None
        self._functions: dict[int, _Function] = {}
        self._names: dict[int, str] = {}
        """Of each recorded function, by the identity of its code."""
        self._modules: dict[str, int] = {}
        """What was looked at already: by name, the identity of the module."""
        self._share = CALLS_AN_INTERVAL
        self._look_at = self._renew_at = 0.0
        self._taken_at = native.time_ns()

    def tick(self, now: float) -> None:
        """Take in modules that came, and begin a new interval when one is over."""
        if not self._patterns:
            return
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            self._look()
        if now >= self._renew_at:
            self._renew_at = now + INTERVAL_S
            self._renew()
        elif self._original is not None:
            self._let_go()

    def take(self) -> wire.Functions | None:
        """What was recorded since last asked, perhaps nothing: silence is told too. None where nothing is watched."""
        began, self._taken_at = self._taken_at, native.time_ns()
        told = [counts for each in list(self._functions.values()) if (counts := each.take()) is not None]
        return wire.Functions(began, self._taken_at, told) if self._functions else None

    def sentence(self) -> str:
        """What is recorded, for the doctor."""
        if not self._patterns:
            return "not recorded: SIGHTLINE_FUNCTIONS names no modules"
        return (
            f"{len(self._functions)} recorded in {len(self._modules)} modules of {', '.join(self._patterns)}"
        )

    def start_over(self) -> None:
        """In a forked child: the same functions, counted from nothing."""
        self._taken_at = native.time_ns()
        for each in self._functions.values():
            each.start_over()

    def close(self) -> None:
        """Leave nothing in the application's code; what was counted can still be taken."""
        self._patterns = ()
        if self._engine is not None:
            self._engine.disarm([each for one in self._functions.values() for each in one.watchings])
            if self._engine is not self._shared:
                self._engine.close()
        self._engine = None

    # Which functions

    def _look(self) -> None:
        """Take in what came. All at once: an engine may have to search the process for each change."""
        new: list[_Function] = []
        for module in modules():
            name = heap.namespace(module).get("__name__")
            if type(name) is not str or not self._wanted(name) or self._modules.get(name) == id(module):
                continue
            if not getattr(heap.namespace(module).get("__spec__"), "_initializing", False):
                self._modules[name] = id(module)
                new += self._new_in(name, module)
        self._take_in(new[: MOST_FUNCTIONS - len(self._functions)])

    def _wanted(self, name: str) -> bool:
        """``trading.*`` means the package itself too."""
        return any(
            fnmatch.fnmatchcase(name, pattern) or name == pattern.removesuffix(".*")
            for pattern in self._patterns
        )

    def _new_in(self, name: str, module: ModuleType) -> list[_Function]:
        return [
            _Function(f"{name}:{spot.code.co_qualname}", spot, self)
            for spot in self._spots(module)
            if id(spot.code) not in self._functions
        ]

    def _take_in(self, new: list[_Function]) -> None:
        if not new:
            return
        engine = self._engine = self._engine or self._own_engine()
        for function in new:
            function.renew(self._fair_share())
        for function in self._armed(engine, new):
            self._functions[id(function.spot.code)] = function
            self._names[id(function.spot.code)] = function.name

    def _own_engine(self) -> Engine:
        """A second tool where there is `sys.monitoring`: switching on again is each tool's own affair there."""
        if self._shared.name == "monitoring":
            own = engines.choose()
            if own.name == "monitoring":
                return own
        return self._shared

    def _spots(self, module: ModuleType) -> Iterator[Spot]:
        """The functions of a module that have a name and stand in its file."""
        codes = heap.Codes()
        running: list[CodeType] = []
        for function in heap.shown(module):
            code = self._shared.original(function.__code__)
            codes.add_function(function, code)
            running.append(code)
        path = file_of(module)
        for code in {id(code): code for code in running}.values():
            if not code.co_name.startswith("<") and normalised(code.co_filename) == path:
                lineage, functions = codes.lineages.get(id(code), ()), codes.functions_of(code)
                yield Spot(code, code.co_firstlineno, lineage, functions, makers=codes.makers_of(code))

    def _armed(self, engine: Engine, functions: list[_Function]) -> list[_Function]:
        """Those of ``functions`` that could be armed: all at once if possible, else one by one."""
        try:
            engine.arm([watching for function in functions for watching in function.watchings])
        except CannotArm:
            if len(functions) < 2:
                return []
            middle = len(functions) // 2
            return self._armed(engine, functions[:middle]) + self._armed(engine, functions[middle:])
        return functions

    # How much of each

    def _fair_share(self) -> int:
        return max(FEWEST_CALLS, self._share)

    def _renew(self) -> None:
        """Book what the interval cost, and let every function be told of calls again."""
        functions = list(self._functions.values())
        called = [each for each in functions if each.left < each.given]
        self._budget.spend(sum(each.given - max(each.left, 0) for each in called) * CALL_NS)
        self._share = CALLS_AN_INTERVAL // max(1, len(called))
        overdrawn = self._budget.balance < 0
        for each in functions:
            each.renew(0 if overdrawn else self._fair_share())
        if not overdrawn:
            self._take_up([each for each in functions if each.let_go])
        if self._engine is not None and not overdrawn:
            self._engine.wake()

    def _let_go(self) -> None:
        """Give functions that were told of enough calls their own code back, where a rewritten one costs at each call.

        Only such of which the engine knows all there is of them: for others it would search the process each time.
        """
        for each in self._functions.values():
            if each.left < 0 and not each.let_go and each.is_alone and self._engine is not None:
                self._engine.disarm(each.watchings)
                each.leave()

    def _take_up(self, functions: list[_Function]) -> None:
        for each in functions:
            if self._engine is not None and self._armed(self._engine, [each]):
                each.let_go = False

    def caller_of(self, frame: FrameType) -> str:
        """The nearest recorded function further out."""
        names, original = self._names, self._original
        outer = frame.f_back
        for _ in range(CALLERS_WITHIN):
            if outer is None:
                break
            code = outer.f_code
            name = names.get(id(original(code) if original is not None else code))
            if name is not None:
                return name
            outer = outer.f_back
        return OUTSIDE


class _Counts:
    """What was recorded of one function since it was last taken."""

    __slots__ = ("callers", "calls", "duration", "errors", "exceptions", "observed_s", "since")

    def __init__(self) -> None:
        self.calls = self.errors = 0
        self.exceptions: dict[str, int] = {}
        self.callers: dict[str, int] = {}
        self.duration = Histogram()
        self.since = _monotonic()
        self.observed_s = 0.0


class _Function:
    """One recorded function: what it is watched for, and what came of it."""

    def __init__(self, name: str, spot: Spot, record: FunctionRecord) -> None:
        self.name = name
        self.spot = spot
        self.left = self.given = 0
        self.let_go = False
        """Whether it has its own code back until the next interval."""
        self.is_alone = "<locals>" not in spot.code.co_qualname
        self.counts = _Counts()
        self._record = record
        self._running: dict[int, float] = {}
        """When each call under way began, by the identity of its frame: that lives as long as the call does."""
        self._on_since = _monotonic()
        self._is_on = True
        fires: list[tuple[Any, Fire]] = [
            ("start", self._on_start()), ("return", self._on_return()), ("unwind", self._on_unwind()),
        ]  # fmt: skip
        self.watchings: list[Watching] = [
            (spot._replace(event=event), Observer(fire)) for event, fire in fires
        ]

    def renew(self, calls: int) -> None:
        """Begin an interval with so many calls to be told of."""
        self.left = self.given = calls
        if not calls:
            self._off()
        elif not self._is_on:
            self._is_on, self._on_since = True, _monotonic()

    def leave(self) -> None:
        """It is not told of calls any more, nor of the ends of those under way."""
        self.let_go = True
        self._running.clear()

    def start_over(self) -> None:
        self._running.clear()
        self.counts = _Counts()
        self._on_since = _monotonic()

    def take(self) -> wire.FunctionCounts | None:
        """What was counted since last taken, which is then forgotten; None when it was not called."""
        counts = self.counts
        if not counts.calls and not counts.errors:
            return None
        now = _monotonic()
        if self._is_on:
            counts.observed_s += now - self._on_since
            self._on_since = now
        self.counts = _Counts()
        whole = max(now - counts.since, 1e-9)
        return wire.FunctionCounts(
            function=self.name,
            file=normalised(self.spot.code.co_filename),
            line=self.spot.code.co_firstlineno,
            calls=counts.calls,
            errors=counts.errors,
            exceptions=dict(counts.exceptions),
            callers=dict(counts.callers),
            duration=counts.duration.plain("ms"),
            observed=round(min(1.0, counts.observed_s / whole), 4),
        )

    def _off(self) -> None:
        if self._is_on:
            self._is_on = False
            self.counts.observed_s += _monotonic() - self._on_since

    # In the application's thread

    def _on_start(self) -> Fire:
        running, caller_of = self._running, self._record.caller_of

        def fire(frame: FrameType | None = None, names: Names | None = None) -> bool:
            self.left = left = self.left - 1
            if left < 0:
                self._off()
                return True
            frame = frame or _getframe(ABOVE_FIRE)
            counts = self.counts
            counts.calls += 1
            caller = caller_of(frame)
            if caller in counts.callers or len(counts.callers) < MOST_CALLERS:
                counts.callers[caller] = counts.callers.get(caller, 0) + 1
            if len(running) >= MOST_RUNNING:
                running.clear()
            running[id(frame)] = _monotonic()
            return False

        return fire

    def _on_return(self) -> Fire:
        running = self._running

        def fire(told: object, frame: FrameType | None = None) -> bool:
            frame = frame or _getframe(ABOVE_FIRE)
            began = running.pop(id(frame), None)
            if began is not None:
                self.counts.duration.add((_monotonic() - began) * 1e3)
            return self.left < 0 and not running

        return fire

    def _on_unwind(self) -> Fire:
        running = self._running

        def fire(told: object, frame: FrameType | None = None) -> bool:
            frame = frame or _getframe(ABOVE_FIRE)
            began = running.pop(id(frame), None)
            if began is None:
                return False
            counts = self.counts
            counts.duration.add((_monotonic() - began) * 1e3)
            if type(told) is not GeneratorExit:  # a generator that nobody finishes is no failure
                counts.errors += 1
                name = foreign.type_name(told)
                if name in counts.exceptions or len(counts.exceptions) < MOST_EXCEPTIONS:
                    counts.exceptions[name] = counts.exceptions.get(name, 0) + 1
            return False

        return fire
