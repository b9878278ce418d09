"""Sources to be told by, and the shortest way to tell something."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts import services
from investigations.alerts.backends.base import Reading
from investigations.alerts.ingest import Ingested
from investigations.alerts.models import AlertSource

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def prometheus(admin: Actor, environment: Environment) -> AlertSource:
    return services.create_source(
        by=admin, environment=environment, name="prometheus", backend="prometheus", url="http://127.0.0.1:9"
    )


@pytest.fixture
def alertmanager(admin: Actor, environment: Environment) -> AlertSource:
    return services.create_source(
        by=admin,
        environment=environment,
        name="alertmanager",
        backend="alertmanager",
        url="http://127.0.0.1:9",
    )


@pytest.fixture
def reading() -> Callable[..., Reading]:
    """One alert as told: ``reading("High", minute=3, state="resolved", service="checkout")``."""

    def make(name: str = "ErrorsHigh", *, minute: float = 0, state: Any = "firing", **fields: Any) -> Reading:
        own = ("annotations", "starts_at", "ends_at", "value", "expression", "link")
        facts = {field: fields.pop(field) for field in own if field in fields}
        facts.setdefault("starts_at", NOON + timedelta(minutes=minute))
        facts.setdefault("annotations", {"summary": f"{name} is too high"})
        return Reading(labels={"alertname": name, "service": "checkout", **fields}, state=state, **facts)

    return make


@pytest.fixture
def pulled() -> Callable[..., Ingested]:
    """A whole pull at a minute after noon: ``pulled(source, [readings], minute=5)``."""

    def pull(source: AlertSource, readings: list[Reading], *, minute: float, **more: Any) -> Ingested:
        at = NOON + timedelta(minutes=minute)
        source.last_ok_at = at
        source.save(update_fields=["last_ok_at"])
        return services.ingest(source=source, readings=readings, complete=True, at=at, **more)

    return pull


@pytest.fixture
def posted() -> Callable[..., Ingested]:
    """A webhook's readings at a minute after noon."""

    def post(source: AlertSource, readings: list[Reading], *, minute: float) -> Ingested:
        at = NOON + timedelta(minutes=minute)
        return services.ingest(source=source, readings=readings, complete=False, at=at)

    return post
