"""The real transport against the real gateway: probes arrive, captures go, everything resumes by itself."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from investigations.catalog.models import Instance, Service
from investigations.catalog.services import bump_probe_revision
from investigations.lib.ids import show
from investigations.probes.models import Capture, Probe
from investigations.sessions.models import InvestigationSession
from sightline import wire
from sightline.outbox import Outbox
from sightline.protocol import Token
from sightline.transport import Transport
from tests.gateway import GatewayProcess
from tests.investigations.gateway.conftest import capture, make_probe

WITHIN_S = 20


class Host:
    """A sensor reduced to what the transport sees of it."""

    def __init__(self, hello: wire.Hello) -> None:
        self._hello = hello
        self.sets: list[tuple[int, list[wire.Probe]]] = []
        self.statuses: list[wire.ProbeStatus] = []
        self.welcomes = 0
        self.something = threading.Condition()

    def hello(self) -> wire.Hello:
        return self._hello

    def on_welcome(self, welcome: wire.Welcome) -> None:
        with self.something:
            self.welcomes += 1
            self.something.notify_all()

    def on_terms(self, redaction: wire.RedactionRules) -> None:
        pass

    def on_probe_set(self, revision: int, probes: list[wire.Probe]) -> None:
        with self.something:
            self.sets.append((revision, probes))
            self.something.notify_all()

    def on_request(self, request: wire.Request) -> wire.AnswerBody:
        return wire.Source(request.path, "x = 1\n" * 100_000, "0" * 64)

    def heartbeat(self) -> wire.Heartbeat:
        return wire.Heartbeat(at=time.time_ns(), mono=0, queued=7)

    def take_functions(self) -> wire.Functions | None:
        return None

    def take_statuses(self) -> list[wire.ProbeStatus]:
        taken, self.statuses = self.statuses, []
        return taken

    def write(self, record: wire.Capture) -> wire.Capture:
        return record

    def tick(self) -> float:
        return 1.0

    def rests(self, resting: bool) -> None:
        pass

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.something:
            assert self.something.wait_for(condition, WITHIN_S), "it did not happen"


class Sensor:
    def __init__(self, host: Host, outbox: Outbox, transport: Transport) -> None:
        self.host, self.outbox, self.transport = host, outbox, transport


@pytest.fixture
def start_sensor(
    gateway: GatewayProcess, token: Token, say_hello: Callable[..., wire.Hello]
) -> Iterator[Callable[..., Sensor]]:
    running: list[Transport] = []

    def start(**fields: Any) -> Sensor:
        outbox, host = Outbox(), Host(say_hello(**fields))
        transport = Transport(host, outbox, url=gateway.url, token=token)
        transport.start()
        running.append(transport)
        return Sensor(host, outbox, transport)

    yield start
    for transport in running:
        transport.stop(0.0)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the gateway has done what it does in its own time."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_it_is_sent_its_desired_probes(start_sensor: Callable[..., Sensor], probe: Probe) -> None:
    host = start_sensor().host
    host.wait_for(lambda: bool(host.sets))
    [wanted] = host.sets[0][1]
    assert wanted.id == show("prb", probe.pk)
    assert 0 < wanted.valid_for <= probe.lease_s


def test_a_change_arrives_without_being_asked_for(
    start_sensor: Callable[..., Sensor], session: InvestigationSession, service: Service
) -> None:
    host = start_sensor().host
    host.wait_for(lambda: host.sets == [(0, [])])
    make_probe(session, service)
    revision = bump_probe_revision(service)
    host.wait_for(lambda: len(host.sets) == 2)
    assert (host.sets[1][0], len(host.sets[1][1])) == (revision, 1)


def test_what_it_offers_is_stored_and_forgotten(start_sensor: Callable[..., Sensor], probe: Probe) -> None:
    sensor = start_sensor()
    offered = [capture(probe, hit=number) for number in range(2_000)]
    assert all(sensor.outbox.offer(one) for one in offered)
    eventually(lambda: Capture.objects.count() == 2_000)
    eventually(lambda: sensor.outbox.bytes_held == 0)
    assert {row.id.bytes for row in Capture.objects.only("id")} == {one.id for one in offered}


def test_it_tells_where_its_probes_stand_and_that_it_lives(
    start_sensor: Callable[..., Sensor], probe: Probe, instance_id: str
) -> None:
    sensor = start_sensor(instance_id=instance_id)
    sensor.host.wait_for(lambda: bool(sensor.host.sets))
    sensor.host.statuses = [wire.ProbeStatus(show("prb", probe.pk), "armed")]
    sensor.transport.wake()
    eventually(lambda: list(probe.deliveries.values_list("state", flat=True)) == ["armed"])
    eventually(lambda: Instance.objects.get(pk=instance_id).queued == 7)


@pytest.mark.slow
def test_a_killed_gateway_costs_nothing(
    start_sensor: Callable[..., Sensor], gateway: GatewayProcess, probe: Probe
) -> None:
    sensor = start_sensor()
    offered = 0
    for _ in range(3):
        for _ in range(200):
            offered += sensor.outbox.offer(capture(probe))
        gateway.stop(signal.SIGKILL)
        for _ in range(200):
            offered += sensor.outbox.offer(capture(probe))
        gateway.start()
    assert offered == 1_200
    eventually(lambda: Capture.objects.count() == offered)


def test_stopping_sends_what_is_waiting(
    start_sensor: Callable[..., Sensor], probe: Probe, instance_id: str
) -> None:
    sensor = start_sensor(instance_id=instance_id)
    sensor.host.wait_for(lambda: sensor.host.welcomes == 1)
    for _ in range(500):
        sensor.outbox.offer(capture(probe))
    sensor.transport.stop(5.0)
    assert Capture.objects.count() == 500
    eventually(lambda: Instance.objects.get(pk=instance_id).connection is None)
