"""The whole question, on real parts: where is it written, probe it there, and what came of it in a running process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment, TokenKind
from investigations.catalog import services as catalog
from investigations.catalog.models import Instance, Service
from investigations.lib.errors import Invalid, NotFound
from investigations.probes import selectors as probes
from investigations.probes import services
from investigations.probes.services import ProbeSpec
from investigations.sessions.models import InvestigationSession
from tests.gateway import GatewayProcess

TRADING = Path(__file__).parents[3] / "examples/trading/trades/trade_request.py"
LOOP = """
import time
from trades.trade_request import TradeRequest

while True:
    for amount in ("12000", "50"):
        payload = {"id": "t1", "account": "a", "symbol": "X", "amount": amount, "flags": {"high_value": "true"}}
        TradeRequest.from_payload(payload)
    time.sleep(0.05)
"""
WITHIN_S = 30
T = TypeVar("T")


@pytest.fixture
def trades(
    tmp_path: Path, gateway: GatewayProcess, admin: Actor, environment: Environment, service: Service
) -> Iterator[Instance]:
    """A process that builds trades, with the sensor in it and connected."""
    assert admin.user is not None
    _, token = accounts.issue_access_token(
        by=admin, kind=TokenKind.SENSOR, name="sensors", owner=admin.user, environment=environment
    )
    root = tmp_path / "srv"
    (root / "trades").mkdir(parents=True)
    (root / "trades/trade_request.py").write_text(TRADING.read_text())
    (root / "serve.py").write_text(LOOP)
    settings = {"SERVICE": service.name, "ENVIRONMENT": environment.name, "URL": gateway.url, "TOKEN": token}
    sensor = {f"SIGHTLINE_{name}": value for name, value in settings.items()}
    with (tmp_path / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sightline", "run", sys.executable, "serve.py"],
            cwd=root,
            env={**os.environ, **sensor},
            stdout=log,
            stderr=log,
        )
    try:
        yield eventually(lambda: service.instances.filter(connection__isnull=False).first())
    finally:
        process.kill()
        process.wait()


def eventually(look: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + WITHIN_S
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def test_a_string_in_a_boolean_is_found_where_it_is_written(
    responder: Actor, session: InvestigationSession, service: Service, trades: Instance
) -> None:
    paths = {entry.path for entry in catalog.fetch_files(by=responder, service=service).files}
    assert paths == {"serve.py", "trades/trade_request.py"}

    writer = catalog.find_assignments(by=responder, service=service, target="TradeRequest.high_value").points[
        0
    ]
    assert (writer.path, writer.kind) == ("trades/trade_request.py", "setattr")
    assert writer.suggestion is not None

    probe = services.place_probe(
        by=responder,
        session=session,
        spec=ProbeSpec(
            service=service,
            file=writer.suggestion.file,
            line=writer.suggestion.line,
            condition="amount > 10000",
            watches=[{"name": text, "expression": text} for text in writer.suggestion.watches],
            hit_limit=2,
        ),
    )
    captures = eventually(lambda: probes.captures_after(responder, session, probe=probe))
    watched = probes.decode(captures[0]).watches or {}
    assert (watched["request.high_value"].type, watched["request.high_value"].value) == ("str", "true")
    assert watched["type_name(request.high_value)"].value == "str"

    ended = eventually(
        lambda: next((p for p in probes.probes_of(responder, session, state="exhausted")), None)
    )
    assert ended.captures == 2
    counted = eventually(lambda: totals if not (totals := probes.hit_totals(ended)).behind else None)
    assert counted.counts["captured"] >= 2
    assert counted.counts["condition_false"] > 0


def test_what_is_not_there_is_answered_by_what_is(
    responder: Actor, session: InvestigationSession, service: Service, trades: Instance
) -> None:
    with pytest.raises(NotFound) as caught:
        catalog.fetch_source(by=responder, service=service, path="trades/trade_requests.py")
    assert caught.value.alternatives["files"][0] == "trades/trade_request.py"

    with pytest.raises(Invalid) as refused:
        services.place_probe(
            by=responder, session=session, spec=ProbeSpec(service=service, file="trade_request.py", line=2)
        )
    assert refused.value.slug == "line_not_executable"
    assert refused.value.alternatives["nearest"]

    name = "trades.trade_request:TradeRequest.from_payload"
    probe = services.place_probe(
        by=responder, session=session, spec=ProbeSpec(service=service, function=name, kind="counter")
    )
    armed = eventually(lambda: probe.deliveries.filter(state="armed").first())
    assert armed.places[0]["function"] == "TradeRequest.from_payload"
    eventually(lambda: sum(probes.endings(probe).values()) > 0 or None)
