"""A service whose source is known, probes in it, and captures stored as a sensor's would be."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.catalog import services as catalog
from investigations.catalog.models import Instance, Service, SourceFile
from investigations.lib.ids import show, uuid7
from investigations.probes import ingest, services
from investigations.probes.models import Probe
from investigations.probes.services import ProbeSpec
from investigations.sessions.models import InvestigationSession
from sightline import wire

FILE = "trades/trade_request.py"
TEXT = (Path(__file__).parents[3] / "examples/trading" / FILE).read_text()
COMMIT = "9f2c1e7"


def line_with(text: str) -> int:
    """The number of the only line that contains a text."""
    (number,) = [number for number, line in enumerate(TEXT.splitlines(), 1) if text in line]
    return number


WRITE = line_with("setattr(request")
AFTER = line_with("log.debug")


@pytest.fixture
def source(service: Service) -> SourceFile:
    """The file as an instance at `COMMIT` runs it; its `def` and blank lines are not executable."""
    first, last = line_with("def from_payload"), line_with("return request")
    return catalog.store_source(
        service,
        wire.Source(
            path=FILE,
            text=TEXT,
            hash="a" * 64,
            module="trades.trade_request",
            lines=[line_with("log = "), *range(first + 2, last + 1)],
            outline=[
                wire.Symbol("TradeRequest", "class", line_with("class TradeRequest"), len(TEXT.splitlines())),
                wire.Symbol("TradeRequest.from_payload", "function", first, last),
            ],
        ),
        COMMIT,
    )


@pytest.fixture
def spec(service: Service, source: SourceFile, instance: Instance) -> Callable[..., ProbeSpec]:
    """A spec that is right; any field may be given."""

    def make(**fields: Any) -> ProbeSpec:
        usual = (
            {} if {"file", "line", "function", "attribute"} & fields.keys() else {"file": FILE, "line": AFTER}
        )
        return ProbeSpec(**({"service": service} | usual | fields))

    return make


@pytest.fixture
def place(
    responder: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
) -> Callable[..., Probe]:
    def make(**fields: Any) -> Probe:
        return services.place_probe(by=responder, session=session, spec=spec(**fields))

    return make


@pytest.fixture
def probe(place: Callable[..., Probe]) -> Probe:
    return place()


@pytest.fixture
def capture(instance: Instance) -> Callable[..., wire.Capture]:
    """Store one capture: ``capture(probe, execution_id="t1")``; ``instance`` another than the first."""

    def make(probe: Probe, instance: Instance = instance, **fields: Any) -> wire.Capture:
        usual: dict[str, Any] = {
            "id": uuid7().bytes,
            "probe_id": show("prb", probe.id),
            "kind": probe.kind,
            "hit": 1,
            "at": time.time_ns(),
            "mono": 0,
        }
        body = wire.Capture(**(usual | fields))
        batch = ingest.Batch(
            instance_id=instance.id,
            service_id=instance.service_id,
            environment_id=instance.environment_id,
            bodies=[wire.encode(body)],
            received_at=timezone.now(),
            commit=instance.commit,
        )
        assert ingest.store([batch]) == [[]]
        return body

    return make
