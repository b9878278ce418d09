"""The metric: a numeric expression, added up at every hit and never sent one by one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import FrameType
from typing import Any

from sightline import hits
from sightline.engines.base import Fire, Names
from sightline.errors import BudgetExceeded, ExpressionError, NotInLanguage, Withheld
from sightline.expressions import Compiled
from sightline.histograms import Histogram
from sightline.hits import ProbeHits
from sightline.kinds.base import LineKind


class Metric(LineKind):
    """Keeps a histogram of the value. A hit whose value is no finite number counts as unusable."""

    captures = False

    def __init__(self, hits: ProbeHits) -> None:
        super().__init__(hits)
        self.value = value_of(hits, "A metric needs a `value`: the expression to measure.")
        if self.value.withheld:
            raise Withheld(
                f"the figures of `{self.value.text}` would show what the rule `{self.value.withheld}` withholds"
            )
        self.histogram = Histogram()

    def start_over(self) -> None:
        self.histogram.start_over()

    def fire(self) -> Fire:
        return hits.evaluating(self.hits, self._measure())

    def _measure(self) -> hits.Then:
        tally, scope, probe_hits = self.hits.tally, self.hits.scope, self.hits
        evaluate, histogram = self.value.evaluate, self.histogram
        add = histogram.add

        def measure(frame: FrameType, names: Names | None, now: float) -> bool:
            try:
                value = evaluate(names if names is not None else scope(frame) if scope else frame.f_locals)
            except (ExpressionError, BudgetExceeded) as error:
                probe_hits.last_value_error = error
                histogram.unusable += 1
                tally.captured += 1
                return False
            if type(value) is float or type(value) is int:
                add(value)
            else:
                _add_other(histogram, value)
            tally.captured += 1
            return False

        return measure

    def figures(self) -> dict[str, Any]:
        return self.histogram.plain()


def value_of(hits: ProbeHits, missing: str) -> Compiled:
    """The probe's value expression. Raises `NotInLanguage` with ``missing`` when it has none."""
    if hits.value is None:
        raise NotInLanguage(missing, "value_missing")
    return hits.value


def _add_other(histogram: Histogram, value: Any) -> None:
    """A number of a less common type, read by compiled code only; anything else is unusable."""
    cls = type(value)
    for base, read in _READ:
        if issubclass(cls, base):
            try:
                histogram.add(read(value))
            except (ValueError, OverflowError):
                histogram.unusable += 1
            return
    histogram.unusable += 1


_READ: tuple[tuple[type, Callable[[Any], float]], ...] = (
    (int, int.__index__),
    (float, float.__float__),
    (Decimal, Decimal.__float__),
)
