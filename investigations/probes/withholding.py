"""What a rule of redaction would withhold: tried on a sample or a stored capture before it is saved.

The same code judges as in a sensor. A stored capture holds only what left the process, so what was withheld there
already is told as such, and nothing can be said of what was cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from investigations.lib.errors import Invalid
from sightline import wire
from sightline.redaction import Redactor

MOST_LINES = 500
LONGEST_SHOWN = 80
LONGEST_SAMPLE = 20_000


@dataclass(frozen=True, slots=True)
class Line:
    """One value, by its path. ``rule`` withholds it, or is empty; ``new`` is whether only the tried rules do."""

    path: str
    type: str
    leaves: str
    rule: str = ""
    new: bool = False


@dataclass(frozen=True, slots=True)
class DryRun:
    """Every value that was looked at, withheld ones first, and how many there were."""

    lines: list[Line]
    looked_at: int
    withheld: int
    newly_withheld: int


def try_on_sample(sample: str, rules: wire.RedactionRules, tried: wire.RedactionRules) -> DryRun:
    """What would leave of ``sample`` under ``rules`` and ``tried`` together.

    A JSON object stands for the names in a frame with their values, anything else for a text. Raises `Invalid`.
    """
    if len(sample) > LONGEST_SAMPLE:
        raise Invalid(
            "sample_too_long", f"A sample has at most {LONGEST_SAMPLE} characters.", fix="Try a part of it."
        )
    try:
        given = json.loads(sample)
    except (ValueError, RecursionError):
        given = sample
    named = given if isinstance(given, dict) else {"text": given}
    try:
        return _run({name: _value(each) for name, each in named.items()}, rules, tried)
    except RecursionError:
        raise Invalid(
            "sample_too_deep", "The sample is nested too deeply.", fix="Try a part of it."
        ) from None


def try_on_capture(body: wire.Capture, rules: wire.RedactionRules, tried: wire.RedactionRules) -> DryRun:
    """What would leave of a stored capture under ``rules`` and ``tried`` together."""
    named = {name: value for frame in body.frames or () for name, value in (frame.variables or {}).items()}
    named |= body.watches or {}
    named |= {f"@{name}": wire.Value("str", text) for name, text in (body.context or {}).items()}
    if body.message:
        named["message"] = wire.Value("str", body.message)
    return _run(named, rules, tried)


def _value(given: Any) -> wire.Value:
    """JSON as a sensor would write it."""
    if isinstance(given, dict):
        entries = [(wire.Value("str", str(key)), _value(each)) for key, each in given.items()]
        return wire.Value("dict", size=len(entries), entries=entries)
    if isinstance(given, list):
        return wire.Value("list", size=len(given), items=[_value(each) for each in given])
    return wire.Value("NoneType" if given is None else type(given).__name__, given)


def _run(named: dict[str, wire.Value], rules: wire.RedactionRules, tried: wire.RedactionRules) -> DryRun:
    both = wire.RedactionRules(
        names=[*rules.names, *tried.names],
        values=[*rules.values, *tried.values],
        types=[*rules.types, *tried.types],
        paths=[*rules.paths, *tried.paths],
    )
    judge, before = Redactor(both), Redactor(rules)
    lines = [line for name, value in named.items() for line in _lines(value, name, name, judge, before)]
    lines.sort(key=lambda line: (not line.new, not line.rule))
    return DryRun(
        lines[:MOST_LINES],
        len(lines),
        sum(bool(line.rule) for line in lines),
        sum(line.new for line in lines),
    )


def _lines(value: wire.Value, name: str, path: str, judge: Redactor, before: Redactor) -> Iterator[Line]:
    """The value and what is inside it; under a value that is withheld nothing more is told."""
    if value.redacted:
        yield Line(path, value.type, "", value.redacted)
        return
    rule = _rule(judge, value, name, path)
    if rule:
        yield Line(path, value.type, "", rule, new=not _rule(before, value, name, path))
        return
    if value.value is not UNSET:
        yield Line(path, value.type, str(value.value)[:LONGEST_SHOWN])
    for inner_name, inner, inner_path in _inside(value, path):
        yield from _lines(inner, inner_name, inner_path, judge, before)


def _rule(judge: Redactor, value: wire.Value, name: str, path: str) -> str:
    found = judge.name_rule(name) or judge.path_rule(path) or judge.type_rule(value.type)
    if not found and isinstance(value.value, str):
        found = judge.text_rule(value.value)
    return found


def _inside(value: wire.Value, path: str) -> Iterable[tuple[str, wire.Value, str]]:
    """Name, value and path of each part. Items have their container's path, as rules by path have it too."""
    for item in value.items or ():
        yield "", item, path
    for name, each in (value.fields or {}).items():
        yield name, each, f"{path}.{name}"
    for key, each in value.entries or ():
        name = key.value if isinstance(key.value, str) else ""
        yield name, each, f"{path}.{name}" if name else path
