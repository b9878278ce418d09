"""Figures of a stream of numbers: count, sum, bounds, and a histogram in OpenTelemetry's exponential form."""

from __future__ import annotations

import math
from typing import Any, Final

SCALE: Final = 3
"""Bucket ``i`` holds (2^(i/8), 2^((i+1)/8)]: its bounds are 9 % apart, and a percentile told as their geometric mean is
right within 4.4 %."""
_BUCKETS: Final = 2**SCALE
_AT_ONCE: Final = 64
_log2 = math.log2
_ceil = math.ceil
_INFINITE = math.inf


class Histogram:
    """Numbers added one by one; several threads may add, and lose one now and then."""

    __slots__ = ("count", "max", "min", "negative", "positive", "sum", "unusable", "waiting", "zero")

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        """Forget what was added."""
        self.count = self.zero = self.unusable = 0
        self.sum = 0.0
        self.min, self.max = math.inf, -math.inf
        self.positive: dict[int, int] = {}
        self.negative: dict[int, int] = {}
        self.waiting: list[float] = []
        """What `add_later` was given and nobody has added yet."""

    def add_later(self, value: float) -> None:
        """The same as `add`, which costs a third when it is done for many at once."""
        waiting = self.waiting
        waiting.append(value)
        if len(waiting) >= _AT_ONCE:
            self.add_waiting()

    def add_waiting(self) -> None:
        """Add what waits. Each value is taken by one thread alone, so none counts twice."""
        waiting = self.waiting
        try:
            while waiting:
                self.add(waiting.pop())
        except IndexError:
            pass  # another thread took the last one

    def add(self, value: float) -> None:
        """Take in an int or a float; what is not finite counts as unusable."""
        if type(value) is not float:
            try:
                value = float(value)
            except OverflowError:
                value = math.inf
        if 0.0 < value < _INFINITE:
            buckets, size = self.positive, value
        elif -_INFINITE < value <= 0.0:
            buckets, size = self.negative, -value
        else:
            self.unusable += 1
            return
        self.count += 1
        self.sum += value
        if value < self.min:
            self.min = value
        if value > self.max:
            self.max = value
        if not size:
            self.zero += 1
            return
        index = _ceil(_log2(size) * _BUCKETS) - 1
        try:
            buckets[index] += 1
        except KeyError:
            buckets[index] = 1

    def plain(self, unit: str = "") -> dict[str, Any]:
        """As it travels: the form H of `sensors/wire.md`; bounds are left out while there is nothing."""
        self.add_waiting()
        bounds = {"min": self.min, "max": self.max} if self.count else {}
        return {
            "count": self.count, "sum": self.sum, **bounds, "unusable": self.unusable, "scale": SCALE,
            "zero": self.zero, "positive": dict(self.positive), "negative": dict(self.negative), "unit": unit,
        }  # fmt: skip
