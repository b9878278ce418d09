"""Where in the running code a probe would stand: the line looked up in the source that an instance runs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from investigations.accounts.actors import Actor
from investigations.catalog.models import Instance, Service, SourceFile
from investigations.catalog.paths import is_a_librarys
from investigations.catalog.services import fetch_files, fetch_source
from investigations.codebase.probeable import check_line, first_line_within
from investigations.lib.errors import NotFound, Unavailable
from investigations.probes.kinds import OF_FUNCTIONS
from investigations.probes.spec import ProbeProblem, ProbeSpec
from sightline import wire


@dataclass(frozen=True, slots=True)
class Place:
    """``checked``: the code was read and the place is there. Else ``note`` says why nobody knows yet."""

    location: wire.Location
    checked: bool = False
    note: str = ""
    file: str = ""
    line: int = 0
    function: str = ""
    text: str = ""
    commit: str = ""

    @property
    def words(self) -> str:
        """The place as a probe's row says it; empty for one that stands nowhere in particular."""
        return f"{self.location.file}:{self.location.line}" if self.location.file else ""


def resolve(by: Actor, spec: ProbeSpec, running: Sequence[Instance]) -> Place | ProbeProblem:
    """Find the spec's place in the code that runs now, or say what is wrong with it and what is near.

    ``running`` are the service's present instances, the one that connected last first. Asks one of
    them for the file when it is not stored; without one the place is taken as it is, unchecked.
    """
    as_wished = wire.Location(
        file=spec.file, line=spec.line, function=spec.function, attribute=spec.attribute
    )
    if as_wished == wire.Location():
        return Place(as_wished, checked=True)
    try:
        source = _source(by, spec, running)
    except Unavailable as away:
        return Place(as_wished, note=f"{away.sentence} The place could not be checked.")
    except NotFound as missing:
        if spec.function or spec.attribute or is_a_librarys(spec.file):
            return Place(as_wished, note="The place is outside the service's own code and was not checked.")
        return ProbeProblem(
            "file_unknown", missing.sentence, missing.fix, "file", alternatives=missing.alternatives
        )
    if spec.attribute:
        return _attribute(spec, source)
    if spec.function:
        return _function(spec, source)
    return _call(spec, source) if spec.kind in OF_FUNCTIONS else _line(spec, source)


def _source(by: Actor, spec: ProbeSpec, running: Sequence[Instance]) -> SourceFile:
    module = (spec.function or spec.attribute).partition(":")[0]
    path = _path_of(by, spec.service, module) if module else spec.file
    return fetch_source(by=by, service=spec.service, path=path, running=running)


def _path_of(by: Actor, service: Service, module: str) -> str:
    """The file of a module, as it was stored or as an instance lists it. Raises `NotFound`."""
    stored = service.source_files.filter(module=module).order_by("-seen_at").first()
    if stored is not None:
        return stored.path
    for entry in fetch_files(by=by, service=service).files:
        if entry.module == module:
            return entry.path
    raise NotFound("module_unknown", f"{service.name} has no module {module[:80]}.")


def _line(spec: ProbeSpec, source: SourceFile) -> Place | ProbeProblem:
    check = check_line(source.lines, spec.line)
    if not check.ok:
        return ProbeProblem(
            "line_not_executable",
            f"Nothing runs on line {spec.line} of {source.path}.",
            "Use one of the nearest executable lines."
            if check.nearest
            else "Choose another file: nothing runs in it.",
            "line",
            alternatives={"nearest": check.nearest, "lines": _texts(source, check.nearest)},
        )
    location = wire.Location(file=source.path, line=spec.line, source_hash=source.hash)
    return _found(location, source, spec.line)


