"""The sensor's side of a connection, without a socket; a small gateway on the other side plays every part."""

from __future__ import annotations

import os

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sightline import handshake, wire
from sightline.protocol import (
    Acknowledged,
    Asked,
    Deliveries,
    HeartbeatReturned,
    ProbesDesired,
    Protocol,
    ProtocolError,
    Refused,
    State,
    TermsChanged,
    Token,
    Welcomed,
)

SECRET = "s" * 43
TOKEN = Token("0123456789abcdef", SECRET)


def hello() -> wire.Hello:
    return wire.Hello(
        versions=[],
        token_id="",
        nonce=b"",
        service="trades",
        environment="production",
        instance_id="i",
        host="h",
        pid=1,
        started_at=0,
        runtime=wire.Runtime("cpython", "3.12.1"),
        sensor_version="0.1.0",
        engine=wire.Engine("monitoring", "3.12"),
    )


def probe(name: str) -> wire.Probe:
    return wire.Probe(name, "counter", wire.Location(file="a.py", line=1), valid_for=60.0)


class GatewaySide:
    """What the gateway says to one connection."""

    def __init__(self, secret: str = SECRET) -> None:
        self.keys = handshake.derive(secret)

    def challenge(self, hello_frame: bytes, version: int = 1) -> bytes:
        challenge = wire.encode(wire.Challenge(version, os.urandom(32)))
        self.said = handshake.transcript(hello_frame, challenge)
        return challenge

    def welcome(self, window: int = 8) -> bytes:
        return wire.encode(
            wire.Welcome(handshake.server_proof(self.keys.server_key, self.said), now=0, window=window)
        )

    def probe_set(self, revision: int, probes: list[wire.Probe], parts: int = 1) -> list[bytes]:
        body = msgspec.msgpack.encode(probes)
        size = -(-len(body) // parts)
        key = handshake.signing_key(self.keys.server_key, self.said)
        pieces = [body[i * size : (i + 1) * size] for i in range(parts)]
        return [
            wire.encode(
                wire.ProbeSet(
                    revision,
                    i,
                    parts,
                    piece,
                    handshake.sign_probe_set(key, revision=revision, part=i, parts=parts, body=piece),
                )
            )
            for i, piece in enumerate(pieces)
        ]


def in_use() -> tuple[Protocol, GatewaySide]:
    protocol, gateway = Protocol(TOKEN, hello()), GatewaySide()
    [first] = protocol.frames_to_send()
    protocol.receive(gateway.challenge(first))
    protocol.frames_to_send()
    protocol.receive(gateway.welcome())
    return protocol, gateway


def sent(protocol: Protocol) -> list[wire.FromSensor]:
    return [wire.from_sensor.decode(frame) for frame in protocol.frames_to_send()]


# ------------------------------------------------------------------ handshake


def test_the_hello_names_the_token_and_never_carries_it() -> None:
    [frame] = Protocol(TOKEN, hello()).frames_to_send()
    said = wire.from_sensor.decode(frame)
    assert isinstance(said, wire.Hello)
    assert (said.token_id, said.versions) == (TOKEN.public_id, [1])
    assert SECRET.encode() not in frame


def test_the_proof_convinces_a_gateway_that_keeps_only_keys() -> None:
    protocol, gateway = Protocol(TOKEN, hello()), GatewaySide()
    protocol.receive(gateway.challenge(protocol.frames_to_send()[0]))
    [proof] = sent(protocol)
    assert isinstance(proof, wire.Proof)
    assert handshake.sensor_proof_holds(gateway.keys, gateway.said, proof.proof)


def test_a_proven_gateway_is_welcomed_with_its_window() -> None:
    protocol, gateway = Protocol(TOKEN, hello()), GatewaySide()
    protocol.receive(gateway.challenge(protocol.frames_to_send()[0]))
    [event] = protocol.receive(gateway.welcome(window=3))
    assert isinstance(event, Welcomed)
    assert (protocol.window, protocol.state) == (3, State.READY)


def test_a_gateway_that_does_not_know_the_token_is_left() -> None:
    protocol, impostor = Protocol(TOKEN, hello()), GatewaySide("another secret")
    protocol.receive(impostor.challenge(protocol.frames_to_send()[0]))
    with pytest.raises(ProtocolError) as refused:
        protocol.receive(impostor.welcome())
    assert refused.value.slug == "gateway_not_proven"


def test_an_unknown_version_is_left() -> None:
    protocol, gateway = Protocol(TOKEN, hello()), GatewaySide()
    with pytest.raises(ProtocolError, match="version"):
        protocol.receive(gateway.challenge(protocol.frames_to_send()[0], version=99))


@pytest.mark.parametrize("message", [wire.Ack(1), wire.Request(1, "doctor"), wire.HeartbeatAck(1, 2)])
def test_nothing_is_obeyed_before_the_gateway_has_proven_itself(message: wire.FromGateway) -> None:
    protocol = Protocol(TOKEN, hello())
    with pytest.raises(ProtocolError) as refused:
        protocol.receive(wire.encode(message))
    assert refused.value.slug == "out_of_order"
    assert protocol.state is State.CLOSED


def test_a_token_is_read_in_its_halves_and_never_repeated_in_an_error() -> None:
    assert Token.parse(f"sls_{TOKEN.public_id}_a_b-c") == Token(TOKEN.public_id, "a_b-c")
    with pytest.raises(ProtocolError) as refused:
        Token.parse("sla_secretive_thing")
    assert "secretive" not in str(refused.value)


# ------------------------------------------------------------------ probe sets


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_a_probe_set_is_desired_once_its_last_part_has_come(parts: int) -> None:
    protocol, gateway = in_use()
    probes = [probe(str(number)) for number in range(20)]
    frames = gateway.probe_set(4, probes, parts)
    for frame in frames[:-1]:
        assert protocol.receive(frame) == []
    assert protocol.receive(frames[-1]) == [ProbesDesired(4, probes)]


def test_the_same_revision_again_renews_the_leases() -> None:
    protocol, gateway = in_use()
    for _ in range(2):
        [event] = protocol.receive(gateway.probe_set(4, [probe("a")])[0])
        assert isinstance(event, ProbesDesired)


def test_an_older_revision_is_not_obeyed_again() -> None:
    protocol, gateway = in_use()
    old = gateway.probe_set(4, [probe("a")])[0]
    protocol.receive(old)
    protocol.receive(gateway.probe_set(5, [])[0])
    with pytest.raises(ProtocolError, match="order"):
        protocol.receive(old)


def test_a_set_recorded_on_another_connection_is_forged_here() -> None:
    _, elsewhere = in_use()
    protocol, _ = in_use()
    with pytest.raises(ProtocolError, match="forged"):
        protocol.receive(elsewhere.probe_set(1, [probe("a")])[0])


@pytest.mark.parametrize("order", [[1], [0, 2], [0, 1, 1]])
def test_parts_in_a_wrong_order_are_refused(order: list[int]) -> None:
    protocol, gateway = in_use()
    frames = gateway.probe_set(1, [probe(str(number)) for number in range(9)], parts=3)
    *fine, wrong = order
    for part in fine:
        protocol.receive(frames[part])
    with pytest.raises(ProtocolError, match="order"):
        protocol.receive(frames[wrong])


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_whatever_bytes_come_only_a_protocol_error_is_raised(frame: bytes) -> None:
    protocol, _ = in_use()
    try:
        protocol.receive(frame)
    except ProtocolError:
        assert protocol.state is State.CLOSED


@given(
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-(2**63), 2**64 - 1),
    st.binary(),
)
def test_whatever_numbers_a_probe_set_carries_it_is_refused_unsigned(
    revision: int, part: int, parts: int, body: bytes
) -> None:
    protocol, _ = in_use()
    with pytest.raises(ProtocolError):
        protocol.receive(wire.encode(wire.ProbeSet(revision, part, parts, body, b"x" * 32)))


