"""What someone wishes to probe, held against what needs no database: bounds, expressions, what a kind takes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from investigations.catalog.models import Service
from investigations.catalog.paths import is_absolute
from investigations.lib.errors import Invalid
from investigations.probes import targeting
from investigations.probes.kinds import ANYWHERE, ATTRIBUTE, KINDS, Kind
from sightline import expressions, wire

LIMITS: dict[str, tuple[float, float]] = {
    "depth": (1, 10),
    "items": (1, 1000),
    "length": (1, 20_000),
    "fields": (1, 500),
    "frames": (1, 100),
    "variable_frames": (0, 50),
    "bytes": (1024, 256 * 1024),
    "deadline_ms": (0.1, 100),
    "library_depth": (0, 10),
}
"""The least and the most of each of `wire.Limits`: a capture must fit a frame and never hold a request up."""
HIT_LIMIT = (0, 100_000)
RATE = (0.001, 1000)
TTL_S = (10, 24 * 3600)
MOST_WATCHES = 20
MOST_TEXT = 4096
MOST_LINES = 1_000_000

_FUNCTION = re.compile(r"[\w.]+:[\w.<>]+")
_ATTRIBUTE = re.compile(r"[\w.]+:[\w.<>]+\.[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """A wish for a probe; expressions as text.

    It stands at ``file`` and ``line``, at ``function`` (``module:qualified.name``), or watches ``attribute``
    (``module:Class.attribute``). ``until`` is the line of the same function where a duration ends, 0 for its end.
    """

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
    until: int = 0
    limits: Mapping[str, Any] = field(default_factory=dict)
    hit_limit: int = 100
    rate: float = 10.0
    targeting: Mapping[str, Any] = field(default_factory=dict)
    ttl_s: float = 1800.0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The location as people write it."""
        if self.function or self.attribute:
            return self.function or self.attribute
        return f"{self.file}:{self.line}" if self.file or self.line else "any call out"


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
    kind = KINDS.get(spec.kind)
    if kind is None:
        yield ProbeProblem(
            "kind_unknown",
            f"No sensor can do a probe of kind {spec.kind[:30]!r}.",
            "Use one of these kinds.",
            "kind",
            alternatives={"kinds": list(KINDS)},
        )
        return
    yield from _place_problems(spec, kind)
    yield from _field_problems(spec, kind)
    yield from _expression_problems(spec, kind)
    yield from _bound_problems(spec)
    yield from _option_problems(spec, kind)
    try:
        targeting.read(spec.targeting)
    except Invalid as invalid:
        yield ProbeProblem(invalid.slug, invalid.sentence, invalid.fix, "targeting")


# ---------------------------------------------------------------- where it stands


def _place_problems(spec: ProbeSpec, kind: Kind) -> Iterator[ProbeProblem]:
    if ATTRIBUTE in kind.places:
        yield from _attribute_problems(spec)
    elif spec.attribute:
        yield ProbeProblem(
            "attribute_not_placeable",
            f"A {spec.kind} stands on a line or a function.",
            "Use kind assignment to see who writes an attribute, or give file and line.",
            "attribute",
        )
    else:
        yield from _location_problems(spec, kind)
        yield from _until_problems(spec)


def _attribute_problems(spec: ProbeSpec) -> Iterator[ProbeProblem]:
    fix = "Give attribute as module:Class.attribute, and neither file nor function."
    if not spec.attribute or spec.file or spec.line or spec.function:
        yield ProbeProblem(
            "attribute_missing", "An assignment watches an attribute, not a line.", fix, "attribute"
        )
    elif len(spec.attribute) > 500 or not _ATTRIBUTE.fullmatch(spec.attribute):
        yield ProbeProblem(
            "attribute_malformed", f"{spec.attribute[:80]!r} names no attribute of a class.", fix, "attribute"
        )


def _location_problems(spec: ProbeSpec, kind: Kind) -> Iterator[ProbeProblem]:
    fix = "Give file and line, or function as module:qualified.name."
    by_line = bool(spec.file or spec.line)
    if not by_line and not spec.function and ANYWHERE in kind.places:
        return
    if by_line == bool(spec.function):
        yield ProbeProblem("location_missing", "A probe needs one place: a line or a function.", fix, "file")
    elif spec.function and (len(spec.function) > 500 or not _FUNCTION.fullmatch(spec.function)):
        yield ProbeProblem(
            "function_malformed", f"{spec.function[:80]!r} names no function.", fix, "function"
        )
    elif by_line:
        yield from _line_problems(spec, fix)


