"""The seam between a probe's hits and the means by which what code does is told."""

from __future__ import annotations

import functools
import signal
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, Final, Literal, NamedTuple, Protocol

Event = Literal[
    "line",
    "start",
    "resume",
    "return",
    "yield",
    "unwind",
    "raise",
    "reraise",
    "handled",
    "every_line",
    "call",
    "write",
]
"""What a code object can be watched for. What each event means is said in `EVENTS`."""
EVENTS: Final[dict[Event, str]] = {
    "line": "A line begins.",
    "start": "A call begins; for generators and coroutines: their first step.",
    "resume": "A generator or coroutine goes on, but not with an exception thrown into it.",
    "return": "A call is about to return; told is the value.",
    "yield": "A generator is about to yield; told is the value. Awaiting and `yield from` are not told.",
    "unwind": "An exception leaves a call; told is the exception.",
    "raise": "An exception came up in a call or came into it; told is the exception, perhaps more than once.",
    "reraise": "A handler passes an exception on; told is the exception.",
    "handled": "An exception reached a handler, a `finally` or `with` included; told is the exception.",
    "every_line": "Any line begins, while `Engine.switch` has it on; told is the line.",
    "call": "Something is about to be called; told is (callable, first argument or `MISSING`).",
    "write": "One of the watcher's ``points`` is about to run, or has run; told is (point, whether before, object or "
    "`MISSING`). A point that raises is not told to have run.",
}
PROCESS_WIDE: Final[frozenset[Event]] = frozenset({"unwind", "raise", "reraise", "handled"})
"""Events that the monitoring engine sees of the whole process, and cannot switch off for one place."""
MISSING: Final[object] = getattr(getattr(sys, "monitoring", None), "MISSING", object())

Names = Mapping[str, Any]
Fire = Callable[..., bool]
"""``fire(frame=None, names=None)`` for `line`, `start` and `resume`, ``fire(told, frame=None)`` for other events.

Called at every hit; never blocks. Without a frame it finds the one `ABOVE_FIRE` calls up. ``names`` are the locals
the watcher wants, where the engine has them at hand. True asks to switch the place off until `Engine.wake`, for
`every_line` until the next `Engine.switch`; it means nothing for `PROCESS_WIDE` events."""


class Spot(NamedTuple):
    """One event of one code object. Equal text in two files makes equal code objects: compare them by identity."""

    code: CodeType
    line: int
    """The watched line; for events that have none, the first of the code object."""
    lineage: tuple[CodeType, ...] = ()
    """The code objects this one lies in, outermost first, where they are known."""
    functions: tuple[weakref.ref[FunctionType], ...] = ()
    """Functions seen to run this code."""
    event: Event = "line"
    makers: tuple[weakref.ref[FunctionType], ...] = ()
    """Functions seen to run the code objects this one lies in."""

    @property
    def key(self) -> int | Event:
        """What tells this spot from others of its code object."""
        return self.line if self.event == "line" else self.event


class Point(Protocol):
    """One instruction of a code object that stores something, as a watcher of `write` has them in ``points``."""

    @property
    def offset(self) -> int: ...

    @property
    def after(self) -> int:
        """Offset of the instruction that runs next."""

    @property
    def operation(self) -> str:
        """The instruction's name."""

    @property
    def ordinal(self) -> int:
        """Which of the code object's instructions of this name, from 0."""

    @property
    def arguments(self) -> int:
        """Positional arguments of a call."""

    @property
    def owner(self) -> tuple[Any, ...] | None:
        """None where only the instruction's own operands tell the object that is written to."""


