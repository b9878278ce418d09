"""What someone wishes to probe, held against what needs no database: bounds, expressions, what a kind takes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from investigations.catalog.models import Service
from investigations.lib.errors import Invalid
from investigations.probes import targeting
from sightline import expressions, wire

KINDS = ("snapshot", "logpoint", "counter")
"""What sensors can be asked for by now."""

LIMITS: dict[str, tuple[float, float]] = {
    "depth": (1, 10),
    "items": (1, 1000),
    "length": (1, 20_000),
    "fields": (1, 500),
    "frames": (1, 100),
    "variable_frames": (0, 50),
    "bytes": (1024, 256 * 1024),
    "deadline_ms": (0.1, 100),
}
"""The least and the most of each of `wire.Limits`: a capture must fit a frame and never hold a request up."""
HIT_LIMIT = (0, 100_000)
RATE = (0.001, 1000)
TTL_S = (10, 24 * 3600)
MOST_WATCHES = 20
MOST_TEXT = 4096

_FUNCTION = re.compile(r"[\w.]+:[\w.<>]+")


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """A wish for a probe: ``file`` and ``line``, or ``function`` as ``module:qualified.name``; expressions as text."""

    service: Service
    kind: str = "snapshot"
    file: str = ""
    line: int = 0
    function: str = ""
    attribute: str = ""
    condition: str = ""
    template: str = ""
    watches: Sequence[Mapping[str, str]] = ()
    value: str = ""
    limits: Mapping[str, Any] = field(default_factory=dict)
    hit_limit: int = 100
    rate: float = 10.0
    targeting: Mapping[str, Any] = field(default_factory=dict)
    ttl_s: float = 1800.0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The location as people write it."""
        return self.function or f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class ProbeProblem:
    """One thing wrong with a spec: in which field (``where``), at which column of its text (-1: unknown), the fix."""

    slug: str
    sentence: str
    fix: str
    where: str
    column: int = -1
    alternatives: Mapping[str, Any] = field(default_factory=dict)

    def error(self) -> Invalid:
        """The same, to be raised."""
        known = {"field": self.where} | ({"column": self.column} if self.column >= 0 else {})
        return Invalid(self.slug, self.sentence, fix=self.fix, **known, **self.alternatives)


def problems_of(spec: ProbeSpec) -> Iterator[ProbeProblem]:
    """Everything wrong with the spec that can be said without knowing the service's code."""
    if spec.kind not in KINDS:
        yield ProbeProblem(
            "kind_unknown",
            f"No sensor can do a probe of kind {spec.kind[:30]!r}.",
            "Use one of these kinds.",
            "kind",
            alternatives={"kinds": list(KINDS)},
        )
        return
    yield from _location_problems(spec)
    yield from _kind_problems(spec)
    yield from _expression_problems(spec)
    yield from _bound_problems(spec)
    try:
        targeting.read(spec.targeting)
    except Invalid as invalid:
        yield ProbeProblem(invalid.slug, invalid.sentence, invalid.fix, "targeting")


def _location_problems(spec: ProbeSpec) -> Iterator[ProbeProblem]:
    fix = "Give file and line, or function as module:qualified.name."
    by_line = bool(spec.file or spec.line)
    if spec.attribute:
        fix = "Ask find_assignments where the attribute is written, and place a probe there."
        yield ProbeProblem(
            "attribute_not_placeable", "A probe stands on a line or a function.", fix, "attribute"
        )
    elif by_line == bool(spec.function):
        yield ProbeProblem("location_missing", "A probe needs one place: a line or a function.", fix, "file")
    elif spec.function and (len(spec.function) > 500 or not _FUNCTION.fullmatch(spec.function)):
        yield ProbeProblem(
            "function_malformed", f"{spec.function[:80]!r} names no function.", fix, "function"
        )
    elif by_line and (not spec.file or len(spec.file) > 1000 or "\x00" in spec.file):
        yield ProbeProblem("file_malformed", "A line needs the file it stands in.", fix, "file")
    elif by_line and not 1 <= spec.line <= 1_000_000:
        yield ProbeProblem("line_malformed", "Lines are counted from 1.", fix, "line")


