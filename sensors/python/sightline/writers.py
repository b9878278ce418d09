"""From ``module:Class.attribute`` to the code that may write that attribute, found without touching the class.

Read are the modules' functions, the service's own first, and those of the class, its bases and its subclasses: a
generated ``__init__`` stands in no file. What is found is where bytecode writes; whether it writes to an instance
of this class is seen when it runs.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
import weakref
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import ModuleSpec
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from . import foreign, heap, linetables, native, writes
from .engines.base import Spot
from .errors import LocationError
from .locator import NotImportedYet, file_of, modules, normalised
from .writes import Point

MOST_WRITERS: Final = 200
"""Code objects watched for one attribute; the service's own come first."""
MOST_OTHERS: Final = 60
"""Of these, code objects of libraries; those of the libraries that the class is derived from come first."""
MOST_CLASSES: Final = 200
MOST_HEAP_SCANS: Final = 3
"""Modules whose hidden functions the whole heap may be searched for."""
_MOST_SOURCE: Final = 4 * 1024 * 1024
_HINTS: Final = (b"setattr", b"self_instance")

Original = Callable[[CodeType], CodeType]
"""The code object an engine replaced, or the same."""


class Target(NamedTuple):
    """The class and the attribute asked for. The class is held weakly."""

    cls: weakref.ref[type]
    attribute: str
    module: str
    qualname: str

    def owns(self, cls: type) -> bool:
        """Whether instances of ``cls`` are instances of the class, told by identity: no metaclass is asked."""
        mine = self.cls()
        return mine is not None and foreign.is_one_of(mine, foreign.mro_of(cls))

    def replaced(self) -> bool:
        """Whether the module now holds another class of this name, as after a reload."""
        try:
            return self.cls() is not _class_of(self.module, self.qualname)
        except (LocationError, NotImportedYet):
            return True


class Writer(NamedTuple):
    """One code object that may write, with the places where it does."""

    spot: Spot
    points: tuple[Point, ...]
    own: bool
    """Whether it is the service's own code."""


class Writers(NamedTuple):
    """What a search found."""

    found: list[Writer]
    left_out: int
    """Code objects beyond `MOST_WRITERS`."""


# ---------------------------------------------------------------- the class


def target_of(text: str) -> Target:
    """Read ``module:Class.attribute``. Raises `LocationError` or `NotImportedYet`."""
    module, _, path = text.partition(":")
    qualname, _, attribute = path.rpartition(".")
    if not (module and qualname and attribute.isidentifier()):
        raise LocationError(
            "location_incomplete", f"{text} names no attribute: write `module:Class.attribute`."
        )
    cls = _class_of(module, qualname)
    _check_writable(cls, attribute)
    return Target(weakref.ref(cls), attribute, module, qualname)


def _class_of(name: str, qualname: str) -> type:
    module = sys.modules.get(name)
    if module is None or not issubclass(type(module), ModuleType):
        raise NotImportedYet(f"The module {name} has not been imported in this process yet.")
    found: Any = foreign.field(heap.namespace(module), qualname.partition(".")[0])
    for part in qualname.split(".")[1:]:
        is_class = found is not foreign.MISSING and issubclass(type(found), type)
        found = foreign.namespace_of(found).get(part, foreign.MISSING) if is_class else foreign.MISSING
    if found is foreign.MISSING and any(code.co_name == "<module>" for code in heap.running(module)):
        raise NotImportedYet(f"{name} is still being run for the first time.")
    if found is foreign.MISSING or not issubclass(type(found), type):
        raise LocationError("no_such_class", f"{name} has no class {qualname}.{_similar(module, qualname)}")
    return found  # type: ignore[no-any-return]


def _similar(module: ModuleType, qualname: str) -> str:
    wanted = qualname.rpartition(".")[2].lower()
    near = sorted(
        name
        for name, value in heap.namespace(module).items()
        if type(name) is str and issubclass(type(value), type) and wanted[:3] in name.lower()
    )
    return f" Did you mean {' or '.join(near[:3])}?" if near else ""


def _is_compiled(cls: type) -> bool:
    flags: int = type.__dict__["__flags__"].__get__(cls)
    return foreign.is_builtin_class(cls) or bool(flags & _IMMUTABLE)


_IMMUTABLE: Final = 1 << 8


