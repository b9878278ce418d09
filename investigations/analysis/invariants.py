"""What has always held in passing captures, how surely it is no accident, and which failing captures break
it.

The kinds and the idea of a confidence are Daikon's (Ernst et al., Sci. Comp. Prog. 2007): an invariant that
would have survived the passing captures by chance is not reported. Learned from last week and broken today,
an invariant is an alert about a failure no telemetry saw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from investigations.analysis import significance
from investigations.analysis.features import ABSENT, UNKNOWN, Column, Table, identity
from investigations.analysis.significance import Interval

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

CONFIDENT = 0.95
MOST_PAIRED = 40
ONE_OF = 3
TEST = "survival"


@dataclass(frozen=True, slots=True)
class Invariant:
    """``kind`` with its ``paths`` and what it says: ``names`` for sets of types, values or keys, ``numbers``
    for bounds.

    ``n`` passing rows bear it out, which is ``coverage`` of all; ``confidence`` is one minus the probability to see
    that by chance (`TEST`), and ``q`` that probability held against all candidates.
    """

    kind: str
    paths: tuple[str, ...]
    names: tuple[str, ...]
    numbers: tuple[float, ...]
    n: int
    confidence: float
    sentence: str
    coverage: float = 1.0
    q: float = 1.0
    test: str = TEST

    @property
    def effect(self) -> Interval:
        """The share of passing rows in which it holds: all that were seen, and as many as that allows for."""
        return significance.share(self.n, self.n)


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold everywhere: in ``broken`` of ``known`` rows, the first of them ``rows``.

    ``effect`` is the share that breaks it; ``p`` (Fisher's) that of breaking so often if the passing rows, none of
    which does, were no different; ``q`` the same held against all invariants that were looked at.
    """

    invariant: Invariant
    broken: int
    known: int
    coverage: float
    rows: tuple[int, ...]
    sentence: str
    p: float = 1.0
    q: float = 1.0
    test: str = "fisher"

    @property
    def n(self) -> int:
        return self.known + self.invariant.n

    @property
    def effect(self) -> Interval:
        return significance.share(self.broken, self.known)


@dataclass(frozen=True, slots=True)
class Drift:
    """What one version holds to and another breaks."""

    before: str
    after: str
    n: int
    violations: tuple[Violation, ...]

    @property
    def coverage(self) -> float:
        """What is known of the least known."""
        return min((each.coverage for each in self.violations), default=0.0)

    @property
    def sentence(self) -> str:
        return f"From {self.before} to {self.after}: {self.violations[0].sentence}"


def learn(passing: Table, confident: float = CONFIDENT) -> list[Invariant]:
    """All invariants of these rows that are no accident, surest first."""
    columns = [column for column in passing.columns if not column.is_fact]
    found = [each for column in columns for each in _about_one(column)]
    paired = [column for column in columns if _is_paired(column)][:MOST_PAIRED]
    found += [each for one, other in combinations(paired, 2) for each in _about_two(one, other)]
    chances = significance.discovered([1 - each.confidence for each in found])
    kept = [
        replace(each, coverage=each.n / passing.rows, q=q)
        for each, q in zip(found, chances, strict=True)
        if each.confidence >= confident
    ]
    return sorted(kept, key=lambda each: (-each.confidence, each.paths, each.kind))


def violations(invariants: Sequence[Invariant], table: Table) -> list[Violation]:
    """Invariants that rows of another table break, by confidence times the share that breaks them."""
    by_path = {column.path: column for column in table.columns}
    looked_at = [
        _violation(each, [by_path[path] for path in each.paths], table.rows)
        for each in invariants
        if all(path in by_path for path in each.paths)
    ]
    chances = significance.discovered([each.p for each in looked_at])
    found = [replace(each, q=q) for each, q in zip(looked_at, chances, strict=True) if each.broken]
    return sorted(
        found,
        key=lambda each: (-each.invariant.confidence * each.broken / each.known, each.invariant.sentence),
    )


