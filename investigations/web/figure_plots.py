"""A probe's figures as drawings: their course over time, and how the measured values lay. Text and numbers only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from investigations.analysis import histograms
from investigations.analysis.histograms import Histogram
from investigations.probes import figures
from investigations.probes.readings import Stretch
from investigations.web.plots import at
from investigations.web.wording import UNKNOWN, number

SHARES = (0.5, 0.9, 0.99)
MOST_SLOTS = 48
HEAD, FOOT = 18, 112
"""Where the bars of a histogram begin and end, in pixels; above them stand the names of the percentiles."""
_COURSE: dict[str, tuple[tuple[str, str, str, bool], ...]] = {
    "counter": (("count", "hits", "ink", False),),
    "exception": (
        ("raised", "raised", "ink", False),
        ("swallowed", "swallowed", "ink", True),
        ("left", "left", "firing", False),
    ),
    "path": (("calls", "calls", "ink", True), ("sampled", "followed", "ink", False)),
    "assignment": (("writes", "writes", "ink", False),),
    "expectation": (("false", "false", "fail", False), ("unknown", "unknown", "ink", True)),
}
"""For each kind without a histogram: figure, label, tone and whether its line is dashed."""
_QUANTILES = ((0.5, "p50", "ink", False), (0.99, "p99", "ink", True))


def significant(value: float | None, digits: int = 3) -> str:
    """Three digits that mean something: ``0.00412``, ``3.25``, ``12,346``; a dash when unknown."""
    if value is None:
        return UNKNOWN
    if not value:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if not -6 <= magnitude < 12:
        return f"{value:.{digits}g}"
    return number(value, max(0, digits - 1 - magnitude))


def with_unit(value: float | None, unit: str) -> str:
    """``3.25 ms``; a dash keeps no unit."""
    text = significant(value)
    return text if value is None or not unit else f"{text}\u202f{unit}"


# ---------------------------------------------------------------- over time


@dataclass(frozen=True, slots=True)
class Course:
    """Figures over time: as js/live-chart.js takes it, the words under it, and the same as a table."""

    chart: dict[str, Any]
    legend: list[dict[str, Any]]
    table: dict[str, Any]
    label: str


def course(kind: str, name: str, stretches: Sequence[Stretch]) -> Course:
    """``name`` says what is drawn, in words."""
    lines = list(_lines(kind, stretches))
    unit = _unit(kind, stretches)
    return Course(
        chart={"x": [each.start.timestamp() for each in stretches], "series": lines, "unit": unit},
        legend=[
            {"label": line["label"], "tone": line["tone"], "dashed": line.get("dash", False)}
            for line in lines
        ],
        table=_table(kind, name, unit, lines, stretches),
        label=name,
    )


def _lines(kind: str, stretches: Sequence[Stretch]) -> Iterator[dict[str, Any]]:
    for key, label, tone, dash in _COURSE.get(kind, ()):
        values = [None if each.figures is None else each.figures.get(key, 0) for each in stretches]
        yield {"label": label, "tone": tone, "dash": dash, "values": values}
    if kind in _COURSE:
        return
    measured = [_measured(kind, each) for each in stretches]
    for share, label, tone, dash in _QUANTILES:
        values = [_estimate(found, share) for found in measured]
        yield {"label": label, "tone": tone, "dash": dash, "values": values}


def _measured(kind: str, stretch: Stretch) -> Histogram | None:
    return None if stretch.figures is None else figures.histogram(kind, stretch.figures)


def _estimate(found: Histogram | None, share: float) -> float | None:
    point = histograms.quantile(found, share) if found else None
    return None if point is None else float(f"{point.estimate:.4g}")


def _unit(kind: str, stretches: Sequence[Stretch]) -> str:
    units = (found.unit for each in stretches if (found := _measured(kind, each)) is not None)
    return next((unit for unit in units if unit), "") if kind not in _COURSE else ""


def _table(
    kind: str, name: str, unit: str, lines: Sequence[dict[str, Any]], stretches: Sequence[Stretch]
) -> dict[str, Any]:
    counts = [key for key, form in figures.FORMS[kind].items() if form == figures.COUNT]
    measuring = kind not in _COURSE
    rows = []
    for index, each in enumerate(stretches):
        found = _measured(kind, each) if measuring else None
        told = each.figures
        cells = [UNKNOWN if told is None else f"{told.get(key, 0):,}" for key in counts]
        if measuring:
            cells.append(UNKNOWN if told is None else f"{found.count if found else 0:,}")
            cells += [significant(line["values"][index]) for line in lines]
        rows.append([f"{each.start:%H:%M:%S}", *cells])
    quantiles = [f"{line['label']}{f' ({unit})' if unit else ''}" for line in lines]
    width = stretches[0].width if stretches else 0
    return {
        "caption": f"{name}, every {width:g} s; {UNKNOWN} where nobody watched or nothing was measured",
        "columns": ["Time (UTC)", *counts, *(["n", *quantiles] if measuring else [])],
        "rows": rows,
    }


# ---------------------------------------------------------------- how the values lay


@dataclass(frozen=True, slots=True)
class Values:
    """A histogram on an axis whose steps grow with the values, and its percentiles with their bounds."""

    bars: list[dict[str, str]]
    ends: dict[str, str]
    marks: list[dict[str, str]]
    tiles: list[dict[str, str]]
    table: dict[str, Any]
    label: str
    raw: list[histograms.Bar] = field(default_factory=list)


def values(name: str, found: Histogram) -> Values | None:
    """None where nothing was measured."""
    if not found.count:
        return None
    drawn = histograms.coarser(found, MOST_SLOTS)
    slots = list(_slots(drawn))
    most = max(bar.count for bar in slots) or 1
    step = 1 / len(slots)
    return Values(
        bars=[_bar(bar, index, step, most, found.unit) for index, bar in enumerate(slots) if bar.count],
        ends={
            "low": with_unit(slots[0].low, found.unit),
            "middle": with_unit(slots[len(slots) // 2].low, found.unit),
            "high": with_unit(slots[-1].high, found.unit),
        },
        marks=list(_marks(found, slots, step)),
        tiles=list(_tiles(found)),
        table={
            "caption": f"{name}: how many values lay in each step",
            "columns": ["Above", "At most", "Count"],
            "rows": [
                [significant(bar.low, 4), significant(bar.high, 4), f"{bar.count:,}"]
                for bar in histograms.bars(found)
            ],
        },
        label=f"{name}: {found.count:,} values from {significant(found.minimum)} to {significant(found.maximum)}",
        raw=slots,
    )


def _slots(drawn: Histogram) -> Iterator[histograms.Bar]:
    """Every step between the smallest and the largest value, also those without any."""
    counted = {(bar.low, bar.high): bar for bar in histograms.bars(drawn)}
    for one_sign in (drawn.negative, None, drawn.positive):
        if one_sign is None:
            if drawn.zero:
                yield counted[0.0, 0.0]
            continue
        if not one_sign:
            continue
        indexes = range(min(one_sign), max(one_sign) + 1)
        empty = histograms.Histogram(
            scale=drawn.scale,
            positive={} if one_sign is drawn.negative else dict.fromkeys(indexes, 1),
            negative=dict.fromkeys(indexes, 1) if one_sign is drawn.negative else {},
        )
        for bar in histograms.bars(empty):
            yield counted.get((bar.low, bar.high), histograms.Bar(bar.low, bar.high, 0))


def _bar(bar: histograms.Bar, index: int, step: float, most: int, unit: str) -> dict[str, str]:
    tall = max(2.0, (FOOT - HEAD) * bar.count / most)
    return {
        "x": at(index * step + step * 0.06),
        "width": at(step * 0.88),
        "y": f"{FOOT - tall:.1f}",
        "height": f"{tall:.1f}",
        "title": f"{bar.count:,} above {with_unit(bar.low, unit)}, at most {with_unit(bar.high, unit)}",
    }


def _marks(found: Histogram, slots: Sequence[histograms.Bar], step: float) -> Iterator[dict[str, str]]:
    """Where each percentile stands; one that would cover the one before is left to the tiles."""
    last = -1.0
    for share in SHARES:
        point = histograms.quantile(found, share)
        if point is None:
            continue
        inside = (index for index, bar in enumerate(slots) if bar.low <= point.estimate <= bar.high)
        place = (next(inside, len(slots) - 1) + 0.5) * step
        if place - last > 0.12:
            yield {"x": at(place), "text": f"p{share * 100:g}", "late": "late" if place > 0.95 else ""}
            last = place


def _tiles(found: Histogram) -> Iterator[dict[str, str]]:
    for share in SHARES:
        point = histograms.quantile(found, share)
        if point is not None:
            yield {
                "name": f"p{share * 100:g}",
                "value": with_unit(point.estimate, found.unit),
                "note": f"{significant(point.low)} to {significant(point.high)}",
            }
    yield {
        "name": "mean",
        "value": with_unit(found.mean, found.unit),
        "note": f"{significant(found.minimum)} to {significant(found.maximum)}"
        if found.minimum is not None
        else "of all values",
    }
    unusable = f"{found.unusable:,} unusable" if found.unusable else "all usable"
    yield {"name": "n", "value": f"{found.count:,}", "note": unusable}
