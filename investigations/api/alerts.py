"""Alerts and incidents."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from investigations.alerts import selectors as alerts
from investigations.alerts import services as alert_verbs
from investigations.api.auth import actor
from investigations.api.paging import Before, Limit, before_id, id_in_path, link_next
from investigations.shapes import AlertShape, IncidentShape, WebhookTaken

router = Router(tags=["alerts"])
AlertStateName = Literal["", "open", "firing", "resolved", "stale", "suppressed", "flapping"]


@router.get("/alerts", response=list[AlertShape], operation_id="list_alerts")
def list_alerts(
    request: HttpRequest,
    response: HttpResponse,
    state: AlertStateName = "",
    service: str = "",
    before: Before = "",
    limit: Limit = 100,
) -> list[AlertShape]:
    """Alerts, those first seen latest first; ``open`` are all but resolved ones."""
    rows = alerts.alerts(
        actor(request), state=state, service=service, before=before_id("alr", before), limit=limit
    )
    link_next(request, response, "alr", rows, limit)
    return [AlertShape.from_row(row, alerts.current_incident(row)) for row in rows]


@router.get("/alerts/{alert_id}", response=AlertShape, operation_id="get_alert")
def get_alert(request: HttpRequest, alert_id: str) -> AlertShape:
    """One alert."""
    row = alerts.alert(actor(request), id_in_path("alr", alert_id))
    return AlertShape.from_row(row, alerts.current_incident(row))


@router.get("/incidents", response=list[IncidentShape], operation_id="list_incidents")
def list_incidents(
    request: HttpRequest,
    response: HttpResponse,
    status: Literal["", "open", "resolved", "closed"] = "",
    before: Before = "",
    limit: Limit = 100,
) -> list[IncidentShape]:
    """Incidents, newest first."""
    rows = alerts.incidents(actor(request), status=status, before=before_id("inc", before), limit=limit)
    link_next(request, response, "inc", rows, limit)
    return [IncidentShape.from_row(row) for row in rows]


@router.get("/incidents/{incident_id}", response=IncidentShape, operation_id="get_incident")
def get_incident(request: HttpRequest, incident_id: str) -> IncidentShape:
    """One incident."""
    return IncidentShape.from_row(alerts.incident(actor(request), id_in_path("inc", incident_id)))


@router.post("/webhooks/{source_id}", response={202: WebhookTaken}, auth=None, operation_id="take_webhook")
def take_webhook(request: HttpRequest, source_id: str) -> Status[WebhookTaken]:
    """Where a source posts its alerts; the secret made for it is the bearer token."""
    secret = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    taken = alert_verbs.take_webhook(source_id=id_in_path("src", source_id), secret=secret, body=request.body)
    return Status(202, WebhookTaken(alerts=taken.readings, rejected=taken.rejected, kept=taken.kept))