def _call(spec: ProbeSpec, source: SourceFile) -> Place | ProbeProblem:
    """The innermost function that holds the line; where a duration goes on, both ends are executable lines of it."""
    function = _enclosing(source.outline, spec.line)
    if not function:
        return ProbeProblem(
            "line_outside_function",
            f"Line {spec.line} of {source.path} is in no function, and a {spec.kind} is about calls.",
            "Use a line inside one of the functions named here.",
            "line",
            alternatives={"functions": _names_near(_functions(source), "", source)},
        )
    location = wire.Location(file=source.path, line=spec.line, source_hash=source.hash)
    if spec.until:
        return _stretch(spec, source, location, function)
    return _found(location, source, spec.line)


def _stretch(
    spec: ProbeSpec, source: SourceFile, location: wire.Location, function: str
) -> Place | ProbeProblem:
    if isinstance(begins := _line(spec, source), ProbeProblem):
        return begins
    check = check_line(source.lines, spec.until)
    inside = _enclosing(source.outline, spec.until) == function
    if not check.ok or not inside:
        near = [line for line in check.nearest if _enclosing(source.outline, line) == function]
        return ProbeProblem(
            "until_not_reachable",
            f"Line {spec.until} is no executable line of {function}, where the duration begins.",
            "Use one of the nearest lines, or leave until out to measure the whole function.",
            "until",
            alternatives={"nearest": near, "lines": _texts(source, near)},
        )
    return _found(location, source, spec.line)


def _attribute(spec: ProbeSpec, source: SourceFile) -> Place | ProbeProblem:
    name = _plain(spec.attribute.split(":")[1].rpartition(".")[0])
    classes = {_plain(symbol["name"]): symbol for symbol in source.outline if symbol["kind"] == "class"}
    if name not in classes:
        return ProbeProblem(
            "class_unknown",
            f"{source.path} defines no class {name[:80]}.",
            "Use one of the classes named here, or the module that defines it.",
            "attribute",
            alternatives={"classes": _names_near(classes, name, source)},
        )
    location = wire.Location(attribute=spec.attribute, source_hash=source.hash)
    return _found(location, source, classes[name]["first_line"])


def _function(spec: ProbeSpec, source: SourceFile) -> Place | ProbeProblem:
    name = _plain(spec.function.split(":")[1])
    functions = _functions(source)
    if name not in functions:
        return ProbeProblem(
            "function_unknown",
            f"{source.path} has no function {name[:80]}.",
            "Use one of the functions named here.",
            "function",
            alternatives={"functions": _names_near(functions, name, source)},
        )
    symbol = functions[name]
    line = first_line_within(source.lines, symbol["first_line"], symbol["last_line"]) or symbol["first_line"]
    return _found(wire.Location(function=spec.function, source_hash=source.hash), source, line)


def _functions(source: SourceFile) -> dict[str, Mapping[str, Any]]:
    return {_plain(symbol["name"]): symbol for symbol in source.outline if symbol["kind"] == "function"}


def _names_near(names: Mapping[str, object], name: str, source: SourceFile) -> list[str]:
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.3) or list(names)[:5]
    return [f"{source.module}:{other}" for other in near]


def _plain(name: str) -> str:
    """A qualified name without Python's mark for functions inside functions."""
    return name.replace(".<locals>", "")


def _found(location: wire.Location, source: SourceFile, line: int) -> Place:
    return Place(
        location,
        checked=True,
        file=source.path,
        line=line,
        function=_enclosing(source.outline, line),
        text=_texts(source, [line]).get(str(line), "").strip(),
        commit=source.commit,
        note="This process was compiled from another text than the file now holds."
        if source.loaded_differs
        else "",
    )


def _enclosing(outline: list[Mapping[str, Any]], line: int) -> str:
    """The name of the innermost function round a line; empty at module level."""
    around = [
        symbol
        for symbol in outline
        if symbol["kind"] == "function" and symbol["first_line"] <= line <= symbol["last_line"]
    ]
    return str(max(around, key=lambda symbol: symbol["first_line"])["name"]) if around else ""


def _texts(source: SourceFile, lines: list[int]) -> dict[str, str]:
    """The text of some lines by their number, as JSON has it."""
    texts = source.text.splitlines()
    return {str(line): texts[line - 1] for line in lines if line <= len(texts)}
