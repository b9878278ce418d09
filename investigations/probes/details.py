"""What only some kinds capture, read from a capture's ``detail`` into named parts, and said in one line. Pure.

A detail comes from a sensor, so nothing in it is trusted: what does not read as its kind's is no detail at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, Struct, UnsetType

from sightline.wire import Value

Some = Value | UnsetType
"""A value that may not be there, which is not the same as None."""


class Where(Struct, omit_defaults=True):
    """A line of code."""

    function: str = ""
    file: str = ""
    line: int = 0


class Raised(Struct, omit_defaults=True):
    """An exception with those it came from, nearest first. ``link`` says how this one follows: cause or context."""

    type: str = ""
    arguments: list[Value] = []
    fields: dict[str, Value] = {}
    notes: list[str] = []
    where: Where | None = None
    link: str = ""
    cut: str = ""
    chain: list[Raised] = []


class Call(Struct, omit_defaults=True):
    """A function probe's: one call from its entry to its end. ``how``: returned, raised or yielded."""

    how: str = ""
    duration_ms: float | None = None
    arguments: dict[str, Value] = {}
    returned: Some = UNSET
    exception: Raised | None = None


class Slow(Struct, omit_defaults=True):
    """A duration probe's: a call that took longer than it was asked about."""

    duration_ms: float | None = None


class Caught(Struct, omit_defaults=True):
    """An exception probe's. ``how``: raised, swallowed (``handled_at``) or left."""

    how: str = ""
    exception: Raised | None = None
    handled_at: Where | None = None


class Decision(Struct, omit_defaults=True):
    """A branch: whether its condition held, where the call went on, and the values that decided."""

    line: int
    taken: bool | None = None
    to: int = 0
    values: dict[str, Value] = {}


class Ended(Struct, omit_defaults=True):
    """How a followed call ended."""

    how: str = ""
    value: Some = UNSET
    exception: Raised | None = None


class Path(Struct, omit_defaults=True):
    """A path probe's: the lines one call took in order; ``[line, n]`` was taken n times in a row."""

    steps: list[int | list[int]] = []
    decisions: list[Decision] = []
    ended: Ended | None = None
    cut: str = ""

    def lines(self) -> Iterator[tuple[int, int]]:
        """Each step as (line, how often in a row)."""
        for step in self.steps:
            if isinstance(step, int):
                yield step, 1
            elif len(step) == 2:
                yield step[0], max(1, step[1])


class Written(Struct, omit_defaults=True):
    """An assignment probe's: who wrote what over what, and by which means."""

    how: str = ""
    owner: str = ""
    writer: Where | None = None
    old: Some = UNSET
    new: Some = UNSET


class Judged(Struct, omit_defaults=True):
    """An expectation probe's: what the expression came to."""

    judged: str = ""


class CallOut(Struct, omit_defaults=True):
    """A dependency probe's: one outgoing call and its answer. ``size`` is bytes of a body or rows of a result."""

    library: str = ""
    operation: str = ""
    target: str = ""
    status: int | None = None
    duration_ms: float | None = None
    size: int | None = None
    shape: str = ""
    answer: Some = UNSET
    exception: Raised | None = None


class Captured(Protocol):
    """A capture's body, whole or the part that lists show."""

    @property
    def kind(self) -> str: ...
    @property
    def detail(self) -> dict[str, Any] | None: ...


Detail = Call | Slow | Caught | Path | Written | Judged | CallOut
_FORMS: dict[str, type[Any]] = {
    "function": Call,
    "duration": Slow,
    "exception": Caught,
    "path": Path,
    "assignment": Written,
    "expectation": Judged,
    "dependency": CallOut,
}


def read(capture: Captured) -> Detail | None:
    """The detail of a capture of its kind; None where there is none, or none that reads."""
    form = _FORMS.get(capture.kind)
    if form is None or not capture.detail:
        return None
    try:
        return msgspec.convert(capture.detail, form, strict=False)
    except (msgspec.ValidationError, RecursionError):
        return None


