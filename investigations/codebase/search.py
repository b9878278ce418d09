"""Lines of a service's files that contain a text, each with the function it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from investigations.codebase.outline import enclosing, outline
from investigations.codebase.source import LARGEST, Module, split_lines

MOST_MATCHES = 200
LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class Match:
    """One line. ``column`` counts from 0; a very long line is cut to where the text stands."""

    path: str
    line: int
    column: int
    text: str
    function: str


@dataclass(frozen=True, slots=True)
class Found:
    """``matches`` of ``total``, in ``files`` files searched; ``unread`` could not be."""

    matches: list[Match]
    total: int
    files: int
    unread: list[str]


def search(
    files: Mapping[str, str], text: str, *, most: int = MOST_MATCHES, unread: list[str] | None = None
) -> Found:
    """Find ``text``, case sensitive, in every file by its path; at most ``most`` matches are returned."""
    matches: list[Match] = []
    total = 0
    for path in sorted(files):
        lines = [
            (number, line) for number, line in enumerate(split_lines(files[path]), 1) if text and text in line
        ]
        total += len(lines)
        kept = lines[: max(0, most - len(matches))]
        if kept:
            symbols = outline(Module(path, files[path])) if len(files[path]) <= LARGEST else []
            matches += [_match(path, number, line, text, enclosing(symbols, number)) for number, line in kept]
    return Found(matches, total, len(files), unread or [])


def _match(path: str, number: int, line: str, text: str, function: str) -> Match:
    column = line.index(text)
    start = max(0, column - LONGEST_LINE // 2) if len(line) > LONGEST_LINE else 0
    return Match(path, number, column, line[start : start + LONGEST_LINE], function)
