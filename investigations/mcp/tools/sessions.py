"""Open an investigation session, and read where it stands."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from investigations.accounts import selectors as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts import selectors as alerts
from investigations.alerts.models import Alert, Incident
from investigations.catalog import selectors as catalog
from investigations.catalog.models import Service
from investigations.evidence import selectors as evidence
from investigations.lib.errors import Invalid
from investigations.mcp.answers import Answer, tool
from investigations.mcp.calling import as_actor
from investigations.mcp.references import id_of
from investigations.probes import selectors as probes
from investigations.sessions import selectors as sessions
from investigations.sessions import services as session_verbs
from investigations.shapes import EvidenceShape, HypothesisShape, ProbeShape, SessionShape, TimelineShape

Part = Literal["probes", "hypotheses", "evidence", "timeline"]


@tool(title="Open session", writes=True)
async def open_session(
    purpose: Annotated[str, Field(description="Why, in one sentence.", max_length=500)],
    alert: Annotated[
        str, Field(description="alr_ id or address: fills in services, window and incident.")
    ] = "",
    incident: Annotated[str, Field(description="inc_ id or address.")] = "",
    service: Annotated[str, Field(description="Name or svc_ id, when there is no alert.")] = "",
    title: Annotated[str, Field(max_length=300)] = "",
    symptom: Annotated[str, Field(max_length=2000)] = "",
    reuse: Annotated[bool, Field(description="Join the open session of this alert, if there is one.")] = True,
    idempotency_key: str = "",
) -> dict[str, Any]:
    """Open an investigation session on a firing alert, an incident or a service. All else belongs to a session."""
    return await as_actor(_open, purpose, alert, incident, service, title, symptom, reuse, idempotency_key)


def _open(
    actor: Actor,
    purpose: str,
    alert: str,
    incident: str,
    service: str,
    title: str,
    symptom: str,
    reuse: bool,
    idempotency_key: str,
) -> Answer:
    alert_row = alerts.alert(actor, id_of("alr", alert, "alert")) if alert else None
    incident_row = alerts.incident(actor, id_of("inc", incident, "incident")) if incident else None
    service_row = catalog.service_by_ref(actor, service) if service else None
    session = session_verbs.open_session(
        by=actor,
        environment=_environment(actor, alert_row, incident_row, service_row),
        title=title,
        symptom=symptom,
        alert=alert_row,
        incident=incident_row,
        services=[service_row] if service_row else [],
        reuse=reuse,
        idempotency_key=idempotency_key,
        purpose=purpose,
    )
    return {
        "session": SessionShape.from_row(session),
        "hint": "read_code or find_assignments to find the line, then place_probe there.",
    }


def _environment(
    actor: Actor, alert: Alert | None, incident: Incident | None, service: Service | None
) -> Environment:
    for row in (alert, incident, service):
        if row is not None:
            return row.environment
    mine = accounts.environments(actor)
    if len(mine) == 1:
        return mine[0]
    raise Invalid(
        "session_about_nothing",
        "A session needs an alert, an incident or a service to be about.",
        fix="Give one of them; list_alerts and list_services name them.",
        environments=[environment.name for environment in mine],
    )


@tool(title="Get session", pages="timeline", untrusted="Titles, labels and notes")
async def get_session(
    session_id: str,
    include: Annotated[list[Part], Field(description="What to add to the session itself.")] = [  # noqa: B006  (pydantic copies it)
        "probes",
        "hypotheses",
        "evidence",
    ],
    after: Annotated[int, Field(description="Timeline entries after this cursor (next_cursor).", ge=0)] = 0,
) -> dict[str, Any]:
    """Where a session stands: verdict with gates, probes, hypotheses, evidence, timeline. Enough to resume work."""
    return await as_actor(_get, session_id, include, after)


def _get(actor: Actor, session_id: str, include: list[Part], after: int) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    answer: Answer = {"session": SessionShape.from_row(session)}
    if "probes" in include:
        rows = list(probes.probes_of(actor, session))
        told = probes.deliveries_of(rows)
        answer["probes"] = [ProbeShape.from_row(probe, told[probe.id]) for probe in rows]
    if "hypotheses" in include:
        answer["hypotheses"] = [HypothesisShape.from_row(row) for row in evidence.hypotheses(actor, session)]
    if "evidence" in include:
        answer["evidence"] = [
            EvidenceShape.from_row(row, content=False) for row in evidence.evidence_of(actor, session)
        ]
    if "timeline" in include:
        answer["timeline"] = [
            TimelineShape.from_row(row) for row in sessions.timeline_after(actor, session, after, limit=100)
        ]
    unmet = [gate.sentence for gate in answer["session"].gates if not gate.met]
    answer["hint"] = f"Unmet: {unmet[0]}" if unmet else "export_report writes it up."
    return answer
