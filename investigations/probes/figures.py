"""What kinds count beside hits: read from sensors, added over instances and intervals, told apart by report. Pure.

Each kind's figures have one form: counts by name, tallies (counts by words the sensor chose) and histograms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from investigations.analysis import histograms
from investigations.analysis.histograms import Histogram
from investigations.lib.text import one_line

Figures = dict[str, Any]
"""As stored: counts are numbers, tallies maps of numbers, histograms in the form sensors write."""

COUNT, TALLY, HISTOGRAM = "count", "tally", "histogram"
WHOLE = ""
"""The name of a histogram that is all a kind's figures consist of."""
FORMS: dict[str, dict[str, str]] = {
    "counter": {"count": COUNT},
    "metric": {WHOLE: HISTOGRAM},
    "duration": {WHOLE: HISTOGRAM},
    "function": {"calls": COUNT, "errors": COUNT, "duration": HISTOGRAM},
    "exception": {"raised": COUNT, "swallowed": COUNT, "left": COUNT},
    "path": {"calls": COUNT, "sampled": COUNT},
    "assignment": {"writes": COUNT, "unreadable": COUNT, "writers": TALLY},
    "expectation": {"true": COUNT, "false": COUNT, "unknown": COUNT, "unknown_because": TALLY},
    "dependency": {"calls": COUNT, "errors": COUNT, "duration": HISTOGRAM},
}
MOST_WORDS = 50
LONGEST_WORD = 300
_MOST = 2**63 - 1


def read(kind: str, told: Any) -> Figures | None:
    """Figures as a sensor told them, without what cannot be stored; None where they are none of that kind."""
    form = FORMS.get(kind)
    if form is None or not isinstance(told, Mapping):
        return None
    found: Figures = {}
    for name, part in form.items():
        value = told if name == WHOLE else told.get(name)
        if value is None:
            continue
        clean = _READ[part](value)
        if clean is None:
            return None
        found |= clean if name == WHOLE else {name: clean}
    return found


def _read_count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST else None


def _read_tally(value: Any) -> dict[str, int] | None:
    if not isinstance(value, Mapping):
        return None
    found: dict[str, int] = {}
    for word, count in list(value.items())[:MOST_WORDS]:
        if _read_count(count) is None:
            return None
        found[one_line(str(word), LONGEST_WORD)] = count
    return found


def _read_histogram(value: Any) -> Figures | None:
    found = histograms.read(value)
    return None if found is None else histograms.plain(found)


_READ: dict[str, Any] = {COUNT: _read_count, TALLY: _read_tally, HISTOGRAM: _read_histogram}


def histogram(kind: str, figures: Figures) -> Histogram | None:
    """The histogram among a kind's figures; None for a kind that has none."""
    for name, part in FORMS.get(kind, {}).items():
        if part == HISTOGRAM:
            return histograms.read(figures if name == WHOLE else figures.get(name) or {})
    return None


def added(kind: str, parts: Iterable[Figures]) -> Figures:
    """The figures of several instances, or of several intervals, as one."""
    given = [part for part in parts if part]
    total: Figures = {}
    for name, form in FORMS.get(kind, {}).items() if given else ():
        values = given if name == WHOLE else [part[name] for part in given if name in part]
        if not values:
            continue
        summed = _ADD[form](values)
        total |= summed if name == WHOLE else {name: summed}
    return total


def _add_tallies(parts: list[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for word, count in part.items():
            total[word] = total.get(word, 0) + count
    return total


def _add_histograms(parts: list[Figures]) -> Figures:
    return histograms.plain(histograms.merged(one for part in parts if (one := histograms.read(part))))


_ADD: dict[str, Any] = {COUNT: sum, TALLY: _add_tallies, HISTOGRAM: _add_histograms}


def since(kind: str, later: Figures, earlier: Figures) -> Figures | None:
    """What came between two running totals; None when the later one does not continue the earlier (it came late)."""
    found: Figures = {}
    for name, form in FORMS.get(kind, {}).items():
        new = later if name == WHOLE else later.get(name)
        old = earlier if name == WHOLE else earlier.get(name)
        if not new:
            if old:
                return None
            continue
        between = _SINCE[form](new, old or _NOTHING[form])
        if between is None:
            return None
        found |= between if name == WHOLE else {name: between}
    return found


def _count_since(new: int, old: int) -> int | None:
    return new - old if new >= old else None


def _tally_since(new: dict[str, int], old: dict[str, int]) -> dict[str, int] | None:
    left = {word: new.get(word, 0) - old.get(word, 0) for word in {**old, **new}}
    return None if any(count < 0 for count in left.values()) else {w: n for w, n in left.items() if n}


def _histogram_since(new: Figures, old: Figures) -> Figures | None:
    later, earlier = histograms.read(new), histograms.read(old)
    between = histograms.since(later, earlier) if later and earlier else None
    return None if between is None else histograms.plain(between)


_SINCE: dict[str, Any] = {COUNT: _count_since, TALLY: _tally_since, HISTOGRAM: _histogram_since}
_NOTHING: dict[str, Any] = {COUNT: 0, TALLY: {}, HISTOGRAM: {}}


def empty(kind: str, figures: Figures) -> bool:
    """Whether nothing was counted in them."""
    for name, form in FORMS.get(kind, {}).items():
        value = figures if name == WHOLE else figures.get(name)
        if form == HISTOGRAM and value and (value.get("count") or value.get("unusable")):
            return False
        if form == COUNT and value:
            return False
        if form == TALLY and value and any(value.values()):
            return False
    return True


# ---------------------------------------------------------------- in words


def sentence(kind: str, figures: Figures) -> str:
    """Figures in a few words, as ``n 1,204, p50 3.2 ms, p99 41 ms``; empty for a kind that has none."""
    measured = histogram(kind, figures)
    counted = [
        f"{figures[name]:,} {name}"
        for name, form in FORMS.get(kind, {}).items()
        if form == COUNT and (figures.get(name) or name in _ALWAYS) and name in figures
    ]
    writers = len(figures.get("writers", {}))
    told = [f"{writers:,} writer{'' if writers == 1 else 's'}"] if "writers" in figures else []
    return ", ".join([*counted, *told, *(_measured(measured) if measured is not None else [])])


_ALWAYS = {"calls", "true", "false", "raised", "writes", "count"}


def _measured(found: Histogram) -> list[str]:
    unit = f" {found.unit}" if found.unit else ""
    said = [f"n {found.count:,}"]
    for share in (0.5, 0.99):
        if (point := histograms.quantile(found, share)) is not None:
            said.append(f"p{share * 100:g} {point.estimate:.3g}{unit}")
    return said + ([f"{found.unusable:,} unusable"] if found.unusable else [])
