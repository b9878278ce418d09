"""From captures to columns: what is known of each path in each observation, as NumPy arrays.

A `Table` has one row for each observation (one hit) and one `Column` for each path (``trade.amount``,
``len(items)`` is not a path but a size). Everything is three-valued: a value that was cut, withheld or not
reached is *unknown*, which is neither true nor false; a path that is missing from an object captured whole is
*absent*, which is known.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from msgspec import UnsetType

from sightline import wire

Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Identities = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

UNKNOWN = -1
"""In a code array: cut, withheld, or never looked at."""
ABSENT = -2
"""In ``kinds``: known not to be there."""

MOST_DEPTH = 5
MOST_TOP_VALUES = 24
ITEMS_LOOKED_AT = 200

TRAITS = ("non-ASCII", "padded with blanks", "of several lines")

_WORDS_FOR_BOOLEANS = frozenset({"true", "false", "yes", "no", "on", "off", "t", "f", "y", "n"})
_WORDS_FOR_NOTHING = frozenset({"none", "null", "nil", "nan", "undefined", "n/a"})
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("an integer as text", re.compile(r"[+-]?\d+\Z")),
    ("a number as text", re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?\Z")),
    ("a number with separators", re.compile(r"[+-]?\d{1,3}([ ,.']\d{3})+([.,]\d+)?\Z")),
    ("a date", re.compile(r"\d{4}-\d\d-\d\d\Z")),
    ("a time without zone", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?\Z")),
    ("a time with zone", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)\Z")),
    ("a date in another order", re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\Z")),
    ("a UUID", re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")),
    ("an e-mail address", re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")),
    ("an address on the web", re.compile(r"[a-z][a-z0-9+.-]*://\S+\Z")),
    ("JSON", re.compile(r"\s*[\[{].*[\]}]\s*\Z", re.DOTALL)),
)
_NUMBERS = frozenset({"int", "float", "decimal.Decimal", "fractions.Fraction"})
_TIMES = frozenset({"datetime.datetime", "datetime.date"})


@dataclass(frozen=True, slots=True)
class Observation:
    """One hit: the values at its paths, and facts about where it happened (commit, host, caller, exception)."""

    values: Mapping[str, wire.Value]
    facts: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    """Whether names may be missing because the capture was cut short."""


@dataclass(frozen=True, slots=True)
class Column:
    """What is known at one path; every array has one element for each row of its `Table`.

    ``kinds`` index ``type_names`` (or `ABSENT`, `UNKNOWN`); ``numbers`` and ``sizes`` are NaN where there is
    none; equal ``identities`` mean equal values (0: unknown); ``shapes`` index ``shape_names`` for text;
    ``traits`` are bits in the order of `TRAITS` (-1: unknown); ``truths`` are 1, 0 or -1 for unknown. ``top``
    names the values that occur more than once.
    """

    path: str
    kinds: Codes
    type_names: tuple[str, ...]
    numbers: Floats
    sizes: Floats
    identities: Identities
    shapes: Codes
    shape_names: tuple[str, ...]
    traits: Codes
    truths: Codes
    top: tuple[tuple[int, str], ...]
    is_fact: bool = False
    is_time: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Observations by columns, in a stable order of paths: as first seen, so arguments come before what they
    lead to.
    """

    rows: int
    columns: tuple[Column, ...]

    def column(self, path: str) -> Column:
        """Raises `KeyError`."""
        for each in self.columns:
            if each.path == path:
                return each
        raise KeyError(path)


# ---------------------------------------------------------------- from the wire


def observe(capture: wire.Capture, facts: Mapping[str, str] | None = None) -> Observation:
    """One capture as an observation: its watches, then the variables of the innermost frame.

    The caller (function and line), the line itself and the branches a path probe recorded become facts beside
    ``facts``.
    """
    frames = capture.frames or []
    values = dict(capture.watches or {})
    innermost = frames[0] if frames else None
    if innermost is not None:
        values.update(innermost.variables or {})
    known = dict(facts or {})
    if len(frames) > 1:
        known["caller"] = f"{frames[1].function}:{frames[1].line}"
    for name, value in sorted((capture.detail or {}).items()):
        if isinstance(value, str | bool | int):
            known[name] = str(value)
        elif isinstance(value, list | tuple):
            known.update({f"{name} {each}": "reached" for each in value if isinstance(each, str | int)})
    return Observation(values, known, innermost is not None and bool(innermost.cut))


def tabulate(observations: Sequence[Observation]) -> Table:
    """Columns of all paths down to `MOST_DEPTH`, facts after values."""
    cells: dict[str, list[_Cell]] = {}
    order: dict[str, tuple[int, int]] = {}
    flat = [dict(_flatten(each)) for each in observations]
    for row in flat:
        for place, path in enumerate(row):
            order[path] = max(order.get(path, (0, 0)), (0, place))
    for path in sorted(order, key=lambda each: (order[each], each)):
        cells[path] = [
            row.get(path) or _missing(path, row, observation)
            for row, observation in zip(flat, observations, strict=True)
        ]
    names = sorted({name for each in observations for name in each.facts})
    columns = [_column(path, column) for path, column in cells.items()]
    columns += [_fact_column(name, [each.facts.get(name) for each in observations]) for name in names]
    return Table(len(observations), tuple(columns))


