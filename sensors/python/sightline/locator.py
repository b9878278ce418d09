"""From a location to the code objects that hold it: now, or when the module is imported."""

from __future__ import annotations

import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import CodeType, ModuleType

from . import heap, linetables, wire
from .engines.base import Spot
from .errors import LocationError


class NotImportedYet(Exception):
    """No module of this process answers to the location so far; the message says what is waited for."""


@dataclass(frozen=True)
class Found:
    """Where a location leads in this process."""

    file: str
    line: int
    spots: list[Spot]
    source_hash: str = ""
    functions: list[str] = field(default_factory=list)

    def places(self) -> list[wire.ResolvedPlace]:
        return [
            wire.ResolvedPlace(self.file, spot.line, spot.code.co_qualname, self.source_hash)
            for spot in self.spots
        ]


class Look:
    """What was seen of this process since the look began: a set of a thousand probes asks about few files."""

    def __init__(self) -> None:
        self.hashes: dict[str, str] = {}
        self._by_path: dict[str, list[ModuleType]] = {}
        self._surveys: dict[tuple[int, ...], Survey] = {}
        self._expected: dict[tuple[str, bool], heap.Codes | None] = {}

    def by_path(self) -> dict[str, list[ModuleType]]:
        """The modules of this process by their source files."""
        if not self._by_path:
            for module in modules():
                self._by_path.setdefault(file_of(module), []).append(module)
            self._by_path.pop("", None)
        return self._by_path

    def survey(self, found: list[ModuleType], original: Callable[[CodeType], CodeType]) -> Survey:
        key = tuple(map(id, found))
        if key not in self._surveys:
            self._surveys[key] = Survey(found, original)
        return self._surveys[key]

    def expected(self, path: str, line: int, *, compiling: bool) -> set[tuple[str, int]]:
        """The functions of a file that hold ``line``: what a search must have found to be complete."""
        key = (path, compiling)
        if key not in self._expected:
            self._expected[key] = _codes_of(
                linetables.compiled(path) if compiling else linetables.cached(path)
            )
        codes = self._expected[key]
        if codes is None:
            return set()
        return {_identity(spot.code) for spot in _spots_at(codes, line) if linetables.is_function(spot.code)}

    def source_hash(self, path: str) -> str:
        if path not in self.hashes:
            self.hashes[path] = source_hash(path)
        return self.hashes[path]


class Survey:
    """The code objects found in some modules so far, searched for as deeply as was needed until now."""

    def __init__(self, found: list[ModuleType], original: Callable[[CodeType], CodeType]) -> None:
        self.codes = heap.Codes()
        self._modules = found
        self._original = original
        self._searches = deque((heap.shown, heap.reachable, heap.anywhere))

    def deepen(self) -> bool:
        """Search in the next, dearer way; False when there is none left."""
        if not self._searches:
            return False
        search = self._searches.popleft()
        for module in self._modules:
            for function in search(module):
                self.codes.add_function(function, self._original(function.__code__))
            for code in heap.running(module):
                self.codes.add_code(self._original(code))
        return True


