"""What stands behind a plot, to keep: its figures as CSV, its drawing as SVG that needs no page around it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape

from django.http import HttpResponse

from investigations.lib.errors import NotFound

FORMS = ("csv", "svg")
WIDTH, HEIGHT, LEFT, TOP, FOOT = 960, 320, 64, 40, 36
INK, QUIET, LINE = "#1d2526", "#5c6769", "#d5dbda"
"""A drawing by itself has no tokens to refer to: the light theme's ink, as numbers."""
TONES = {"ink": INK, "firing": "#b3123b", "pass": "#2f7fd6", "fail": "#d06a00"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def known_form(form: str) -> str:
    """``csv`` or ``svg``. Raises `NotFound` for anything else in the address."""
    if form not in FORMS:
        raise NotFound("not_found", "There is nothing at this address.", fix="Ask for csv or svg.")
    return form


def as_csv(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A table as a file. What a spreadsheet would take for a formula is kept from it by an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_cell(column) for column in columns])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return _file(text.getvalue(), f"{name}.csv", "text/csv; charset=utf-8")


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA) and not _number(value):
        return f"'{value}"
    return value


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def lines_svg(
    name: str,
    title: str,
    x: Sequence[float],
    lines: Sequence[dict[str, Any]],
    ticks: Sequence[tuple[float, str]],
) -> HttpResponse:
    """Series over time: ``lines`` as js/live-chart.js takes them, ``ticks`` as (share of the width, words)."""
    first, span = (x[0], (x[-1] - x[0]) or 1.0) if x else (0.0, 1.0)
    known = [value for line in lines for value in line["values"] if value is not None]
    low, high = min([0.0, *known]), max(known, default=1.0) or 1.0
    shares = [(at - first) / span for at in x]
    unknown = [all(line["values"][index] is None for line in lines) for index in range(len(x))]
    parts = [*_gaps(shares, unknown), _axis(low, high), *_ticks(ticks)]
    for place, line in enumerate(lines):
        tone = TONES.get(line.get("tone", "ink"), INK)
        path = _path(zip(shares, line["values"], strict=True), low, high)
        dash = ' stroke-dasharray="5 3"' if line.get("dash") else ""
        parts.append(
            f'<path d="{path}" fill="none" stroke="{tone}" stroke-width="1.5" stroke-linejoin="round"{dash}/>'
        )
        right = WIDTH - 16 - 112 * (len(lines) - 1 - place)
        parts.append(_text(right - 64, 22, line["label"], tone, "start"))
        parts.append(f'<path d="M{right - 96} 18h24" fill="none" stroke="{tone}" stroke-width="1.5"{dash}/>')
    return _drawing(name, title, parts)


def bars_svg(
    name: str, title: str, bars: Sequence[tuple[float, float] | None], ticks: Sequence[tuple[float, str]]
) -> HttpResponse:
    """Bars of equal width side by side: each (upwards, downwards in the tone of failing), None where nobody looked."""
    known = [bar for bar in bars if bar is not None]
    most = max([up for up, _ in known] + [down for _, down in known], default=1) or 1
    below = any(down for _, down in known)
    room = (HEIGHT - TOP - FOOT) / (2 if below else 1)
    base, width = TOP + room, (WIDTH - LEFT - 16) / max(1, len(bars))
    parts = [_axis(0, most, base), *_ticks(ticks)]
    up_tone = TONES["pass"] if below else INK
    for index, bar in enumerate(bars):
        x = LEFT + index * width
        if bar is None:
            parts.append(_hatch(x, width))
            continue
        up, down = bar
        tall, deep = room * up / most, room * down / most
        if up:
            parts.append(_rect(x, base - tall, width, tall, up_tone))
        if down:
            parts.append(_rect(x, base + 1, width, deep, TONES["fail"]))
    return _drawing(name, title, parts)


def _path(points: Iterable[tuple[float, float | None]], low: float, high: float) -> str:
    """A line that breaks where nothing is known; a value alone between gaps is a short stroke."""
    width, height, pen, path = WIDTH - LEFT - 16, HEIGHT - TOP - FOOT, "M", ""
    for share, value in points:
        if value is None:
            pen = "M"
            continue
        x, y = LEFT + share * width, TOP + height * (1 - (value - low) / ((high - low) or 1.0))
        path += f"{pen}{x:.2f} {y:.2f}" + ("h1" if pen == "M" else "")
        pen = "L"
    return path


def _axis(low: float, high: float, base: float = HEIGHT - FOOT) -> str:
    line = f'<line x1="{LEFT}" x2="{WIDTH - 16}" y1="{base:.1f}" y2="{base:.1f}" stroke="{LINE}"/>'
    ends = _text(LEFT - 8, base, f"{low:.4g}", QUIET, "end") + _text(
        LEFT - 8, TOP + 8, f"{high:.4g}", QUIET, "end"
    )
    return line + ends


def _ticks(ticks: Sequence[tuple[float, str]]) -> list[str]:
    width = WIDTH - LEFT - 16
    anchors = {0.0: "start", 1.0: "end"}
    return [
        _text(LEFT + share * width, HEIGHT - 14, words, QUIET, anchors.get(share, "middle"))
        for share, words in ticks
    ]


def _gaps(shares: Sequence[float], unknown: Sequence[bool]) -> list[str]:
    """Stretches in which no line has a value, hatched from the last known value to the next."""
    width = WIDTH - LEFT - 16
    steps = zip(shares, shares[1:], unknown, unknown[1:], strict=False)
    return [_hatch(LEFT + a * width, (b - a) * width) for a, b, left, right in steps if left or right]


def _hatch(x: float, width: float) -> str:
    return (
        f'<rect x="{x:.2f}" y="{TOP}" width="{width:.2f}" height="{HEIGHT - TOP - FOOT}" fill="url(#gap)"/>'
    )


def _rect(x: float, y: float, width: float, height: float, tone: str) -> str:
    return (
        f'<rect x="{x + width * 0.06:.2f}" y="{y:.2f}" width="{width * 0.88:.2f}" '
        f'height="{max(height, 1):.2f}" fill="{tone}"/>'
    )


def _text(x: float, y: float, words: str, tone: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{tone}" text-anchor="{anchor}">{escape(words)}</text>'


def _drawing(name: str, title: str, parts: Iterable[str]) -> HttpResponse:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="system-ui, sans-serif" font-size="12"><title>{escape(title)}</title>'
        f'<defs><pattern id="gap" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<path d="M0 0V5" stroke="{LINE}"/></pattern></defs><rect width="100%" height="100%" fill="#fff"/>'
    )
    body = _text(LEFT, 22, title, INK, "start") + "".join(parts)
    return _file(f"{head}{body}</svg>\n", f"{name}.svg", "image/svg+xml; charset=utf-8")


def _file(text: str, name: str, kind: str) -> HttpResponse:
    response = HttpResponse(text, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