@dataclass(frozen=True, slots=True)
class _Cell:
    kind: str = ""
    absent: bool = False
    label: str = ""
    number: float = math.nan
    size: float = math.nan
    shape: str = ""
    traits: int = -1
    truth: int = -1
    whole: bool = True


_UNSEEN = _Cell(whole=False)
_GONE = _Cell(absent=True)


def _missing(path: str, row: Mapping[str, _Cell], observation: Observation) -> _Cell:
    """Absent when what holds it is there and whole; unknown otherwise."""
    parent = _parent(path)
    if not parent:
        return _UNSEEN if observation.cut or not observation.values else _GONE
    held = row.get(parent)
    return _GONE if held is not None and held.whole and not held.absent else _UNSEEN


def _parent(path: str) -> str:
    for start in ("sorted(", "unique(", "min(", "max(", "keys(", "types("):
        if path.startswith(start):
            return path[len(start) : -1]
    cut = max(path.rfind("."), path.rfind("["))
    return path[:cut] if cut > 0 else ""


def _flatten(observation: Observation) -> Iterator[tuple[str, _Cell]]:
    for name, value in observation.values.items():
        if not (name.startswith("__") and name.endswith("__")):
            yield from _below(name, value, 0)


def _below(path: str, value: wire.Value, depth: int) -> Iterator[tuple[str, _Cell]]:
    if value.cut == "unset" or value.type in {"module", "function", "type", "builtin_function_or_method"}:
        return
    yield path, _cell(value)
    if depth >= MOST_DEPTH:
        return
    for name, inner in (value.fields or {}).items():
        yield from _below(f"{path}.{name}", inner, depth + 1)
    if value.entries is not None:
        yield from _mapping(path, value, depth)
    if value.items is not None:
        yield from _sequence(path, value, depth)


def _mapping(path: str, value: wire.Value, depth: int) -> Iterator[tuple[str, _Cell]]:
    entries = value.entries or []
    keys = [_written(key) for key, _ in entries]
    if not value.cut:
        yield f"keys({path})", _text_cell("{" + ", ".join(sorted(keys)) + "}")
        yield f"types({path})", _text_cell(", ".join(sorted({inner.type for _, inner in entries})) or "none")
    for key, (_, inner) in zip(keys, entries, strict=True):
        yield from _below(f"{path}[{key}]", inner, depth + 1)


def _sequence(path: str, value: wire.Value, depth: int) -> Iterator[tuple[str, _Cell]]:
    """Ends of a sequence, and what holds for all of it: types, order, repeats, extremes (only when it was
    kept whole).
    """
    items = (value.items or [])[:ITEMS_LOOKED_AT]
    ordered = value.type in {"list", "tuple", "collections.deque"}
    if ordered and items:
        yield from _below(f"{path}[0]", items[0], depth + 1)
    if value.cut or len(items) != len(value.items or []):
        return
    if ordered and len(items) > 1:
        yield from _below(f"{path}[-1]", items[-1], depth + 1)
    yield f"types({path})", _text_cell(", ".join(sorted({item.type for item in items})) or "none")
    labels = [_written(item) for item in items]
    is_series = (
        ordered and value.type != "tuple"
    )  # a tuple is a record: the order of its fields means nothing
    if is_series and all(labels):
        yield f"unique({path})", _truth_cell(len(set(labels)) == len(labels))
    numbers = [_number(item) for item in items]
    if items and not any(map(math.isnan, numbers)):
        if is_series:
            yield (
                f"sorted({path})",
                _truth_cell(all(a <= b for a, b in pairwise(numbers))),
            )
        yield f"min({path})", _Cell("float", number=min(numbers), label=repr(min(numbers)))
        yield f"max({path})", _Cell("float", number=max(numbers), label=repr(max(numbers)))


def _text_cell(text: str) -> _Cell:
    return _Cell("str", label=text)


def _truth_cell(holds: bool) -> _Cell:
    return _Cell("bool", label=str(holds), truth=int(holds))


def _cell(value: wire.Value) -> _Cell:
    label = _written(value)
    number = _number(value)
    text = value.value if value.type == "str" and isinstance(value.value, str) and not value.cut else None
    size = _size(value)
    return _Cell(
        kind=value.type,
        label=label,
        number=number,
        size=size,
        shape="" if text is None else shape_of(text),
        traits=-1 if text is None else _traits(text),
        truth=_truth(value, number, size),
        whole=not value.cut and not value.redacted,
    )


