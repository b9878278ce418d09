"""The cast, and one row of every noun, for the walks that knock at every door."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from investigations.accounts import redaction
from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import AccessToken, TokenKind
from investigations.alerts.models import Incident, RawPayload
from investigations.evidence import services as evidence
from investigations.lib.ids import show
from investigations.probes.models import Probe
from tests.investigations.api.conftest import alert, alert_source, caller
from tests.investigations.conftest import (
    admin,
    agent,
    connect,
    elsewhere,
    environment,
    instance,
    make_person,
    responder,
    say_hello,
    sensor_token,
    service,
    session,
    stranger,
    viewer,
)
from tests.investigations.probes.conftest import capture, place, probe, source, spec

__all__ = [
    "admin", "agent", "alert", "alert_source", "caller", "capture", "connect", "elsewhere", "environment", "instance",
    "make_person", "place", "probe", "responder", "say_hello", "sensor_token", "service", "session", "source", "spec",
    "stranger", "viewer",
]  # fmt: skip


@pytest.fixture
def things(
    admin: Actor, responder: Actor, session: Any, alert: Any, alert_source: Any, probe: Probe, instance: Any,
    capture: Callable[..., Any], environment: Any, source: Any,
) -> dict[str, str]:  # fmt: skip
    """What stands in an address, by the name it has there."""
    stored = [show("cap", uuid.UUID(bytes=capture(probe).id)) for _ in range(2)]
    claim = evidence.propose_hypothesis(
        by=responder, session=session, statement="It holds text", confirms="", weakens="", idempotency_key=""
    )
    seen = evidence.record_evidence(
        by=responder, session=session, kind="observation", title="Seen", content={"rejected": 7}
    )
    token, _ = accounts.issue_access_token(
        by=admin, kind=TokenKind.SENSOR, name="of production", owner=admin.user, environment=environment
    )
    payload = RawPayload.objects.create(source=alert_source, door="webhook", body="[]", error="no form")
    rule = redaction.add_redaction_rule(by=admin, environment=environment, kind="name", pattern="acme_*")
    return {
        "rule_id": show("rul", rule.pk),
        "session_id": show("ses", session.pk),
        "alert_id": show("alr", alert.pk),
        "incident_id": show("inc", Incident.objects.get().pk),
        "probe_id": show("prb", probe.pk),
        "capture_id": stored[0],
        "other_id": stored[1],
        "hypothesis_id": show("hyp", claim.pk),
        "evidence_id": show("evd", seen.pk),
        "service": "trade-execution-service",
        "service_id": show("svc", instance.service_id),
        "instance_id": show("ins", instance.pk),
        "source_id": show("src", alert_source.pk),
        "payload_id": show("pay", payload.pk),
        "token_id": show("tok", AccessToken.objects.get(pk=token.pk).pk),
        "environment": environment.name,
        "plot": "hits",
        "form": "csv",
        "act": show("act", probe.pk),
    }
