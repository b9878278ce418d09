"""Tests, intervals and corrections for many candidates at once, where SciPy has them only one at a time.

`scipy.stats.fisher_exact` takes about a millisecond a table and a comparison has thousands; here tables with
the same margins share one distribution. Special functions are SciPy's. All p-values are two-sided, all
intervals cover 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, chdtrc, gammaln, kolmogorov, ndtr, xlogy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

Z95 = 1.959963984540054
_MOST_STEPS = 1_000_000
"""Additions an exact rank test may take, about a millisecond."""
_SLACK = 1e-7
"""Tables as likely as the one seen count as "at least as extreme", whatever rounding did (as R's
fisher.test).
"""


@dataclass(frozen=True, slots=True)
class Interval:
    """An effect with its 95 % interval. ``name`` says which: ``risk_ratio``, ``cliffs_delta``, ``share`` and others."""

    name: str
    estimate: float
    low: float
    high: float


# ---------------------------------------------------------------- two by two


def exact_or_g(true_failing: Ints, failing: Ints, true_passing: Ints, passing: Ints) -> tuple[Floats, Bools]:
    """p-values of 2x2 tables (arrays of one length), and which were by Fisher.

    Fisher's exact test unless every expected count is at least 5, then the G-test (likelihood ratio,
    chi-square with one degree of freedom; Sokal & Rohlf). Which of both depends on the margins alone, so
    labels cannot choose.
    """
    true, total = true_failing + true_passing, failing + passing
    least = np.minimum(true, total - true) * np.minimum(failing, passing) / np.maximum(total, 1)
    exact = least < 5
    p = np.ones(len(true), dtype=np.float64)
    if (~exact).any():
        chosen = ~exact
        p[chosen] = _g_test(true_failing[chosen], failing[chosen], true_passing[chosen], passing[chosen])
    tables = np.stack([true_failing, failing, true, total], axis=1)[exact]
    if len(tables):
        distinct, place = np.unique(tables, axis=0, return_inverse=True)
        found = np.array([fisher(*map(int, row)) for row in distinct])
        p[exact] = found[place.reshape(-1)]
    return p, exact


def fisher(true_failing: int, failing: int, true: int, total: int) -> float:
    """Fisher's exact p: the summed probability of all tables with these margins that are no likelier than
    this one.
    """
    low, masses = _hypergeometric(failing, true, total)
    if len(masses) <= 1:
        return 1.0
    seen = masses[true_failing - low]
    return float(min(1.0, masses[masses <= seen * (1 + _SLACK)].sum()))


@lru_cache(maxsize=20_000)
def _hypergeometric(failing: int, true: int, total: int) -> tuple[int, Floats]:
    low, high = max(0, true - (total - failing)), min(true, failing)
    counts = np.arange(low, high + 1)
    logs = _log_choose(true, counts) + _log_choose(total - true, failing - counts)
    return low, np.exp(logs - float(_log_choose(total, np.array([failing]))[0]))


def _log_choose(n: int | Ints, k: Ints) -> Floats:
    found: Floats = gammaln(np.asarray(n) + 1.0) - gammaln(k + 1.0) - gammaln(np.asarray(n) - k + 1.0)
    return found


def _g_test(true_failing: Ints, failing: Ints, true_passing: Ints, passing: Ints) -> Floats:
    total = (failing + passing).astype(np.float64)
    true = (true_failing + true_passing).astype(np.float64)
    g = np.zeros(len(total))
    for seen, row, column in (
        (true_failing, true, failing),
        (failing - true_failing, total - true, failing),
        (true_passing, true, passing),
        (passing - true_passing, total - true, passing),
    ):
        g += 2 * (xlogy(seen, seen) - xlogy(seen, row * column / total))
    found: Floats = chdtrc(1, np.maximum(g, 0.0))
    return found


def smallest_attainable(true: Ints, failing: Ints, passing: Ints) -> Floats:
    """The least probability a table with these margins can have: what the p-value of the clearest result
    would be.
    """
    total = failing + passing
    base = _log_choose(total, failing)
    most, least = np.minimum(true, failing), np.maximum(0, true - passing)
    ends = [_log_choose(true, a) + _log_choose(total - true, failing - a) - base for a in (most, least)]
    found: Floats = np.exp(np.minimum(*ends))
    return found


def risk_ratio(true_failing: int, failing: int, true_passing: int, passing: int) -> Interval:
    """How many times as often among failing as among passing; Katz' log interval, a half added when a count
    is 0.
    """
    a, b = float(true_failing), float(true_passing)
    n, m = float(failing), float(passing)
    if min(a, b) == 0 or (a == n and b == m):
        a, b, n, m = a + 0.5, b + 0.5, n + 0.5, m + 0.5
    ratio = (a / n) / (b / m)
    width = Z95 * math.sqrt(max(0.0, 1 / a - 1 / n + 1 / b - 1 / m))
    return Interval("risk_ratio", ratio, ratio * math.exp(-width), ratio * math.exp(width))


def share(count: int, total: int) -> Interval:
    """A share with the interval of Clopper & Pearson 1934: exact, and sensible where nothing or everything counts."""
    if total <= 0:
        return Interval("share", 0.0, 0.0, 1.0)
    low = float(betaincinv(count, total - count + 1, 0.025)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 0.975)) if count < total else 1.0
    return Interval("share", count / total, low, high)


def discovered(p: Sequence[float]) -> list[float]:
    """q-values (Benjamini & Hochberg 1995) of candidates that could all have passed, in their order."""
    q, _ = false_discovery(np.asarray(p, dtype=np.float64), np.zeros(len(p)), 1.0)
    return [float(each) for each in q]


# ---------------------------------------------------------------- numbers


@dataclass(frozen=True, slots=True)
class Ranked:
    """Two samples compared: Mann-Whitney's p, Kolmogorov and Smirnov's p and distance, Cliff's delta, both medians."""

    rank_p: float
    distance_p: float
    distance: float
    delta: float
    medians: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Order:
    """Numbers by their distinct ``values``: the place of each number among them, and how many are there."""

    values: Floats
    places: npt.NDArray[np.intp]
    counts: Ints

    @classmethod
    def of(cls, numbers: Floats) -> Order:
        """Of numbers without NaN."""
        values, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
        return cls(values, places.reshape(-1), counts)


