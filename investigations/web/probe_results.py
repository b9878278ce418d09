"""What a probe has brought, shown as its kind wants to be seen (templates/probes/kinds/): plain data for templates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from investigations.accounts.actors import Actor
from investigations.analysis import histograms
from investigations.lib.ids import show
from investigations.probes import details, figures, kinds, readings
from investigations.probes import selectors as probes
from investigations.probes.models import Capture, Probe
from investigations.web import figure_plots, path_source, values, wording

MOST_READ = 100
"""The latest captures that are told apart by type, target or exception: a page is painted while they come."""
POINTS = 120
MOST_ROWS = 12


def result(by: Actor, probe: Probe) -> dict[str, Any]:
    """Everything templates/probes/result.html shows of a probe."""
    total = readings.totals_of([probe])[probe.id]
    captures = probes.latest_captures_of(by, [probe], MOST_READ)[probe.id]
    found: dict[str, Any] = {
        "probe": probe,
        "public_id": show("prb", probe.id),
        "kind": probe.kind,
        "use": kinds.KINDS[probe.kind].use,
        "template": f"probes/kinds/{_TEMPLATES.get(probe.kind, 'plain')}.html",
        "figures": total,
        "read": len(captures),
        "course": _course(by, probe),
        "values": _values(probe, total),
        "blind": _told(probe),
        "course_files": plot_urls(probe, "course"),
        "values_files": plot_urls(probe, "values"),
    }
    return found | (_KINDS[probe.kind](probe, total, captures) if probe.kind in _KINDS else {})


_TEMPLATES = {
    "metric": "measured",
    "duration": "measured",
    "function": "measured",
    "dependency": "dependency",
    "exception": "exception",
    "path": "path",
    "assignment": "assignment",
    "expectation": "expectation",
    "counter": "counter",
}
_NAMES = {
    "counter": "Hits over time",
    "metric": "Values over time",
    "duration": "Time taken",
    "function": "Time a call takes",
    "exception": "Exceptions over time",
    "path": "Calls over time",
    "assignment": "Writes over time",
    "expectation": "Violations over time",
    "dependency": "Time an answer takes",
}


def name_of(kind: str) -> str:
    """What its course shows, in words."""
    return _NAMES.get(kind, "Over time")


def _course(by: Actor, probe: Probe) -> figure_plots.Course | None:
    """None for a kind without figures."""
    if probe.kind not in figures.FORMS:
        return None
    stretches = readings.series(by, probe, points=POINTS)
    drawn = figure_plots.course(probe.kind, name_of(probe.kind), stretches)
    return drawn if any(each.figures for each in stretches) else None


def _values(probe: Probe, total: figures.Figures) -> figure_plots.Values | None:
    found = figures.histogram(probe.kind, total)
    name = probe.value if probe.kind == "metric" else name_of(probe.kind)
    return figure_plots.values(name, found) if found else None


def plot_urls(probe: Probe, plot: str) -> dict[str, str]:
    """Where a plot of the probe is kept as CSV and as SVG."""
    public_id = show("prb", probe.id)
    return {f"{form}_url": reverse("probe_plot", args=[public_id, plot, form]) for form in ("csv", "svg")}


def _told(probe: Probe) -> list[str]:
    """What sensors say of where they stand, each sentence once: the ways an assignment cannot see are among them."""
    rows = probe.deliveries.all()
    return list(dict.fromkeys(row.sentence for row in rows if row.sentence and row.state == "armed"))


# ---------------------------------------------------------------- kinds


def _expectation(probe: Probe, total: figures.Figures, captures: Sequence[Capture]) -> dict[str, Any]:
    counts = {name: total.get(name, 0) for name in ("true", "false", "unknown")}
    judged = sum(counts.values())
    left = 0.0
    shares = []
    for name, style in (("true", "pass"), ("false", "fail"), ("unknown", "idle")):
        share = counts[name] / judged if judged else 0.0
        shown = max(share, 0.006) if counts[name] else 0.0
        shares.append({"style": style, "x": f"{100 * min(left, 0.994):.2f}%", "width": f"{100 * shown:.2f}%"})
        left += share
    because = sorted(total.get("unknown_because", {}).items(), key=lambda item: -item[1])
    return {
        "counts": counts,
        "judged": judged,
        "shares": shares,
        "because": [
            {"slug": slug, "words": slug.replace("_", " "), "count": count} for slug, count in because
        ],
        "bound": wording.percent(3 / judged, 3) if judged and not counts["false"] else "",
    }


def _assignment(probe: Probe, total: figures.Figures, captures: Sequence[Capture]) -> dict[str, Any]:
    """Writers with what they wrote; a type that few writes have stands out."""
    told: dict[tuple[str, str], Counter[str]] = {}
    for text, count in total.get("writers", {}).items():
        where, how, type = _writer(text)
        told.setdefault((where, how), Counter())[type] += count
    types: Counter[str] = Counter()
    for counted in told.values():
        types.update(counted)
    usual = types.most_common(1)[0][0] if types else ""
    writers = [
        {
            "where": where,
            "how": how.replace("_", " "),
            "count": sum(counted.values()),
            "types": [
                {"type": type, "count": count, "odd": type != usual and len(types) > 1}
                for type, count in counted.most_common()
            ],
        }
        for (where, how), counted in told.items()
    ]
    return {
        "writers": sorted(
            writers, key=lambda each: (not any(t["odd"] for t in each["types"]), -each["count"])
        ),
        "types": len(types),
        "usual": usual,
    }


def _writer(text: str) -> tuple[str, str, str]:
    """``function:line how type`` in its three parts; what has fewer is a place alone."""
    parts = text.rsplit(" ", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (text, "", "")


def _exception(probe: Probe, total: figures.Figures, captures: Sequence[Capture]) -> dict[str, Any]:
    kinds_of: dict[str, Counter[str]] = {}
    for capture in captures:
        detail = details.read(probes.noted(capture))
        if isinstance(detail, details.Caught) and detail.exception is not None:
            kinds_of.setdefault(detail.exception.type, Counter())[detail.how] += 1
    rows = sorted(kinds_of.items(), key=lambda item: -sum(item[1].values()))[:MOST_ROWS]
    return {
        "counts": {name: total.get(name, 0) for name in ("raised", "swallowed", "left")},
        "types": [{"type": type, **{how: counted[how] for how in kinds.HOW}} for type, counted in rows],
    }


def _dependency(probe: Probe, total: figures.Figures, captures: Sequence[Capture]) -> dict[str, Any]:
    """The latest calls grouped by what was called: how often, how slow, and what came back."""
    groups: dict[tuple[str, str, str], list[details.CallOut]] = {}
    for capture in captures:
        detail = details.read(probes.noted(capture))
        if isinstance(detail, details.CallOut):
            groups.setdefault((detail.library, detail.operation, detail.target), []).append(detail)
    rows = [_called(*key, calls) for key, calls in groups.items()]
    return {
        "called": sorted(rows, key=lambda row: (-row["errors"], -row["calls"]))[:MOST_ROWS],
        "counts": {name: total.get(name, 0) for name in ("calls", "errors")},
    }


def _called(library: str, operation: str, target: str, calls: Sequence[details.CallOut]) -> dict[str, Any]:
    times = sorted(call.duration_ms for call in calls if call.duration_ms is not None)
    return {
        "library": library,
        "operation": "" if target.upper().startswith(operation.upper()) else operation,
        "target": target,
        "calls": len(calls),
        "errors": sum(call.exception is not None for call in calls),
        "statuses": ", ".join(sorted({str(call.status) for call in calls if call.status is not None})),
        "slowest": figure_plots.with_unit(times[-1], "ms") if times else "",
        "shape": next((call.shape for call in reversed(calls) if call.shape), ""),
        "size": next((call.size for call in reversed(calls) if call.size is not None), None),
    }


def _path(probe: Probe, total: figures.Figures, captures: Sequence[Capture]) -> dict[str, Any]:
    latest = captures[-1] if captures else None
    return {
        "counts": {name: total.get(name, 0) for name in ("calls", "sampled")},
        "path": path_source.laid(probe.service, latest, probes.decode(latest)) if latest else None,
        "latest": show("cap", latest.id) if latest else "",
    }


def _function(probe: Probe, total: figures.Figures, captures: Sequence[Capture]) -> dict[str, Any]:
    return {"counts": {name: total.get(name, 0) for name in ("calls", "errors")}}


def _plain(probe: Probe, total: figures.Figures, captures: Sequence[Capture]) -> dict[str, Any]:
    """What each watch held in the latest captures: types first, then the values that came most often."""
    seen: dict[str, Counter[tuple[str, str]]] = {}
    for capture in captures:
        for name, value in probes.watches(capture).items():
            text = values.written(value)
            seen.setdefault(name, Counter())[value.type, text[:60]] += 1
    return {
        "seen": [
            {
                "name": name,
                "rows": [
                    {"type": type, "text": text, "count": count}
                    for (type, text), count in counted.most_common(6)
                ],
                "others": max(0, len(counted) - 6),
                "types": len({type for type, _ in counted}),
            }
            for name, counted in seen.items()
        ]
    }


_KINDS: dict[str, Any] = {
    "snapshot": _plain,
    "logpoint": _plain,
    "function": _function,
    "exception": _exception,
    "path": _path,
    "assignment": _assignment,
    "expectation": _expectation,
    "dependency": _dependency,
}


def histogram_rows(total: figures.Figures, kind: str) -> list[list[Any]]:
    """The buckets of a probe's histogram in full, for its CSV."""
    found = figures.histogram(kind, total)
    return [[bar.low, bar.high, bar.count] for bar in histograms.bars(found)] if found else []
