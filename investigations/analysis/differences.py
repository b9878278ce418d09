"""What tells failing executions from passing ones, how surely, in sentences: no model, the same bytes for the
same input.

Every predicate is tested (Fisher or G for yes-or-no, Mann-Whitney and Kolmogorov-Smirnov for numbers),
candidates that split the rows alike are one candidate, and Benjamini-Hochberg is over all of them. Ranked are
first how far a difference separates (in tenths), then what is plainer and further upstream: among perfect
splits a broken type explains more than its echoes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt

from investigations.analysis import significance
from investigations.analysis.features import Table
from investigations.analysis.predicates import Block, Predicate, about_columns, about_pairs
from investigations.analysis.significance import Interval, Ranked

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

LEVEL = 0.05
MOST_SHOWN = 20
MOST_PAIRS = 2_000
MOST_RANKED = 400
DOUBTFUL = 0.5
"""How far a difference must separate to be worth telling though it may be chance."""
POOL = 60
"""Splits whose combinations of two are tried; chosen by plainness, never by outcome."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which failing and passing differ.

    ``holds_failing`` of ``known_failing`` are counts of rows (for numbers: rows with a number); ``medians``
    are those of failing and passing, for numbers. ``support`` is the share of all failing rows where it
    holds, ``coverage`` the share of all rows where that is known. ``same_as`` are other predicates that split
    the rows just so; ``also`` weaker ones about the same path.
    """

    predicate: str
    paths: tuple[str, ...]
    kind: str
    test: str
    holds_failing: int
    known_failing: int
    holds_passing: int
    known_passing: int
    effect: Interval
    separation: float
    support: float
    coverage: float
    p: float
    q: float
    restates: bool
    same_as: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    medians: tuple[float, float] | None = None
    sentence: str = ""

    @property
    def n(self) -> int:
        """Rows in which it is known whether it holds."""
        return self.known_failing + self.known_passing


@dataclass(frozen=True, slots=True)
class Needed:
    """How many more captures a perfect split would need to count: of failing alone, or of passing alone; -1:
    never.
    """

    failing: int
    passing: int
    candidates: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answer: differences that hold at ``level``, the best that do not, and what more captures would
    bring.
    """

    failing: int
    passing: int
    level: float
    candidates: int
    coverage: float
    differences: tuple[Difference, ...]
    doubtful: tuple[Difference, ...]
    restating: tuple[Difference, ...]
    needed: Needed
    sentence: str

    @property
    def n(self) -> int:
        return self.failing + self.passing


def compare(
    table: Table,
    failing: npt.ArrayLike,
    *,
    label_paths: Collection[str] = (),
    level: float = LEVEL,
    most: int = MOST_SHOWN,
) -> Comparison:
    """Compares the rows of ``failing`` (booleans, one a row) with all others.

    ``label_paths`` are those the outcome was read from: what is about them restates the label, and is told
    apart.
    """
    labels = np.asarray(failing, dtype=np.bool_)
    if labels.shape != (table.rows,):
        raise ValueError(f"There are {table.rows} rows, and {labels.shape} labels.")
    f, s = int(labels.sum()), int((~labels).sum())
    if not (f and s and table.columns):
        return _nothing_to_compare(f, s, level)
    candidates = _Candidates(table, labels, frozenset(label_paths))
    found, tested = candidates.judged(level)
    found = _with_combinations(found, candidates, level)
    needed = _needed(f, s, tested, level)
    kept = _folded_by_path([each for each in found if each.q < level and not each.restates])
    doubtful = [
        each for each in found if each.q >= level and each.separation >= DOUBTFUL and not each.restates
    ]
    return Comparison(
        failing=f,
        passing=s,
        level=level,
        candidates=tested,
        coverage=_coverage(table),
        differences=tuple(kept[:most]),
        doubtful=tuple(_folded_by_path(doubtful)[:5]),
        restating=tuple([each for each in found if each.q < level and each.restates][:5]),
        needed=needed,
        sentence=_summary(kept, f, s, tested, needed),
    )


# ---------------------------------------------------------------- candidates


@dataclass(slots=True)
class _Split:
    """Predicates that split the rows alike. ``flips`` says which of them read the other way round."""

    members: list[tuple[Predicate, bool]]
    truth: bytes
    known: bytes
    counts: tuple[int, int, int, int]

    @property
    def chief(self) -> tuple[Predicate, bool]:
        if len(self.members) == 1:
            return self.members[0]
        return min(self.members, key=lambda each: each[0].plainness)