def compare_numbers(failing: Floats, passing: Floats) -> Ranked:
    """Both samples without NaN and not empty. Delta is positive when failing values are the larger ones."""
    labels = np.arange(len(failing) + len(passing)) < len(failing)
    return compare_order(Order.of(np.concatenate([failing, passing])), labels)


def compare_order(order: Order, failing: Bools) -> Ranked:
    """Those numbers that are ``failing`` (some, not all) with the others.

    Mann & Whitney 1947 with exact tail by the shift algorithm (Streitberg & Röhmel 1986; ties allowed) for
    small samples and for values that are nearly all the same, where the normal tail is far too sure; else
    normal with tie and continuity correction. Kolmogorov & Smirnov by the asymptotic tail
    with Stephens' correction.
    """
    counts = order.counts
    of_failing = np.bincount(order.places[failing], minlength=len(counts))
    f = int(of_failing.sum())
    s = len(failing) - f
    below_failing, below = np.cumsum(of_failing), np.cumsum(counts)
    below_passing = below - below_failing
    u = float(of_failing @ (below - (counts - 1) / 2)) - f * (f + 1) / 2
    distance = float(np.abs(below_failing / f - below_passing / s).max())
    root = math.sqrt(f * s / (f + s))
    return Ranked(
        rank_p=_rank_sum_p(u, f, s, counts),
        distance_p=float(kolmogorov((root + 0.12 + 0.11 / root) * distance)),
        distance=distance,
        delta=2 * u / (f * s) - 1,
        medians=(_middle(order.values, below_failing), _middle(order.values, below_passing)),
    )


