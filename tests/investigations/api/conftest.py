"""The REST API as its callers use it: a client for each member of the cast, and things to ask about."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment, TokenKind
from investigations.alerts import ingest
from investigations.alerts.backends.base import Reading
from investigations.alerts.models import Alert, AlertSource
from investigations.alerts.services import create_source
from investigations.lib.ids import show
from investigations.sessions.models import InvestigationSession
from tests.investigations.probes.conftest import capture, place, probe, source, spec

__all__ = ["capture", "place", "probe", "source", "spec"]


class Caller:
    """Calls operations with one bearer token, and reads JSON."""

    def __init__(self, token: str) -> None:
        self._client = Client(raise_request_exception=False)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.generic(
            method,
            f"/api/v1{path}",
            b"" if body is None else json.dumps(body).encode(),
            content_type="application/json",
            headers=self._headers | named,
        )


@pytest.fixture
def caller() -> Callable[..., Caller]:
    """Someone's program: ``caller(rita)``, ``caller(rita, scopes=["read"])``."""

    def make(by: Actor, scopes: tuple[str, ...] = ("read", "write", "admin"), **fields: Any) -> Caller:
        assert by.user is not None
        _, text = accounts.issue_access_token(
            by=by, kind=TokenKind.PROGRAM, name="a program", owner=by.user, scopes=scopes, **fields
        )
        return Caller(text)

    return make


@pytest.fixture
def rita(caller: Callable[..., Caller], responder: Actor) -> Caller:
    return caller(responder)


@pytest.fixture
def vera(caller: Callable[..., Caller], viewer: Actor) -> Caller:
    return caller(viewer)


@pytest.fixture
def ada(caller: Callable[..., Caller], admin: Actor) -> Caller:
    return caller(admin)


@pytest.fixture
def sam(caller: Callable[..., Caller], stranger: Actor) -> Caller:
    return caller(stranger)


@pytest.fixture
def alert_source(admin: Actor, environment: Environment) -> AlertSource:
    return create_source(
        by=admin, environment=environment, name="prometheus", backend="prometheus", url="http://127.0.0.1:9"
    )


@pytest.fixture
def alert(alert_source: AlertSource) -> Alert:
    """One that fires, with its incident."""
    firing = Reading(
        labels={"alertname": "SettlementRejectionsHigh", "service": "trade-execution-service"},
        annotations={"summary": "7 % of settlements are rejected"},
        state="firing",
        starts_at=timezone.now(),
    )
    ingest.ingest(source=alert_source, readings=[firing], complete=True, at=timezone.now())
    return Alert.objects.get()


@pytest.fixture
def ses(session: InvestigationSession) -> str:
    """The session's public id."""
    return show("ses", session.pk)


def problem(response: HttpResponse, status: int, slug: str) -> dict[str, Any]:
    """The problem that an answer must carry, in the one form of all problems."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(response.content)
    assert body["code"] == slug
    assert body["status"] == status
    assert body["detail"] == body["message"]
    assert body["message"].strip()
    assert body["type"].endswith(f"#{slug}")
    return body
