"""Investigation sessions, their timeline and their report."""

from __future__ import annotations

from typing import Annotated, Literal

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Header, Router, Status
from pydantic import Field

from investigations.accounts import selectors as accounts
from investigations.alerts import selectors as alerts
from investigations.api.auth import actor
from investigations.api.etags import require_match, tagged
from investigations.api.paging import Before, Cursor, Limit, before_id, id_in_path, link_next
from investigations.catalog import selectors as catalog
from investigations.evidence.export import json as report_json
from investigations.evidence.export import markdown
from investigations.evidence.export.report import report
from investigations.lib.errors import Invalid
from investigations.sessions import selectors as sessions
from investigations.sessions import services as session_verbs
from investigations.shapes import SessionShape, Shape, TimelineShape

router = Router(tags=["sessions"])


class SessionIn(Shape):
    """What a new session is about: an alert, an incident, a service, or an environment."""

    title: str = Field(default="", max_length=300)
    symptom: str = Field(default="", max_length=2000)
    alert_id: str = ""
    incident_id: str = ""
    service: str = ""
    environment: str = ""
    reuse: bool = Field(default=False, description="Answer the open session of this alert, if there is one.")
    purpose: str = Field(default="", max_length=500)


class SessionChange(Shape):
    """What may change of a session."""

    title: str | None = Field(default=None, min_length=1, max_length=300)
    status: Literal["open", "closed"] | None = None
    conclusion: str = Field(default="", max_length=4000)


@router.get("/sessions", response=list[SessionShape], operation_id="list_sessions")
def list_sessions(
    request: HttpRequest,
    response: HttpResponse,
    status: Literal["", "open", "closed"] = "",
    query: str = "",
    before: Before = "",
    limit: Limit = 100,
) -> list[SessionShape]:
    """Sessions, newest first; ``query`` is looked for in titles, symptoms and conclusions."""
    rows = sessions.sessions(
        actor(request), status=status, query=query, before=before_id("ses", before), limit=limit
    )
    link_next(request, response, "ses", rows, limit)
    return [SessionShape.from_row(row) for row in rows]


@router.post("/sessions", response={201: SessionShape}, operation_id="open_session")
def open_session(
    request: HttpRequest, body: SessionIn, idempotency_key: Annotated[str, Header(max_length=200)] = ""
) -> Status[SessionShape]:
    """Open a session; from an alert it comes filled with services, window and incident."""
    by = actor(request)
    alert = alerts.alert(by, id_in_path("alr", body.alert_id)) if body.alert_id else None
    incident = alerts.incident(by, id_in_path("inc", body.incident_id)) if body.incident_id else None
    service = catalog.service_by_ref(by, body.service) if body.service else None
    about = alert or incident or service
    if about is None and not body.environment:
        raise Invalid(
            "session_about_nothing",
            "A session needs an alert, an incident, a service or an environment.",
            fix="Give alert_id, incident_id, service or environment.",
        )
    session = session_verbs.open_session(
        by=by,
        environment=about.environment if about else accounts.environment_named(by, body.environment),
        title=body.title,
        symptom=body.symptom,
        alert=alert,
        incident=incident,
        services=[service] if service else [],
        reuse=body.reuse,
        idempotency_key=idempotency_key,
        purpose=body.purpose,
    )
    return Status(201, SessionShape.from_row(session))


@router.get("/sessions/{session_id}", response=SessionShape, operation_id="get_session")
def get_session(request: HttpRequest, response: HttpResponse, session_id: str) -> SessionShape:
    """One session, with its verdict and gates."""
    row = sessions.session(actor(request), id_in_path("ses", session_id))
    return tagged(response, SessionShape.from_row(row))


@router.patch("/sessions/{session_id}", response=SessionShape, operation_id="change_session")
def change_session(
    request: HttpRequest, response: HttpResponse, session_id: str, body: SessionChange
) -> SessionShape:
    """Rename, close or reopen a session."""
    by = actor(request)
    session = sessions.session(by, id_in_path("ses", session_id))
    with transaction.atomic():
        session_verbs.locked(session)
        require_match(request, SessionShape.from_row(sessions.session(by, session.pk)))
        if body.title is not None:
            session = session_verbs.rename(by=by, session=session, title=body.title)
        if body.status == "closed":
            session = session_verbs.close_session(by=by, session=session, conclusion=body.conclusion)
        if body.status == "open":
            session = session_verbs.reopen_session(by=by, session=session)
    return tagged(response, SessionShape.from_row(sessions.session(by, session.pk)))


@router.get("/sessions/{session_id}/timeline", response=list[TimelineShape], operation_id="read_timeline")
def read_timeline(
    request: HttpRequest, session_id: str, after: Cursor = 0, limit: Limit = 100
) -> list[TimelineShape]:
    """What happened after a cursor, in order; nothing is ever changed or missed."""
    by = actor(request)
    session = sessions.session(by, id_in_path("ses", session_id))
    return [TimelineShape.from_row(row) for row in sessions.timeline_after(by, session, after, limit=limit)]


@router.get("/sessions/{session_id}/report", operation_id="export_report", response=None)
def export_report(
    request: HttpRequest, session_id: str, format: Literal["markdown", "json"] = "markdown"
) -> HttpResponse:
    """The report as Markdown or JSON: the same rows always give the same bytes."""
    by = actor(request)
    plain = report(by, sessions.session(by, id_in_path("ses", session_id)))
    if format == "json":
        return HttpResponse(report_json.write(plain), content_type="application/json")
    return HttpResponse(markdown.write(plain), content_type="text/markdown; charset=utf-8")
