"""The seam between a probe's hits and the means by which a line is watched."""

from __future__ import annotations

import functools
import signal
import sys
import weakref
from collections.abc import Callable, Mapping
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, NamedTuple, Protocol

Names = Mapping[str, Any]
Fire = Callable[..., bool]
"""``fire(frame=None, names=None)``, called at every hit; never blocks.

Without a frame it finds the one two calls up. ``names`` are the locals the watcher wants, where the engine has them at
hand. True asks to switch the line off until `Engine.wake`."""


class Spot(NamedTuple):
    """One line of one code object. Equal text in two files makes equal code objects: compare them by identity."""

    code: CodeType
    line: int
    lineage: tuple[CodeType, ...] = ()
    """The code objects this one lies in, outermost first, where they are known."""
    functions: tuple[weakref.ref[FunctionType], ...] = ()
    """Functions seen to run this code."""


class Watcher(Protocol):
    """Whoever is told of hits at a spot, and of the time in which there were none to be told."""

    fire: Fire
    wants: frozenset[str] | None
    """The locals that are all it needs of most hits; None where it needs the frame anyway."""

    def rested(self) -> None:
        """The line has been switched off: hits are not observed from now."""

    def woke(self) -> None:
        """The line is on again."""

    def failed(self) -> None:
        """The sensor itself failed during a hit; the application saw nothing of it."""


class CannotArm(Exception):
    """This code object cannot be watched here: a slug and a sentence for the status."""

    def __init__(self, slug: str, sentence: str) -> None:
        super().__init__(sentence)
        self.slug = slug
        self.sentence = sentence


class Engine(Protocol):
    """Makes lines call their watchers. All methods but the calls themselves are used under the registry's lock."""

    name: str
    reason: str
    """Why this engine, in words."""
    late: str
    """What a status must add about frames that are already running; empty where they are seen."""

    def arm(self, spot: Spot, watcher: Watcher) -> None:
        """Watch this spot too. Raises `CannotArm`."""

    def disarm(self, spot: Spot, watcher: Watcher) -> None:
        """Forget it; the code is as it was when its last watcher leaves."""

    def wake(self) -> None:
        """Switch on every line that was switched off."""

    def idle_hits(self) -> int:
        """Calls made for lines that are switched off, since the last time asked: they cost too."""

    def original(self, code: CodeType) -> CodeType:
        """The code object as the compiler made it, given one that this engine may have put in its place."""

    def close(self) -> None:
        """Leave nothing behind."""


class Site:
    """A spot with its watchers, and the one function the engine calls for all of them."""

    __slots__ = ("fire", "resting", "spot", "watchers")

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self.watchers: list[Watcher] = []
        self.resting = False
        self.fire: Fire = _nothing

    def add(self, watcher: Watcher) -> None:
        self.watchers.append(watcher)
        self._combine()

    def remove(self, watcher: Watcher) -> None:
        self.watchers = [other for other in self.watchers if other is not watcher]
        self._combine()

    def rest(self) -> None:
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

    @property
    def wants(self) -> frozenset[str] | None:
        """What all watchers together want of the locals; None when one of them needs the frame."""
        wanted = [watcher.wants for watcher in self.watchers]
        known = [names for names in wanted if names is not None]
        return frozenset().union(*known) if len(known) == len(wanted) else None

    def _combine(self) -> None:
        if len(self.watchers) == 1:
            self.fire = self.watchers[0].fire
            return
        self.fire = _all_of([watcher.fire for watcher in self.watchers]) if self.watchers else _nothing


def _nothing(frame: FrameType | None = None, names: Names | None = None) -> bool:
    return False


def _all_of(fires: list[Fire]) -> Fire:
    """One call for several watchers; the line is switched off only when none of them wants it."""
    getframe = sys._getframe

    def fire(frame: FrameType | None = None, names: Names | None = None) -> bool:
        frame = frame or getframe(2)
        off = True
        for each in fires:
            off = each(frame, names) and off
        return off

    return fire


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
