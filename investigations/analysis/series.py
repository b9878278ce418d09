"""Metric series: how far out of the ordinary, where they changed, and since when. NaN is "no data", never
zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import ruptures
from scipy.special import chdtri

from investigations.analysis import significance
from investigations.analysis.significance import Z95, Interval, compare_numbers

Floats = npt.NDArray[np.float64]

NORMAL_IQR = 1.3489795003921634
"""The interquartile range of a standard normal distribution: makes robust z comparable with z."""
UNUSUAL_Z = 5.0
Z_OF_IQR = 1.166
"""The relative standard error of a normal sample's interquartile range, times the root of its size."""


@dataclass(frozen=True, slots=True)
class Score:
    """How far a series left its window before: robust z of its farthest point, in which direction, on how much data.

    ``p`` is the chance that one of so many points of the window before is as far out; ``q`` the same held against all
    series.
    """

    name: str
    z: float
    at: int
    before: int
    during: int
    coverage: float
    sentence: str
    p: float = 1.0
    q: float = 1.0
    test: str = "past_points"

    @property
    def n(self) -> int:
        return self.before + self.during

    @property
    def effect(self) -> Interval:
        """Middle and quartiles of the window before are known no better than its samples allow."""
        if not self.before:
            return Interval("robust_z", self.z, -math.inf, math.inf)
        width = Z95 * math.sqrt((math.pi / 2 + (Z_OF_IQR * self.z) ** 2) / self.before)
        return Interval("robust_z", self.z, self.z - width, self.z + width)


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A lasting change of level at sample ``at``, somewhere in ``low`` to ``high`` (95 %).

    ``effect`` (Cliff's delta) is how far the ``n`` samples before and after it are apart; ``q`` is ``p`` held against
    every sample it could have been at; ``coverage`` the share of all samples that are known.
    """

    at: int
    low: int
    high: int
    before: float
    after: float
    p: float
    sentence: str
    n: int
    coverage: float
    effect: Interval
    q: float
    test: str = "mann_whitney"


@dataclass(frozen=True, slots=True)
class Onset:
    """When it began: times in the unit of those given; None while nothing changed. ``n`` samples are known."""

    at: float | None
    low: float | None
    high: float | None
    coverage: float
    sentence: str
    n: int
    change: ChangePoint | None = None


def robust_z(before: Floats, during: Floats) -> Floats:
    """(x - median) / IQR of the window before, scaled to a standard deviation. Shape of ``during``; NaN stays
    NaN.

    A window that never moved gets the smallest spread its numbers can tell apart, so that any change stands
    out.
    """
    known = before[~np.isnan(before)]
    if not len(known):
        return np.full(during.shape, np.nan)
    middle = float(np.median(known))
    return (during - middle) / (robust_spread(known) or max(abs(middle), 1.0) * 1e-3)


def robust_spread(known: Floats) -> float:
    """The standard deviation told from the interquartile range, or where that is 0 from all; without NaN."""
    if not len(known):
        return 0.0
    low, high = np.quantile(known, (0.25, 0.75))
    return float(high - low) / NORMAL_IQR or float(known.std())


def rank_series(before: Mapping[str, Floats], during: Mapping[str, Floats]) -> list[Score]:
    """BARO's ranking (Pham, Ha & Zhang, FSE 2024): each series by its farthest robust z, the farthest first."""
    scores = [_score(name, before[name], during[name]) for name in sorted(during) if name in before]
    chances = significance.discovered([each.p for each in scores])
    scores = [replace(each, q=q) for each, q in zip(scores, chances, strict=True)]
    return sorted(scores, key=lambda each: (-abs(each.z), each.name))


def _score(name: str, before: Floats, during: Floats) -> Score:
    z = robust_z(np.asarray(before, dtype=np.float64), np.asarray(during, dtype=np.float64))
    past = robust_z(before, before[~np.isnan(before)])
    known = int((~np.isnan(z)).sum())
    coverage = known / len(z) if len(z) else 0.0
    if not known:
        return Score(name, 0.0, -1, len(past), 0, coverage, f"{name}: no data in the window.")
    at = int(np.nanargmax(np.abs(z)))
    far = float(z[at])
    word = "above" if far > 0 else "below"
    usual = "" if abs(far) >= UNUSUAL_Z else ", which is nothing unusual"
    sentence = f"{name} went {abs(far):.1f} robust deviations {word} its middle before{usual}."
    as_far = (int((np.abs(past) >= abs(far)).sum()) + 1) / (len(past) + 1)
    return Score(name, far, at, len(past), known, coverage, sentence, p=1 - (1 - as_far) ** known)


def change_points(
    values: npt.ArrayLike, *, most: int = 5, least: int = 4, level: float = 0.01
) -> list[ChangePoint]:
    """Lasting changes of level by PELT (Killick, Fearnhead & Eckley 2012; `ruptures`), in order of time.

    Values become ranks first, so that single spikes do not count. The penalty is BIC's on the noise between
    neighbours; a change must also pass a rank-sum test at ``level`` over all samples it could have been at.
    Missing samples are skipped.
    """
    told = np.asarray(values, dtype=np.float64)
    places = np.flatnonzero(~np.isnan(told))
    known = told[places]
    if len(known) < 2 * least or (known == known[0]).all():
        return []
    ranks = _ranks(known)
    noise = max(float(np.median(np.abs(np.diff(ranks)))) / 0.954, 1e-9)
    penalty = 3 * math.log(len(ranks)) * min(noise**2, float(ranks.var()))
    cuts = ruptures.Pelt(model="l2", min_size=least, jump=1).fit(ranks.reshape(-1, 1)).predict(pen=penalty)
    edges = [0, *cuts]
    found = [
        point
        for left, at, right in zip(edges, edges[1:], edges[2:], strict=False)
        if (point := _change(known, ranks, places, left, at, right, len(told))).p < level / len(known)
        or (point.p < level and len(known) < 30)
    ]
    strongest = sorted(found, key=lambda each: (each.p, each.at))[:most]
    return sorted(strongest, key=lambda each: each.at)


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)]
    return ranks