def _kind_problems(spec: ProbeSpec) -> Iterator[ProbeProblem]:
    if spec.kind == "logpoint" and not spec.template:
        yield ProbeProblem(
            "template_missing",
            "A logpoint says something.",
            "Write its message, as paid {order.total}.",
            "template",
        )
    if spec.kind != "logpoint" and spec.template:
        yield ProbeProblem(
            "template_unused", f"A {spec.kind} has no message.", "Use a logpoint, or watches.", "template"
        )
    if spec.kind == "counter" and spec.watches:
        yield ProbeProblem(
            "watches_unused", "A counter only counts.", "Use a snapshot to keep values.", "watches"
        )
    if spec.value:
        yield ProbeProblem(
            "value_unused", f"A {spec.kind} measures nothing.", "Put it among the watches.", "value"
        )


def _expression_problems(spec: ProbeSpec) -> Iterator[ProbeProblem]:
    if spec.condition:
        yield from _text_problems(spec.condition, "condition")
    if spec.template:
        yield from _text_problems(spec.template, "template")
    if len(spec.watches) > MOST_WATCHES:
        yield ProbeProblem(
            "watches_too_many",
            f"A probe keeps at most {MOST_WATCHES} chosen expressions.",
            "Drop some.",
            "watches",
        )
        return
    names = [str(watch.get("name") or "") for watch in spec.watches]
    for position, watch in enumerate(spec.watches):
        name, where = names[position], f"watches.{position}"
        if not name.strip() or len(name) > 80 or names.index(name) != position:
            fix = "Give each watch a name of its own."
            yield ProbeProblem("watch_name", f"{name[:30]!r} cannot name a watch here.", fix, where)
        yield from _text_problems(str(watch.get("expression") or ""), where)


def _text_problems(text: str, field: str) -> Iterator[ProbeProblem]:
    if len(text) > MOST_TEXT:
        yield ProbeProblem("expression_too_long", f"More than {MOST_TEXT} characters.", "Shorten it.", field)
        return
    try:
        parse_template(text) if field == "template" else parse(text)
    except expressions.ExpressionError as error:
        yield ProbeProblem(
            error.slug,
            error.sentence,
            "Mend the expression at that column.",
            field,
            error.column,
            {"text": text},
        )


def _bound_problems(spec: ProbeSpec) -> Iterator[ProbeProblem]:
    for name, value in spec.limits.items():
        if name not in LIMITS:
            yield ProbeProblem(
                "limit_unknown",
                f"There is no limit {str(name)[:30]!r}.",
                "Use these names.",
                "limits",
                alternatives={"limits": list(LIMITS)},
            )
        elif not _within(value, LIMITS[name]):
            yield _out_of_bounds(f"limits.{name}", LIMITS[name])
    for name, bounds in (("hit_limit", HIT_LIMIT), ("rate", RATE), ("ttl_s", TTL_S)):
        if not _within(getattr(spec, name), bounds):
            yield _out_of_bounds(name, bounds)
    if spec.options:
        yield ProbeProblem("options_unused", f"A {spec.kind} takes no options.", "Leave them out.", "options")


def _within(value: Any, bounds: tuple[float, float]) -> bool:
    numeric = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return numeric and bounds[0] <= value <= bounds[1]


def _out_of_bounds(field: str, bounds: tuple[float, float]) -> ProbeProblem:
    least, most = bounds
    return ProbeProblem(
        "out_of_bounds",
        f"{field} lies between {least:g} and {most:g}.",
        "Choose a value in between.",
        field,
        alternatives={"least": least, "most": most},
    )


@lru_cache(maxsize=4096)
def parse(text: str) -> wire.Expression:
    """An expression with its checked tree, remembered: every instance of a service is sent the same ones."""
    return expressions.parse(text)


@lru_cache(maxsize=1024)
def parse_template(text: str) -> tuple[str | wire.Expression, ...]:
    """A logpoint's message: literal text and expressions in turn."""
    return tuple(expressions.parse_template(text))
