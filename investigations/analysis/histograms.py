"""Exponential histograms: read, merged over instances and intervals, and asked for percentiles with their bounds.

The form is OpenTelemetry's exponential histogram: at ``scale`` s bucket ``i`` holds what lies above 2^(i / 2^s) and at
most at 2^((i + 1) / 2^s). Merging such histograms loses nothing, so the percentiles of a fleet are those of its values.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

SCALE = 3
"""What sensors send: eight buckets to each doubling, so that a percentile is known within 4.4 %."""
LEAST_SCALE, MOST_SCALE = -10, 20
MOST_INDEX = 1 << 24
MOST_BUCKETS = 1000
MOST_COUNT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Histogram:
    """``count`` numbers and where they lay. ``unusable`` were no finite numbers and are not among them."""

    count: int = 0
    sum: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    unusable: int = 0
    scale: int = SCALE
    zero: int = 0
    positive: Mapping[int, int] = field(default_factory=dict)
    negative: Mapping[int, int] = field(default_factory=dict)
    unit: str = ""

    @property
    def mean(self) -> float | None:
        """None where nothing was measured: no data is not zero."""
        return self.sum / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class Quantile:
    """The ``share`` quantile lies in (``low``, ``high``]; ``estimate`` is off by at most half that way."""

    share: float
    estimate: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """The most the estimate can be off, as a share of the estimate."""
        off = max(self.high - self.estimate, self.estimate - self.low)
        return off / abs(self.estimate) if self.estimate else off


@dataclass(frozen=True, slots=True)
class Bar:
    """How many lay in (``low``, ``high``]."""

    low: float
    high: float
    count: int


# ---------------------------------------------------------------- as sensors write it


def read(told: Any) -> Histogram | None:
    """A histogram as a sensor told it; None for what is none. Nothing in it is trusted."""
    if not isinstance(told, Mapping):
        return None
    positive, negative = _buckets(told.get("positive")), _buckets(told.get("negative"))
    count, unusable, zero = (_count(told.get(name, 0)) for name in ("count", "unusable", "zero"))
    scale, total = told.get("scale", SCALE), _finite(told.get("sum", 0.0))
    whole = None not in (positive, negative, count, unusable, zero, total) and type(scale) is int
    if not whole or not LEAST_SCALE <= scale <= MOST_SCALE:
        return None
    assert positive is not None and negative is not None  # noqa: PT018  (as `whole` says)
    unit = told.get("unit", "")
    return Histogram(
        count=count or 0,
        sum=total or 0.0,
        minimum=_finite(told.get("min")) if count else None,
        maximum=_finite(told.get("max")) if count else None,
        unusable=unusable or 0,
        scale=scale,
        zero=zero or 0,
        positive=positive,
        negative=negative,
        unit=unit[:8] if isinstance(unit, str) else "",
    )


def plain(histogram: Histogram) -> dict[str, Any]:
    """As sensors write it, and JSON can keep it."""
    facts: dict[str, Any] = {
        "count": histogram.count, "sum": histogram.sum, "min": histogram.minimum, "max": histogram.maximum,
        "unusable": histogram.unusable, "scale": histogram.scale, "zero": histogram.zero,
        "positive": {str(index): count for index, count in sorted(histogram.positive.items())},
        "negative": {str(index): count for index, count in sorted(histogram.negative.items())},
        "unit": histogram.unit,
    }  # fmt: skip
    return {name: value for name, value in facts.items() if value is not None}


def _buckets(told: Any) -> dict[int, int] | None:
    """Counts by index; JSON keeps the indexes as text."""
    if told is None:
        return {}
    if not isinstance(told, Mapping) or len(told) > MOST_BUCKETS:
        return None
    found: dict[int, int] = {}
    for key, value in told.items():
        try:
            index = int(key)
        except (TypeError, ValueError):
            return None
        count = _count(value)
        if count is None or abs(index) > MOST_INDEX:
            return None
        if count:
            found[index] = count
    return found


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_COUNT else None


def _finite(value: Any) -> float | None:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric:
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


# ---------------------------------------------------------------- put together, and taken apart


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """All of them as one, at the coarsest scale among them."""
    parts = list(histograms)
    if not parts:
        return Histogram()
    scale = min(part.scale for part in parts)
    coarse = [_at_scale(part, scale) for part in parts]
    measured = [part for part in coarse if part.count]
    return Histogram(
        count=sum(part.count for part in coarse),
        sum=_total(part.sum for part in coarse),
        minimum=_outermost(min, [part.minimum for part in measured]),
        maximum=_outermost(max, [part.maximum for part in measured]),
        unusable=sum(part.unusable for part in coarse),
        scale=scale,
        zero=sum(part.zero for part in coarse),
        positive=_added(part.positive for part in coarse),
        negative=_added(part.negative for part in coarse),
        unit=next((part.unit for part in parts if part.unit), ""),
    )


def _total(sums: Iterable[float]) -> float:
    """The sum, kept finite: JSON has no infinity."""
    return max(-sys.float_info.max, min(sys.float_info.max, sum(sums)))


def since(later: Histogram, earlier: Histogram) -> Histogram | None:
    """What was added between two running totals; None when the later one is not a continuation of the earlier.

    Which values came in between is known by their buckets only, so the difference has no minimum and no maximum of its
    own, unless nothing was there before.
    """
    if not earlier.count and not earlier.unusable:
        return later
    scale = min(later.scale, earlier.scale)
    new, old = _at_scale(later, scale), _at_scale(earlier, scale)
    positive, negative = _subtracted(new.positive, old.positive), _subtracted(new.negative, old.negative)
    count, unusable, zero = new.count - old.count, new.unusable - old.unusable, new.zero - old.zero
    if positive is None or negative is None or min(count, unusable, zero) < 0:
        return None
    return replace(
        new, count=count, sum=new.sum - old.sum if count else 0.0, minimum=None, maximum=None, unusable=unusable,
        zero=zero, positive=positive, negative=negative,
    )  # fmt: skip


def _at_scale(histogram: Histogram, scale: int) -> Histogram:
    """The same at a coarser scale: each step down joins two neighbouring buckets."""
    if histogram.scale == scale:
        return histogram
    steps = histogram.scale - scale
    return replace(
        histogram,
        scale=scale,
        positive=_added({index >> steps: count} for index, count in histogram.positive.items()),
        negative=_added({index >> steps: count} for index, count in histogram.negative.items()),
    )


def _added(buckets: Iterable[Mapping[int, int]]) -> dict[int, int]:
    total: dict[int, int] = {}
    for each in buckets:
        for index, count in each.items():
            total[index] = total.get(index, 0) + count
    return total


def _subtracted(new: Mapping[int, int], old: Mapping[int, int]) -> dict[int, int] | None:
    left = {index: new.get(index, 0) - old.get(index, 0) for index in new.keys() | old.keys()}
    return None if any(count < 0 for count in left.values()) else {i: n for i, n in left.items() if n}


def _outermost(choose: Any, bounds: list[float | None]) -> float | None:
    """Known only where it is known of every part."""
    known = [bound for bound in bounds if bound is not None]
    return choose(known) if known and len(known) == len(bounds) else None


# ---------------------------------------------------------------- asked


def quantile(histogram: Histogram, share: float) -> Quantile | None:
    """Where that share of the values lies at or below, by the bucket it falls in; None where nothing was measured."""
    counted = sum(bar.count for bar in bars(histogram))
    if not counted:
        return None
    rank, reached = max(1, math.ceil(share * counted - 1e-9)), 0
    for bar in bars(histogram):
        reached += bar.count
        if reached >= rank:
            low, high = _clipped(histogram, bar)
            return Quantile(share, _middle(low, high), low, high)
    return None


def bars(histogram: Histogram) -> Iterator[Bar]:
    """The buckets that hold something, the lowest values first."""
    for index, count in sorted(histogram.negative.items(), reverse=True):
        yield Bar(-_edge(histogram, index + 1), -_edge(histogram, index), count)
    if histogram.zero:
        yield Bar(0.0, 0.0, histogram.zero)
    for index, count in sorted(histogram.positive.items()):
        yield Bar(_edge(histogram, index), _edge(histogram, index + 1), count)


def _edge(histogram: Histogram, index: int) -> float:
    exponent = index / 2**histogram.scale
    return 2.0**exponent if exponent < 1024 else math.inf


def _clipped(histogram: Histogram, bar: Bar) -> tuple[float, float]:
    """No value lies outside the smallest and the largest that were seen."""
    low, high = bar.low, bar.high
    if histogram.minimum is not None:
        low = min(max(low, histogram.minimum), high)
    if histogram.maximum is not None:
        high = max(min(high, histogram.maximum), low)
    return low, high


def _middle(low: float, high: float) -> float:
    """The number that is off by the same share of the value at either end."""
    if low == high or not math.isfinite(high) or not math.isfinite(low):
        return low if math.isfinite(low) else high
    total = low + high
    return 2 * low * high / total if low and high and total else total / 2


def coarser(histogram: Histogram, most: int = 48) -> Histogram:
    """The same in at most that many buckets of either sign, to be drawn."""
    found = histogram
    while max(_span(found.positive), _span(found.negative)) > most and found.scale > LEAST_SCALE:
        found = _at_scale(found, found.scale - 1)
    return found


def _span(buckets: Mapping[int, int]) -> int:
    return max(buckets) - min(buckets) + 1 if buckets else 0
