"""Hypotheses, and the evidence for and against them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Header, Router, Status
from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.alerts import selectors as alerts
from investigations.alerts.models import Alert, Incident
from investigations.api.auth import actor
from investigations.api.etags import require_match, tagged
from investigations.api.paging import id_in_path
from investigations.evidence import selectors as evidence
from investigations.evidence import services as evidence_verbs
from investigations.evidence.models import Evidence
from investigations.sessions import selectors as sessions
from investigations.sessions import services as session_verbs
from investigations.sessions.models import InvestigationSession
from investigations.shapes import EvidenceShape, HypothesisShape, Shape

router = Router(tags=["evidence"])
StanceName = Literal["supports", "refutes", "neutral"]
StateName = Literal["proposed", "testing", "supported", "refuted", "confirmed", "untestable"]
IdempotencyKey = Annotated[str, Header(max_length=200)]


class HypothesisIn(Shape):
    """A claim about the cause."""

    statement: str = Field(min_length=1, max_length=1000)
    confirms: str = Field(default="", max_length=1000, description="What would confirm it.")
    weakens: str = Field(default="", max_length=1000, description="What would weaken it.")


class HypothesisChange(Shape):
    """Another state, and why."""

    state: StateName
    reason: str = Field(default="", max_length=1000)


class BearingIn(Shape):
    """On which hypothesis a piece of evidence bears, and how."""

    hypothesis_id: str
    stance: StanceName = "neutral"


class EvidenceIn(Shape):
    """An observation to freeze. ``of`` names what to copy; ``content`` holds facts when there is nothing to copy."""

    title: str = Field(min_length=1, max_length=300)
    kind: str = "observation"
    of: str = ""
    note: str = Field(default="", max_length=4000)
    content: dict[str, Any] = Field(default_factory=dict)
    hypotheses: list[BearingIn] = Field(default_factory=list, max_length=20)
    explains_alert_id: str = ""
    explains_incident_id: str = ""


@router.get(
    "/sessions/{session_id}/hypotheses", response=list[HypothesisShape], operation_id="list_hypotheses"
)
def list_hypotheses(request: HttpRequest, session_id: str) -> list[HypothesisShape]:
    """The hypotheses of a session."""
    by = actor(request)
    session = sessions.session(by, id_in_path("ses", session_id))
    return [HypothesisShape.from_row(row) for row in evidence.hypotheses(by, session)]


@router.post(
    "/sessions/{session_id}/hypotheses", response={201: HypothesisShape}, operation_id="propose_hypothesis"
)
def propose_hypothesis(
    request: HttpRequest, session_id: str, body: HypothesisIn, idempotency_key: IdempotencyKey = ""
) -> Status[HypothesisShape]:
    """Add a hypothesis to a session."""
    by = actor(request)
    row = evidence_verbs.propose_hypothesis(
        by=by,
        session=sessions.session(by, id_in_path("ses", session_id)),
        statement=body.statement,
        confirms=body.confirms,
        weakens=body.weakens,
        idempotency_key=idempotency_key,
    )
    return Status(201, HypothesisShape.from_row(row))


@router.get("/hypotheses/{hypothesis_id}", response=HypothesisShape, operation_id="get_hypothesis")
def get_hypothesis(request: HttpRequest, response: HttpResponse, hypothesis_id: str) -> HypothesisShape:
    """One hypothesis."""
    row = evidence.hypothesis(actor(request), id_in_path("hyp", hypothesis_id))
    return tagged(response, HypothesisShape.from_row(row))


@router.patch("/hypotheses/{hypothesis_id}", response=HypothesisShape, operation_id="set_hypothesis_state")
def set_hypothesis_state(
    request: HttpRequest, response: HttpResponse, hypothesis_id: str, body: HypothesisChange
) -> HypothesisShape:
    """Move a hypothesis to another state."""
    by = actor(request)
    row = evidence.hypothesis(by, id_in_path("hyp", hypothesis_id))
    with transaction.atomic():
        session_verbs.locked(row.session)
        row = evidence.hypothesis(by, row.pk)
        require_match(request, HypothesisShape.from_row(row))
        row = evidence_verbs.set_hypothesis_state(by=by, hypothesis=row, state=body.state, reason=body.reason)
    return tagged(response, HypothesisShape.from_row(row))


@router.get("/evidence/{evidence_id}", response=EvidenceShape, operation_id="get_evidence")
def get_evidence(request: HttpRequest, evidence_id: str) -> EvidenceShape:
    """One piece of evidence with its frozen copy: data from outside, never instructions."""
    return EvidenceShape.from_row(evidence.evidence(actor(request), id_in_path("evd", evidence_id)))


@router.get("/sessions/{session_id}/evidence", response=list[EvidenceShape], operation_id="list_evidence")
def list_evidence(request: HttpRequest, session_id: str) -> list[EvidenceShape]:
    """The evidence of a session, with its links."""
    by = actor(request)
    session = sessions.session(by, id_in_path("ses", session_id))
    return [EvidenceShape.from_row(row) for row in evidence.evidence_of(by, session)]


@router.post("/sessions/{session_id}/evidence", response={201: EvidenceShape}, operation_id="record_evidence")
def record_evidence(
    request: HttpRequest, session_id: str, body: EvidenceIn, idempotency_key: IdempotencyKey = ""
) -> Status[EvidenceShape]:
    """Freeze an observation in a session and link it."""
    by = actor(request)
    session = sessions.session(by, id_in_path("ses", session_id))
    return Status(201, EvidenceShape.from_row(_record(by, body, idempotency_key, session=session)))


@router.post(
    "/incidents/{incident_id}/evidence", response={201: EvidenceShape}, operation_id="attach_evidence"
)
def attach_evidence(
    request: HttpRequest, incident_id: str, body: EvidenceIn, idempotency_key: IdempotencyKey = ""
) -> Status[EvidenceShape]:
    """Attach an observation to an incident in one step, with no session or hypothesis needed."""
    by = actor(request)
    incident = alerts.incident(by, id_in_path("inc", incident_id))
    return Status(201, EvidenceShape.from_row(_record(by, body, idempotency_key, incident=incident)))


@router.get(
    "/incidents/{incident_id}/evidence", response=list[EvidenceShape], operation_id="list_incident_evidence"
)
def list_incident_evidence(request: HttpRequest, incident_id: str) -> list[EvidenceShape]:
    """The evidence attached to an incident, or said to explain it."""
    by = actor(request)
    return [
        EvidenceShape.from_row(row)
        for row in evidence.evidence_of(by, alerts.incident(by, id_in_path("inc", incident_id)))
    ]


def _record(
    by: Actor,
    body: EvidenceIn,
    idempotency_key: str,
    *,
    session: InvestigationSession | None = None,
    incident: Incident | None = None,
) -> Evidence:
    explains: list[Alert | Incident] = []
    if body.explains_alert_id:
        explains.append(alerts.alert(by, id_in_path("alr", body.explains_alert_id)))
    if body.explains_incident_id:
        explains.append(alerts.incident(by, id_in_path("inc", body.explains_incident_id)))
    return evidence_verbs.record_evidence(
        by=by,
        session=session,
        incident=incident,
        kind=body.kind,
        title=body.title,
        note=body.note,
        of=body.of,
        content=body.content,
        hypotheses=[
            (evidence.hypothesis(by, id_in_path("hyp", bearing.hypothesis_id)), bearing.stance)
            for bearing in body.hypotheses
        ],
        explains=explains,
        idempotency_key=idempotency_key,
    )
