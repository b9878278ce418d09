"""Finds the live functions and code objects of a module without running a line of anyone's code.

Three ways, each dearer than the one before: what the module's namespace shows, what can be reached from it, and the
whole process. The last is taken only when the others missed code that the file's line table says must exist.
"""

from __future__ import annotations

import functools
import gc
import sys
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

from . import foreign, linetables, native
from .walk import Walk

SLICE = 500
"""Objects looked at before other threads get a turn."""
MOST_REACHED = 200_000
LONGEST_CONTAINER = 5_000
"""Containers longer than this are data, not registries of functions."""

namespace = foreign.namespace_of_module
_namespace_of_class = type.__dict__["__dict__"].__get__
_LRU = type(functools.lru_cache(lambda: None))
_LEAVES: tuple[type, ...] = (str, bytes, int, float, bool, type(None), CodeType, ModuleType, FrameType)


def names_in(name: str) -> dict[str, Any]:
    """What the loaded module of that name holds, without asking it: a lazy one would load. Nothing where none is."""
    module = sys.modules.get(name)
    is_module = foreign.is_one_of(ModuleType, foreign.mro_of(type(module)))
    return namespace(module) if is_module else {}  # type: ignore[arg-type]


class Codes:
    """Live code objects by identity, each with its lineage and the functions seen to run it."""

    def __init__(self) -> None:
        self.codes: dict[int, CodeType] = {}
        self.lineages: dict[int, tuple[CodeType, ...]] = {}
        self.functions: dict[int, dict[int, weakref.ref[FunctionType]]] = {}
        self._by_line: dict[int, list[CodeType]] = {}
        self._indexed = 0

    def add_function(self, function: FunctionType, code: CodeType) -> None:
        """Take in a function that runs ``code`` (its own, or what an engine replaced)."""
        self.add_code(code)
        self.functions.setdefault(id(code), {})[id(function)] = weakref.ref(function)

    def add_code(self, code: CodeType) -> None:
        if id(code) in self.codes and id(code) in self.lineages:
            return
        for inner, lineage in linetables.tree(code):
            self.codes[id(inner)] = inner
            if len(lineage) >= len(self.lineages.get(id(inner), ())):
                self.lineages[id(inner)] = lineage

    def holding(self, line: int) -> list[CodeType]:
        """Those that hold ``line``. An index over all of them, because a probe set asks for many lines of one file."""
        for code in list(self.codes.values())[self._indexed :]:
            for each in linetables.lines_of(code):
                self._by_line.setdefault(each, []).append(code)
        self._indexed = len(self.codes)
        return self._by_line.get(line, [])

    def functions_of(self, code: CodeType) -> tuple[weakref.ref[FunctionType], ...]:
        return tuple(self.functions.get(id(code), {}).values())

    def makers_of(self, code: CodeType) -> tuple[weakref.ref[FunctionType], ...]:
        """Functions seen to run what ``code`` lies in."""
        lineage = self.lineages.get(id(code), ())
        return tuple(function for outer in lineage for function in self.functions_of(outer))

    def __iter__(self) -> Iterator[CodeType]:
        return iter(self.codes.values())


def shown(module: ModuleType) -> Iterator[FunctionType]:
    """Functions defined in the module that its namespace shows: by name, in classes, behind usual decorators."""
    own = namespace(module)
    todo: list[object] = list(own.values())
    seen: set[int] = set()
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if type(thing) is FunctionType and thing.__globals__ is own:
            yield thing
        todo.extend(_behind(thing, own))


def _behind(thing: object, own: dict[str, Any]) -> Iterable[object]:
    """What a well-known wrapper of functions holds."""
    cls = type(thing)
    if cls is FunctionType:
        return [*gc.get_referents(thing.__closure__ or ()), *_unwrapped(thing)]  # type: ignore[attr-defined]
    if cls.__name__ == "cell":
        return gc.get_referents(thing)
    if issubclass(cls, type):
        members = _namespace_of_class(thing)
        return list(members.values()) if members.get("__module__") == own.get("__name__") else ()
    if cls in (
        staticmethod,
        classmethod,
        property,
        functools.cached_property,
        functools.partial,
        MethodType,
        _LRU,
    ):
        return [each for each in gc.get_referents(thing) for each in (each, *_values(each))]
    return ()


def _unwrapped(function: Any) -> list[object]:
    return _values(function.__dict__)


def _values(thing: object) -> list[object]:
    return list(thing.values()) if type(thing) is dict and len(thing) < 100 else []


def reachable(module: ModuleType) -> Iterator[FunctionType]:
    """Functions of the module that can be reached from it: handlers in registries, on instances, in closures."""
    own = namespace(module)
    todo: deque[object] = deque(own.values())
    seen: set[int] = {id(namespace(each)) for each in list(sys.modules.values()) if type(each) is ModuleType}
    until = len(seen) + MOST_REACHED
    while todo and len(seen) < until:
        thing = todo.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if len(seen) % SLICE == 0:
            native.sleep(0)
        if type(thing) is FunctionType and thing.__globals__ is own:
            yield thing
        todo.extend(_within(thing, own))


def _within(thing: object, own: dict[str, Any]) -> Iterable[object]:
    """What ``thing`` holds, unless it is a leaf, mere data, or the way into another module."""
    cls = type(thing)
    if cls in _LEAVES:
        return ()
    if cls in (dict, list, tuple, set, frozenset) and len(thing) > LONGEST_CONTAINER:  # type: ignore[arg-type]
        return ()
    if cls is FunctionType or issubclass(cls, type):
        return _behind(thing, own)
    return gc.get_referents(thing)


def anywhere(module: ModuleType) -> Iterator[FunctionType]:
    """Functions of the module anywhere in the process."""
    own = namespace(module)
    return (function for function in Walk().functions() if function.__globals__ is own)


def running(module: ModuleType) -> Iterator[CodeType]:
    """Code objects of the module that some thread is in the middle of, the body of ``__main__`` among them."""
    own = namespace(module)
    inner: FrameType | None = None
    try:
        for inner in list(sys._current_frames().values()):
            while inner is not None:
                if inner.f_globals is own:
                    yield inner.f_code
                inner = inner.f_back
    finally:
        inner = None  # one of them is our own: a frame that holds itself keeps its callers' variables alive