@dataclass(slots=True)
class _Numbers:
    """A column's numbers (or sizes) in failing and passing rows, and others of the very same order."""

    predicates: list[Predicate]
    ranked: Ranked
    counts: tuple[int, int]
    is_time: bool


@dataclass(slots=True)
class _Candidates:
    """All splits and number columns of a table, each once."""

    table: Table
    labels: Bools
    label_paths: frozenset[str]
    splits: list[_Split] = field(default_factory=list)
    numbers: list[_Numbers] = field(default_factory=list)

    def __post_init__(self) -> None:
        folded: dict[bytes, _Split] = {}
        for block in self._blocks():
            self._fold(block, folded)
        self.splits = sorted(folded.values(), key=lambda split: split.chief[0].plainness)
        self.numbers = list(self._number_columns())

    def _blocks(self) -> Iterator[Block]:
        yield from about_columns(self.table)
        yield from about_pairs(self.table, MOST_PAIRS)

    def _fold(self, block: Block, folded: dict[bytes, _Split]) -> None:
        rows = np.arange(len(block.predicates))
        flips = block.truth[rows, block.known.argmax(axis=1)]
        truth = (block.truth ^ flips[:, None]) & block.known
        packed, known = np.packbits(truth, axis=1), np.packbits(block.known, axis=1)
        counts = np.stack(
            [
                np.bitwise_count(array & side).sum(axis=1, dtype=np.int64)
                for side in (np.packbits(self.labels), np.packbits(~self.labels))
                for array in (packed, known)
            ],
            axis=1,
        )
        size = packed.shape[1]
        whole = np.concatenate([packed, known], axis=1).tobytes()
        numbers, flipped = counts.tolist(), flips.tolist()
        for row, predicate in enumerate(block.predicates):
            bits = whole[2 * size * row : 2 * size * (row + 1)]
            key = hashlib.blake2b(bits, digest_size=16).digest()
            split = folded.get(key)
            if split is None:
                a, f, b, s = numbers[row]
                folded[key] = split = _Split([], bits[:size], bits[size:], (a, f, b, s))
            split.members.append((predicate, flipped[row]))

    def _number_columns(self) -> Iterator[_Numbers]:
        folded: dict[bytes, _Numbers] = {}
        for place, column in enumerate(self.table.columns):
            for kind, text, values in (
                ("numbers", column.path, column.numbers),
                ("sizes", f"len({column.path})", column.sizes),
            ):
                known = ~np.isnan(values)
                f, s = int((known & self.labels).sum()), int((known & ~self.labels).sum())
                if not (f and s) or (values[known] == values[known][0]).all():
                    continue
                predicate = Predicate(text, text, kind, (column.path,), place)
                order = significance.Order.of(values[known])
                key = _order_key(order, known)
                if key in folded:
                    folded[key].predicates.append(predicate)
                    continue
                ranked = significance.compare_order(order, self.labels[known])
                is_time = column.is_time and kind == "numbers"
                folded[key] = _Numbers([predicate], ranked, (f, s), is_time)
        yield from folded.values()

    def judged(self, level: float) -> tuple[list[Difference], int]:
        """Every candidate as a difference, ranked, and how many candidates the q-values are for."""
        counts = np.array([split.counts for split in self.splits], dtype=np.int64).reshape(-1, 4)
        a, f, b, s = counts.T
        split_p, exact = significance.exact_or_g(a, f, b, s)
        rank_p = [each.ranked.rank_p for each in self.numbers]
        distance_p = [each.ranked.distance_p for each in self.numbers]
        p = np.concatenate([split_p, rank_p, distance_p])
        of_numbers = np.array([each.counts for each in self.numbers], dtype=np.int64).reshape(-1, 2)
        clearest = significance.smallest_attainable(of_numbers[:, 0], of_numbers[:, 0], of_numbers[:, 1])
        smallest = np.concatenate([significance.smallest_attainable(a + b, f, s), clearest, clearest])
        q, tested = significance.false_discovery(p, smallest, level)
        told = np.concatenate([_apart(counts), *self._number_distances()])
        worth = np.flatnonzero((q < level) | (told >= DOUBTFUL))
        first = worth[np.lexsort((worth, -told[worth], q[worth] >= level))][:MOST_RANKED]
        found = [
            self._of(int(at), bool(exact[at]) if at < len(exact) else True, float(p[at]), float(q[at]))
            for at in first
        ]
        ranked = [each for _, each in sorted(found, key=lambda pair: _rank(pair[0], pair[1], level))]
        return ranked, tested or len(p)

    def _number_distances(self) -> tuple[Floats, Floats]:
        by_rank = [abs(each.ranked.delta) for each in self.numbers]
        return np.array(by_rank), np.array([each.ranked.distance for each in self.numbers])

    def _of(self, at: int, exact: bool, p: float, q: float) -> tuple[Predicate, Difference]:
        """Candidate ``at``: splits first, then numbers by rank, then the same numbers by distance."""
        if at < len(self.splits):
            return self._of_split(self.splits[at], "fisher" if exact else "g", p, q)
        turn, which = divmod(at - len(self.splits), len(self.numbers))
        return self._of_numbers(self.numbers[which], "kolmogorov_smirnov" if turn else "mann_whitney", p, q)

    def _of_split(self, split: _Split, test: str, p: float, q: float) -> tuple[Predicate, Difference]:
        a, f, b, s = split.counts
        more_often = a * s >= b * f
        if not more_often:
            a, b = f - a, s - b
        (chief, flipped), *others = sorted(
            split.members, key=lambda each: _plainest_first(each[0], more_often != each[1])
        )
        difference = Difference(
            predicate=_reads(chief, more_often != flipped),
            paths=chief.paths,
            kind=chief.kind,
            test=test,
            holds_failing=a,
            known_failing=f,
            holds_passing=b,
            known_passing=s,
            effect=significance.risk_ratio(a, f, b, s)
            if f and s
            else Interval("risk_ratio", 1.0, 0.0, math.inf),
            separation=abs(a / f - b / s) if f and s else 0.0,
            support=a / int(self.labels.sum()),
            coverage=(f + s) / self.table.rows,
            p=p,
            q=q,
            restates=self._restates(each for each, _ in split.members),
            same_as=tuple(_reads(each, more_often != flip) for each, flip in others),
        )
        return chief, _spoken(difference)

    def _of_numbers(self, each: _Numbers, test: str, p: float, q: float) -> tuple[Predicate, Difference]:
        chief = min(each.predicates, key=lambda predicate: predicate.plainness)
        by_rank = test == "mann_whitney"
        direction = "larger" if each.ranked.delta > 0 else "smaller"
        if each.is_time:
            direction = "later" if each.ranked.delta > 0 else "earlier"
        reads = f"{chief.text} is {direction}" if by_rank else f"{chief.text} is distributed otherwise"
        f, s = each.counts
        kind = chief.kind if by_rank else "distribution"
        difference = Difference(
            predicate=reads,
            paths=chief.paths,
            kind=kind,
            test=test,
            holds_failing=f,
            known_failing=f,
            holds_passing=s,
            known_passing=s,
            effect=significance.cliffs_delta(each.ranked.delta, f, s),
            separation=abs(each.ranked.delta) if by_rank else each.ranked.distance,
            support=f / int(self.labels.sum()),
            coverage=(f + s) / self.table.rows,
            p=p,
            q=q,
            restates=self._restates(each.predicates),
            same_as=tuple(sorted(other.text for other in each.predicates if other is not chief)),
            medians=each.ranked.medians,
        )
        return Predicate(chief.text, chief.text, kind, chief.paths, chief.place), _spoken(difference)

    def _restates(self, predicates: Iterable[Predicate]) -> bool:
        return any(path in self.label_paths for each in predicates for path in each.paths)


