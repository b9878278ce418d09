"""What the parts of a session's page show: the page and its socket render the same parts from the same facts."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.catalog.models import Instance
from investigations.evidence import selectors as evidence
from investigations.evidence.models import EvidenceKind
from investigations.lib.ids import show
from investigations.probes import details, figures, kinds, readings
from investigations.probes import selectors as probes
from investigations.probes.histogram import hit_histogram
from investigations.probes.models import Capture, Probe, ProbeDelivery, ProbeState
from investigations.sessions.models import InvestigationSession, SessionStatus, TimelineEntry
from investigations.web import hits, plots, values
from investigations.web.metrics import AlertMetric, alert_metric

ROWS = 100
"""Captures a page opens with."""
STEPS = 60
BUCKETS = 120
METRIC_FOR_S = 10
LONGEST, BEFORE = timedelta(hours=6), timedelta(minutes=30)
MOST_EMPTY = 0.15
"""The share of the timeline that may show nothing but the time before anything was known."""
GATES = {
    "mechanism": "Mechanism seen at run time",
    "rivals": "Every rival refuted",
    "disconfirming": "A disconfirming probe tried",
    "coverage": "Decisive field fully covered",
    "fix": "Fix confirmed",
}


# ---------------------------------------------------------------- verdict, hypotheses, steps


def verdict(session: InvestigationSession) -> dict[str, Any]:
    """components/verdict_bar.html."""
    gates = [
        {"name": GATES.get(gate["slug"], gate["slug"]), "met": gate["met"], "note": gate["sentence"]}
        for gate in session.gates
    ]
    return {
        "state": session.verdict,
        "gates": gates,
        "met": sum(gate["met"] for gate in gates),
        "total": len(gates),
    }


def hypotheses(by: Actor, session: InvestigationSession) -> dict[str, Any]:
    """The hypotheses and the evidence matrix under them (sessions/hypotheses.html)."""
    matrix = evidence.matrix(by, session)
    rows = [
        {
            "name": f"E{row.evidence.number}",
            "title": row.evidence.title,
            "url": reverse("evidence", args=[show("evd", row.evidence.id)]),
            "flat": row.separates == 0,
            "stances": [
                {"stance": stance or "neutral", "inferred": row.evidence.kind == EvidenceKind.INFERENCE}
                for stance in row.stances
            ],
        }
        for row in matrix.rows
    ]
    columns = [
        {
            "name": f"H{column.number}",
            "claim": column.statement,
            "state": column.state,
            "tally": column.state_reason,
            "url": reverse("hypothesis", args=[show("hyp", column.id)]),
        }
        for column in matrix.hypotheses
    ]
    return {"hypotheses": columns, "rows": rows}


def step(entry: TimelineEntry) -> dict[str, Any]:
    """components/step.html."""
    return {
        "at": entry.at,
        "actor": entry.actor_label,
        "kind": "person" if entry.actor_kind == "program" else entry.actor_kind,
        "verb": entry.data.get("tool", ""),
        "text": entry.sentence,
        "result": "",
        "cursor": entry.cursor,
        "url": _subject_url(entry.subject),
    }


def _subject_url(subject: str) -> str:
    pages = {"cap_": "capture", "hyp_": "hypothesis", "evd_": "evidence", "inc_": "incident", "alr_": "alert"}
    name = pages.get(subject[:4])
    return reverse(name, args=[subject]) if name else ""


# ---------------------------------------------------------------- captures


Types = dict[tuple[uuid.UUID, str], Counter[str]]
"""How often each type was seen, for each probe and watch."""


@dataclass(frozen=True)
class Rows:
    """Captures as rows to paint, oldest first, and what a live list must know of them."""

    rows: list[dict[str, Any]]
    unlabelled: dict[str, Capture]

    @property
    def failing(self) -> int:
        return sum(row["outcome"] == "fail" for row in self.rows)


def capture_rows(
    session: InvestigationSession, captures: Sequence[Capture], types: Types | None = None
) -> Rows:
    """components/capture_row.html, one for each; ``unlabelled`` are those whose outcome may still be told.

    ``types`` gathers what was seen over several calls, so that a few new rows are judged by all before them.
    """
    outcomes = probes.outcome_of(session.environment_id, [capture.execution_id for capture in captures])
    noted = [(capture, probes.noted(capture)) for capture in captures]
    usual = _usual_types(noted, outcomes, {} if types is None else types)
    instances = _short_names({capture.instance_id for capture in captures})
    rows, unlabelled = [], {}
    for capture, body in noted:
        outcome = outcomes.get(capture.execution_id, "unknown")
        row = _row(capture, body, outcome, instances, usual)
        rows.append(row)
        if outcome == "unknown" and capture.execution_id:
            unlabelled[row["public_id"]] = capture
    return Rows(rows, unlabelled)


def _row(
    capture: Capture,
    body: probes.Noted,
    outcome: str,
    instances: Mapping[uuid.UUID, str],
    usual: Mapping[tuple[uuid.UUID, str], str],
) -> dict[str, Any]:
    """A row says what its kind says; where that is nothing, it shows the first two watches."""
    public_id = show("cap", capture.id)
    watched = list((body.watches or {}).items())
    said = capture.message or ("" if watched and capture.kind == "expectation" else details.sentence(body))
    headline = second = None
    differs = False
    if watched and not said:
        name, value = watched.pop(0)
        headline = values.leaf(value, name=name, path=name)
        differs = usual.get((capture.probe_id, name), value.type) != value.type
    if watched:
        second = values.written(watched[0][1])
    return {
        "public_id": public_id,
        "current": False,
        "url": reverse("capture", args=[public_id]),
        "at": capture.at,
        "outcome": outcome,
        "instance": instances.get(capture.instance_id, "?"),
        "headline": headline,
        "message": said or capture.function or capture.kind,
        "second": second,
        "standing": "differs" if differs else "",
    }


def _usual_types(
    noted: Iterable[tuple[Capture, probes.Noted]], outcomes: Mapping[str, str], counts: Types
) -> dict[tuple[uuid.UUID, str], str]:
    """For each probe and watch the type most passing captures hold (of all, while none is labelled)."""
    for capture, body in noted:
        if outcomes.get(capture.execution_id) == "fail":
            continue
        for name, value in (body.watches or {}).items():
            counts.setdefault((capture.probe_id, name), Counter())[value.type] += 1
    return {key: counted.most_common(1)[0][0] for key, counted in counts.items()}


def _short_names(ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    return {row.id: str(row.pid) for row in Instance.objects.filter(pk__in=ids).only("id", "pid")}


def headings(session_probes: Iterable[Probe]) -> dict[str, str]:
    """What the value columns hold: the watches of the newest probe that has some."""
    watches: list[dict[str, str]] = next(
        (probe.watches for probe in reversed(list(session_probes)) if probe.watches), []
    )
    return _headings([watch["name"] for watch in watches])


def headings_of(probe: Probe) -> dict[str, str]:
    """The same for one probe's captures: where its kind says something itself, watches follow it."""
    said = {"logpoint": ["Message"], "snapshot": [], "expectation": []}.get(probe.kind, ["What happened"])
    return _headings([*said, *(watch["name"] for watch in probe.watches)])