def test_a_deeply_nested_frame_is_malformed_not_fatal() -> None:
    protocol, _ = in_use()
    with pytest.raises(ProtocolError, match="no message"):
        protocol.receive(b"\x81\xa1x" * 100_000 + b"\xc0")


# ------------------------------------------------------------------ the rest of a connection


def test_a_heartbeat_carries_the_round_trip_of_the_one_before() -> None:
    now = [1_000_000_000]
    protocol, gateway = Protocol(TOKEN, hello(), mono_ns=lambda: now[0]), GatewaySide()
    protocol.receive(gateway.challenge(protocol.frames_to_send()[0]))
    protocol.frames_to_send()
    protocol.receive(gateway.welcome())
    protocol.send_heartbeat(wire.Heartbeat(at=0, mono=0))
    [first] = sent(protocol)
    assert isinstance(first, wire.Heartbeat)
    now[0] += 7_000_000
    assert protocol.receive(wire.encode(wire.HeartbeatAck(first.mono, 0))) == [HeartbeatReturned(7.0)]
    protocol.send_heartbeat(wire.Heartbeat(at=0, mono=0))
    [second] = sent(protocol)
    assert isinstance(second, wire.Heartbeat)
    assert second.rtt_ms == 7.0


def test_counters_too_many_for_one_message_go_out_in_several() -> None:
    protocol, _ = in_use()
    counters = [wire.ProbeCounters(f"{number:036}", 1, {"captured": number}) for number in range(20_000)]
    protocol.send_heartbeat(wire.Heartbeat(at=0, mono=0, counters=counters))
    frames = protocol.frames_to_send()
    assert all(len(frame) <= wire.MAX_MESSAGE for frame in frames)
    beats = [wire.from_sensor.decode(frame) for frame in frames]
    assert [
        counter for beat in beats if isinstance(beat, wire.Heartbeat) for counter in beat.counters
    ] == counters