class Locator:
    """Answers for one process. ``original`` gives the code object an engine replaced, or the same."""

    def __init__(self, original: Callable[[CodeType], CodeType] = lambda code: code) -> None:
        self._original = original
        self._look = Look()
        self._looking = False

    @contextmanager
    def one_look(self) -> Iterator[None]:
        """What is located within looks at the process once: for sets of probes. Nothing of it is kept afterwards."""
        if self._looking:
            yield
            return
        self._looking, self._look = True, Look()
        try:
            yield
        finally:
            self._looking, self._look = False, Look()

    def locate(self, location: wire.Location) -> Found:
        """Raises `LocationError` for what can never be armed, `NotImportedYet` for what may come."""
        with self.one_look():
            if location.file and location.line > 0:
                return self._by_line(location)
            if location.function:
                return self._by_function(location.function)
        raise LocationError("location_incomplete", "Name a file with a line, or a function as `module:name`.")

    def locate_function(self, location: wire.Location) -> Found:
        """The code objects of a function: the one that is named, or the innermost that holds the line.

        Raises as `locate` does.
        """
        if not location.file or location.line <= 0:
            return self.locate(location)
        with self.one_look():
            found = self._by_line(location)
        spots: dict[int, Spot] = {}
        for spot in found.spots:
            around = [*spot.lineage, spot.code]
            while around and not _is_named_function(around[-1]):
                around.pop()
            if around:
                code = around[-1]
                functions = spot.functions if code is spot.code else ()
                first = linetables.first_line_of(code)
                around_it = Spot(code, first, tuple(around[:-1]), functions, makers=spot.makers)
                spots.setdefault(id(code), around_it)
        if not spots:
            raise LocationError(
                "not_in_a_function",
                f"Line {location.line} of {os.path.basename(found.file)} is in no function. Choose a line inside one.",
            )
        return replace(found, spots=list(spots.values()))

    # By file and line

    def _by_line(self, location: wire.Location) -> Found:
        modules_found = self._modules_of(location.file)
        path = file_of(modules_found[0]) or location.file
        codes, spots = self._holders(modules_found, location.line, path)
        if not spots:
            problem = self._nowhere(path, location.line, codes)
            if problem.slug == "code_not_found" and any(map(_body_runs, modules_found)):
                raise NotImportedYet(f"{path} is still being run for the first time.")
            raise problem
        _wait_for_functions(spots, modules_found)
        return Found(path, location.line, spots, self._look.source_hash(path))

    def _modules_of(self, wanted: str) -> list[ModuleType]:
        by_path = self._look.by_path()
        if wanted in by_path:
            return by_path[wanted]
        by_file = {path: found for path, found in by_path.items() if ends_with(path, wanted)}
        if not by_file:
            raise NotImportedYet(f"No module has been imported from {wanted} in this process yet.")
        if len(by_file) > 1:
            some = ", ".join(sorted(by_file)[:5])
            raise LocationError(
                "ambiguous_path", f"{wanted} fits {len(by_file)} files here: {some}. Give more of it."
            )
        return next(iter(by_file.values()))

    def _holders(self, found: list[ModuleType], line: int, path: str) -> tuple[heap.Codes, list[Spot]]:
        look = self._look
        survey = look.survey(found, self._original)
        expected = look.expected(path, line, compiling=False)
        spots = _spots_at(survey.codes, line)
        while not spots or not expected <= {_identity(spot.code) for spot in spots}:
            if not survey.deepen():
                break
            spots = _spots_at(survey.codes, line)
            if not spots and not expected:  # compiling stalls others: only when the import cache has nothing
                expected = look.expected(path, line, compiling=True)
        return survey.codes, spots

    def _nowhere(self, path: str, line: int, codes: heap.Codes) -> LocationError:
        body = linetables.compiled(path)
        everything = list(linetables.tree(body)) if body else []
        possible = {each for code in codes for each in linetables.lines_of(code)}
        once = {
            each
            for code, _ in everything
            if not linetables.is_function(code)
            for each in linetables.lines_of(code)
        }
        if line in once and line not in possible:
            return LocationError(
                "already_ran",
                f"Line {line} of {os.path.basename(path)} runs once, when the module is imported, and it has run.",
                linetables.nearest(possible, line),
            )
        if any(line in linetables.lines_of(code) for code, _ in everything):
            return LocationError(
                "code_not_found",
                f"No function that holds line {line} is alive in this process; it may have been replaced or removed.",
                linetables.nearest(possible, line),
            )
        near = linetables.nearest(possible, line)
        hint = f" Try line {' or '.join(map(str, near))}." if near else ""
        return LocationError(
            "not_executable", f"Nothing is executed on line {line} of {os.path.basename(path)}.{hint}", near
        )

    # By function

    def _by_function(self, text: str) -> Found:
        name, _, qualname = text.partition(":")
        module = sys.modules.get(name)
        if not qualname:
            raise LocationError(
                "location_incomplete", f"{text} names no function: write `module:qualified.name`."
            )
        if type(module) is not ModuleType and not isinstance(module, ModuleType):
            raise NotImportedYet(f"The module {name} has not been imported in this process yet.")
        survey = self._look.survey([module], self._original)
        chosen = _named(survey.codes, qualname)
        while not chosen and survey.deepen():
            chosen = _named(survey.codes, qualname)
        if not chosen:
            raise LocationError(
                "no_such_function", f"{name} has no function {qualname}.{_similar(survey.codes, qualname)}"
            )
        path = file_of(module) or chosen[0].co_filename
        spots = [_spot(survey.codes, code, linetables.first_line_of(code)) for code in chosen]
        _wait_for_functions(spots, [module])
        return Found(path, spots[0].line, spots, self._look.source_hash(path))


