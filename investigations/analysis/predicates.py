"""Every yes-or-no question that columns answer, as three-valued truths over the rows of a `Table`.

Which questions are asked depends on the values alone and never on how executions turned out: only then do
tests keep their promise. Quantiles and the most frequent values are therefore those of failing and passing
rows together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from investigations.analysis.features import ABSENT, TRAITS, UNKNOWN, Column, Table

Bools = npt.NDArray[np.bool_]

KINDS = (
    "type",
    "absent",
    "none",
    "empty",
    "order",
    "shape",
    "trait",
    "truth",
    "value",
    "sign",
    "numbers",
    "sizes",
    "equal",
    "less",
    "fact",
    "bin",
    "length",
    "distribution",
    "both",
)
"""What a predicate is about, the plainest first."""

_ORDER = {kind: at for at, kind in enumerate(KINDS)}
CONTRACT = ("type", "absent", "none", "empty", "order", "shape", "trait")
"""Kinds of predicates about what a value is, rather than which one."""
_CONTENT = ("truth", "value", "sign", "numbers", "sizes")
_TIERS = dict.fromkeys(CONTRACT, 0) | dict.fromkeys(_CONTENT, 1)
CELLS_AT_ONCE = 1_000_000
"""Predicates times rows held at once: what keeps memory even for many captures."""
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, slots=True)
class Predicate:
    """A question: what it reads when it holds, when it does not, and where its path stands among all."""

    text: str
    negated: str
    kind: str
    paths: tuple[str, ...]
    place: int

    @property
    def plainness(self) -> tuple[int, int, int, str]:
        """Sorts: broken contracts before contents before relations, upstream paths first, then the plainer
        kind.
        """
        return (_TIERS.get(self.kind, 2 + len(self.paths)), self.place, _ORDER[self.kind], self.text)


@dataclass(frozen=True, slots=True)
class Block:
    """Predicates with their truths and whether that is known: boolean arrays of shape (predicates, rows)."""

    predicates: tuple[Predicate, ...]
    truth: Bools
    known: Bools


@dataclass(slots=True)
class _Asked:
    column: Column
    place: int
    predicates: list[Predicate]
    truth: list[Bools]
    known: list[Bools]

    def ask(self, kind: str, text: str, negated: str, truth: Bools, known: Bools) -> None:
        self.predicates.append(Predicate(text, negated, kind, (self.column.path,), self.place))
        self.truth.append(truth)
        self.known.append(known)


def about_columns(table: Table) -> Iterator[Block]:
    """Questions about one path each, as many at once as `CELLS_AT_ONCE` allows."""
    predicates: list[Predicate] = []
    truth: list[Bools] = []
    known: list[Bools] = []
    for place, column in enumerate(table.columns):
        _ask_all(_Asked(column, place, predicates, truth, known))
        is_last = place == len(table.columns) - 1
        if predicates and (is_last or len(predicates) * table.rows >= CELLS_AT_ONCE):
            block = _worthwhile(predicates, np.stack(truth), np.stack(known))
            if block is not None:
                yield block
            predicates, truth, known = [], [], []


def _worthwhile(predicates: Sequence[Predicate], truth: Bools, known: Bools) -> Block | None:
    """Without questions that have one answer only; None when nothing is left."""
    truth &= known
    worth = np.flatnonzero(truth.any(axis=1) & (known != truth).any(axis=1))
    if not len(worth):
        return None
    return Block(tuple(predicates[at] for at in worth.tolist()), truth[worth], known[worth])


def _ask_all(asked: _Asked) -> None:
    if asked.column.is_fact:
        _ask_values(asked, "fact")
        return
    _ask_kinds(asked)
    _ask_truth_and_size(asked)
    _ask_text(asked)
    _ask_values(asked, "value")
    _ask_numbers(asked)


def _ask_kinds(asked: _Asked) -> None:
    column, path = asked.column, asked.column.path
    seen = column.kinds != UNKNOWN
    present = column.kinds >= 0
    asked.ask("absent", f"{path} is absent", f"{path} is present", column.kinds == ABSENT, seen)
    or_none = len(column.type_names) == 2 and "NoneType" in column.type_names
    for code, name in enumerate(column.type_names):
        holds = column.kinds == code
        if name == "NoneType":
            asked.ask("none", f"{path} is None", f"{path} is not None", holds, present)
        elif not or_none:
            asked.ask("type", f"type({path}) is {name}", f"type({path}) is not {name}", holds, present)


def _ask_truth_and_size(asked: _Asked) -> None:
    column, path = asked.column, asked.column.path
    known = column.truths >= 0
    if path.startswith(("sorted(", "unique(")):
        asked.ask("order", f"not {path}", path, column.truths == 0, known)
        return
    asked.ask("truth", f"bool({path}) is False", f"bool({path}) is True", column.truths == 0, known)
    sized = ~np.isnan(column.sizes)
    asked.ask("empty", f"len({path}) == 0", f"len({path}) > 0", column.sizes == 0, sized)
    _ask_steps(asked, "length", f"len({path})", column.sizes)


def _ask_text(asked: _Asked) -> None:
    column, path = asked.column, asked.column.path
    known = column.shapes != UNKNOWN
    for code, name in enumerate(column.shape_names):
        asked.ask(
            "shape",
            f"{path} looks like {name}",
            f"{path} does not look like {name}",
            column.shapes == code,
            known,
        )
    for bit, name in enumerate(TRAITS):
        holds = (column.traits >> bit) & 1 == 1
        asked.ask("trait", f"{path} is {name}", f"{path} is not {name}", holds, column.traits >= 0)


def _ask_values(asked: _Asked, kind: str) -> None:
    column, path = asked.column, asked.column.path
    known = column.identities != 0
    for identity, label in column.top:
        shown = label if len(label) <= 60 else f"{label[:57]}…"
        asked.ask(kind, f"{path} == {shown}", f"{path} != {shown}", column.identities == identity, known)


def _ask_numbers(asked: _Asked) -> None:
    column, path = asked.column, asked.column.path
    known = ~np.isnan(column.numbers)
    if not known.any() or column.is_time:
        return
    asked.ask("sign", f"{path} < 0", f"{path} >= 0", column.numbers < 0, known)
    asked.ask("sign", f"{path} == 0", f"{path} != 0", column.numbers == 0, known)
    whole = np.mod(np.where(known, column.numbers, 0.0), 1.0) == 0
    asked.ask("bin", f"{path} has a fraction", f"{path} is whole", ~whole, known)
    _ask_steps(asked, "bin", path, column.numbers)


def _ask_steps(asked: _Asked, kind: str, text: str, numbers: npt.NDArray[np.float64]) -> None:
    known = ~np.isnan(numbers)
    told = numbers[known]
    if not len(told):
        return
    places = [int(share * (len(told) - 1)) for share in _QUANTILES]
    for step in sorted(set(np.partition(told, places)[places].tolist())):
        asked.ask(kind, f"{text} > {step:g}", f"{text} <= {step:g}", numbers > step, known)


# ---------------------------------------------------------------- relations


def about_pairs(table: Table, most: int) -> Iterator[Block]:
    """Equality and order between paths of like type: at most ``most`` pairs, nearest paths first."""
    groups: dict[str, list[int]] = {}
    for place, column in enumerate(table.columns):
        sort = _sort(column)
        if sort:
            groups.setdefault(sort, []).append(place)
    pairs = _nearest(list(groups.values()), most)
    size = max(1, CELLS_AT_ONCE // max(table.rows, 1))
    for start in range(0, len(pairs), size):
        block = _related(table, pairs[start : start + size])
        if block is not None:
            yield block


def _nearest(groups: Sequence[Sequence[int]], most: int) -> list[tuple[int, int]]:
    """Pairs within groups, those of neighbouring paths first."""
    lefts, rights = [], []
    for places in groups:
        first, second = np.triu_indices(len(places), k=1)
        lefts.append(np.asarray(places)[first])
        rights.append(np.asarray(places)[second])
    if not lefts:
        return []
    left, right = np.concatenate(lefts), np.concatenate(rights)
    order = np.lexsort((left, right - left))[:most]
    return [(int(left[at]), int(right[at])) for at in order]


def _sort(column: Column) -> str:
    """What a column may be compared with: ``time``, ``number``, ``text``, or nothing."""
    if column.is_fact or "(" in column.path or not (column.identities != 0).any():
        return ""
    if not np.isnan(column.numbers).all():
        return "time" if column.is_time else "number"
    return "text" if column.type_names == ("str",) else ""


def _related(table: Table, pairs: Sequence[tuple[int, int]]) -> Block | None:
    lefts, rights = ([table.columns[pair[side]] for pair in pairs] for side in (0, 1))
    x, y = (np.stack([column.numbers for column in side]) for side in (lefts, rights))
    p, q = (np.stack([column.identities for column in side]) for side in (lefts, rights))
    ordered = ~(np.isnan(x) | np.isnan(y))
    equal = np.where(ordered, x == y, p == q)
    named = ordered | ((p != 0) & (q != 0))
    truth = np.concatenate([equal & named, (x < y) & ordered, (x > y) & ordered])
    known = np.concatenate([named, ordered, ordered])
    signs = (("equal", "==", "!="), ("less", "<", ">="), ("less", ">", "<="))
    made = [
        Predicate(
            f"{one.path} {sign} {other.path}",
            f"{one.path} {against} {other.path}",
            kind,
            (one.path, other.path),
            left,
        )
        for kind, sign, against in signs
        for (left, _), one, other in zip(pairs, lefts, rights, strict=True)
    ]
    return _worthwhile(made, truth, known)
