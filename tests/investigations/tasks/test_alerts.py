"""Alerts by the clock, each task run by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts import payloads, pulling, services
from investigations.alerts.backends.base import Reading
from investigations.alerts.models import Alert, AlertSource, Incident, RawPayload
from investigations.lib.http import Client
from investigations.sessions.models import InvestigationSession
from investigations.tasks import alerts

SAMPLES = Path(__file__).parents[1] / "alerts" / "backends" / "samples"
RULES = (SAMPLES / "prometheus-2.42-api-v1-rules.json").read_text()
WEBHOOK = (SAMPLES / "alertmanager-0.25-webhook-payload-v4.json").read_text()


@pytest.fixture
def make_source(admin: Actor, environment: Environment) -> Callable[..., AlertSource]:
    def make(backend: str = "prometheus", **fields: Any) -> AlertSource:
        usual = {"name": backend, "url": "http://127.0.0.1:9"}
        return services.create_source(by=admin, environment=environment, backend=backend, **(usual | fields))

    return make


def fire(source: AlertSource, *, at: datetime) -> None:
    labels = {"alertname": "High", "service": "checkout"}
    reading = Reading(labels=labels, annotations={}, state="firing", starts_at=at)
    services.ingest(source=source, readings=[reading], complete=True, at=at)


@pytest.fixture
def dispatched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids handed to workers; each is pulled at once, as by a worker that is free."""
    handed: list[str] = []

    def apply_async(args: list[str], **options: object) -> None:
        handed.extend(args)
        alerts.pull(*args)

    monkeypatch.setattr(alerts.pull, "apply_async", apply_async)
    return handed


def test_a_due_source_is_pulled_once_and_then_waits_its_turn(
    make_source: Callable[..., AlertSource], dispatched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text=RULES))
    monkeypatch.setattr(pulling, "client_for", lambda source: Client(source.url, transport=transport))
    source = make_source()
    for _ in range(3):
        alerts.pull_due()
    assert dispatched == [str(source.id)]
    assert Alert.objects.get().state == "firing"


def test_a_source_somebody_else_has_claimed_is_left_alone(make_source: Callable[..., AlertSource]) -> None:
    source = make_source()
    assert services.claim(source.id, datetime.now(UTC)) is not None
    alerts.pull(str(source.id))
    source.refresh_from_db()
    assert source.last_pull_at is None


def test_a_webhook_left_behind_is_read(make_source: Callable[..., AlertSource]) -> None:
    source = make_source("alertmanager")
    for age in (60, 0):
        at = datetime.now(UTC) - timedelta(seconds=age)
        RawPayload.objects.create(source=source, door="webhook", body=WEBHOOK, at=at)
    alerts.digest_left_behind()
    assert RawPayload.objects.filter(digested_at=None).count() == 1, (
        "the fresh one is being read where it came"
    )
    assert Alert.objects.exists()


def test_the_sweep_finds_alerts_whose_source_fell_silent(make_source: Callable[..., AlertSource]) -> None:
    fire(make_source(), at=datetime.now(UTC) - timedelta(hours=1))
    alerts.sweep()
    assert Alert.objects.get().state == "stale"


def test_a_session_is_opened_for_an_incident_only_where_the_source_says_so(
    make_source: Callable[..., AlertSource],
) -> None:
    source = make_source()
    fire(source, at=datetime.now(UTC))
    alerts.open_sessions()
    assert not InvestigationSession.objects.exists()
    source.options = {"open_sessions": True}
    source.save()
    for _ in range(2):
        alerts.open_sessions()
    session = InvestigationSession.objects.get()
    assert session.incident == Incident.objects.get()
    assert session.opened_by == "Sightline"


def test_old_payloads_are_forgotten(make_source: Callable[..., AlertSource]) -> None:
    old = datetime.now(UTC) - payloads.KEPT - timedelta(days=1)
    RawPayload.objects.create(source=make_source(), door="pull", body="{}", at=old)
    alerts.forget_payloads()
    assert not RawPayload.objects.exists()
