"""Every kind on real parts: placed as a door places it, armed in a running process, and read as a page shows it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment, TokenKind
from investigations.catalog.models import Instance, Service
from investigations.probes import details, kinds, readings, services
from investigations.probes import selectors as probes
from investigations.probes.models import Probe
from investigations.probes.services import ProbeSpec
from investigations.sessions.models import InvestigationSession
from investigations.web import probe_results
from tests.gateway import GatewayProcess

DESK = '''\
"""A desk that prices orders."""

import sqlite3


class Refused(Exception):
    """No limit is left."""


class Order:
    def __init__(self, amount):
        self.amount = amount
        self.high_value = False


def handle(order):
    kind = check(order)
    mark(order)
    priced = price(order)
    return kind, priced


def check(order):
    if order.amount > 100:
        return "large"
    return "small"


def mark(order):
    setattr(order, "high_value", "true" if order.amount > 100 else True)


def price(order):
    try:
        return limit(order)
    except Refused:
        return None


def limit(order):
    if order.amount > 100:
        raise Refused("no limit left", order.amount)
    return order.amount


def look(connection, order):
    found = connection.execute("SELECT ? AS amount", (order.amount,)).fetchone()
    return found
'''
LOOP = """
import sqlite3
import time

from desk import Order, handle, look

connection = sqlite3.connect(":memory:")
while True:
    for amount in (12, 50, 12_000):
        order = Order(amount)
        handle(order)
        look(connection, order)
    time.sleep(0.02)
"""
WITHIN_S = 30
T = TypeVar("T")


def line_with(text: str) -> int:
    return next(number for number, line in enumerate(DESK.splitlines(), 1) if text in line)


ASKED: dict[str, dict[str, Any]] = {
    "snapshot": {"file": "desk.py", "line": line_with("mark(order)")},
    "logpoint": {
        "file": "desk.py",
        "line": line_with("mark(order)"),
        "template": "an order of {order.amount}",
    },
    "counter": {"file": "desk.py", "line": line_with("mark(order)")},
    "metric": {"file": "desk.py", "line": line_with("mark(order)"), "value": "order.amount"},
    "duration": {"function": "desk:handle", "options": {"slower_than_ms": 0.001}},
    "function": {"function": "desk:check", "condition": '@return == "large"'},
    "exception": {
        "file": "desk.py",
        "line": line_with("return limit(order)"),
        "options": {"how": ["swallowed"]},
    },
    "path": {"function": "desk:check"},
    "assignment": {"attribute": "desk:Order.high_value"},
    "expectation": {
        "file": "desk.py",
        "line": line_with("priced = price"),
        "value": 'type_name(order.high_value) == "bool"',
    },
    "dependency": {"function": "desk:look", "options": {"libraries": ["sqlite3"]}},
}
SAID = {
    "logpoint": "an order of ",
    "duration": "took ",
    "function": "returned str 'large'",
    "exception": "swallowed Refused: str 'no limit left'",
    "path": "1 decision, returned str ",
    "assignment": "(",
    "expectation": "was false",
    "dependency": "SELECT",
}
"""What a capture of each kind says in a list."""
COUNTED: dict[str, Callable[[dict[str, Any]], bool]] = {
    "counter": lambda figures: figures["count"] > 0,
    "metric": lambda figures: figures["count"] > 3 and figures["max"] == 12_000,
    "duration": lambda figures: figures["count"] > 0 and figures["unit"] == "ms",
    "function": lambda figures: figures["calls"] > 0 and figures["duration"]["count"] > 0,
    "exception": lambda figures: figures["swallowed"] > 0,
    "path": lambda figures: figures["calls"] >= figures["sampled"] > 0,
    "assignment": lambda figures: any("mark:" in writer and "str" in writer for writer in figures["writers"]),
    "expectation": lambda figures: figures["true"] > figures["false"] > 0,
    "dependency": lambda figures: figures["calls"] > 0 and figures["duration"]["count"] > 0,
}


@pytest.fixture
def desk(
    tmp_path: Path, gateway: GatewayProcess, admin: Actor, environment: Environment, service: Service
) -> Iterator[Instance]:
    """A process that prices orders, with the sensor in it and connected."""
    assert admin.user is not None
    _, token = accounts.issue_access_token(
        by=admin, kind=TokenKind.SENSOR, name="sensors", owner=admin.user, environment=environment
    )
    root = tmp_path / "srv"
    root.mkdir()
    (root / "desk.py").write_text(DESK)
    (root / "serve.py").write_text(LOOP)
    settings = {"SERVICE": service.name, "ENVIRONMENT": environment.name, "URL": gateway.url, "TOKEN": token}
    with (tmp_path / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sightline", "run", sys.executable, "serve.py"],
            cwd=root,
            env={**os.environ, **{f"SIGHTLINE_{name}": value for name, value in settings.items()}},
            stdout=log,
            stderr=log,
        )
    try:
        yield eventually(lambda: service.instances.filter(connection__isnull=False).first(), "no sensor came")
    finally:
        process.kill()
        process.wait()


def eventually(look: Callable[[], T | None], what: str) -> T:
    deadline = time.monotonic() + WITHIN_S
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def test_each_kind_is_armed_and_brings_what_it_is_for(
    responder: Actor, session: InvestigationSession, service: Service, desk: Instance
) -> None:
    placed = {
        kind: services.place_probe(
            by=responder, session=session, spec=ProbeSpec(service=service, kind=kind, rate=5, **ASKED[kind])
        )
        for kind in kinds.KINDS
    }
    for kind, probe in placed.items():
        stood = eventually(lambda probe=probe: probe.deliveries.exclude(state="pending").first(), kind)  # type: ignore[misc]
        assert (stood.state, stood.places != []) == ("armed", True), f"{kind}: {stood.state} {stood.sentence}"
    for kind, probe in placed.items():
        if kinds.captures(kind, probe.options):
            eventually(lambda probe=probe, kind=kind: _said(responder, probe, kind), f"no capture of {kind}")  # type: ignore[misc]
        if kind in COUNTED:
            eventually(lambda probe=probe, kind=kind: _counted(probe, kind), f"no figures of {kind}")  # type: ignore[misc]
        shown = probe_results.result(responder, probes.probe(responder, probe.id))
        assert (shown["course"] is not None) == (kind in COUNTED), kind


def _said(by: Actor, probe: Probe, kind: str) -> bool:
    captures = probes.captures_after(by, probe.session, probe=probe)
    bodies = [probes.decode(capture) for capture in captures]
    return any(SAID.get(kind, "") in (body.message or details.sentence(body)) for body in bodies)


def _counted(probe: Probe, kind: str) -> bool:
    total = readings.totals_of([probe])[probe.id]
    return bool(total) and COUNTED[kind](total)
