"""What the paths that differ most look like: drawn on the compare page, in figures below, and as files to keep."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import quantiles
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import HttpResponse

from investigations.lib.errors import Invalid
from investigations.probes.comparing import Compared
from investigations.web import downloads, plots
from investigations.web.wording import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from investigations.analysis.differences import Difference
    from investigations.analysis.features import Column

MOST_DRAWN = 3
MOST_BARS = 6
SIDES = ("PASS", "FAIL")


@dataclass(frozen=True, slots=True)
class Strip:
    """One path in passing and failing captures: ``bars`` are (type and value, passing, failing), most failing first.

    Numbers whose size differs are ``numbers`` instead: of passing, and of failing captures.
    """

    path: str
    title: str
    bars: tuple[tuple[str, int, int], ...] = ()
    numbers: tuple[list[float], list[float]] | None = None

    def drawn(self, address: str, query: str) -> dict[str, Any]:
        """The context of its figure and of the table below."""
        asked = "&".join(filter(None, [urlencode({"path": self.path}), query]))
        files = {f"{form}_url": f"{address}strip.{form}?{asked}" for form in downloads.FORMS}
        look = (
            {"bars": plots.mirrored(self.bars[:MOST_BARS])}
            if self.numbers is None
            else {"curves": plots.shares_below(*self.numbers)}
        )
        caption = f"{self.path} in passing and failing captures"
        table = {"caption": caption, "columns": self.columns(), "rows": self._rows(), **files}
        return {"path": self.path, "title": self.title, "table": table, **look}

    def file(self, form: str) -> HttpResponse:
        """All of it as CSV, or its drawing as SVG."""
        if self.numbers is None:
            return _bars_file(self, form)
        return _numbers_file(self.path, self.numbers, form)

    def columns(self) -> list[str]:
        return ["type and value" if self.numbers is None else "share at or below", *SIDES]

    def _rows(self) -> list[list[str]]:
        if self.numbers is None:
            return [[label, str(passing), str(failing)] for label, passing, failing in self.bars]
        sides = [_quartiles(side) for side in self.numbers]
        return [[f"{25 * at} %", *(number(side[at]) for side in sides)] for at in range(5)]


def drawn(compared: Compared, address: str, query: str) -> list[dict[str, Any]]:
    """The strips of the paths that differ most, as the page draws them."""
    return [each.drawn(address, query) for each in _strips(compared)]


def strip(compared: Compared, path: str) -> Strip:
    """The one of ``path``. Raises `Invalid` where it is not among those that differ most."""
    for each in _strips(compared):
        if each.path == path:
            return each
    raise Invalid(
        "path_not_drawn",
        "This path is not among those that differ most.",
        fix="Take the link below a drawing of the compare page.",
    )


def _strips(compared: Compared) -> list[Strip]:
    found = compared.result.differences[:MOST_DRAWN]
    return [_strip(each, compared) for each in found if len(each.paths) == 1]


def _strip(each: Difference, compared: Compared) -> Strip:
    """Numbers as two distributions, all else as bars of type and value."""
    column, failing = compared.table.column(each.paths[0]), compared.result.failing
    title = f"q {each.q:.2g}"
    if each.medians is not None:
        values = column.sizes if each.kind == "sizes" else column.numbers
        passed, failed = (
            [float(x) for x in part if not math.isnan(x)] for part in (values[failing:], values[:failing])
        )
        return Strip(column.path, title, numbers=(passed, failed))
    labels = _labels(column)
    counts = Counter(labels[failing:]), Counter(labels[:failing])
    order = sorted(counts[0] | counts[1], key=lambda label: (-counts[1][label], -counts[0][label], label))
    return Strip(column.path, title, tuple((label, counts[0][label], counts[1][label]) for label in order))


def _labels(column: Column) -> list[str]:
    """Type with the value where it occurs more than once, for each row."""
    top = dict(column.top)
    return [
        "absent"
        if kind == -2
        else "not known"
        if kind < 0
        else _label(column.type_names[kind], top.get(int(identity), ""))
        for kind, identity in zip(column.kinds, column.identities, strict=True)
    ]


def _label(type_name: str, value: str) -> str:
    name = type_name.rpartition(".")[2]
    if type_name == "NoneType":
        return "None"
    return f"{name} {value}"[:40] if value else name


def _quartiles(values: Sequence[float]) -> list[float]:
    """Lowest, quartiles, highest."""
    inner = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
    return [min(values), *inner, max(values)]


def _bars_file(strip: Strip, form: str) -> HttpResponse:
    if form == "csv":
        return downloads.as_csv("strip", strip.columns(), strip.bars)
    bars = strip.bars[:MOST_BARS]
    ticks = [((at + 0.5) / len(bars), label) for at, (label, _, _) in enumerate(bars)]
    return downloads.bars_svg("strip", strip.path, [(up, down) for _, up, down in bars], ticks)


def _numbers_file(path: str, numbers: tuple[list[float], list[float]], form: str) -> HttpResponse:
    """Each number with its side; drawn, both distributions as steps: each value stands twice, before and after."""
    if form == "csv":
        rows = [[value, side] for side, values in zip(SIDES, numbers, strict=True) for value in values]
        return downloads.as_csv("strip", [path, "outcome"], rows)
    x = [value for value in sorted({*numbers[0], *numbers[1]}) for _ in range(2)]
    lines = [
        {"label": side, "tone": side.lower(), "dash": side == "FAIL", "values": _steps(x, values)}
        for side, values in zip(SIDES, numbers, strict=True)
    ]
    ends = [(0.0, number(x[0])), (1.0, number(x[-1]))]
    return downloads.lines_svg("strip", f"{path}, share at or below", x, lines, ends)


def _steps(x: Sequence[float], values: Sequence[float]) -> list[float]:
    return [
        sum(value < at if index % 2 == 0 else value <= at for value in values) / len(values)
        for index, at in enumerate(x)
    ]
