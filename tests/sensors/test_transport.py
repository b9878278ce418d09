"""The sensor's thread against a websocket server that plays the gateway, well and badly."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from sightline import handshake, wire
from sightline.filesink import FileSink
from sightline.outbox import Outbox
from sightline.protocol import Token
from sightline.transport import Transport
from sightline.websocket import ConnectionFailed, WebSocket

TOKEN = Token("0123456789abcdef", "s" * 43)
WITHIN_S = 15


def capture(number: int) -> wire.Capture:
    return wire.Capture(number.to_bytes(16, "big"), "p", "logpoint", number, 1, 1)


class Host:
    """A sensor reduced to what its thread asks of it; ``broken`` names what fails."""

    def __init__(self, broken: tuple[str, ...] = ()) -> None:
        self.broken = broken
        self.sets: list[list[str]] = []
        self.statuses: list[wire.ProbeStatus] = []

    def _maybe_fail(self, what: str) -> None:
        if what in self.broken:
            raise RuntimeError(f"{what} is broken")

    def hello(self) -> wire.Hello:
        return wire.Hello(
            versions=[], token_id="", nonce=b"", service="s", environment="e", instance_id="i", host="h", pid=1,
            started_at=0, runtime=wire.Runtime("cpython", "3"), sensor_version="0", engine=wire.Engine("n", "r"),
        )  # fmt: skip

    def on_welcome(self, welcome: wire.Welcome) -> None:
        self._maybe_fail("on_welcome")

    def on_terms(self, redaction: wire.RedactionRules) -> None:
        pass

    def on_probe_set(self, revision: int, probes: list[wire.Probe]) -> None:
        self._maybe_fail("on_probe_set")
        self.sets.append([probe.id for probe in probes])
        self.statuses = [wire.ProbeStatus(probe.id, "armed") for probe in probes]

    def on_request(self, request: wire.Request) -> wire.AnswerBody:
        self._maybe_fail("on_request")
        return wire.Doctor({"asked": request.ask})

    def heartbeat(self) -> wire.Heartbeat:
        self._maybe_fail("heartbeat")
        return wire.Heartbeat(at=time.time_ns(), mono=0)

    def take_functions(self) -> wire.Functions | None:
        return None

    def take_statuses(self) -> list[wire.ProbeStatus]:
        self._maybe_fail("take_statuses")
        taken, self.statuses = self.statuses, []
        return taken

    def write(self, record: wire.Capture) -> wire.Capture:
        self._maybe_fail("write")
        return record

    def tick(self) -> float:
        self._maybe_fail("tick")
        return 1.0

    def rests(self, resting: bool) -> None:
        pass


class GatewaySide:
    """What a test lets the gateway do, and what it has received."""

    def __init__(self) -> None:
        self.keys = handshake.derive(TOKEN.secret)
        self.received: list[wire.FromSensor] = []
        self.by_connection: list[list[wire.FromSensor]] = []
        self.something = threading.Condition()
        self.acknowledge = True
        self.refusal: wire.Refusal | None = None
        self.hang_up_after: int | None = None
        """Batches after which the connection breaks, before the last one is acknowledged."""
        self.probes: list[wire.Probe] = []
        self.requests: list[wire.Request] = []
        self.connections = 0

    def handle(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            self._talk(connection)

    def _talk(self, connection: ServerConnection) -> None:
        self.connections += 1
        on_this: list[wire.FromSensor] = []
        self.by_connection.append(on_this)
        hello = connection.recv()
        assert isinstance(hello, bytes)
        challenge = wire.encode(wire.Challenge(1, os.urandom(32)))
        connection.send(challenge)
        said = handshake.transcript(hello, challenge)
        proof = wire.from_sensor.decode(bytes(connection.recv()))  # type: ignore[arg-type]
        assert isinstance(proof, wire.Proof)
        assert handshake.sensor_proof_holds(self.keys, said, proof.proof)
        if self.refusal is not None:
            connection.send(wire.encode(self.refusal))
            return
        welcome = wire.Welcome(
            handshake.server_proof(self.keys.server_key, said), now=0, heartbeat_s=0.2, window=4
        )
        connection.send(wire.encode(welcome))
        body = msgspec.msgpack.encode(self.probes)
        key = handshake.signing_key(self.keys.server_key, said)
        mac = handshake.sign_probe_set(key, revision=1, part=0, parts=1, body=body)
        connection.send(wire.encode(wire.ProbeSet(1, 0, 1, body, mac)))
        for request in self.requests:
            connection.send(wire.encode(request))
        for frame in connection:
            assert isinstance(frame, bytes)
            message = wire.from_sensor.decode(frame)
            on_this.append(message)
            self._take(connection, message)

    def _take(self, connection: ServerConnection, message: wire.FromSensor) -> None:
        with self.something:
            self.received.append(message)
            self.something.notify_all()
        if isinstance(message, wire.Heartbeat):
            connection.send(wire.encode(wire.HeartbeatAck(message.mono, 0)))
        if isinstance(message, wire.Captures):
            if self.hang_up_after is not None:
                self.hang_up_after -= 1
                if self.hang_up_after <= 0:
                    self.hang_up_after = None
                    connection.socket.shutdown(socket.SHUT_RDWR)
                    return
            if self.acknowledge:
                connection.send(wire.encode(wire.Ack(message.sequence, 4)))

    def hits(self) -> list[int]:
        batches = [message for message in self.received if isinstance(message, wire.Captures)]
        return [wire.capture_body.decode(body).hit for batch in batches for body in batch.bodies]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.something:
            assert self.something.wait_for(condition, WITHIN_S), self.received[-5:]

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.received if isinstance(message, kind)]


@pytest.fixture
def gateway() -> Iterator[tuple[GatewaySide, str]]:
    side = GatewaySide()
    with serve(side.handle, "127.0.0.1", 0, compression=None, max_size=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield side, f"ws://127.0.0.1:{server.socket.getsockname()[1]}/sensor/v1"
        server.shutdown()


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[Transport, Outbox, Host]]]:
    running: list[Transport] = []

    def make(url: str, host: Host | None = None, **sizes: int) -> tuple[Transport, Outbox, Host]:
        host = host or Host()
        outbox = Outbox(**sizes)
        running.append(Transport(host, outbox, url=url, token=TOKEN))
        running[-1].start()
        return running[-1], outbox, host

    yield make
    for transport in running:
        transport.stop(0.0)


Start = Callable[..., tuple[Transport, Outbox, Host]]
Gateway = tuple[GatewaySide, str]


def test_probes_come_in_and_statuses_go_out_at_once(gateway: Gateway, start: Start) -> None:
    side, url = gateway
    side.probes = [wire.Probe("p", "counter", wire.Location(file="a.py", line=1), valid_for=60)]
    _, _, host = start(url)
    side.wait_for(lambda: bool(side.of(wire.ProbeStatuses)))
    assert host.sets == [["p"]]
    assert side.of(wire.ProbeStatuses)[0].statuses == [wire.ProbeStatus("p", "armed")]


def test_records_arrive_in_order_and_are_forgotten_when_acknowledged(gateway: Gateway, start: Start) -> None:
    side, url = gateway
    _, outbox, _ = start(url)
    for number in range(3_000):
        assert outbox.offer(capture(number))
    side.wait_for(lambda: len(side.hits()) == 3_000)
    assert side.hits() == list(range(3_000))


def test_never_more_is_under_way_than_the_window(gateway: Gateway, start: Start) -> None:
    side, url = gateway
    side.acknowledge = False
    _, outbox, _ = start(url)
    side.wait_for(lambda: bool(side.of(wire.Heartbeat)))
    for number in range(200):
        outbox.offer(capture(number))
        time.sleep(0.002)
    side.wait_for(lambda: len(side.of(wire.Heartbeat)) > 3)
    under_way = [
        sum(isinstance(message, wire.Captures) for message in heard) for heard in side.by_connection
    ]  # a busy machine may break a connection, and on the next one the same batches come again
    assert 1 <= max(under_way) <= 4


def test_what_was_not_acknowledged_comes_again_on_the_next_connection(gateway: Gateway, start: Start) -> None:
    side, url = gateway
    side.hang_up_after = 1
    _, outbox, _ = start(url)
    for number in range(100):
        outbox.offer(capture(number))
    side.wait_for(lambda: set(side.hits()) == set(range(100)) and side.connections > 1)
    side.wait_for(lambda: not outbox.bytes_held)


def test_records_wait_for_a_gateway_that_is_not_there_yet(start: Start) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    transport, outbox, _ = start(f"ws://127.0.0.1:{port}/sensor/v1")
    for number in range(50):
        outbox.offer(capture(number))
    deadline = time.monotonic() + WITHIN_S
    while not transport.link.attempts and time.monotonic() < deadline:
        time.sleep(0.01)
    assert transport.link.slug == "unreachable"
    side = GatewaySide()
    with serve(side.handle, "127.0.0.1", port, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        side.wait_for(lambda: len(side.hits()) == 50)
        transport.stop(1.0)
        server.shutdown()


def test_a_refusal_is_kept_for_the_doctor_and_obeyed(gateway: Gateway, start: Start) -> None:
    side, url = gateway
    side.refusal = wire.Refusal("token_revoked", "This token was revoked.", final=True)
    transport, _, _ = start(url)
    deadline = time.monotonic() + WITHIN_S
    while transport.link.slug != "token_revoked" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert transport.link.sentence == "This token was revoked."
    time.sleep(0.3)
    assert side.connections == 1


def test_an_impostor_is_left_without_obeying_it(gateway: Gateway, start: Start) -> None:
    side, url = gateway
    side.keys = handshake.Keys(side.keys.stored_key, bytes(32))
    side.probes = [wire.Probe("p", "counter", wire.Location(file="a.py", line=1), valid_for=60)]
    transport, _, host = start(url)
    deadline = time.monotonic() + WITHIN_S
    while transport.link.slug != "gateway_not_proven" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert transport.link.slug == "gateway_not_proven"
    assert host.sets == []


def test_a_question_is_answered_and_a_failing_one_too(gateway: Gateway, start: Start) -> None:
    side, url = gateway
    side.requests = [wire.Request(1, "doctor")]
    start(url)
    start(url, Host(broken=("on_request",)))
    side.wait_for(lambda: len(side.of(wire.Answer)) == 2)
    bodies = [wire.answer_body.decode(answer.data) for answer in side.of(wire.Answer)]
    assert {type(body) for body in bodies} == {wire.Doctor, wire.Failure}


@pytest.mark.parametrize("part", ["on_welcome", "on_probe_set", "heartbeat", "take_statuses", "tick"])
def test_a_part_of_the_sensor_that_fails_does_not_end_its_thread(
    gateway: Gateway, start: Start, part: str
) -> None:
    side, url = gateway
    side.probes = [wire.Probe("p", "counter", wire.Location(file="a.py", line=1), valid_for=60)]
    _, outbox, _ = start(url, Host(broken=(part,)))
    outbox.offer(capture(1))
    side.wait_for(lambda: side.hits() == [1])


def test_stopping_sends_what_is_waiting_and_leaves_no_thread(gateway: Gateway, start: Start) -> None:
    side, url = gateway
    transport, outbox, _ = start(url)
    side.wait_for(lambda: bool(side.of(wire.Heartbeat)))
    for number in range(500):
        outbox.offer(capture(number))
    transport.stop(5.0)
    assert side.hits() == list(range(500))
    assert transport.ended


def test_stopping_is_prompt_when_nobody_answers(start: Start) -> None:
    transport, outbox, _ = start("ws://127.0.0.1:9/sensor/v1")
    outbox.offer(capture(1))
    transport.stop(0.2)
    assert transport.ended


def test_what_follows_within_moments_goes_out_together(gateway: Gateway, start: Start) -> None:
    side, url = gateway
    _, outbox, _ = start(url)
    side.wait_for(lambda: bool(side.of(wire.Heartbeat)))
    for number in range(2_000):
        outbox.offer(capture(number))
    side.wait_for(lambda: len(side.hits()) == 2_000)
    assert len(side.of(wire.Captures)) < 200


# ------------------------------------------------------------------ connecting


def test_an_address_without_a_websocket_is_told_apart() -> None:
    def not_found(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(404, "nothing here\n")

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=not_found) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ConnectionFailed) as failed:
            WebSocket.open(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/")
        server.shutdown()
    assert (failed.value.slug, failed.value.sentence) == ("not_upgraded", "The gateway answered HTTP 404.")


def test_a_proxy_named_in_the_environment_is_asked_for_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def proxy(listener: socket.socket) -> None:
        client, _ = listener.accept()
        asked.append(client.recv(1000))
        client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        client.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=proxy, args=(listener,), daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://ana:s%20t@127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(ConnectionFailed) as failed:
            WebSocket.open("wss://gateway.invalid/sensor/v1")
    assert asked[0].startswith(b"CONNECT gateway.invalid:443 HTTP/1.1\r\nHost: gateway.invalid:443\r\n")
    assert b"Proxy-Authorization: Basic YW5hOnMgdA==" in asked[0]
    assert failed.value.slug == "proxy_refused"
    assert "s t" not in failed.value.sentence


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Any) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serve(lambda connection: None, "127.0.0.1", 0, ssl=context) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"wss://localhost:{server.socket.getsockname()[1]}/"
        with pytest.raises(ConnectionFailed, match="certificate verify failed"):
            WebSocket.open(url)
        trusting = ssl.create_default_context(cafile=str(certificate))
        opened = WebSocket.open(url, tls=trusting)
        assert opened.is_open
        opened.close()
        server.shutdown()


def self_signed(folder: Any) -> Any:
    """A key and a certificate for localhost, made by the openssl program."""
    import subprocess

    path = folder / "localhost.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", path, "-out",
         folder / "crt.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + (folder / "crt.pem").read_bytes())
    return path


# ------------------------------------------------------------------ without a server


def test_a_file_takes_captures_when_there_is_no_gateway(tmp_path: Any) -> None:
    outbox, host = Outbox(), Host()
    host.statuses = [wire.ProbeStatus("p", "rejected", "no_such_line", "There is no such line.")]
    sink = FileSink(host, outbox, path=tmp_path / "captures.jsonl")
    sink.start()
    for number in range(10):
        outbox.offer(capture(number))
    sink.stop(5.0)
    lines = [msgspec.json.decode(line) for line in (tmp_path / "captures.jsonl").read_bytes().splitlines()]
    assert [line["capture"]["hit"] for line in lines if "capture" in line] == list(range(10))
    assert [line["status"]["slug"] for line in lines if "status" in line] == ["no_such_line"]
    assert outbox.bytes_held == 0


def test_a_full_file_drops_and_counts(tmp_path: Any) -> None:
    outbox = Outbox()
    sink = FileSink(Host(), outbox, path=tmp_path / "captures.jsonl", max_bytes=10)
    sink.start()
    outbox.offer(capture(1))
    sink.stop(5.0)
    assert outbox.drops == {"sink_full": 1}