def values(detail: Detail | None) -> Iterator[tuple[str, Value]]:
    """Every captured value in a detail with its path below ``detail``."""
    if detail is not None:
        yield from _values_in("detail", detail)


def _values_in(path: str, part: Any) -> Iterator[tuple[str, Value]]:
    if isinstance(part, Value):
        yield path, part
    elif isinstance(part, Struct):
        for name in part.__struct_fields__:
            yield from _values_in(f"{path}.{name}", getattr(part, name))
    elif isinstance(part, dict):
        for key, item in part.items():
            yield from _values_in(f"{path}.{key}", item)
    elif isinstance(part, list):
        for number, item in enumerate(part):
            yield from _values_in(f"{path}.{number}", item)


# ---------------------------------------------------------------- in one line


def sentence(capture: Captured) -> str:
    """The detail in a few words, for a list; empty where there is none."""
    detail = read(capture)
    return "" if detail is None else _SENTENCES[type(detail)](detail)


def written(value: Some) -> str:
    """A value in a list: its type, and what it was where that is short."""
    if isinstance(value, UnsetType):
        return "nothing"
    kind = value.type.rpartition(".")[2]
    if value.redacted:
        return f"{kind} (redacted)"
    if isinstance(value.value, UnsetType):
        return f"{kind} of {value.size:,}" if value.size is not None else kind
    text = repr(value.value) if isinstance(value.value, str) else str(value.value)
    return kind if text == kind else f"{kind} {text if len(text) <= 60 else text[:59] + '…'}"


def _took(duration_ms: float | None) -> str:
    return "" if duration_ms is None else f" in {duration_ms:,.4g} ms"


def _named(raised: Raised | None) -> str:
    if raised is None:
        return "an exception"
    first = f": {written(raised.arguments[0])}" if raised.arguments else ""
    return f"{raised.type.rpartition('.')[2]}{first}"


def _call(call: Call) -> str:
    if call.exception is not None:
        return f"raised {_named(call.exception)}{_took(call.duration_ms)}"
    return f"{call.how or 'returned'} {written(call.returned)}{_took(call.duration_ms)}"


def _caught(caught: Caught) -> str:
    where = caught.handled_at
    at = f" at {where.function}:{where.line}" if where else ""
    return f"{caught.how} {_named(caught.exception)}{at}"


def _path(path: Path) -> str:
    steps, decisions = sum(times for _, times in path.lines()), len(path.decisions)
    how = ending(path)
    counted = f"{_count(steps, 'step')}, {_count(decisions, 'decision')}"
    return f"{counted}, {how}" if how else counted


def ending(path: Path) -> str:
    """How a followed call ended, as ``returned str 'small'``; empty where that is not known."""
    ended = path.ended
    if ended is None:
        return ""
    if ended.exception is not None:
        return f"{ended.how} {_named(ended.exception)}"
    return f"{ended.how} {written(ended.value)}" if ended.how == "returned" else ended.how


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _written_by(one: Written) -> str:
    where = f" by {one.writer.function}:{one.writer.line}" if one.writer else ""
    return f"{written(one.new)}, was {written(one.old)}{where} ({one.how})"


def called(call: CallOut) -> str:
    """What was called; a statement says its operation itself."""
    said = call.operation and call.target.upper().startswith(call.operation.upper())
    return call.target if said else f"{call.operation} {call.target}".strip()


def _call_out(call: CallOut) -> str:
    what = called(call) or call.library
    if call.exception is not None:
        return f"{what} raised {_named(call.exception)}{_took(call.duration_ms)}"
    status = f" {call.status}" if call.status is not None else ""
    return f"{what}{status}{_took(call.duration_ms)}"


_SENTENCES: dict[type[Any], Any] = {
    Call: _call,
    Slow: lambda slow: f"took{_took(slow.duration_ms).removeprefix(' in')}",
    Caught: _caught,
    Path: _path,
    Written: _written_by,
    Judged: lambda judged: f"was {judged.judged}",
    CallOut: _call_out,
}
