"""Captures on their way through a real gateway: stored, then acknowledged, each once."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.accounts.redaction import add_redaction_rule
from investigations.catalog.models import FunctionMinute
from investigations.probes.models import Capture, Probe
from sightline import handshake, wire
from sightline.protocol import Token
from tests.investigations.gateway.conftest import Client, capture

Join = Callable[..., Client]


def bodies(captures: list[wire.Capture]) -> list[bytes]:
    return [wire.encode(one) for one in captures]


def test_a_capture_is_in_the_table_when_its_acknowledgement_arrives(join: Join, probe: Probe) -> None:
    client = join()
    hit = capture(probe)
    client.send(wire.Captures(1, bodies([hit])))
    ack = client.read_until(wire.Ack)
    assert ack == wire.Ack(1)
    [row] = Capture.objects.all()
    assert (row.id.bytes, row.probe_id, row.session_id) == (hit.id, probe.pk, probe.session_id)
    assert wire.capture_body.decode(row.body) == hit


def test_what_is_sent_again_is_acknowledged_and_kept_once(join: Join, probe: Probe, instance_id: str) -> None:
    batch = wire.Captures(1, bodies([capture(probe) for _ in range(3)]))
    join(instance_id=instance_id).send(batch)
    again = join(instance_id=instance_id)
    again.send(batch)
    again.send(msgspec.structs.replace(batch, sequence=2))
    assert [again.read_until(wire.Ack).sequence for _ in range(2)] == [1, 2]
    assert Capture.objects.count() == 3


def test_the_function_record_is_wanted_and_kept(
    dial: Callable[[], Client], token: Token, say_hello: Callable[..., wire.Hello]
) -> None:
    client = dial()
    welcome = client.shake_hands(token, say_hello(token_id=token.public_id))
    assert isinstance(welcome, wire.Welcome)
    assert "functions" in welcome.takes
    told = wire.FunctionCounts("trades.book:find", "/srv/app/trades/book.py", 3, calls=7)
    client.send(wire.Functions(1, 2, [told]))
    client.send(wire.Functions(2, 3, [told]))
    client.send(wire.Heartbeat(at=1, mono=1))
    client.read_until(wire.HeartbeatAck)
    until = time.monotonic() + 20
    while time.monotonic() < until and sum(_calls_kept()) < 14:
        time.sleep(0.05)
    assert sum(_calls_kept()) == 14


def _calls_kept() -> list[int]:
    rows = FunctionMinute.objects.all()
    return [row.functions["trades.book:find"]["calls"] for row in rows if row.functions]


def test_new_rules_of_redaction_reach_a_connected_sensor_signed(
    dial: Callable[[], Client], token: Token, say_hello: Callable[..., wire.Hello], admin: Actor,
    environment: Environment,
) -> None:  # fmt: skip
    add_redaction_rule(by=admin, environment=environment, kind="name", pattern="acme_*")
    client = dial()
    welcome = client.shake_hands(token, say_hello(token_id=token.public_id, takes=["terms"]))
    assert isinstance(welcome, wire.Welcome)
    assert welcome.redaction.names == ["acme_*"]
    client.read_until(wire.ProbeSet)
    add_redaction_rule(by=admin, environment=environment, kind="value", pattern="C-[0-9]+")
    terms = client.read_until(wire.Terms)
    key = handshake.signing_key(handshake.derive(token.secret).server_key, client.said)
    assert handshake.terms_hold(key, revision=terms.revision, body=terms.body, mac=terms.mac)
    assert wire.redaction_rules.decode(terms.body).values == ["C-[0-9]+"]


def test_a_sensor_that_cannot_take_new_rules_is_told_to_come_again(
    join: Join, admin: Actor, environment: Environment
) -> None:
    client = join()
    client.read_until(wire.ProbeSet)
    add_redaction_rule(by=admin, environment=environment, kind="name", pattern="acme_*")
    assert client.refusal().slug == "terms_changed"