def _wait_for_functions(spots: list[Spot], found: list[ModuleType]) -> None:
    """Raise `NotImportedYet` while a body that still runs has not made the functions of ``spots``.

    Their code is there already, as a constant of that body: it would make them of that, whatever an engine replaced.
    """
    for spot in spots:
        made_by_body = not any(map(linetables.is_function, spot.lineage))
        if (
            linetables.is_function(spot.code)
            and made_by_body
            and not spot.functions
            and any(map(_body_runs, found))
        ):
            raise NotImportedYet(f"{spot.code.co_filename} is still being run for the first time.")


def _body_runs(module: ModuleType) -> bool:
    """Whether some thread is still in the body of ``module``, so that its functions may be yet to come."""
    return any(code.co_name == "<module>" for code in heap.running(module))


def modules() -> list[ModuleType]:
    """The modules of this process, as they are at this moment."""
    return [module for module in list(sys.modules.values()) if issubclass(type(module), ModuleType)]


def file_of(module: ModuleType) -> str:
    """The source file a module was loaded from, with forward slashes; empty when it has none."""
    path = heap.namespace(module).get("__file__")
    return normalised(path) if type(path) is str and path.endswith((".py", ".pyw")) else ""


def normalised(path: str) -> str:
    """An absolute path with forward slashes."""
    return os.path.abspath(path).replace("\\", "/")


def ends_with(path: str, wanted: str) -> bool:
    """Whether ``wanted`` is ``path`` or ends it at a folder's boundary."""
    wanted = wanted.replace("\\", "/").removeprefix("./")
    return path == wanted or (not wanted.startswith("/") and path.endswith("/" + wanted))


def source_hash(path: str) -> str:
    """SHA-256 of the file as it is on disk; empty when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def _codes_of(body: CodeType | None) -> heap.Codes | None:
    if body is None:
        return None
    codes = heap.Codes()
    codes.add_code(body)
    return codes


def _named(codes: heap.Codes, qualname: str) -> list[CodeType]:
    return [code for code in codes if code.co_qualname == qualname and linetables.is_function(code)]


def _is_named_function(code: CodeType) -> bool:
    """Whether ``code`` is what people call a function: no class body, and no comprehension inside a statement."""
    return linetables.is_function(code) and code.co_name not in linetables.COMPREHENSIONS


def _identity(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _spot(codes: heap.Codes, code: CodeType, line: int) -> Spot:
    functions, makers = codes.functions_of(code), codes.makers_of(code)
    return Spot(code, line, codes.lineages.get(id(code), ()), functions, makers=makers)


def _spots_at(codes: heap.Codes, line: int) -> list[Spot]:
    """The code objects of ``line``, without those that only spell out part of a statement.

    `total = sum(x.amount for x in xs)` is one statement to its reader, so its generator expression is left out; in an
    expression over several lines the element's own line belongs to the inner code object, and fires once an element.
    """
    holders = codes.holding(line)
    ids = {id(code) for code in holders}
    left_out: set[int] = set()
    for inner in holders:
        for outer in codes.lineages.get(id(inner), ()):
            if id(outer) not in ids or not linetables.is_function(outer) or line != inner.co_firstlineno:
                continue
            left_out.add(id(inner) if linetables.lines_of(inner) == {line} else id(outer))
    return [_spot(codes, code, line) for code in holders if id(code) not in left_out]


def _similar(codes: heap.Codes, qualname: str) -> str:
    last = qualname.rpartition(".")[2]
    near = sorted({code.co_qualname for code in codes if code.co_name == last})[:3]
    return f" Did you mean {' or '.join(near)}?" if near else ""
