"""Alerts and incidents."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Status

from investigations.alerts import selectors as alerts
from investigations.alerts import services as alert_verbs
from investigations.api.auth import actor
from investigations.api.paging import Limit, id_in_path
from investigations.shapes import AlertShape, IncidentShape, WebhookTaken

router = Router(tags=["alerts"])


@router.get("/alerts", response=list[AlertShape], operation_id="list_alerts")
def list_alerts(
    request: HttpRequest, state: str = "", service: str = "", limit: Limit = 100
) -> list[AlertShape]:
    """Alerts, newest first."""
    rows = alerts.alerts(actor(request), state=state, service=service, limit=limit)
    return [AlertShape.from_row(row, alerts.current_incident(row)) for row in rows]


@router.get("/alerts/{alert_id}", response=AlertShape, operation_id="get_alert")
def get_alert(request: HttpRequest, alert_id: str) -> AlertShape:
    """One alert."""
    row = alerts.alert(actor(request), id_in_path("alr", alert_id))
    return AlertShape.from_row(row, alerts.current_incident(row))


@router.get("/incidents", response=list[IncidentShape], operation_id="list_incidents")
def list_incidents(request: HttpRequest, status: str = "", limit: Limit = 100) -> list[IncidentShape]:
    """Incidents, newest first."""
    return [IncidentShape.from_row(row) for row in alerts.incidents(actor(request), status=status, limit=limit)]


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