class Watcher(Protocol):
    """Whoever is told of hits at a spot, and of the time in which there were none to be told."""

    fire: Fire
    wants: frozenset[str] | None
    """The locals that are all it needs of most hits; None where it needs the frame anyway."""
    points: tuple[Point, ...]
    """The instructions that it wants to be told of, at a `write`."""

    def rested(self) -> None:
        """The place has been switched off: hits are not observed from now."""

    def woke(self) -> None:
        """The place is on again."""

    def failed(self) -> None:
        """The sensor itself failed during a hit; the application saw nothing of it."""

    def idled(self, calls: int) -> None:
        """So many calls were made for places that were switched off, on its behalf. Booked on the budget elsewhere."""


class Observer:
    """A watcher of the sensor's own, behind which no probe stands: it keeps no account of what it did not see."""

    wants: frozenset[str] | None = None
    points: tuple[Point, ...] = ()

    def __init__(self, fire: Fire) -> None:
        self.fire = fire

    def rested(self) -> None:
        """Whoever made it counts for itself how long it was on."""

    def woke(self) -> None:
        """It goes on as if nothing had been."""

    def failed(self) -> None:
        """One call less is told."""

    def idled(self, calls: int) -> None:
        """No probe is to answer for them."""


Watching = tuple[Spot, Watcher]
"""What an engine is asked to do: tell this watcher of this spot."""


class CannotArm(Exception):
    """This code object cannot be watched here: a slug and a sentence for the status."""

    def __init__(self, slug: str, sentence: str) -> None:
        super().__init__(sentence)
        self.slug = slug
        self.sentence = sentence


class Engine(Protocol):
    """Makes code call its watchers. All methods but `switch` and the calls are used under the registry's lock."""

    name: str
    reason: str
    """Why this engine, in words."""
    late: str
    """What a status must add about frames that are already running; empty where they are seen."""

    def arm(self, watchings: Sequence[Watching]) -> None:
        """Watch these too, all or none. Raises `CannotArm`."""

    def disarm(self, watchings: Sequence[Watching]) -> None:
        """Forget them; code is as it was when its last watcher leaves. What is not armed is passed over."""

    def switch(self, spot: Spot, watcher: Watcher, *, on: bool) -> None:
        """Begin or end telling a watcher of `every_line`. May be called at a hit, in the application's thread."""

    def wake(self) -> None:
        """Switch on every place that was switched off."""

    def idle_hits(self) -> int:
        """Calls made for places that are switched off, since the last time asked: they cost too.

        Tells each watcher its part of them.
        """

    def original(self, code: CodeType) -> CodeType:
        """The code object as the compiler made it, given one that this engine may have put in its place."""

    def close(self) -> None:
        """Leave nothing behind."""


