"""Finds the functions of the whole process without stopping it.

`gc.get_objects` copies the heap in one call, during which no other thread runs: 12 ms in a service of the usual size,
100 ms at 2,000,000 objects. It is asked only where that is short. Elsewhere what can be reached from where Python
keeps things is walked in slices, the nearest first. What only compiled code holds is not found then.
"""

from __future__ import annotations

import dis
import gc
import inspect
import itertools
import signal
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Final

from . import foreign, linetables, slices

FEW_BLOCKS: Final = 100_000
"""Blocks of memory of a process whose heap is copied within about 2 ms; there are three or four to an object."""
MOST_SEEN: Final = 250_000
"""Objects after which a walk ends. Each is remembered by some 70 bytes for so long."""
SHARDS: Final = 1024
"""One set of them all would stall the process each time that it grows."""
AT_ONCE: Final = 16
"""Objects whose contents are asked for in one call."""
LONG: Final = 200
"""Containers longer than this are likely to be data: they come last, and so many elements at a time."""

_SHOWS_LOCALS: Final = frozenset({"locals", "vars", "exec", "eval"})
_SNAPSHOT_OF_LOCALS: Final = sys.version_info < (3, 13)
"""`frame.f_locals` is a dict that the frame keeps, until 3.12."""
_Parts = tuple[Callable[[Any], Iterable[object]], ...]
_LENGTH_AND_PARTS: Final[dict[int, tuple[Callable[[Any], int], _Parts]]] = {
    id(list): (list.__len__, (list.__iter__,)),
    id(tuple): (tuple.__len__, (tuple.__iter__,)),
    id(set): (set.__len__, (set.__iter__,)),
    id(frozenset): (frozenset.__len__, (frozenset.__iter__,)),
    id(deque): (deque.__len__, (deque.__iter__,)),
    id(dict): (dict.__len__, (dict.__iter__, dict.values)),
}  # fmt: skip
_SPECIAL: Final = {*_LENGTH_AND_PARTS, id(weakref.ReferenceType), id(ModuleType)}


class Walk:
    """One search of the process. Nothing that it met is kept alive once it is dropped."""

    def __init__(self) -> None:
        self.complete = True
        """Whether it looked at all there was to see."""
        self._seen: list[set[int]] = [set() for _ in range(SHARDS)]
        self._count = 0
        self._near: deque[object] = deque()
        self._far: deque[Iterator[object]] = deque()
        self._bases: dict[int, tuple[type, type | None]] = {}
        self._is_new(self)

    def functions(self) -> Iterator[FunctionType]:
        """Every function that it finds, once. Gives way to other threads all the time."""
        if 0 < sys.getallocatedblocks() < FEW_BLOCKS:
            yield from (thing for thing in gc.get_objects() if type(thing) is FunctionType)
            return
        for things in self._batches():
            for thing in filter(gc.is_tracked, things):
                if self._is_new(thing):
                    self._take(thing)
                    if type(thing) is FunctionType:
                        yield thing
            slices.give_way()
        self._forget()

    def _batches(self) -> Iterator[Iterable[object]]:
        yield _roots()
        while self._count < MOST_SEEN:
            if self._near:
                some = min(AT_ONCE, len(self._near))
                yield gc.get_referents(*[self._near.popleft() for _ in range(some)])
            elif self._far:
                yield self._some_of(self._far.popleft())
            else:
                return
        self.complete = False

    def _some_of(self, container: Iterator[object]) -> list[object]:
        try:
            things = list(itertools.islice(container, LONG))
        except RuntimeError:  # it has been changed meanwhile
            self.complete = False
            return []
        if len(things) == LONG:
            self._far.append(container)
        return things

    def _forget(self) -> None:
        """Let go of what was gathered, in slices too."""
        self._far.clear()
        while self._near:
            self._near.popleft()
            slices.give_way()
        for shard in self._seen:
            shard.clear()
            slices.give_way()

    def _is_new(self, thing: object) -> bool:
        seen = self._seen[id(thing) // 64 % SHARDS]
        if id(thing) in seen:
            return False
        seen.add(id(thing))
        self._count += 1
        return True

    def _take(self, thing: object) -> None:
        """Put what ``thing`` holds where its turn comes."""
        base = self._base_of(type(thing))
        if base is ModuleType:  # asked itself, `_asyncio` of 3.12.1 tells of objects that are freed
            self._near.append((foreign.namespace_of_module(thing),))  # type: ignore[arg-type]
            return
        if base is weakref.ReferenceType:
            self._near.append((weakref.ReferenceType.__call__(thing),))  # type: ignore[arg-type]
        elif base is not None:
            length, parts = _LENGTH_AND_PARTS[id(base)]
            if length(thing) > LONG:
                self._far.extend(iter(part(thing)) for part in parts)
                return
        self._near.append(thing)

    def _base_of(self, cls: type) -> type | None:
        """Which of the kinds that are not simply asked for their contents a class derives from."""
        known = self._bases.get(id(cls))
        if known is None:
            special = (base for base in foreign.mro_of(cls) if id(base) in _SPECIAL)
            known = self._bases[id(cls)] = cls, next(special, None)
        return known[1]


def _roots() -> Iterator[object]:
    """Where Python keeps what lives: modules, the frames of every thread, handlers of signals."""
    for module in list(sys.modules.values()):
        if issubclass(type(module), ModuleType):
            yield foreign.namespace_of_module(module)
    for frame in list(sys._current_frames().values()):
        yield from _held_by_stack(frame)
    yield from map(signal.getsignal, signal.valid_signals())


def _held_by_stack(frame: FrameType | None) -> Iterator[object]:
    """Globals and locals of the frames of a thread, ``frame`` the innermost."""
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    traced = any(each.f_trace is not None for each in frames)
    for each in frames:
        yield each.f_globals
        if not each.f_code.co_flags & inspect.CO_OPTIMIZED:
            yield each.f_locals
        elif not _SNAPSHOT_OF_LOCALS or (not traced and _makes_functions(each.f_code)):
            yield from each.f_locals.values()


def _makes_functions(code: CodeType) -> bool:
    """Whether a call of this may hold functions of its own making, and its variables may be asked for.

    Until 3.12 asking fills a dict that the frame keeps: what is in it lives until the call ends, a debugger's changes
    to it are undone, and it cannot be emptied, because after a profiler's turn the variables are set from it. So few
    are asked, and none that asks for such a dict itself.
    """
    within = (const for const in code.co_consts if type(const) is CodeType)
    return any(map(linetables.is_function, within)) and not _asks_for_its_locals(code)


def _asks_for_its_locals(code: CodeType) -> bool:
    return not _SHOWS_LOCALS.isdisjoint(code.co_names) and any(
        each.opname == "LOAD_GLOBAL" and each.argval in _SHOWS_LOCALS for each in dis.get_instructions(code)
    )