def _check_writable(cls: type, attribute: str) -> None:
    """Refuse what is never written by bytecode, and what is not stored where it is written."""
    name = foreign.name_of(cls)
    if _is_compiled(cls):
        raise LocationError(
            "compiled_class",
            f"{name} is compiled, and compiled code writes its fields. Watch the lines that call it.",
        )
    fields = foreign.static_lookup(cls, "_fields")
    if foreign.is_one_of(tuple, foreign.mro_of(cls)) and type(fields) is tuple and attribute in fields:
        raise LocationError(
            "never_assigned",
            f"{name} is a named tuple: `{attribute}` is given when one is made and never assigned. "
            "Watch the function that makes it.",
        )
    facts = foreign.facts_of(cls)
    how = foreign.attribute_of(facts, cls, attribute)
    if how.kind in (foreign.REFUSED, foreign.GETSET, foreign.TUPLE_FIELD, foreign.ENUM_FIELD):
        raise LocationError(
            "computed_attribute",
            f"`{attribute}` of {name} is not stored under that name ({how.reason or 'it is computed'}). "
            f"Name the attribute that holds it, `_{attribute}` perhaps.",
        )


# ---------------------------------------------------------------- the code


def find(target: Target, original: Original) -> Writers:
    """Every writer of the attribute that can be found now. Raises `LocationError` when there is none at all."""
    return _Search(target, original).run()


def could_write(module: ModuleType, attribute: str) -> bool:
    """Whether the text of a module has what a writer needs; True where there is no text to look at."""
    data = text_of(module)
    if data is None:
        return True
    return (
        attribute.encode() in data
        or any(hint in data for hint in _HINTS)
        or (b"update" in data and (b"__dict__" in data or b"vars" in data))
    )


def is_own(path: str) -> bool:
    """Whether a file is the service's own: neither installed nor of the standard library."""
    return not (path.startswith(("<", *_LIBRARIES)) or "/site-packages/" in path or "/dist-packages/" in path)


_LIBRARIES: Final = tuple(
    {
        normalised(path) + "/"
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
        if (path := sysconfig.get_path(name))
    }
)
_OURS: Final = __name__.partition(".")[0]
_STANDARD: Final = frozenset({"argparse", "copy", "pickle", "types", "unittest.mock"})
"""The modules of the standard library that set attributes of whatever they are given."""


class _Search:
    """One search, in slices, so that other threads get their turns."""

    def __init__(self, target: Target, original: Original) -> None:
        self.target = target
        self.original = original
        self.own: list[Writer] = []
        self.others: list[Writer] = []
        self.seen: set[int] = set()
        self.scans_left = MOST_HEAP_SCANS
        self.classes = self._classes()
        self._folders = {folder for cls in self.classes if (folder := _folder_of(cls))}

    def run(self) -> Writers:
        of_classes = heap.Codes()
        for cls in self.classes:
            self._take(of_classes, _functions_of(cls))
        self._judge(of_classes)
        for module in sorted(modules(), key=lambda module: not is_own(file_of(module))):
            if _is_asked(module) and could_write(module, self.target.attribute):
                self._search(module)
            native.sleep(0)
        everything = len(self.own) + len(self.others)
        if not everything:
            raise LocationError("no_writer", self._nothing_found())
        found = [*self.own, *sorted(self.others, key=self._rank)[:MOST_OTHERS]][:MOST_WRITERS]
        return Writers(found, everything - len(found))

    def _rank(self, writer: Writer) -> int:
        """Which writers of libraries matter most."""
        if any(writer.spot.code.co_filename.startswith(folder) for folder in self._folders):
            return 0
        return 1 if any(not point.is_call for point in writer.points) else 2

    def _search(self, module: ModuleType) -> None:
        codes = heap.Codes()
        self._take(codes, heap.shown(module))
        path = file_of(module)
        if is_own(path):
            for deeper in (heap.reachable, heap.anywhere):
                if not self._missing(codes, path):
                    break
                if deeper is heap.anywhere:
                    self.scans_left -= 1
                if self.scans_left >= 0:
                    self._take(codes, deeper(module))
        self._judge(codes)

    def _missing(self, codes: heap.Codes, path: str) -> bool:
        """Whether the file holds a writer that has not been found alive."""
        body = linetables.cached(path)
        if body is None:
            return False
        alive = {(code.co_qualname, code.co_firstlineno) for code in codes}
        attribute = self.target.attribute
        return any(
            linetables.is_function(code)
            and writes.may_write(code, attribute)
            and (code.co_qualname, code.co_firstlineno) not in alive
            for code, _ in linetables.tree(body)
        )

    def _take(self, codes: heap.Codes, functions: Iterable[FunctionType]) -> None:
        for function in functions:
            codes.add_function(function, self.original(function.__code__))

    def _judge(self, codes: heap.Codes) -> None:
        """Look into the code objects that are new."""
        for code in codes:
            if id(code) in self.seen:
                continue
            self.seen.add(id(code))
            if linetables.is_function(code) and writes.may_write(code, self.target.attribute):
                self._add(code, codes)

    def _add(self, code: CodeType, codes: heap.Codes) -> None:
        points = writes.points(code, self.target.attribute)
        if not points:
            return
        spot = Spot(code, points[0].line, codes.lineages.get(id(code), ()), codes.functions_of(code), "write")
        name = _name_of(spot)
        own = is_own(code.co_filename) or name.rpartition(".")[0] == self.target.qualname
        if not own and self._writes_to_strangers(code, name):
            points = [point for point in points if point.owner != ("local", code.co_varnames[0])]
        if _is_generated(code):
            points = [point._replace(how="constructed") for point in points]
        if points:
            (self.own if own else self.others).append(Writer(spot, tuple(points), own))

    def _writes_to_strangers(self, code: CodeType, name: str) -> bool:
        """Whether this is a method of a class whose instances can never be instances of ours."""
        owner, dot, _ = name.rpartition(".")
        if not dot or owner.endswith("<locals>") or not code.co_argcount or code.co_varnames[0] != "self":
            return False
        return not any(owner == _qualname(cls) for cls in self.classes)

    def _classes(self) -> list[type]:
        """The class, its subclasses, and what any of these is derived from."""
        cls = self.target.cls()
        if cls is None:
            return []
        below = [cls]
        for each in below:
            if len(below) < MOST_CLASSES:
                subclasses: list[type] = type.__subclasses__(each)
                below += [sub for sub in subclasses if not foreign.is_one_of(sub, below)]
        found: list[type] = []
        for each in below:
            found += [base for base in foreign.mro_of(each) if not foreign.is_one_of(base, found)]
        return [each for each in found if not foreign.is_builtin_class(each)]

    def _nothing_found(self) -> str:
        target = self.target
        return (
            f"No code that is loaded here writes `{target.attribute}`: neither an assignment nor setattr. "
            f"Check the name; what compiled code writes into {target.qualname} cannot be seen."
        )