def test_a_long_answer_goes_out_in_parts_and_is_whole_again() -> None:
    protocol, _ = in_use()
    request = wire.Request(7, "source", "a.py")
    assert protocol.receive(wire.encode(request)) == [Asked(request)]
    body = wire.Source("a.py", "x" * 600_000, "0" * 64)
    protocol.answer(request, body)
    parts = sent(protocol)
    assert len(parts) == 3
    assert (
        wire.answer_body.decode(b"".join(part.data for part in parts if isinstance(part, wire.Answer)))
        == body
    )


def test_an_answer_beyond_bounds_becomes_a_failure() -> None:
    protocol, _ = in_use()
    protocol.answer(wire.Request(7, "source"), wire.Source("a.py", "x" * 9_000_000, ""))
    [part] = sent(protocol)
    assert isinstance(part, wire.Answer)
    failure = wire.answer_body.decode(part.data)
    assert isinstance(failure, wire.Failure)
    assert failure.slug == "too_large"


def test_a_refusal_ends_the_connection_with_its_reason() -> None:
    protocol, _ = in_use()
    refusal = wire.Refusal("superseded", "A newer connection speaks for this instance.")
    assert protocol.receive(wire.encode(refusal)) == [Refused(refusal)]
    assert protocol.state is State.CLOSED
    assert protocol.receive(wire.encode(wire.Ack(1))) == []


def test_an_acknowledgement_may_narrow_the_window() -> None:
    protocol, _ = in_use()
    assert protocol.receive(wire.encode(wire.Ack(1, window=2))) == [Acknowledged(wire.Ack(1, window=2))]
    assert protocol.window == 2


# ------------------------------------------------------------------ deliveries


class Delivering(RuleBasedStateMachine):
    """Any interleaving of sending, storing, losing and acknowledging: nothing accepted is lost."""

    WINDOW = 3

    def __init__(self) -> None:
        super().__init__()
        self.deliveries = Deliveries()
        self.accepted: list[bytes] = []
        self.stored: set[bytes] = set()
        self.to_gateway: list[bytes] = []
        self.to_sensor: list[int] = []

    @rule(count=st.integers(1, 4))
    def accept(self, count: int) -> None:
        bodies = [b"%d" % (len(self.accepted) + number) for number in range(count)]
        self.accepted += bodies
        self.deliveries.add_captures(bodies)

    @rule()
    def send(self) -> None:
        self.to_gateway += [batch.frame for batch in self.deliveries.due(self.WINDOW)]

    @precondition(lambda self: self.to_gateway)
    @rule()
    def store_and_acknowledge(self) -> None:
        message = wire.from_sensor.decode(self.to_gateway.pop(0))
        assert isinstance(message, wire.Captures)
        for body in message.bodies:
            self.stored.add(body)
        self.to_sensor.append(message.sequence)

    @precondition(lambda self: self.to_sensor)
    @rule(again=st.booleans())
    def hear(self, again: bool) -> None:
        sequence = self.to_sensor.pop(0)
        self.deliveries.acknowledge(sequence)
        if again:
            assert self.deliveries.acknowledge(sequence) is None

    @rule()
    def lose_the_connection(self) -> None:
        self.to_gateway.clear()
        self.to_sensor.clear()
        self.deliveries.reconnected()

    @invariant()
    def never_more_under_way_than_the_window(self) -> None:
        assert len(self.to_gateway) + len(self.to_sensor) <= self.WINDOW

    def teardown(self) -> None:
        self.lose_the_connection()
        while len(self.deliveries):
            self.send()
            self.store_and_acknowledge()
            self.hear(again=False)
        assert set(self.stored) == set(self.accepted)


TestDelivering = Delivering.TestCase


# ------------------------------------------------------------------ new rules


def terms(gateway: GatewaySide, revision: int, *names: str) -> bytes:
    body = wire.encode(wire.RedactionRules(names=list(names)))
    key = handshake.signing_key(gateway.keys.server_key, gateway.said)
    return wire.encode(wire.Terms(revision, body, handshake.sign_terms(key, revision=revision, body=body)))


def test_new_rules_take_the_place_of_those_of_the_welcome() -> None:
    protocol, gateway = in_use()
    assert protocol.receive(terms(gateway, 1, "iban")) == [TermsChanged(wire.RedactionRules(names=["iban"]))]
    assert protocol.receive(terms(gateway, 2)) == [TermsChanged(wire.RedactionRules())]


def test_older_rules_cannot_be_brought_back() -> None:
    protocol, gateway = in_use()
    old = terms(gateway, 1)
    protocol.receive(old)
    protocol.receive(terms(gateway, 2, "iban"))
    with pytest.raises(ProtocolError, match="Old terms"):
        protocol.receive(old)


def test_rules_that_are_not_signed_on_this_connection_end_it() -> None:
    protocol, _ = in_use()
    _, elsewhere = in_use()
    with pytest.raises(ProtocolError) as caught:
        protocol.receive(terms(elsewhere, 1))
    assert caught.value.slug == "terms_forged"


def test_a_sensor_says_that_it_takes_new_rules() -> None:
    [said] = sent(Protocol(TOKEN, hello()))
    assert isinstance(said, wire.Hello)
    assert said.takes == ["terms"]