def _plainest_first(predicate: Predicate, holds: bool) -> tuple[object, ...]:
    """Of equally plain ones, what says what a value is comes before what it is not."""
    *rank, text = predicate.plainness
    return (*rank, not holds, text)


def _apart(counts: Ints) -> Floats:
    """The difference of shares between failing and passing, of each row of counts."""
    a, f, b, s = counts.T.astype(np.float64)
    both = (f > 0) & (s > 0)
    return np.where(both, np.abs(a / np.maximum(f, 1) - b / np.maximum(s, 1)), 0.0)


def _order_key(order: significance.Order, known: Bools) -> bytes:
    """The same for columns that order the rows alike, or just the other way round."""
    places = order.places.astype(np.int32)
    either = min(places.tobytes(), (places.max() - places).tobytes())
    return hashlib.blake2b(either + known.tobytes(), digest_size=16).digest()


def _rank(predicate: Predicate, difference: Difference, level: float) -> tuple[object, ...]:
    return (difference.q >= level, _tenth(difference.separation), predicate.plainness, difference.predicate)


def _tenth(separation: float) -> int:
    """0 for a clean split, 10 for none."""
    return math.floor((1 - separation) * 10 + 1e-9)


def _folded_by_path(ranked: Sequence[Difference]) -> list[Difference]:
    """The best of each path, with the others about the same path in its ``also``."""
    first: dict[tuple[str, ...], int] = {}
    kept: list[Difference] = []
    also: list[list[str]] = []
    for each in ranked:
        at = first.get(each.paths)
        if at is None:
            first[each.paths] = len(kept)
            kept.append(each)
            also.append([])
        else:
            also[at].append(each.predicate)
    return [_replace(each, also=tuple(more[:5])) for each, more in zip(kept, also, strict=True)]