def _qualname(cls: type) -> str:
    """Without asking the metaclass."""
    return foreign.plain_str(type.__dict__["__qualname__"].__get__(cls))


def _folder_of(cls: type) -> str:
    """The folder of the package a class was made in; empty for what stands in no file."""
    name = foreign.plain_str(type.__dict__["__module__"].__get__(cls)).partition(".")[0]
    module = sys.modules.get(name)
    path = file_of(module) if module is not None and issubclass(type(module), ModuleType) else ""
    return path.removesuffix("__init__.py") if path.endswith("/__init__.py") else ""


def _name_of(spot: Spot) -> str:
    """The qualified name; of generated functions the one they were given, which their code does not have."""
    for reference in spot.functions:
        function = reference()
        if function is not None and spot.code.co_filename.startswith("<"):
            return foreign.plain_str(function.__qualname__)
    return spot.code.co_qualname


def _is_asked(module: ModuleType) -> bool:
    """Whether a module's functions may write to objects that are not its own, ours left out."""
    name = foreign.plain_str(heap.namespace(module).get("__name__", ""))
    package = name.partition(".")[0]
    return package != _OURS and (package not in sys.stdlib_module_names or name in _STANDARD)


def _is_generated(code: CodeType) -> bool:
    """Whether a library wrote this initialiser: those of dataclasses and attrs stand in no file."""
    return code.co_filename.startswith("<") and code.co_name in ("__init__", "__attrs_init__", "__new__")


def _functions_of(cls: type) -> Iterator[FunctionType]:
    for member in [*foreign.namespace_of(cls).values()]:
        kind = type(member)
        if kind is FunctionType:
            yield member
        elif kind in (staticmethod, classmethod):
            if type(member.__func__) is FunctionType:
                yield member.__func__
        elif kind is property:
            yield from (
                each for each in (member.fget, member.fset, member.fdel) if type(each) is FunctionType
            )


def whole_modules() -> dict[str, ModuleType]:
    """Modules whose bodies have run to their end, by name."""
    found = {}
    for module in modules():
        spec = foreign.field(heap.namespace(module), "__spec__")
        if type(spec) is ModuleSpec and not getattr(spec, "_initializing", False):
            found[spec.name] = module
    return found


def text_of(module: ModuleType) -> bytes | None:
    """The module's compiled file, whose names can be looked for, or else its source; None without either."""
    path = file_of(module)
    if not path:
        return None
    for name in (_cache_of(path), path):
        try:
            with open(name, "rb") as file:
                return file.read(_MOST_SOURCE)
        except OSError:
            continue
    return None


def _cache_of(path: str) -> str:
    try:
        return importlib.util.cache_from_source(path)
    except (NotImplementedError, ValueError):
        return path
