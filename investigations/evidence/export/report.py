"""A session's report as plain data, built from rows alone: the same rows give the same report, whoever asks and when.

Written forms (`markdown`, `json`) take it from here. Fields are only ever added; `VERSION` changes when one would be
misread.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any, TypedDict

from django.db import transaction

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.alerts.models import Incident
from investigations.evidence.models import Evidence, EvidenceLink, Hypothesis
from investigations.evidence.selectors import evidence_of, hypotheses
from investigations.lib.ids import show
from investigations.probes.models import Probe, ProbeDelivery
from investigations.sessions.models import InvestigationSession, TimelineEntry

VERSION = 1


class SessionPart(TypedDict):
    id: str
    number: int
    title: str
    environment: str
    status: str
    symptom: str
    services: list[str]
    window_start: str
    window_end: str
    opened_by: str
    opened_at: str
    closed_at: str | None
    conclusion: str
    participants: list[str]


class AlertPart(TypedDict):
    id: str
    name: str
    summary: str
    severity: str
    state: str
    labels: dict[str, Any]
    expression: str
    threshold: float | None
    firing_since: str
    ended_at: str | None
    source: str


class IncidentPart(TypedDict):
    id: str
    number: int
    title: str
    severity: str
    status: str
    opened_at: str
    resolved_at: str | None
    grouping_reason: str
    alerts: list[str]
    references: list[dict[str, Any]]


class GatePart(TypedDict):
    slug: str
    met: bool
    sentence: str


class VerdictPart(TypedDict):
    verdict: str
    gates: list[GatePart]


class StancePart(TypedDict):
    evidence: str
    stance: str


class HypothesisPart(TypedDict):
    id: str
    name: str
    statement: str
    confirms: str
    weakens: str
    state: str
    state_reason: str
    created_by: str
    created_at: str
    evidence: list[StancePart]


class BearingPart(TypedDict):
    on: str
    id: str
    stance: str


class EvidencePart(TypedDict):
    id: str
    name: str
    kind: str
    title: str
    note: str
    of: str
    content: dict[str, Any]
    content_hash: str
    provenance: dict[str, Any]
    coverage: dict[str, Any]
    recorded_by: str
    recorded_by_kind: str
    recorded_at: str
    bears_on: list[BearingPart]


class DeliveryPart(TypedDict):
    instance: str
    host: str
    pid: int
    commit: str
    state: str
    sentence: str
    endings: dict[str, int]
    unobserved_ms: float


class ProbePart(TypedDict):
    id: str
    name: str
    kind: str
    service: str
    place: str
    condition: str
    template: str
    watches: list[dict[str, Any]]
    state: str
    state_reason: str
    purpose: str
    placed_by: str
    placed_at: str
    ended_at: str | None
    hits: int
    hits_at_least: bool
    endings: dict[str, int]
    captures: int
    deliveries: list[DeliveryPart]


class TimelinePart(TypedDict):
    cursor: int
    at: str
    kind: str
    actor: str
    actor_kind: str
    sentence: str
    purpose: str
    subject: str


class CoveragePart(TypedDict):
    timeline_entries: int
    captures: int
    evidence: int
    partial_evidence: list[str]
    told_not_copied: list[str]


class Report(TypedDict):
    """All of it. Times are RFC 3339 in UTC."""

    format: str
    version: int
    session: SessionPart
    alert: AlertPart | None
    incident: IncidentPart | None
    verdict: VerdictPart
    hypotheses: list[HypothesisPart]
    evidence: list[EvidencePart]
    probes: list[ProbePart]
    timeline: list[TimelinePart]
    coverage: CoveragePart


@transaction.atomic
def report(by: Actor, session: InvestigationSession) -> Report:
    """The report of a session as it stands. Raises `NotFound` for strangers."""
    permissions.require(by, "read", session.environment)
    rows = InvestigationSession.objects.select_related("environment", "incident", "episode__alert__source")
    session = rows.get(pk=session.pk)
    entries = list(session.timeline.order_by("cursor"))
    pieces = evidence_of(by, session)
    probes = list(session.probes.select_related("service").order_by("number"))
    return Report(
        format="sightline-report",
        version=VERSION,
        session=_session(session, entries),
        alert=_alert(session),
        incident=_incident(session.incident),
        verdict=VerdictPart(verdict=session.verdict, gates=[_gate(gate) for gate in session.gates]),
        hypotheses=[_hypothesis(row, pieces) for row in hypotheses(by, session)],
        evidence=[_evidence(piece) for piece in pieces],
        probes=[_probe(probe) for probe in probes],
        timeline=[_entry(entry) for entry in entries],
        coverage=_coverage(session, entries, pieces),
    )


def _session(session: InvestigationSession, entries: list[TimelineEntry]) -> SessionPart:
    last = entries[-1].at if entries else session.opened_at
    return SessionPart(
        id=show("ses", session.id),
        number=session.number,
        title=session.title,
        environment=session.environment.name,
        status=session.status,
        symptom=session.symptom,
        services=sorted(session.services.values_list("name", flat=True)),
        window_start=_time(session.window_start),
        window_end=_time(session.closed_at or last),
        opened_by=session.opened_by,
        opened_at=_time(session.opened_at),
        closed_at=_maybe(session.closed_at),
        conclusion=session.conclusion,
        participants=list(session.participants.order_by("joined_at", "id").values_list("label", flat=True)),
    )


def _alert(session: InvestigationSession) -> AlertPart | None:
    episode = session.episode
    if episode is None:
        return None
    alert = episode.alert
    return AlertPart(
        id=show("alr", alert.id),
        name=alert.name,
        summary=alert.summary,
        severity=alert.severity,
        state=alert.state,
        labels=alert.labels,
        expression=alert.expression,
        threshold=alert.threshold,
        firing_since=_time(episode.started_at),
        ended_at=_maybe(episode.ended_at),
        source=alert.source.name if alert.source else "",
    )


def _incident(incident: Incident | None) -> IncidentPart | None:
    if incident is None:
        return None
    names = incident.episodes.order_by("started_at", "id").values_list("alert__name", flat=True)
    return IncidentPart(
        id=show("inc", incident.id),
        number=incident.number,
        title=incident.title,
        severity=incident.severity,
        status=incident.status,
        opened_at=_time(incident.opened_at),
        resolved_at=_maybe(incident.resolved_at),
        grouping_reason=incident.grouping_reason,
        alerts=list(dict.fromkeys(names)),
        references=incident.references,
    )


def _gate(gate: dict[str, Any]) -> GatePart:
    return GatePart(slug=gate["slug"], met=gate["met"], sentence=gate["sentence"])


def _hypothesis(row: Hypothesis, pieces: list[Evidence]) -> HypothesisPart:
    stances = [
        StancePart(evidence=f"E{piece.number}", stance=link.stance)
        for piece in pieces
        for link in piece.links.all()
        if link.hypothesis_id == row.id
    ]
    return HypothesisPart(
        id=show("hyp", row.id),
        name=f"H{row.number}",
        statement=row.statement,
        confirms=row.confirms,
        weakens=row.weakens,
        state=row.state,
        state_reason=row.state_reason,
        created_by=row.created_by,
        created_at=_time(row.created_at),
        evidence=stances,
    )


def _evidence(piece: Evidence) -> EvidencePart:
    return EvidencePart(
        id=show("evd", piece.id),
        name=f"E{piece.number}",
        kind=piece.kind,
        title=piece.title,
        note=piece.note,
        of=piece.of,
        content=piece.content,
        content_hash=piece.content_hash,
        provenance=piece.provenance,
        coverage=piece.coverage,
        recorded_by=piece.created_by,
        recorded_by_kind=piece.created_by_kind,
        recorded_at=_time(piece.created_at),
        bears_on=[_bearing(link) for link in piece.links.all()],
    )


def _bearing(link: EvidenceLink) -> BearingPart:
    if link.hypothesis is not None:
        return BearingPart(
            on=f"H{link.hypothesis.number}", id=show("hyp", link.hypothesis.id), stance=link.stance
        )
    if link.alert is not None:
        return BearingPart(on=link.alert.name, id=show("alr", link.alert.id), stance=link.stance)
    assert link.incident is not None
    return BearingPart(on=f"INC-{link.incident.number}", id=show("inc", link.incident.id), stance=link.stance)


def _probe(probe: Probe) -> ProbePart:
    rows = probe.deliveries.select_related("instance").order_by("instance__host", "instance__pid", "id")
    deliveries = [_delivery(row) for row in rows]
    endings: Counter[str] = Counter()
    for delivery in deliveries:
        endings.update(delivery["endings"])
    return ProbePart(
        id=show("prb", probe.id),
        name=f"P{probe.number}",
        kind=probe.kind,
        service=probe.service.name,
        place=probe.place,
        condition=probe.condition,
        template=probe.template,
        watches=probe.watches,
        state=probe.state,
        state_reason=probe.state_reason,
        purpose=probe.purpose,
        placed_by=probe.placed_by,
        placed_at=_time(probe.placed_at),
        ended_at=_maybe(probe.ended_at),
        hits=sum(endings.values()),
        hits_at_least=any(delivery["unobserved_ms"] > 0 for delivery in deliveries),
        endings=dict(sorted(endings.items())),
        captures=probe.captures,
        deliveries=deliveries,
    )


def _delivery(row: ProbeDelivery) -> DeliveryPart:
    return DeliveryPart(
        instance=show("ins", row.instance_id),
        host=row.instance.host,
        pid=row.instance.pid,
        commit=row.instance.commit,
        state=row.state,
        sentence=row.sentence,
        endings=dict(sorted(row.endings.items())),
        unobserved_ms=row.unobserved_ms,
    )


def _entry(entry: TimelineEntry) -> TimelinePart:
    return TimelinePart(
        cursor=entry.cursor,
        at=_time(entry.at),
        kind=entry.kind,
        actor=entry.actor_label,
        actor_kind=entry.actor_kind,
        sentence=entry.sentence,
        purpose=entry.purpose,
        subject=entry.subject,
    )


def _coverage(
    session: InvestigationSession, entries: list[TimelineEntry], pieces: list[Evidence]
) -> CoveragePart:
    return CoveragePart(
        timeline_entries=len(entries),
        captures=session.capture_cursor,
        evidence=len(pieces),
        partial_evidence=[f"E{piece.number}" for piece in pieces if piece.coverage.get("partial")],
        told_not_copied=[f"E{piece.number}" for piece in pieces if not piece.of],
    )


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _maybe(at: datetime | None) -> str | None:
    return _time(at) if at is not None else None