def _line_problems(spec: ProbeSpec, fix: str) -> Iterator[ProbeProblem]:
    if not spec.file or len(spec.file) > 1000 or "\x00" in spec.file:
        yield ProbeProblem("file_malformed", "A line needs the file it stands in.", fix, "file")
    elif is_absolute(spec.file) or ".." in re.split(r"[/\\]", spec.file):
        yield ProbeProblem(
            "file_malformed",
            "A file is named by the end of its path, without a root and without '..'.",
            "Write it as search_code and read_code do, as trades/trade_request.py.",
            "file",
        )
    elif not 1 <= spec.line <= MOST_LINES:
        yield ProbeProblem("line_malformed", "Lines are counted from 1.", fix, "line")


def _until_problems(spec: ProbeSpec) -> Iterator[ProbeProblem]:
    if spec.until and "until" in KINDS[spec.kind].takes and not (spec.line < spec.until <= MOST_LINES):
        yield ProbeProblem(
            "until_malformed",
            "A duration ends on a later line than it begins.",
            "Give file and line where it begins, and until as a later line of the same function.",
            "until",
        )
    elif spec.until and spec.function:
        yield ProbeProblem(
            "until_malformed",
            "A duration of a whole function ends where the function does.",
            "Leave until out, or give file and line instead of function.",
            "until",
        )


# ---------------------------------------------------------------- what it takes

_UNUSED = (
    ("template", "template_unused", "has no message", "Use a logpoint, or watches."),
    ("watches", "watches_unused", "keeps no values", "Use a snapshot to keep values."),
    (
        "value",
        "value_unused",
        "measures nothing",
        "Put it among the watches, or use a metric or an expectation.",
    ),
    ("until", "until_unused", "ends nowhere else", "Use a duration to measure from one line to another."),
)
_MISSING = {
    ("logpoint", "template"): (
        "template_missing",
        "A logpoint says something.",
        "Write its message, as paid {order.total}.",
    ),
    ("metric", "value"): (
        "value_missing",
        "A metric measures an expression.",
        "Give value, as order.total or len(items).",
    ),
    ("expectation", "value"): (
        "value_missing",
        "An expectation says what always holds.",
        'Give value, as type_name(request.high_value) == "bool".',
    ),
}


def _field_problems(spec: ProbeSpec, kind: Kind) -> Iterator[ProbeProblem]:
    article = "An" if spec.kind[0] in "aeiou" else "A"
    for field_name, slug, lacks, fix in _UNUSED:
        if getattr(spec, field_name) and field_name not in kind.takes:
            yield ProbeProblem(slug, f"{article} {spec.kind} {lacks}.", fix, field_name)
    for field_name in kind.needs:
        if not getattr(spec, field_name):
            slug, sentence, fix = _MISSING[spec.kind, field_name]
            yield ProbeProblem(slug, sentence, fix, field_name)


def _option_problems(spec: ProbeSpec, kind: Kind) -> Iterator[ProbeProblem]:
    for name, value in spec.options.items():
        option = kind.options.get(name)
        if option is None:
            yield ProbeProblem(
                "option_unknown",
                f"A probe of kind {spec.kind} takes no option {str(name)[:30]!r}.",
                "Use these options." if kind.options else "Leave it out.",
                "options",
                alternatives={"options": {known: each.says for known, each in kind.options.items()}},
            )
        elif wrong := option.wrong(value):
            yield ProbeProblem(
                "option_malformed",
                f"{name} {wrong}.",
                f"{option.says} Leave it out for the usual.",
                f"options.{name}",
            )


# ---------------------------------------------------------------- what it says


def _expression_problems(spec: ProbeSpec, kind: Kind) -> Iterator[ProbeProblem]:
    for name in ("condition", "template", "value"):
        if text := getattr(spec, name):
            yield from _text_problems(text, name, kind)
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
        yield from _text_problems(str(watch.get("expression") or ""), where, kind)


def _text_problems(text: str, field: str, kind: Kind) -> Iterator[ProbeProblem]:
    if len(text) > MOST_TEXT:
        yield ProbeProblem("expression_too_long", f"More than {MOST_TEXT} characters.", "Shorten it.", field)
        return
    try:
        read = parse_template(text) if field == "template" else (parse(text),)
    except expressions.ExpressionError as error:
        yield ProbeProblem(
            error.slug,
            error.sentence,
            "Mend the expression at that column.",
            field,
            error.column,
            {"text": text},
        )
        return
    trees = [part.tree for part in read if not isinstance(part, str)]
    asked = {name for tree in trees for name in special_names(tree)}
    for name in sorted(asked - expressions.CONTEXT_NAMES - set(kind.names)):
        yield ProbeProblem(
            "special_name_unknown",
            f"{name} is known only when a call has ended.",
            "Use kind function, which is judged at the end of each call, or drop it.",
            field,
            text.find(name),
        )


def special_names(tree: Any) -> Iterator[str]:
    """The names with an ``@`` that a checked tree asks for."""
    if isinstance(tree, list):
        if len(tree) == 2 and tree[0] == "name" and str(tree[1]).startswith("@"):
            yield tree[1]
        for node in tree:
            yield from special_names(node)


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
