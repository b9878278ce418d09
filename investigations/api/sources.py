"""Alert sources: where alerts and metrics come from."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field

from investigations.accounts import selectors as accounts
from investigations.alerts import selectors as alerts
from investigations.alerts import services as alert_verbs
from investigations.api.auth import actor
from investigations.api.paging import id_in_path
from investigations.shapes import Shape, SourceConfigShape

router = Router(tags=["sources"])


class SourceIn(Shape):
    """A place to pull alerts from."""

    environment: str
    name: str = Field(min_length=1, max_length=100)
    backend: str = Field(description="prometheus or alertmanager")
    url: str = Field(max_length=500)
    every_s: int = Field(default=15, ge=1, le=3600)
    credentials: dict[str, str] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)


class SourceChange(Shape):
    """What may change of a source."""

    name: str | None = Field(default=None, min_length=1, max_length=100)
    url: str | None = Field(default=None, max_length=500)
    every_s: int | None = Field(default=None, ge=1, le=3600)
    enabled: bool | None = None
    credentials: dict[str, str] | None = None
    options: dict[str, Any] | None = None


class WebhookSecret(Shape):
    """A source's webhook: its address and secret, shown once."""

    url: str
    secret: str


@router.get("/sources", response=list[SourceConfigShape], operation_id="list_sources")
def list_sources(request: HttpRequest) -> list[SourceConfigShape]:
    """Configured sources with their health; credentials are never shown."""
    return [SourceConfigShape.from_row(row) for row in alerts.sources(actor(request))]


@router.post("/sources", response={201: SourceConfigShape}, operation_id="create_source")
def create_source(request: HttpRequest, body: SourceIn) -> Status[SourceConfigShape]:
    """Add a source; it is pulled at once."""
    by = actor(request)
    environment = accounts.environment_named(by, body.environment)
    facts = body.model_dump(exclude={"environment"})
    return Status(
        201, SourceConfigShape.from_row(alert_verbs.create_source(by=by, environment=environment, **facts))
    )


@router.get("/sources/{source_id}", response=SourceConfigShape, operation_id="get_source")
def get_source(request: HttpRequest, source_id: str) -> SourceConfigShape:
    """One source with its health."""
    return SourceConfigShape.from_row(alerts.source(actor(request), id_in_path("src", source_id)))


@router.patch("/sources/{source_id}", response=SourceConfigShape, operation_id="change_source")
def change_source(request: HttpRequest, source_id: str, body: SourceChange) -> SourceConfigShape:
    """Change a source, or switch it off and on."""
    by = actor(request)
    row = alerts.source(by, id_in_path("src", source_id))
    return SourceConfigShape.from_row(
        alert_verbs.update_source(by=by, source=row, **body.model_dump(exclude_none=True))
    )


@router.delete("/sources/{source_id}", response={204: None}, operation_id="delete_source")
def delete_source(request: HttpRequest, source_id: str) -> Status[None]:
    """Remove a source; the alerts it told of stay."""
    by = actor(request)
    alert_verbs.delete_source(by=by, source=alerts.source(by, id_in_path("src", source_id)))
    return Status(204, None)


@router.post("/sources/{source_id}/webhook", response=WebhookSecret, operation_id="rotate_webhook_secret")
def rotate_webhook_secret(request: HttpRequest, source_id: str) -> WebhookSecret:
    """Make a new secret for the source's webhook; the old one stops working."""
    by = actor(request)
    row = alerts.source(by, id_in_path("src", source_id))
    secret = alert_verbs.rotate_webhook_secret(by=by, source=row)
    return WebhookSecret(url=request.build_absolute_uri(f"/api/v1/webhooks/{source_id}"), secret=secret)