def drift(versions: Sequence[tuple[str, Table]]) -> list[Drift]:
    """From each version to the next, what the first held to and the second does not."""
    found = [
        Drift(before, after, old.rows + new.rows, tuple(violations(learn(old), new)))
        for (before, old), (after, new) in pairwise(versions)
    ]
    return [each for each in found if each.violations]


# ---------------------------------------------------------------- learning


def _about_one(column: Column) -> Iterator[Invariant]:
    yield from _about_kinds(column)
    yield from _about_values(column)
    for kind, text, numbers in (
        ("range", column.path, column.numbers),
        ("length_range", f"len({column.path})", column.sizes),
    ):
        if not column.is_time:
            yield from _about_range(kind, column.path, text, numbers)


def _about_kinds(column: Column) -> Iterator[Invariant]:
    path, seen = column.path, column.kinds != UNKNOWN
    n = int(seen.sum())
    if not n:
        return
    names = tuple(name for code, name in enumerate(column.type_names) if (column.kinds == code).any())
    if not (column.kinds == ABSENT).any():
        yield _invariant("present", (path,), (), (), n, _never(n), f"{path} is always there")
    if "NoneType" not in names and names:
        yield _invariant("not_none", (path,), (), (), n, _never(n), f"{path} is never None")
    if names:
        sentence = f"{path} is always {' or '.join(names)}"
        yield _invariant("types", (path,), names, (), n, _never(n), sentence)


def _about_values(column: Column) -> Iterator[Invariant]:
    path, known = column.path, column.identities != 0
    n = int(known.sum())
    values = set(column.identities[known].tolist())
    labels = dict(column.top)
    if not n or len(values) > ONE_OF or any(value not in labels for value in values):
        return
    names = tuple(sorted(labels[value] for value in values))
    kind = "keys" if path.startswith("keys(") else "constant" if len(names) == 1 else "one_of"
    text = f"{path} is always {names[0]}" if len(names) == 1 else f"{path} is one of {', '.join(names)}"
    chance = (len(names) / (len(names) + 1)) ** n
    yield _invariant(kind, (path,), names, (), n, 1 - chance, text)


def _about_range(kind: str, path: str, text: str, numbers: Floats) -> Iterator[Invariant]:
    known = numbers[~np.isnan(numbers)]
    n = len(known)
    if n < 2:
        return
    low, high = float(known.min()), float(known.max())
    if low >= 0:
        yield _invariant(
            f"{kind}_not_negative", (path,), (), (0.0,), n, _never(n), f"{text} is never below 0"
        )
    if low == high:
        return
    chance = 2 / (n + 1)  # that one more value of the same kind lies outside (Wilks 1941)
    yield _invariant(kind, (path,), (), (low, high), n, 1 - chance, f"{text} is within {low:g} to {high:g}")


def _is_paired(column: Column) -> bool:
    return not ("(" in column.path or np.isnan(column.numbers).all())


def _about_two(one: Column, other: Column) -> Iterator[Invariant]:
    known = ~(np.isnan(one.numbers) | np.isnan(other.numbers))
    n = int(known.sum())
    if n < 5 or one.is_time != other.is_time:
        return
    x, y = one.numbers[known], other.numbers[known]
    if (x == x[0]).all() or (y == y[0]).all():
        return
    paths = (one.path, other.path)
    if (x == y).all():
        yield _invariant("equal", paths, (), (), n, _never(n), f"{one.path} == {other.path}")
        return
    for kind, holds, sign in (("at_most", x <= y, "<="), ("at_least", x >= y, ">=")):
        if holds.all() and _overlap(x, y):
            yield _invariant(kind, paths, (), (), n, _never(n), f"{one.path} {sign} {other.path}")
    yield from _about_line(paths, x, y)


