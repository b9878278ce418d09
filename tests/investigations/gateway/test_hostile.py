"""Whatever a peer sends, the gateway answers with a reason, and goes on serving everyone else."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone
from websockets.exceptions import ConnectionClosed

from investigations.accounts import services as accounts
from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import AccessToken, Environment, TokenKind
from investigations.catalog.models import Instance
from investigations.probes.models import Capture, Probe
from sightline import handshake, wire
from sightline.protocol import Token
from tests.gateway import GatewayProcess
from tests.investigations.gateway.conftest import Client, capture

Dial = Callable[[], Client]
Join = Callable[..., Client]
SayHello = Callable[..., wire.Hello]


def closing_code(client: Client) -> int | None:
    with pytest.raises(ConnectionClosed):
        client.socket.recv(timeout=10)
    return client.socket.close_code


# ------------------------------------------------------------------ before the proof


@pytest.mark.parametrize(
    ("frame", "slug", "code"),
    [
        (b"", "malformed", 4400),
        (b"\xc1", "malformed", 4400),
        (b"\x00" * 1000, "malformed", 4400),
        (os.urandom(4096), "malformed", 4400),
        ("text", "malformed", 4400),
        (b"\x91" * 60_000, "malformed", 4400),
        (msgspec.msgpack.encode({"type": "hello", "versions": "all of them"}), "malformed", 4400),
        (msgspec.msgpack.encode({"type": "no such message"}), "malformed", 4400),
        (wire.encode(wire.Proof(bytes(32))), "out_of_order", 4400),
        (wire.encode(wire.Captures(1, [b"x"])), "out_of_order", 4400),
        (bytes(65 * 1024), "too_large", 4413),
        (bytes(600 * 1024), "too_large", 4413),
    ],
    ids=["empty", "unused byte", "zeros", "random", "text", "deep", "wrong type", "unknown", "proof", "captures",
         "large", "larger"],
)  # fmt: skip
def test_a_bad_first_frame_is_refused_with_its_reason(
    dial: Dial, frame: bytes | str, slug: str, code: int
) -> None:
    client = dial()
    client.send(frame)
    assert client.refusal().slug == slug
    assert closing_code(client) == code


def test_an_unknown_token_is_refused_for_good(dial: Dial, say_hello: SayHello) -> None:
    refusal = dial().shake_hands(Token("f" * 16, "x" * 43), say_hello(token_id="f" * 16))
    assert isinstance(refusal, wire.Refusal)
    assert (refusal.slug, refusal.final) == ("token_unknown", True)


def test_knowing_a_tokens_name_is_not_knowing_the_token(
    dial: Dial, token: Token, say_hello: SayHello
) -> None:
    impostor = Token(token.public_id, "x" * 43)
    refusal = dial().shake_hands(impostor, say_hello(token_id=token.public_id))
    assert isinstance(refusal, wire.Refusal)
    assert refusal.slug == "not_proven"
    assert not Instance.objects.exists()


def test_a_proof_of_another_connection_proves_nothing(dial: Dial, token: Token, say_hello: SayHello) -> None:
    hello = wire.encode(say_hello(token_id=token.public_id))
    recorded, replaying = dial(), dial()
    assert isinstance(recorded.shake_hands(token, wire.from_sensor.decode(hello)), wire.Welcome)  # type: ignore[arg-type]
    replaying.send(hello)
    assert isinstance(replaying.read(), wire.Challenge)
    replaying.send(wire.Proof(handshake.sensor_proof(token.secret, recorded.said)))
    assert replaying.refusal().slug == "not_proven"


def test_an_ended_token_is_refused(
    dial: Dial, admin: Actor, environment: Environment, token: Token, say_hello: SayHello
) -> None:
    AccessToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    refusal = dial().shake_hands(token, say_hello(token_id=token.public_id))
    assert isinstance(refusal, wire.Refusal)
    assert refusal.slug == "token_expired"


@pytest.mark.parametrize(
    ("claim", "slug"),
    [
        ({"environment": "elsewhere"}, "token_environment"),
        ({"service": "another-service"}, "token_service"),
        ({"instance_id": "not a uuid"}, "instance_id_malformed"),
        ({"service": "\x00"}, "service_name"),
    ],
    ids=["environment", "service", "instance id", "service name"],
)
def test_what_the_token_does_not_cover_is_refused_after_the_proof(
    dial: Dial,
    admin: Actor,
    environment: Environment,
    elsewhere: Environment,
    say_hello: SayHello,
    claim: dict[str, str],
    slug: str,
) -> None:
    assert admin.user is not None
    only_for = "trade-execution-service" if slug == "token_service" else ""
    _, text = accounts.issue_access_token(
        by=admin, kind=TokenKind.SENSOR, name="s", owner=admin.user, environment=environment, service=only_for
    )
    token = Token.parse(text)
    refusal = dial().shake_hands(token, say_hello(token_id=token.public_id, **claim))
    assert isinstance(refusal, wire.Refusal)
    assert refusal.slug == slug
    assert not Instance.objects.exists()


def test_an_unspoken_version_is_refused_for_good(dial: Dial, token: Token, say_hello: SayHello) -> None:
    refusal = dial().shake_hands(token, say_hello(token_id=token.public_id, versions=[0, 99]))
    assert isinstance(refusal, wire.Refusal)
    assert (refusal.slug, refusal.final) == ("version", True)


# ------------------------------------------------------------------ after the proof


@pytest.mark.parametrize(
    ("frame", "slug"),
    [
        (b"\xc1", "malformed"),
        (b"\x81\xa4type" * 80_000, "malformed"),
        (wire.encode(wire.Proof(b"")), "out_of_order"),
        (bytes(600 * 1024), "too_large"),
        (wire.encode(wire.Ack(1)), "malformed"),
    ],
    ids=["garbage", "deep", "second proof", "too large", "the gateway's own"],
)
def test_a_bad_later_frame_is_refused_too(join: Join, frame: bytes, slug: str) -> None:
    client = join()
    client.send(frame)
    assert client.refusal().slug == slug


def test_a_hostile_peer_disturbs_nobody(
    join: Join, dial: Dial, probe: Probe, gateway: GatewayProcess
) -> None:
    bystander = join()
    for frame in (b"\xc1", os.urandom(100_000), b"\x91" * 500_000, b""):
        stranger, member = dial(), join()
        for client in (stranger, member):
            client.send(frame)
            client.refusal()
    bystander.send(wire.Captures(1, [wire.encode(capture(probe))]))
    assert bystander.read_until(wire.Ack).refused == []
    assert "Traceback" not in gateway.log


def test_more_than_the_window_is_refused(join: Join, probe: Probe) -> None:
    client = join()
    batch = [wire.encode(capture(probe)) for _ in range(1000)]
    with suppress(ConnectionClosed):  # as soon as it has been refused
        for sequence in range(200):
            client.send(wire.Captures(sequence, batch))
    assert client.refusal().slug == "too_fast"


def test_a_flood_of_small_messages_is_refused(join: Join) -> None:
    client = join()
    beat = wire.encode(wire.Heartbeat(at=0, mono=0))
    with suppress(ConnectionClosed):
        for _ in range(400):
            client.send(beat)
    assert client.refusal().slug == "too_fast"


def test_an_answer_nobody_asked_for_is_passed_over(join: Join, probe: Probe) -> None:
    client = join()
    client.send(wire.Answer(99, 0, 1, b"surprise"))
    client.send(wire.Captures(1, [wire.encode(capture(probe))]))
    assert client.read_until(wire.Ack) == wire.Ack(1)


# ------------------------------------------------------------------ bad bodies


def test_a_bad_body_is_refused_alone_and_by_its_slug(join: Join, probe: Probe) -> None:
    good = capture(probe)
    bodies = {
        "": wire.encode(good),
        "malformed": b"\xc1",
        "bad_id": wire.encode(capture(probe, id=uuid.uuid4().bytes)),
        "bad_time": wire.encode(capture(probe, at=2**62)),
        "unknown_probe": wire.encode(capture(None)),
    }
    client = join()
    client.send(wire.Captures(5, list(bodies.values())))
    ack = client.read_until(wire.Ack)
    assert {refused.slug: refused.index for refused in ack.refused} == {
        slug: index for index, slug in enumerate(bodies) if slug
    }
    assert [row.id.bytes for row in Capture.objects.all()] == [good.id]


def test_another_services_probe_is_unknown_here(join: Join, probe: Probe) -> None:
    client = join(service="another-service")
    client.send(wire.Captures(1, [wire.encode(capture(probe))]))
    assert client.read_until(wire.Ack).refused == [wire.Refused(0, "unknown_probe")]


def test_text_that_a_table_cannot_hold_is_stored_all_the_same(join: Join, probe: Probe) -> None:
    client = join()
    odd = capture(
        probe, message="a\x00b", trace_id="\x00" * 100, execution_id="é" * 500, cuts=["\x00", "items"]
    )
    client.send(wire.Captures(1, [wire.encode(odd)]))
    assert client.read_until(wire.Ack).refused == []
    [row] = Capture.objects.all()
    assert (row.message, len(row.execution_id)) == ("a\ufffdb", 128)
    assert wire.capture_body.decode(row.body) == odd


# ------------------------------------------------------------------ who speaks for an instance


def test_the_newest_connection_speaks_for_an_instance(join: Join, instance_id: str) -> None:
    older = join(instance_id=instance_id)
    newer = join(instance_id=instance_id)
    assert older.refusal().slug == "superseded"
    newer.send(wire.Heartbeat(at=0, mono=3))
    assert newer.read_until(wire.HeartbeatAck).mono == 3


def test_a_revoked_token_ends_its_connections(join: Join, token: Token) -> None:
    client = join()
    accounts.revoke_access_token(by=SYSTEM, token=AccessToken.objects.get(public_id=token.public_id))
    assert client.refusal().slug == "token_revoked"