# ---------------------------------------------------------------- combinations


def _with_combinations(found: list[Difference], candidates: _Candidates, level: float) -> list[Difference]:
    """Two predicates at once, where no single one comes near explaining the failures; Bonferroni over all
    pairs tried.
    """
    if any(each.q < level and each.separation >= 0.95 for each in found):
        return found
    single = (split for split in candidates.splits if len(split.chief[0].paths) == 1)
    pool = list(islice(single, POOL))
    combined = [] if len(pool) < 2 else list(_combined(pool, candidates, level))
    return sorted([*combined, *found], key=lambda each: (each.q >= level, _tenth(each.separation)))


def _combined(pool: Sequence[_Split], candidates: _Candidates, level: float) -> Iterator[Difference]:
    known, truth = (_words([getattr(split, name) for split in pool]) for name in ("known", "truth"))
    holds = np.concatenate([truth, ~truth & known])
    fails = np.concatenate([~truth & known, truth])
    sides = [_words([np.packbits(side).tobytes()])[0] for side in (candidates.labels, ~candidates.labels)]
    true = [_pairwise(np.bitwise_and, holds, side) for side in sides]
    # Where one of two is known to fail, so does their conjunction, whatever the other is.
    false = [_pairwise(np.bitwise_or, fails, side) for side in sides]
    first, second = np.triu_indices(len(holds), k=1)
    apart = first % len(pool) != second % len(pool)
    first, second = first[apart], second[apart]
    a, b = (each[first, second] for each in true)
    f, s = (one[first, second] + other for one, other in zip(false, (a, b), strict=True))
    tried = len(a)
    worth = np.flatnonzero((f > 0) & (s > 0) & (a * np.maximum(s, 1) > b * np.maximum(f, 1)))
    p, _ = significance.exact_or_g(a[worth], f[worth], b[worth], s[worth])
    margins = np.array([split.counts for split in pool], dtype=np.int64).T
    singles, _ = significance.exact_or_g(*margins)
    better = p * 20 < np.minimum(singles[first[worth] % len(pool)], singles[second[worth] % len(pool)])
    order = np.argsort(p[better], kind="stable")[:3]
    for at in np.flatnonzero(better)[order]:
        q = min(1.0, float(p[at]) * tried * 2)
        if q < level:
            pair = worth[at]
            yield _combination(
                pool,
                int(first[pair]),
                int(second[pair]),
                (a, f, b, s),
                int(pair),
                float(p[at]),
                q,
                candidates,
            )


def _words(packed: Sequence[bytes]) -> Words:
    """Bits of rows as machine words, shape (len(packed), words)."""
    size = -len(packed[0]) % 8
    joined = b"".join(each + bytes(size) for each in packed)
    return np.frombuffer(joined, dtype=np.uint64).reshape(len(packed), -1)


def _pairwise(operation: np.ufunc, bits: Words, side: Words) -> Ints:
    """How many rows of ``side`` are in the result of each two, shape (len(bits), len(bits))."""
    inside = bits & side
    return np.stack(
        [np.bitwise_count(operation(each, inside)).sum(axis=1, dtype=np.int64) for each in inside]
    )