class Site:
    """A spot with its watchers, and the one function the engine calls for all of them."""

    __slots__ = ("fire", "idle", "listening", "resting", "spot", "watchers")

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self.watchers: list[Watcher] = []
        self.listening: list[Watcher] = []
        """Those that are told: all, but for `every_line` only those that are switched on."""
        self.resting = False
        self.idle = 0
        """Calls made for it while it was switched off, since the last time its watchers were told."""
        self.fire: Fire = _nothing

    def add(self, watcher: Watcher) -> None:
        self.watchers.append(watcher)
        if self.resting:
            watcher.rested()
        if self.spot.event != "every_line":
            self.listening.append(watcher)
        self._combine()

    def remove(self, watcher: Watcher) -> None:
        if self.resting and watcher in self.watchers:
            watcher.woke()
        self.watchers = [other for other in self.watchers if other is not watcher]
        self.switch(watcher, on=False)

    def switch(self, watcher: Watcher, *, on: bool) -> None:
        others = [other for other in self.listening if other is not watcher]
        self.listening = [*others, watcher] if on and watcher in self.watchers else others
        self._combine()

    def rest(self) -> None:
        if self.resting:
            return
        self.resting = True
        for watcher in self.watchers:
            watcher.rested()

    def wake(self) -> None:
        self.resting = False
        for watcher in self.watchers:
            watcher.woke()

    def failed(self) -> None:
        for watcher in self.watchers:
            watcher.failed()

    def take_idle(self) -> int:
        """The calls made while it was switched off; its watchers are told, each an equal part."""
        calls, self.idle = self.idle, 0
        for watcher in self.watchers if calls else ():
            watcher.idled(calls // len(self.watchers))
        return calls

    @property
    def wants(self) -> frozenset[str] | None:
        """What all watchers together want of the locals; None when one of them needs the frame."""
        wanted = [watcher.wants for watcher in self.watchers]
        known = [names for names in wanted if names is not None]
        return frozenset().union(*known) if len(known) == len(wanted) else None

    def _combine(self) -> None:
        fires = [watcher.fire for watcher in self.listening]
        if len(fires) == 1:
            self.fire = fires[0]
        elif not fires:
            self.fire = _nothing
        else:
            self.fire = all_of(fires) if self.spot.event in ("line", "start", "resume") else all_told(fires)


def _nothing(*told: object) -> bool:
    return False


def all_of(fires: list[Fire]) -> Fire:
    """One call for several watchers; the place is switched off only when none of them wants it."""
    getframe, above = sys._getframe, ABOVE_FIRE

    def fire(frame: FrameType | None = None, names: Names | None = None) -> bool:
        frame = frame or getframe(above)
        off = True
        for each in fires:
            off = each(frame, names) and off
        return off

    return fire


def all_told(fires: list[Fire]) -> Fire:
    """The same for events that tell something."""
    getframe, above = sys._getframe, ABOVE_FIRE

    def fire(told: object, frame: FrameType | None = None) -> bool:
        frame = frame or getframe(above)
        off = True
        for each in fires:
            off = each(told, frame) and off
        return off

    return fire


COMPILED: Final = type(_nothing) is not FunctionType
"""Whether this is the sensor that was compiled when it was installed: what is compiled has no frames of its own."""
ABOVE_HOOK: Final = 0 if COMPILED else 1
"""How many frames the application's is above that of what the engine has it call."""
ABOVE_FIRE: Final = 2 * ABOVE_HOOK
"""How many it is above a `Fire` that is called by that."""


def is_the_applications(error: Exception) -> bool:
    """Whether an exception in a callback interrupted the application there, rather than being a failure of the sensor.

    Signal handlers run between any two instructions, the sensor's too, and a thread may be sent an exception
    (`PyThreadState_SetAsyncExc`): a worker's time limit is often one of these, and swallowing it would change
    the program. Without such evidence the failure is ours. What is no `Exception` (`KeyboardInterrupt`,
    `SystemExit`) is never caught.
    """
    module = type(error).__module__
    package = module.partition(".")[0] if type(module) is str else ""
    return package not in _OWN_PACKAGES or from_signal_handler(error)


def from_signal_handler(error: Exception) -> bool:
    """Whether a signal handler of the application raised this, while other code was running."""
    handlers = {id(code) for code in map(_code_of, _signal_handlers()) if code is not None}
    last = error.__traceback__
    while last is not None:
        if id(last.tb_frame.f_code) in handlers:
            return True
        last = last.tb_next
    return False


def _signal_handlers() -> list[object]:
    return [signal.getsignal(number) for number in range(1, signal.NSIG) if number not in _NO_HANDLER]


def _code_of(handler: object) -> CodeType | None:
    """The code a handler begins with; None for what is not written in Python."""
    while type(handler) in (MethodType, functools.partial):
        handler = handler.__func__ if type(handler) is MethodType else handler.func  # type: ignore[attr-defined]
    if type(handler) is not FunctionType:
        handler = next(
            (vars(base)["__call__"] for base in type(handler).__mro__ if "__call__" in vars(base)), None
        )
    return handler.__code__ if type(handler) is FunctionType else None


_NO_HANDLER = frozenset({32, 33})  # the C library keeps these for itself
_OWN_PACKAGES = frozenset({"sightline", "msgspec", *sys.stdlib_module_names})