def _change(
    known: Floats,
    ranks: Floats,
    places: npt.NDArray[np.intp],
    left: int,
    at: int,
    right: int,
    places_in_all: int,
) -> ChangePoint:
    before, after = known[left:at], known[at:right]
    apart = compare_numbers(after, before)
    low, high = _profile(ranks[left:right], at - left)
    was, now = float(np.median(before)), float(np.median(after))
    sentence = f"The level went from {was:.4g} to {now:.4g}."
    return ChangePoint(
        int(places[at]),
        int(places[left + low]),
        int(places[min(left + high, len(places) - 1)]),
        was,
        now,
        apart.rank_p,
        sentence,
        n=right - left,
        coverage=len(known) / places_in_all,
        effect=significance.cliffs_delta(apart.delta, right - at, at - left),
        q=min(1.0, apart.rank_p * len(known)),
    )


def _profile(ranks: Floats, at: int) -> tuple[int, int]:
    """Places whose likelihood (normal, one change of mean) is within the 95 % of a chi-square of the best
    one's.
    """
    n = len(ranks)
    cuts = np.arange(1, n)
    sums = np.cumsum(ranks)[:-1]
    gain = sums**2 / cuts + (ranks.sum() - sums) ** 2 / (n - cuts)
    rest = float((ranks**2).sum()) - gain
    noise = max(float(rest.min()) / max(n - 2, 1), 1e-9)
    inside = cuts[rest <= rest[at - 1] + float(chdtri(1, 0.05)) * noise]
    return int(min(inside.min(), at)), int(max(inside.max(), at))


def onset(times: Sequence[float], values: npt.ArrayLike) -> Onset:
    """When the latest lasting change began, with its interval: what to look for changes of code and settings
    before.
    """
    told = np.asarray(values, dtype=np.float64)
    coverage = float((~np.isnan(told)).mean()) if len(told) else 0.0
    n = int((~np.isnan(told)).sum())
    found = change_points(told)
    if not found:
        return Onset(None, None, None, coverage, "No lasting change of level.", n)
    last = found[-1]
    span = (float(times[last.at]), float(times[last.low]), float(times[last.high]))
    return Onset(*span, coverage, last.sentence, n, last)