def _combination(
    pool: Sequence[_Split],
    first: int,
    second: int,
    counts: tuple[Ints, Ints, Ints, Ints],
    pair: int,
    p: float,
    q: float,
    candidates: _Candidates,
) -> Difference:
    a, f, b, s = (int(each[pair]) for each in counts)
    chosen = sorted(
        ((pool[at % len(pool)].chief, at < len(pool)) for at in (first, second)),
        key=lambda each: each[0][0].plainness,
    )
    texts = [_reads(predicate, holds != flipped) for (predicate, flipped), holds in chosen]
    paths = tuple(path for (predicate, _), _ in chosen for path in predicate.paths)
    return _spoken(
        Difference(
            predicate=" and ".join(texts),
            paths=paths,
            kind="both",
            test="fisher",
            holds_failing=a,
            known_failing=f,
            holds_passing=b,
            known_passing=s,
            effect=significance.risk_ratio(a, f, b, s),
            separation=abs(a / f - b / s),
            support=a / int(candidates.labels.sum()),
            coverage=(f + s) / candidates.table.rows,
            p=p,
            q=q,
            restates=any(path in candidates.label_paths for path in paths),
        )
    )


# ---------------------------------------------------------------- sentences


def _reads(predicate: Predicate, holds: bool) -> str:
    return predicate.text if holds else predicate.negated


def _spoken(difference: Difference) -> Difference:
    return _replace(difference, sentence=_sentence(difference))


def _sentence(each: Difference) -> str:
    chance = f"q = {each.q:.2g}"
    if each.medians is not None:
        if each.test == "mann_whitney":
            what = (
                f"Cliff's delta {each.effect.estimate:.2f} ({each.effect.low:.2f} to {each.effect.high:.2f})"
            )
        else:
            what = f"the distributions are {each.separation:.2f} apart"
        medians = (
            ""
            if each.predicate.endswith(("later", "earlier"))
            else (
                f": the middle is {each.medians[0]:g} in {each.known_failing} failing"
                f" and {each.medians[1]:g} in {each.known_passing} passing"
            )
        )
        return f"{each.predicate} in failing captures{medians} ({what}, {chance})."
    counts = (
        f"in {each.holds_failing} of {each.known_failing} failing"
        f" and {each.holds_passing} of {each.known_passing} passing captures"
    )
    known = "" if each.coverage > 0.999 else f"; known in {each.coverage:.0%} of them"
    ratio = f"{each.effect.estimate:.3g} times as often, {each.effect.low:.2g} to {each.effect.high:.2g}"
    return f"{each.predicate} {counts}{known} ({ratio}, {chance})."


def _replace(difference: Difference, **fields: object) -> Difference:
    values = {name: getattr(difference, name) for name in Difference.__dataclass_fields__}
    return Difference(**{**values, **fields})


def _needed(failing: int, passing: int, candidates: int, level: float) -> Needed:
    more_failing, more_passing = significance.needed_for_separation(failing, passing, candidates, level)
    ways = []
    if more_failing > 0:
        ways.append(f"{more_failing} more failing")
    if more_passing > 0:
        ways.append(f"{more_passing} more passing")
    if more_failing == 0:
        sentence = f"Enough captures: a clean split among {candidates} candidates would count."
    else:
        sentence = f"For a clean split to count among {candidates} candidates: {' or '.join(ways)}."
    return Needed(more_failing, more_passing, candidates, sentence)


def _summary(kept: Sequence[Difference], failing: int, passing: int, candidates: int, needed: Needed) -> str:
    if kept:
        return kept[0].sentence
    looked = f"Nothing captured separates {failing} failing from {passing} passing captures ({candidates} candidates)."
    return looked if needed.failing == 0 else f"{looked} {needed.sentence}"


def _nothing_to_compare(failing: int, passing: int, level: float) -> Comparison:
    if failing and passing:
        sentence = "The captures hold no values: watch something at this probe."
    else:
        missing = " and ".join(
            name for name, count in (("failing", failing), ("passing", passing)) if not count
        )
        sentence = (
            f"There are no {missing} captures to compare: label executions, or sample at the same probe."
        )
    needed = _needed(failing, passing, 1, level)
    return Comparison(failing, passing, level, 0, 0.0, (), (), (), needed, sentence)


def _coverage(table: Table) -> float:
    """The share of all cells that are known: not cut, not withheld without a hash, not missing."""
    known = sum(int((column.kinds != -1).sum()) for column in table.columns)
    return known / (table.rows * len(table.columns))
