"""Conclude: hypotheses, the evidence for and against them, and the report."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.alerts import selectors as alerts
from investigations.alerts.models import Alert, Incident
from investigations.evidence import selectors as evidence
from investigations.evidence import services as evidence_verbs
from investigations.evidence.export import markdown
from investigations.evidence.export.report import report
from investigations.lib.errors import Invalid
from investigations.lib.ids import show
from investigations.mcp.answers import DEFAULT_TOKENS, MOST_TOKENS, Answer, tool
from investigations.mcp.calling import as_actor, note_step
from investigations.mcp.references import id_of
from investigations.sessions import selectors as sessions
from investigations.shapes import EvidenceShape, GateShape, HypothesisShape, link

StanceName = Literal["supports", "refutes", "neutral"]
State = Literal["proposed", "testing", "supported", "refuted", "confirmed", "untestable"]
Kind = Literal["capture", "alert", "code", "trace", "log_lines", "observation", "link", "inference"]


@tool(title="Record a hypothesis", writes=True)
async def record_hypothesis(
    session_id: str,
    statement: Annotated[str, Field(max_length=1000, description="A claim about the cause.")] = "",
    confirms: Annotated[str, Field(max_length=1000, description="What would confirm it.")] = "",
    weakens: Annotated[str, Field(max_length=1000, description="What would weaken it.")] = "",
    hypothesis_id: Annotated[str, Field(description="hyp_ id: change its state instead of adding one.")] = "",
    state: State = "proposed",
    reason: Annotated[str, Field(max_length=1000, description="Why this state.")] = "",
    idempotency_key: str = "",
) -> dict[str, Any]:
    """Add a hypothesis, or move one to another state with the reason. Confirming needs evidence; rules check it."""
    return await as_actor(
        _hypothesis, session_id, statement, confirms, weakens, hypothesis_id, state, reason, idempotency_key
    )


def _hypothesis(
    actor: Actor,
    session_id: str,
    statement: str,
    confirms: str,
    weakens: str,
    hypothesis_id: str,
    state: str,
    reason: str,
    idempotency_key: str,
) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    if hypothesis_id:
        row = evidence.hypothesis(actor, id_of("hyp", hypothesis_id, "hypothesis_id"))
        row = evidence_verbs.set_hypothesis_state(by=actor, hypothesis=row, state=state, reason=reason)
    elif statement:
        row = evidence_verbs.propose_hypothesis(
            by=actor, session=session, statement=statement, confirms=confirms, weakens=weakens,
            idempotency_key=idempotency_key,
        )  # fmt: skip
    else:
        raise Invalid(
            "hypothesis_without_claim",
            "A hypothesis needs a statement.",
            fix="Give statement, or hypothesis_id.",
        )
    return {
        "hypothesis": HypothesisShape.from_row(row),
        "hint": "place_probe where its answer differs from its rivals', then record_evidence.",
    }


@tool(title="Record evidence", writes=True)
async def record_evidence(
    session_id: str,
    title: Annotated[str, Field(max_length=300, description="What was observed, in one sentence.")],
    kind: Kind = "capture",
    of: Annotated[str, Field(description="cap_ or alr_ id: a copy is frozen with its provenance.")] = "",
    hypothesis_ids: Annotated[list[str], Field(description="hyp_ ids it bears on.", max_length=20)] = [],  # noqa: B006
    stance: StanceName = "supports",
    explains_alert: Annotated[str, Field(description="alr_ id it explains.")] = "",
    explains_incident: Annotated[str, Field(description="inc_ id it explains.")] = "",
    note: Annotated[str, Field(max_length=4000)] = "",
    content: Annotated[
        dict[str, Any], Field(description="Facts of your own when there is nothing to copy.")
    ] = {},  # noqa: B006
    idempotency_key: str = "",
) -> dict[str, Any]:
    """Freeze an observation and link it, with a stance, to hypotheses, and to the alert or incident it explains."""
    return await as_actor(
        _evidence, session_id, title, kind, of, hypothesis_ids, stance, explains_alert, explains_incident, note,
        content, idempotency_key,
    )  # fmt: skip


def _evidence(
    actor: Actor,
    session_id: str,
    title: str,
    kind: str,
    of: str,
    hypothesis_ids: list[str],
    stance: str,
    explains_alert: str,
    explains_incident: str,
    note: str,
    content: dict[str, Any],
    idempotency_key: str,
) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    hypotheses = [
        (evidence.hypothesis(actor, id_of("hyp", text, "hypothesis_ids")), stance) for text in hypothesis_ids
    ]
    explains: list[Alert | Incident] = []
    if explains_alert:
        explains.append(alerts.alert(actor, id_of("alr", explains_alert, "explains_alert")))
    if explains_incident:
        explains.append(alerts.incident(actor, id_of("inc", explains_incident, "explains_incident")))
    row = evidence_verbs.record_evidence(
        by=actor, session=session, kind=kind, title=title, note=note, of=of, content=content, hypotheses=hypotheses,
        explains=explains, idempotency_key=idempotency_key,
    )  # fmt: skip
    session.refresh_from_db()
    unmet = [gate for gate in session.gates if not gate["met"]]
    return {
        "evidence": EvidenceShape.from_row(row, content=False),
        "verdict": session.verdict,
        "unmet_gates": [GateShape(slug=gate["slug"], met=False, sentence=gate["sentence"]) for gate in unmet],
        "hint": f"Next: {unmet[0]['sentence']}" if unmet else "export_report writes it up.",
    }


@tool(title="Export the report", untrusted="Quoted values, labels and notes")
async def export_report(
    session_id: str,
    format: Annotated[
        Literal["markdown", "json"], Field(description="json: the same facts as data.")
    ] = "markdown",
    max_tokens: Annotated[int, Field(ge=500, le=MOST_TOKENS)] = DEFAULT_TOKENS,
    purpose: Annotated[str, Field(max_length=500)] = "",
) -> dict[str, Any]:
    """The session's report: incident, alert, hypotheses with evidence, verdict and gates, probes, timeline."""
    return await as_actor(_export, session_id, format, purpose)


def _export(actor: Actor, session_id: str, format: str, purpose: str) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    plain = report(actor, session)
    note_step(actor, session, "export_report", "exported the report", purpose)
    written: Any = plain if format == "json" else markdown.write(plain)
    return {
        "report": written,
        "url": link(f"/sessions/{show('ses', session.id)}/report"),
        "hint": "The whole report is at the address and at session://{id}/report, if this was cut.",
    }