def _about_line(paths: tuple[str, str], x: Floats, y: Floats) -> Iterator[Invariant]:
    distinct = len(np.unique(x))
    if distinct < 4:
        return
    slope, offset = (float(each) for each in np.polyfit(x, y, 1))
    allowed = 1e-6 * max(1.0, float(np.abs(y).max()))
    if slope and float(np.abs(slope * x + offset - y).max()) <= allowed:
        shown = f"{paths[1]} = {slope:.6g} * {paths[0]}" + (
            f" + {offset:.6g}" if abs(offset) > allowed else ""
        )
        yield _invariant("linear", paths, (), (slope, offset), len(x), _never(distinct), shown)


def _overlap(x: Floats, y: Floats) -> bool:
    """Order between two is worth telling only when their ranges meet."""
    return float(x.max()) > float(y.min()) and float(y.max()) > float(x.min())


def _never(n: int) -> float:
    """One minus the chance that something true half of the time was so n times."""
    return 1.0 - math.pow(0.5, n)


def _invariant(
    kind: str,
    paths: tuple[str, ...],
    names: tuple[str, ...],
    numbers: tuple[float, ...],
    n: int,
    confidence: float,
    text: str,
) -> Invariant:
    sentence = f"{text} ({n} passing captures, confidence {confidence:.3f})."
    return Invariant(kind, paths, names, numbers, n, confidence, sentence)


# ---------------------------------------------------------------- holding


def _violation(invariant: Invariant, columns: Sequence[Column], rows: int) -> Violation:
    broken, known = _breaks(invariant, columns)
    broken = broken & known
    count, looked = int(broken.sum()), int(known.sum())
    what = invariant.sentence.rpartition(" (")[0]
    sentence = f"Not so in {count} of {looked}: {what} ({invariant.n} passing captures bear it out)."
    first = tuple(int(row) for row in np.flatnonzero(broken)[:10])
    p = significance.fisher(count, looked, count, looked + invariant.n)
    return Violation(invariant, count, looked, looked / rows, first, sentence, p)


def _breaks(invariant: Invariant, columns: Sequence[Column]) -> tuple[Bools, Bools]:
    """Where it does not hold, and where that is known."""
    one = columns[0]
    kind = invariant.kind
    if kind in {"present", "not_none", "types"}:
        return _breaks_kind(invariant, one)
    if kind in {"constant", "one_of", "keys"}:
        return ~np.isin(one.identities, [identity(name) for name in invariant.names]), one.identities != 0
    if kind.startswith(("range", "length_range")):
        numbers = one.sizes if kind.startswith("length") else one.numbers
        high = math.inf if kind.endswith("not_negative") else invariant.numbers[1]
        return (numbers < invariant.numbers[0]) | (numbers > high), ~np.isnan(numbers)
    x, y = one.numbers, columns[1].numbers
    return _breaks_relation(invariant, x, y), ~(np.isnan(x) | np.isnan(y))


def _breaks_kind(invariant: Invariant, column: Column) -> tuple[Bools, Bools]:
    seen = column.kinds != UNKNOWN
    if invariant.kind == "present":
        return column.kinds == ABSENT, seen
    codes = {name: code for code, name in enumerate(column.type_names)}
    if invariant.kind == "not_none":
        return column.kinds == codes.get("NoneType", ABSENT - 1), seen
    allowed = [codes[name] for name in invariant.names if name in codes]
    return ~np.isin(column.kinds, allowed), column.kinds >= 0


def _breaks_relation(invariant: Invariant, x: Floats, y: Floats) -> Bools:
    if invariant.kind == "equal":
        return np.asarray(x != y)
    if invariant.kind == "at_most":
        return np.asarray(x > y)
    if invariant.kind == "at_least":
        return np.asarray(x < y)
    slope, offset = invariant.numbers
    scale = max(1.0, float(np.nanmax(np.abs(y), initial=0.0)))
    return np.asarray(np.abs(slope * x + offset - y) > 1e-6 * scale)