def _headings(names: list[str]) -> dict[str, str]:
    names = [*names, "", ""]
    return {"headline_name": names[0] or "Value", "second_name": names[1]}


def why_empty(session_probes: Sequence[Probe]) -> dict[str, str]:
    """Why no capture is there, from what the probes counted."""
    if not session_probes:
        return {
            "empty_title": "No probe is placed.",
            "empty_text": "Choose a line in the source, and press its gutter.",
        }
    causes = [cause for probe in session_probes[-3:] for cause in probes.why_no_capture(probe)]
    return {"empty_title": "No capture yet.", "empty_text": " ".join(causes[:3])}


# ---------------------------------------------------------------- probes


def slip(probe: Probe) -> dict[str, Any]:
    """components/probe_slip.html, with the place for lists."""
    [made] = slips([probe])
    return made


def slips(session_probes: Sequence[Probe]) -> list[dict[str, Any]]:
    """The same for each of many probes, at the cost of one."""
    deliveries, totals = probes.deliveries_of(session_probes), probes.hit_totals_of(session_probes)
    counted = readings.totals_of(session_probes)
    return [
        _slip(probe, deliveries[probe.id], totals[probe.id], figures.sentence(probe.kind, counted[probe.id]))
        for probe in session_probes
    ]


def _slip(
    probe: Probe, deliveries: Sequence[ProbeDelivery], totals: probes.HitTotals, counted: str
) -> dict[str, Any]:
    refused = [delivery.sentence for delivery in deliveries if delivery.state == "rejected"]
    public_id = show("prb", probe.id)
    active = probe.state == ProbeState.ACTIVE
    return {
        "name": f"P{probe.number}",
        "public_id": public_id,
        "kind": probe.kind,
        "condition": probe.condition,
        "place": probe.place,
        "place_url": source_url(probe),
        "state": probe.state,
        "armed": sum(delivery.state == "armed" for delivery in deliveries),
        "instances": len(deliveries),
        "url": reverse("probe", args=[public_id]),
        "figures": counted,
        "says": probe.value or probe.template,
        "rate": f"{probe.rate:g} a second" if kinds.captures(probe.kind, probe.options) else "",
        "ends": probe.expires_at if active else None,
        "hits": totals.counts,
        "at_least": totals.at_least,
        "problem": refused[0] if refused else "",
        "captures": probe.captures,
        "remove_url": reverse("probe_remove", args=[public_id]) if active else "",
    }