def _middle(values: Floats, below: Ints) -> float:
    """The median of numbers of which ``below`` are at most each value."""
    total = int(below[-1])
    low, high = np.searchsorted(below, [(total - 1) // 2, total // 2], side="right")
    return float(values[low] + values[high]) / 2


def _rank_sum_p(u: float, f: int, s: int, counts: Ints) -> float:
    if len(counts) == 1:
        return 1.0
    if _steps(min(f, s), counts) <= _MOST_STEPS:
        away = abs(u - f * s / 2)
        distances, masses = _rank_sums(min(f, s), tuple(counts.tolist()))
        return float(min(1.0, masses[distances >= away - 1e-9].sum()))
    n = f + s
    ties = float((counts.astype(np.float64) ** 3 - counts).sum())
    spread = math.sqrt(f * s / 12 * (n + 1 - ties / (n * (n - 1))))
    z = max(0.0, abs(u - f * s / 2) - 0.5) / spread
    return float(2 * ndtr(-z))


def _offsets(counts: Ints) -> Ints:
    """Twice how far the rank of each value lies from the commonest one's, of all values but those."""
    doubled = 2 * np.cumsum(counts) - (counts - 1)
    commonest = int(np.argmax(counts))
    others = np.arange(len(counts)) != commonest
    return np.repeat((doubled - doubled[commonest])[others], counts[others])


def _steps(smaller: int, counts: Ints) -> int:
    """How many additions `_rank_sums` would take, at the most."""
    others = int(counts.sum() - counts.max())
    size = min(smaller, others)
    return size * others * size * 2 * int(counts.sum())


@lru_cache(maxsize=4096)
def _rank_sums(smaller: int, counts: tuple[int, ...]) -> tuple[Floats, Floats]:
    """How far rank sums of ``smaller`` among tied groups of these sizes lie from their mean, and their
    probabilities. Only values unlike the commonest are dealt out; the commonest fill the rest.
    """
    sizes = np.array(counts)
    offsets = np.sort(_offsets(sizes))
    size = min(smaller, len(offsets))
    low, high = int(offsets[:size].clip(max=0).sum()), int(offsets[len(offsets) - size :].clip(min=0).sum())
    ways = np.zeros((size + 1, high - low + 1))
    ways[0, -low] = 1.0
    for offset in offsets.tolist():
        for chosen in range(size, 0, -1):
            if offset >= 0:
                ways[chosen, offset:] += ways[chosen - 1, : ways.shape[1] - offset]
            else:
                ways[chosen, :offset] += ways[chosen - 1, -offset:]
    common = int(sizes.max())
    mass = _shares(common, smaller - np.arange(size + 1)) @ ways
    commonest = int(np.argmax(sizes))
    rank = float(np.cumsum(sizes)[commonest] - (common - 1) / 2)
    mean = smaller * (len(offsets) + common + 1) / 2
    sums = np.arange(low, high + 1) / 2 + smaller * rank
    return np.abs(sums - mean), mass / mass.sum()


def _shares(common: int, chosen: Ints) -> Floats:
    """Ways to choose so many of ``common`` alike, each as a share of the largest."""
    possible = chosen <= common
    chosen = np.where(possible, chosen, 0)
    logs = gammaln(common + 1) - gammaln(chosen + 1) - gammaln(common - chosen + 1)
    logs = np.where(possible, logs, -np.inf)
    return np.asarray(np.exp(logs - logs.max()))


def cliffs_delta(delta: float, f: int, s: int) -> Interval:
    """Cliff's delta with the score interval of Newcombe 2006 (method 5) for the area under the curve, (delta
    + 1) / 2.
    """
    area = (delta + 1) / 2
    low, high = _area_bound(area, f, s, -1), _area_bound(area, f, s, 1)
    return Interval("cliffs_delta", delta, 2 * low - 1, 2 * high - 1)


def _area_bound(area: float, f: int, s: int, side: int) -> float:
    near, far = area, 0.0 if side < 0 else 1.0
    half = (f + s) / 2 - 1
    for _ in range(40):
        middle = (near + far) / 2
        spread = middle * (1 - middle)
        spread *= 1 + half * (1 - middle) / (2 - middle) + half * middle / (1 + middle)
        inside = abs(middle - area) <= Z95 * math.sqrt(spread / (f * s))
        near, far = (middle, far) if inside else (near, middle)
    return (near + far) / 2


# ---------------------------------------------------------------- many candidates


def false_discovery(p: Floats, smallest: Floats, level: float) -> tuple[Floats, int]:
    """q-values (Benjamini & Hochberg 1995) and the number of candidates they are for.

    Candidates whose clearest possible result could not pass are left out first (Tarone 1990, Gilbert 2005):
    that looks at margins only, never at labels. They get q = 1.
    """
    count = _testable(smallest, level)
    chosen = smallest <= level / max(count, 1)
    q = np.ones(len(p))
    if not chosen.any():
        return q, 0
    kept = p[chosen]
    order = np.argsort(kept, kind="stable")
    scaled = kept[order] * len(kept) / np.arange(1, len(kept) + 1)
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1]
    back = np.empty(len(kept))
    back[order] = np.minimum(adjusted, 1.0)
    q[chosen] = _without_last_bits(back)
    return q, len(kept)


def _without_last_bits(values: Floats) -> Floats:
    """To twelve digits: the last bits depend on where among others a value was worked out, and so on their order."""
    return np.array([float(f"{value:.12g}") for value in values.tolist()])


def _testable(smallest: Floats, level: float) -> int:
    """The least k with no more than k candidates that could reach level / k."""
    ordered = np.sort(smallest)
    k = np.arange(1, len(ordered) + 1)
    enough = np.searchsorted(ordered, level / k, side="right") <= k
    return int(k[enough.argmax()]) if enough.any() else len(ordered)


def needed_for_separation(failing: int, passing: int, candidates: int, level: float) -> tuple[int, int]:
    """How many more failing (or else passing) captures let one perfect split pass among ``candidates``; 0
    when enough.

    With F failing and S passing a perfect split has p = 1 / C(F + S, F), held against ``level / candidates``.
    """
    return (
        _until(lambda more: _passes(failing + more, passing, candidates, level)),
        _until(lambda more: _passes(failing, passing + more, candidates, level)),
    )


def _passes(failing: int, passing: int, candidates: int, level: float) -> bool:
    if failing < 1 or passing < 1:
        return False
    return -_log_choice(failing + passing, failing) <= math.log(level / max(candidates, 1)) + 1e-12


def _log_choice(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _until(holds: Callable[[int], bool]) -> int:
    """The least number for which it holds, at most a million; -1 when none does."""
    if holds(0):
        return 0
    high = 1
    while not holds(high):
        high *= 2
        if high > 1_000_000:
            return -1
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
