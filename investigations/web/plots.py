"""Numbers as places to draw: per cent along x, pixels along y, for the SVG of components/. No data is never zero."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from investigations.web.wording import number

Point = tuple[datetime, float | None]

HEAD, METRIC, HITS, CHANGES, STEPS, AXIS = 20, 76, 44, 24, 32, 20  # heights of the timeline's lanes
PROBE_ROW = 18
LATE, LABEL = 0.75, 0.25
"""Shares of the width: from where on a window's words stand before it, and what room they take."""
MOST_PROBE_ROWS = 4


def at(share: float) -> str:
    """0.1264 as ``12.64%``, kept inside the drawing."""
    return f"{_trim(100 * min(1.0, max(0.0, share)))}%"


def _trim(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return text if text not in {"-0", ""} else "0"


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of time a drawing covers."""

    start: datetime
    end: datetime

    def share(self, moment: datetime) -> float:
        return (moment - self.start) / (self.end - self.start)

    def at(self, moment: datetime) -> str:
        return at(self.share(moment))

    def between(self, start: datetime, end: datetime | None) -> dict[str, str]:
        """``{"x": "62.64%", "width": "31.61%"}``; an open end reaches the edge."""
        left = min(1.0, max(0.0, self.share(start)))
        right = 1.0 if end is None else min(1.0, max(0.0, self.share(end)))
        return {"x": at(left), "width": at(max(0.0, right - left))}

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment <= self.end

    def ticks(self, most: int = 6) -> list[dict[str, str]]:
        """Round minutes inside the window with their labels, at most `most`."""
        seconds = (self.end - self.start).total_seconds()
        step = next((each for each in _STEPS if seconds / each <= most), _STEPS[-1])
        first = math.ceil(self.start.timestamp() / step) * step
        shape = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86_400 else "%d %b"
        moments = (
            datetime.fromtimestamp(first + step * index, self.start.tzinfo) for index in range(most + 1)
        )
        return [
            {"x": self.at(each), "text": each.strftime(shape)}
            for each in moments
            if 0.03 < self.share(each) < 0.9
        ]


_STEPS = (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 604_800)


# -- curves -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Curve:
    """One series: `under` and `over` the threshold, the `area` above it, and gaps where nothing was known."""

    under: str
    over: str
    area: str
    gaps: list[dict[str, str]]
    threshold: str
    low: float
    high: float


def curve(
    points: Sequence[tuple[float, float | None]],
    *,
    width: float,
    height: float,
    threshold: float | None = None,
    pad: float = 2,
) -> Curve:
    """Draws shares of x (0 to 1) against values, in a box of `width` by `height`; None breaks the line."""
    known = [value for _, value in points if value is not None]
    edge = [threshold] if threshold is not None else []
    low, high = min(known + edge, default=0.0), max(known + edge, default=1.0)
    low = min(low, 0.0) if low >= 0 and low < high * 0.5 else low
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return pad + (height - 2 * pad) * (1 - (value - low) / span)

    placed = [(share * width, None if value is None else y(value)) for share, value in points]
    line = None if threshold is None else y(threshold)
    under, over, area = _split(placed, line)
    return Curve(
        under=under,
        over=over,
        area=area,
        gaps=_gaps(points),
        threshold="" if line is None else _trim(line),
        low=min(known, default=0.0),
        high=max(known, default=0.0),
    )


def _split(placed: Sequence[tuple[float, float | None]], line: float | None) -> tuple[str, str, str]:
    """Paths below and above `line` (y grows downwards), cut exactly where the curve crosses it."""
    under: list[list[tuple[float, float]]] = []
    over: list[list[tuple[float, float]]] = []
    last: tuple[float, float] | None = None
    for x, y in placed:
        if y is None:
            last = None
            continue
        here = (x, y)
        side, other = (over, under) if line is not None and y < line else (under, over)
        if last is None:
            side.append([here])
        elif line is not None and (last[1] < line) != (y < line):
            crossing = (last[0] + (x - last[0]) * (line - last[1]) / (y - last[1]), line)
            other[-1].append(crossing)
            side.append([crossing, here])
        else:
            side[-1].append(here)
        last = here
    area = "".join(
        f"M{_trim(run[0][0])} {_trim(line)}"
        + _path(run).replace("M", "L", 1)
        + f"L{_trim(run[-1][0])} {_trim(line)}Z"
        for run in over
        if line is not None
    )
    return "".join(map(_path, under)), "".join(map(_path, over)), area


def _path(run: Sequence[tuple[float, float]]) -> str:
    if len(run) == 1:
        run = [run[0], (run[0][0] + 0.01, run[0][1])]
    return "M" + "L".join(f"{_trim(x)} {_trim(y)}" for x, y in run)


def _gaps(points: Sequence[tuple[float, float | None]]) -> list[dict[str, str]]:
    """Stretches without a value, between the last known point and the next."""
    gaps: list[dict[str, str]] = []
    start: float | None = None
    before = 0.0
    for share, value in points:
        if value is None and start is None:
            start = before
        elif value is not None and start is not None:
            gaps.append({"x": at(start), "width": at(share - start)})
            start = None
        before = share
    if start is not None:
        gaps.append({"x": at(start), "width": at(1 - start)})
    return gaps


@dataclass(frozen=True, slots=True)
class Spark:
    """A sparkline for components/sparkline.html."""

    width: int
    height: int
    curve: Curve
    label: str


def sparkline(
    values: Sequence[float | None],
    *,
    threshold: float | None = None,
    width: int = 132,
    height: int = 32,
    unit: str = "",
) -> Spark:
    """A row's small curve; `values` are evenly spaced, None where nothing was known."""
    last = max(1, len(values) - 1)
    drawn = curve(
        [(index / last, value) for index, value in enumerate(values)],
        width=width,
        height=height,
        threshold=threshold,
    )
    known = [value for value in values if value is not None]
    label = f"{number(drawn.low)} to {number(drawn.high)} {unit}".strip() if known else "no data"
    return Spark(width, height, drawn, label)


# -- bars ----------------------------------------------------------------------------------------------------------

_ENDINGS = (
    ("captured", "captured"),
    ("condition_error", "error"),
    ("sensor_error", "error"),
    ("rate_limited", "limited"),
    ("evaluation_budget", "limited"),
    ("over_budget", "limited"),
    ("deadline", "limited"),
    ("queue_full", "limited"),
    ("hit_limit", "limited"),
    ("re_entrant", "limited"),
    ("condition_false", "idle"),
)


def endings(hits: Mapping[str, int]) -> list[dict[str, str | int]]:
    """Hits by ending as one bar: rects with x, width, css class, word and count. Small counts stay visible."""
    total = sum(hits.values())
    present = [(name, style, hits[name]) for name, style in _ENDINGS if hits.get(name)]
    if not total:
        return []
    widths = [max(count / total, 0.006) for _, _, count in present]
    scale = 1 / sum(widths)
    rects: list[dict[str, str | int]] = []
    left = 0.0
    for (name, style, count), width in zip(present, widths, strict=True):
        share = width * scale
        rects.append(
            {
                "x": at(left),
                "width": at(share),
                "style": style,
                "word": name.replace("_", " "),
                "count": count,
            }
        )
        left += share
    return rects


def budget(used: float | None, allowed: float) -> dict[str, str]:
    """A meter: used of allowed. No style when unknown, ``spent`` at the limit, ``most`` from half."""
    if used is None or allowed <= 0:
        return {"width": "0%", "style": ""}
    share = used / allowed
    style = "spent" if share >= 1 else "most" if share >= 0.5 else "used"
    return {"width": at(max(share, 0.02) if used else 0.0), "style": style}


def mirrored(rows: Sequence[tuple[str, int, int]]) -> dict[str, object]:
    """Categories as bars from one spine: PASS to the left, FAIL to the right, each by its share of its own side."""
    passing = sum(row[1] for row in rows) or 1
    failing = sum(row[2] for row in rows) or 1
    return {
        "height": 26 * len(rows) + 26,
        "passing": sum(row[1] for row in rows),
        "failing": sum(row[2] for row in rows),
        "rows": [
            {
                "label": label,
                "y": 26 + 26 * index,
                "text_y": 38 + 26 * index,
                "mid_y": 37 + 26 * index,
                "rule_y": 46 + 26 * index,
                "passing": left,
                "failing": right,
                "left": at(0.38 - 0.30 * left / passing),
                "left_width": at(0.30 * left / passing),
                "left_text": at(0.37 - 0.30 * left / passing),
                "right_width": at(0.30 * right / failing),
                "right_text": at(0.63 + 0.30 * right / failing),
            }
            for index, (label, left, right) in enumerate(rows)
        ],
    }


def shares_below(passing: Sequence[float], failing: Sequence[float]) -> dict[str, str]:
    """Two empirical distributions as step paths in a 1000 by 88 box, with the ends of the shared x axis."""
    everything = sorted([*passing, *failing])
    if not everything:
        return {}
    low, high = everything[0], everything[-1]
    span = (high - low) or 1.0
    digits = 0 if span >= 20 else 2

    def steps(values: Sequence[float]) -> str:
        ordered = sorted(values)
        path, last = "M0 84", 0
        for value in dict.fromkeys(ordered):
            count = bisect_right(ordered, value)
            path += f"H{_trim(1000 * (value - low) / span)}V{_trim(84 - 80 * count / len(ordered))}"
            last = count
        return path + ("H1000" if last else "")

    return {
        "passing": steps(passing) if passing else "",
        "failing": steps(failing) if failing else "",
        "low": number(low, digits),
        "middle": number(low + span / 2, digits),
        "high": number(high, digits),
    }


def effect(estimate: float, low: float, high: float) -> dict[str, str]:
    """An effect from −1 (more in PASS) to +1 (more in FAIL) with its interval, on a line from 2 % to 98 %."""

    def x(value: float) -> str:
        return at(0.5 + 0.48 * max(-1.0, min(1.0, value)))

    return {"estimate": x(estimate), "low": x(low), "high": x(high)}


# -- the session's timeline --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MetricLine:
    """The alert's metric. `threshold` in the metric's unit; `change` is a change point with its interval."""

    name: str
    unit: str
    points: Sequence[Point]
    threshold: float | None = None
    threshold_label: str = ""
    fired_at: datetime | None = None
    change: tuple[datetime, datetime] | None = None
    change_label: str = ""


@dataclass(frozen=True, slots=True)
class ProbeSpan:
    """A probe's armed window; `state` is ``armed``, ``done`` or ``asked``."""

    name: str
    label: str
    start: datetime
    end: datetime | None
    state: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Executions that were captured from `start` on, for one bucket's length."""

    start: datetime
    passing: int
    failing: int
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Happening:
    """A change (``deploy``, ``flag``, ``commit``) or a step (``agent``, ``person``, ``system``)."""

    moment: datetime
    kind: str
    title: str
    detail: str = ""
    decisive: bool = False
    asked: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """The capture one is looking at: where the vertical line stands."""

    moment: datetime
    label: str
    capture: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything components/timeline.html draws. Lane tops are pixels, x is per cent."""

    title: str
    description: str
    height: int
    tops: dict[str, float]
    ticks: list[dict[str, str]]
    metric: dict[str, object] | None
    probes: list[dict[str, object]]
    probe_rows: int
    bars: list[dict[str, object]]
    gaps: list[dict[str, str]]
    changes: list[dict[str, object]]
    steps: list[dict[str, object]]
    now: dict[str, str] | None
    sight: dict[str, object] | None
    passing: int
    failing: int
    rules: list[float]
    wide_gap: str
    unlabelled: int = 0
    moments: list[dict[str, str]] = field(default_factory=list)


def timeline(
    window: Window,
    *,
    now: datetime | None = None,
    metric: MetricLine | None = None,
    probes: Sequence[ProbeSpan] = (),
    buckets: Sequence[Bucket] = (),
    bucket: timedelta = timedelta(seconds=10),
    unobserved: Sequence[tuple[datetime, datetime]] = (),
    changes: Sequence[Happening] = (),
    steps: Sequence[Happening] = (),
    captures: Sequence[Sight] = (),
    sight: Sight | None = None,
) -> Timeline:
    """Lays one session out on one x axis. Time no probe was armed in, and `unobserved` stretches, are hatched.

    `captures` are what the crosshair can take; `sight` is the one that is open.
    """
    rows = _rows(window, probes)
    height = max(2, 1 + max(rows, default=0))
    tops = _tops(height)
    gaps = _unarmed(window, probes, unobserved, now or window.end)
    return Timeline(
        title=f"Session timeline, {window.start:%H:%M} to {window.end:%H:%M} {window.start.tzname() or ''}".strip(),
        description=_description(metric, buckets, changes),
        height=int(tops["end"]),
        tops=tops,
        ticks=window.ticks(),
        metric=None if metric is None else _metric(window, metric, tops["metric"]),
        probes=[_span(window, span, row, tops["probes"]) for span, row in zip(probes, rows, strict=True)],
        probe_rows=height,
        bars=_bars(window, buckets, bucket, tops["hits"]),
        gaps=gaps,
        changes=[_happening(window, each) for each in changes if window.holds(each.moment)],
        steps=[_happening(window, each) for each in steps if window.holds(each.moment)],
        now=None if now is None else {"x": window.at(now), "text": f"now {now:%H:%M:%S}"},
        sight=None if sight is None else _sight(window, sight),
        passing=sum(each.passing for each in buckets),
        failing=sum(each.failing for each in buckets),
        unlabelled=sum(each.unknown for each in buckets),
        rules=[tops[name] for name in ("metric", "probes", "hits", "changes", "steps", "foot")],
        wide_gap=_wide_gap(gaps),
        moments=[
            {"x": window.at(each.moment), "text": f"{each.moment:%H:%M:%S}", "capture": each.capture}
            for each in captures
        ],
    )


def _tops(probe_rows: int) -> dict[str, float]:
    probes = HEAD + METRIC
    hits = probes + probe_rows * PROBE_ROW + 4
    changes = hits + HITS
    steps = changes + CHANGES
    foot = steps + STEPS
    return {
        "metric": HEAD,
        "probes": probes,
        "hits": hits,
        "hits_in": hits + 4,
        "hits_text": hits + 26,
        "baseline": hits + 24,
        "changes": changes,
        "changes_in": changes + 12,
        "steps": steps,
        "steps_in": steps + 16,
        "foot": foot,
        "axis_text": foot + 14,
        "end": foot + AXIS,
    }


def _metric(window: Window, metric: MetricLine, top: float) -> dict[str, object]:
    points = [(window.share(moment), value) for moment, value in metric.points]
    drawn = curve(points, width=1000, height=METRIC, threshold=metric.threshold, pad=4)
    latest = next((value for _, value in reversed(metric.points) if value is not None), None)
    last_share = next((share for share, value in reversed(points) if value is not None), 0.0)
    line = top + float(drawn.threshold) if drawn.threshold else None
    return {
        "name": metric.name,
        "unit": metric.unit,
        "curve": drawn,
        "top": top,
        "height": METRIC,
        "threshold_y": None if line is None else _trim(line),
        "threshold_text_y": None if line is None else _trim(line - 4),
        "threshold_label": metric.threshold_label,
        "fired": metric.fired_at and {"x": window.at(metric.fired_at), "text": f"{metric.fired_at:%H:%M}"},
        "change": None if metric.change is None else window.between(*metric.change),
        "change_end": "" if metric.change is None else window.at(metric.change[1]),
        "change_label": metric.change_label,
        "latest": number(latest),
        "latest_x": at(min(0.97, last_share + 0.006)),
        "latest_y": _trim(top + _latest_y(drawn, latest)),
    }


def _latest_y(drawn: Curve, latest: float | None) -> float:
    """Where to write the newest value: level with the end of the line, inside the lane."""
    if latest is None or drawn.high == drawn.low:
        return METRIC / 2
    share = (latest - min(drawn.low, 0.0)) / ((drawn.high - min(drawn.low, 0.0)) or 1.0)
    return max(12.0, min(METRIC - 4, METRIC * (1 - share) + 4))


def _rows(window: Window, probes: Sequence[ProbeSpan]) -> list[int]:
    """Which row each window takes so that none covers another; what does not fit shares the last row."""
    ends: list[float] = []
    rows = []
    for span in probes:
        left, right = window.share(span.start), window.share(span.end or window.end)
        if left > LATE:
            left -= LABEL
        right = max(right, left + LABEL)
        room = (index for index, end in enumerate(ends) if end <= left)
        row = next(room, min(len(ends), MOST_PROBE_ROWS - 1))
        if row == len(ends):
            ends.append(right)
        else:
            ends[row] = max(ends[row], right)
        rows.append(row)
    return rows


def _span(window: Window, span: ProbeSpan, row: int, top: float) -> dict[str, object]:
    y = top + 3.5 + PROBE_ROW * row
    placed = window.between(span.start, span.end)
    left = window.share(span.start)
    late = left > LATE  # its words stand before it, where there is room
    style = {"armed": "", "done": "done", "asked": "asked"}[span.state]
    tone = {"armed": "label-armed", "done": "ink-2", "asked": "label-waiting"}[span.state]
    return {
        **placed, "y": y, "text_y": y + 11.5, "text_x": at(left + (-0.004 if late else 0.004)), "late": late,
        "style": style, "tone": tone, "name": span.name, "label": span.label, "url": span.url,
    }  # fmt: skip


def _bars(
    window: Window, buckets: Sequence[Bucket], bucket: timedelta, top: float
) -> list[dict[str, object]]:
    """Passing up and failing down from one baseline, to one scale; what nobody has labelled stands on the passing."""
    most = max((max(each.passing + each.unknown, each.failing) for each in buckets), default=0) or 1
    width = at(max(0.0015, bucket / (window.end - window.start) * 0.84))
    bars: list[dict[str, object]] = []
    for each in buckets:
        x = window.at(each.start)
        up, down = 18 * each.passing / most, 14 * each.failing / most
        if each.unknown:
            tall = 18 * each.unknown / most
            bars.append(
                {
                    "x": x,
                    "width": width,
                    "y": _trim(top + 24 - up - tall),
                    "height": _trim(tall),
                    "style": "open",
                }
            )
        if each.passing:
            bars.append(
                {"x": x, "width": width, "y": _trim(top + 24 - up), "height": _trim(up), "style": "up"}
            )
        if each.failing:
            bars.append(
                {"x": x, "width": width, "y": _trim(top + 25), "height": _trim(down), "style": "down"}
            )
    return bars


def _unarmed(
    window: Window,
    probes: Sequence[ProbeSpan],
    unobserved: Iterable[tuple[datetime, datetime]],
    now: datetime,
) -> list[dict[str, str]]:
    """Stretches up to `now` in which no probe watched, plus those it was switched off in."""
    gaps: list[dict[str, str]] = []
    covered = window.start
    for start, end in sorted((p.start, p.end or now) for p in probes if p.state != "asked"):
        if start > covered:
            gaps.append(window.between(covered, min(start, now)))
        covered = max(covered, end)
    if covered < now:
        gaps.append(window.between(covered, now))
    gaps += [window.between(start, end) for start, end in unobserved]
    return gaps


def _wide_gap(gaps: Sequence[dict[str, str]]) -> str:
    """The middle of the first gap with room for words, or nothing."""
    for gap in gaps:
        left, width = float(gap["x"][:-1]), float(gap["width"][:-1])
        if width > 20:
            return at((left + width / 2) / 100)
    return ""


def _happening(window: Window, each: Happening) -> dict[str, object]:
    share = window.share(each.moment)
    return {
        "x": at(share), "kind": each.kind, "title": each.title, "detail": each.detail, "decisive": each.decisive,
        "asked": each.asked, "url": each.url, "text": f"{each.moment:%H:%M:%S}", "late": share > 0.8,
    }  # fmt: skip


def _sight(window: Window, sight: Sight) -> dict[str, object]:
    share = window.share(sight.moment)
    width = 6.25 * len(sight.label) + 14  # what the label takes at 11 px, with room at both ends
    return {
        "x": at(share), "label": sight.label, "capture": sight.capture, "width": width,
        "left": share > 0.5, "head_x": -width + 0.75 if share > 0.5 else -0.75,
    }  # fmt: skip


def _description(metric: MetricLine | None, buckets: Sequence[Bucket], changes: Sequence[Happening]) -> str:
    """What the drawing shows, in words, for those who do not see it."""
    parts = []
    if metric is not None:
        known = [value for _, value in metric.points if value is not None]
        if known:
            parts.append(f"{metric.name} between {number(min(known))} and {number(max(known))} {metric.unit}")
        if metric.fired_at is not None:
            parts.append(f"firing since {metric.fired_at:%H:%M}")
    if buckets:
        passing, failing = sum(b.passing for b in buckets), sum(b.failing for b in buckets)
        parts.append(f"{passing} passing and {failing} failing executions captured")
    parts += [f"{each.kind} {each.title} at {each.moment:%H:%M:%S}" for each in changes]
    return "; ".join(parts) + "." if parts else "Nothing has been recorded yet."