def _written(value: wire.Value) -> str:
    """What names the value apart from others; empty when that is unknown. Withheld values go by their keyed
    hash.
    """
    if value.redacted:
        return f"withheld {value.hash.hex()[:8]}" if value.hash else ""
    if isinstance(value.value, UnsetType) or value.cut:
        return ""
    if value.note and value.type not in _NUMBERS:
        return f"{value.type.rpartition('.')[2]}.{value.note}" if value.note.isidentifier() else value.note
    return str(value.value) if value.type in _NUMBERS or value.type in _TIMES else repr(value.value)


def _number(value: wire.Value) -> float:
    raw = value.value
    if isinstance(raw, UnsetType | bool | None) or value.redacted or value.cut:
        return math.nan
    try:
        if value.type in _TIMES and isinstance(raw, str):
            moment = datetime.fromisoformat(raw)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if value.type in _NUMBERS or isinstance(raw, int | float):
            return float(raw)
    except (ValueError, OverflowError):
        pass
    return math.nan


def _size(value: wire.Value) -> float:
    if value.size is not None:
        return float(value.size)
    if value.type in {"str", "bytes"} and isinstance(value.value, str):
        return float(len(value.value))
    return math.nan


def _truth(value: wire.Value, number: float, size: float) -> int:
    if value.type == "NoneType":
        return 0
    if isinstance(value.value, bool):
        return int(value.value)
    if value.type in _NUMBERS and not math.isnan(number):
        return int(number != 0)
    return -1 if math.isnan(size) else int(size > 0)


def shape_of(text: str) -> str:
    """The class of a text by its look, as ``an integer as text``; the first that fits, so classes exclude
    each other.
    """
    if not text:
        return "empty"
    bare = text.strip()
    if not bare:
        return "blank"
    if bare.lower() in _WORDS_FOR_BOOLEANS:
        return "a boolean as text"
    if bare.lower() in _WORDS_FOR_NOTHING:
        return "a word for nothing"
    for name, pattern in _SHAPES:
        if pattern.match(bare):
            return name
    if not any(character.isalpha() for character in bare):
        return "signs"
    return _case(bare)


def _case(text: str) -> str:
    if text.isupper():
        return "in capitals"
    if text.islower():
        return "in small letters"
    return "in title case" if text.istitle() else "in mixed case"


def _traits(text: str) -> int:
    marks = (not text.isascii(), text != text.strip(), "\n" in text.strip())
    return sum(1 << bit for bit, holds in enumerate(marks) if holds)


# ---------------------------------------------------------------- to arrays


def _column(path: str, cells: Sequence[_Cell]) -> Column:
    kinds, type_names = _coded(cell.kind for cell in cells)
    kinds[[cell.absent for cell in cells]] = ABSENT
    shapes, shape_names = _coded(cell.shape for cell in cells)
    labels = Counter(cell.label for cell in cells if cell.label)
    return Column(
        path=path,
        kinds=kinds,
        type_names=type_names,
        numbers=np.array([cell.number for cell in cells], dtype=np.float64),
        sizes=np.array([cell.size for cell in cells], dtype=np.float64),
        identities=np.array([identity(cell.label) if cell.label else 0 for cell in cells], dtype=np.int64),
        shapes=shapes,
        shape_names=shape_names,
        traits=np.array([cell.traits for cell in cells], dtype=np.int32),
        truths=np.array([cell.truth for cell in cells], dtype=np.int32),
        top=_top(labels),
        is_time=any(cell.kind in _TIMES for cell in cells),
    )


def _fact_column(name: str, told: Sequence[str | None]) -> Column:
    """A fact somebody may not have told is unknown there; a branch that was not recorded was not reached."""
    cells = [_UNSEEN if each is None else _text_cell(each) for each in told]
    if any(each == "reached" for each in told):
        cells = [_text_cell(each or "not reached") for each in told]
    column = _column(name, cells)
    return Column(
        name,
        column.kinds,
        column.type_names,
        column.numbers,
        column.sizes,
        column.identities,
        column.shapes,
        column.shape_names,
        column.traits,
        column.truths,
        column.top,
        is_fact=True,
    )


def _coded(names: Iterable[str]) -> tuple[Codes, tuple[str, ...]]:
    """Codes in the names' own order, `UNKNOWN` for an empty one: the same whatever the order of the rows."""
    told = list(names)
    known = tuple(sorted({name for name in told if name}))
    code = {name: number for number, name in enumerate(known)}
    return np.array([code.get(name, UNKNOWN) for name in told], dtype=np.int32), known


def _top(labels: Counter[str]) -> tuple[tuple[int, str], ...]:
    often = sorted(((-count, label) for label, count in labels.items() if count > 1))
    return tuple((identity(label), label) for _, label in often[:MOST_TOP_VALUES])


def identity(label: str) -> int:
    """A number that stands for a written value: 63 bits of BLAKE2, never 0, the same on every machine."""
    digest = hashlib.blake2b(label.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 1) or 1
