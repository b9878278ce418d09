"""A probe with captures of the seeded bug: an attribute that is text where it should be a truth value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from investigations.accounts.models import Environment
from investigations.catalog.models import Instance, Service
from investigations.lib.ids import show, uuid7
from investigations.probes import ingest
from investigations.probes.models import Capture, DeliveryState, Probe, ProbeDelivery, ProbeState
from investigations.sessions.models import InvestigationSession
from sightline import wire

NOW = datetime.now(UTC)


@pytest.fixture
def make_probe(
    session: InvestigationSession, service: Service, environment: Environment, instance: Instance
) -> Callable[..., Probe]:
    """Place one more probe and say how it stands on the one instance: ``make_probe(delivery="rejected")``."""

    def make(*, state: str = ProbeState.ACTIVE, delivery: str = DeliveryState.ARMED) -> Probe:
        probe = Probe.objects.create(
            environment=environment,
            session=session,
            service=service,
            number=session.probes.count() + 1,
            kind="snapshot",
            location={"file": "trades/models.py", "line": 88},
            place="trades/models.py:88",
            condition="amount > 10000",
            watches=[{"name": "high_value", "expression": "self.high_value"}],
            state=state,
            placed_by="rita",
            expires_at=NOW + timedelta(hours=1),
        )
        armed = delivery == DeliveryState.ARMED
        ProbeDelivery.objects.create(
            probe=probe,
            instance=instance,
            state=delivery,
            sentence="" if armed else "Line 88 is not executable.",
            armed_at=NOW if armed else None,
            endings={"captured": 1, "condition_false": 41} if armed else {},
        )
        return probe

    return make


@pytest.fixture
def probe(make_probe: Callable[..., Probe]) -> Probe:
    return make_probe()


@pytest.fixture
def make_capture(instance: Instance) -> Callable[..., Capture]:
    """Store one capture of a probe: ``make_capture(probe, watches={"high_value": wire.Value("str", "true")})``."""

    def make(probe: Probe, **fields: Any) -> Capture:
        usual: dict[str, Any] = {
            "watches": {"high_value": wire.Value("str", "true", size=4)},
            "frames": [
                wire.Frame(
                    "TradeRequest.__init__",
                    "trades/models.py",
                    88,
                    variables={
                        "amount": wire.Value("int", 12500),
                        "note": wire.Value("str", "x", cut="length"),
                    },
                )
            ],
        }
        identity = uuid7()
        body = wire.Capture(
            id=identity.bytes,
            probe_id=show("prb", probe.id),
            kind="snapshot",
            hit=1,
            at=int(NOW.timestamp() * 1e9),
            mono=1,
            **(usual | fields),
        )
        batch = ingest.Batch(
            instance.id,
            instance.service_id,
            instance.environment_id,
            [msgspec.msgpack.encode(body)],
            NOW,
            commit="9f2c1e7",
        )
        assert ingest.store([batch]) == [[]]
        return Capture.objects.get(id=identity)

    return make


@pytest.fixture
def capture(probe: Probe, make_capture: Callable[..., Capture]) -> Capture:
    return make_capture(probe)
