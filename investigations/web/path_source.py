"""One call's path laid over its source: lines taken and how often, branches with where they went and what decided."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from investigations.catalog.models import Service, SourceFile
from investigations.catalog.paths import is_same_file
from investigations.codebase.highlight import highlight
from investigations.probes import details
from investigations.probes.models import Capture
from investigations.web.values import written
from sightline import wire

AROUND = 2
"""Lines shown above and below, where no function is known to hold the path."""
MOST_LINES = 400


@dataclass(slots=True)
class Line:
    """One line of the function: ``taken`` times, and the decisions made on it in order."""

    number: int
    html: SafeString | str
    taken: int = 0
    decisions: list[dict[str, Any]] = field(default_factory=list)
    last: bool = False


@dataclass(frozen=True, slots=True)
class Laid:
    """A path on its source. ``lines`` is empty where the source is not stored; the steps tell it then."""

    file: str
    function: str
    lines: list[Line]
    steps: list[dict[str, int]]
    total: int
    ended: str
    cut: str


def laid(service: Service, capture: Capture, body: wire.Capture) -> Laid | None:
    """The path of a capture; None when it holds none."""
    path = details.read(body)
    if not isinstance(path, details.Path):
        return None
    frame = body.frames[0] if body.frames else None
    steps = list(path.lines())
    source = _source(service, frame.file, capture.commit) if frame else None
    return Laid(
        file=frame.file if frame else "",
        function=frame.function if frame else capture.function,
        lines=_lines(source, path, steps) if source and steps else [],
        steps=[{"line": line, "times": times} for line, times in steps[:MOST_LINES]],
        total=sum(times for _, times in steps),
        ended=details.ending(path),
        cut=path.cut,
    )


def _source(service: Service, file: str, commit: str) -> SourceFile | None:
    """The text as that commit ran it, else the newest that is stored."""
    stored = [row for row in service.source_files.order_by("-seen_at") if is_same_file(row.path, file)]
    return next((row for row in stored if row.commit == commit), stored[0] if stored else None)


def _lines(source: SourceFile, path: details.Path, steps: list[tuple[int, int]]) -> list[Line]:
    first, last = _extent(source, [line for line, _ in steps])
    coloured = highlight(source.text, source.path)
    taken: Counter[int] = Counter()
    for line, times in steps:
        taken[line] += times
    found = {
        number: Line(
            number,
            mark_safe(coloured[number - 1]),  # noqa: S308  (highlight escapes every character of the source)
            taken[number],
            last=number == steps[-1][0],
        )
        for number in range(first, min(last, len(coloured), first + MOST_LINES) + 1)
    }
    for decision in path.decisions:
        if decision.line in found:
            _decide(found[decision.line].decisions, decision)
    return list(found.values())


def _extent(source: SourceFile, lines: list[int]) -> tuple[int, int]:
    """The innermost function that holds the whole path."""
    low, high = min(lines), max(lines)
    around = [
        symbol
        for symbol in source.outline
        if symbol["kind"] == "function" and symbol["first_line"] <= low and high <= symbol["last_line"]
    ]
    if not around:
        return max(1, low - AROUND), high + AROUND
    innermost = max(around, key=lambda symbol: symbol["first_line"])
    return innermost["first_line"], innermost["last_line"]


def _decide(told: list[dict[str, Any]], decision: details.Decision) -> None:
    """Equal decisions in a row, as those of a loop, are told once with how often."""
    made = {
        "taken": decision.taken,
        "to": decision.to,
        "values": [
            {"text": text, "value": written(value) or value.type, "type": value.type}
            for text, value in decision.values.items()
        ],
    }
    if told and {**told[-1], "times": 1} == {**made, "times": 1}:
        told[-1]["times"] += 1
    else:
        told.append({**made, "times": 1})