def source_url(probe: Probe) -> str:
    """Where the source pane shows the probe's line."""
    file, line = probe_line(probe)
    query = f"?service={show('svc', probe.service_id)}&path={file}&line={line}" if file else ""
    return reverse("session", args=[show("ses", probe.session_id)]) + query


def probe_line(probe: Probe) -> tuple[str, int]:
    """File and line a probe stands on: as a sensor resolved it, else as it was asked for."""
    for delivery in probe.deliveries.all():
        for place in delivery.places:
            return str(place["file"]), int(place["line"])
    return str(probe.location.get("file", "")), int(probe.location.get("line", 0))


# ---------------------------------------------------------------- timeline


def timeline(by: Actor, session: InvestigationSession, sight: Capture | None = None) -> dict[str, Any]:
    """components/timeline.html: the alert's metric, armed windows, captured executions and steps on one axis."""
    now = timezone.now()
    end = session.closed_at or now
    start = _start(session, end)
    metric = _metric(by, session, start, end)
    start = _trimmed(start, end, session, metric)
    histogram = hit_histogram(by, session, start, end, buckets=BUCKETS)
    session_probes = list(probes.probes_of(by, session))
    drawn = plots.timeline(
        plots.Window(start, end + (end - start) * 0.04),
        now=now if session.status == SessionStatus.OPEN else None,
        metric=metric.line(session.episode, start) if metric and metric.points else None,
        probes=[_span(probe) for probe in session_probes],
        buckets=[
            plots.Bucket(bucket.start, bucket.passed, bucket.failed, bucket.unknown)
            for bucket in histogram.buckets
            if bucket.captures
        ],
        bucket=timedelta(seconds=histogram.width_s),
        steps=[_happening(entry) for entry in session.timeline.order_by("-cursor")[:STEPS]],
        captures=[_sight(capture) for capture in probes.captures_before(by, session, limit=50)],
        sight=_sight(sight) if sight else None,
    )
    files = [reverse("session_hits", args=[show("ses", session.id), form]) for form in ("csv", "svg")]
    counted = hits.table(histogram) | {"csv_url": files[0], "svg_url": files[1]}
    return {"timeline": drawn, "metric": metric, "table": _table(metric), "hits_table": counted}


def _start(session: InvestigationSession, end: datetime) -> datetime:
    """Not before the session's window, and not so early that the last minutes become a hair."""
    return max(session.window_start, end - LONGEST, session.opened_at - BEFORE)


def _trimmed(
    start: datetime, end: datetime, session: InvestigationSession, metric: AlertMetric | None
) -> datetime:
    """Where the source's data begin late, the empty time ahead of them is cut to a margin."""
    known = [moment for moment, value in metric.points if value is not None] if metric else []
    first = min([session.opened_at, *known[:1]])
    return max(start, first - (end - first) * MOST_EMPTY)


def _metric(by: Actor, session: InvestigationSession, start: datetime, end: datetime) -> AlertMetric | None:
    """The alert's metric, asked for at most every few seconds however many people look."""
    if session.episode is None:
        return None
    key = f"timeline-metric:{session.id}:{int(end.timestamp() // METRIC_FOR_S)}"
    found: AlertMetric | None = cache.get(key)
    if found is None:
        found = alert_metric(by, session.episode.alert, start, end)
        cache.set(key, found, METRIC_FOR_S * 2)
    return found


def _table(metric: AlertMetric | None) -> dict[str, Any] | None:
    return metric.table() if metric and metric.points else None


def _span(probe: Probe) -> plots.ProbeSpan:
    running = probe.state == ProbeState.ACTIVE
    return plots.ProbeSpan(
        name=f"P{probe.number}",
        label=f"{probe.kind} · {probe.place}{f' · {probe.condition}' if probe.condition else ''}",
        start=probe.placed_at,
        end=None if running else probe.ended_at,
        state="armed" if running else "asked" if probe.state == ProbeState.PENDING_APPROVAL else "done",
        url=source_url(probe),
    )


def _happening(entry: TimelineEntry) -> plots.Happening:
    return plots.Happening(
        entry.at,
        "agent" if entry.actor_kind == "agent" else "person" if entry.actor_kind != "system" else "system",
        entry.sentence,
        decisive=entry.kind in ("probe_placed", "evidence_recorded"),
    )


def _sight(capture: Capture) -> plots.Sight:
    public_id = show("cap", capture.id)
    return plots.Sight(capture.at.astimezone(UTC), f"{capture.at:%H:%M:%S} cap_…{public_id[-4:]}", public_id)
