"""An in-memory gateway: test a probed service, or a probe, with no network, no thread and no waiting.

    with sightline.testing.gateway() as gateway:
        probe = gateway.place("logpoint", file="shop/orders.py", line=12, template="total {total}")
        checkout(order)
        assert [capture.message for capture in gateway.captures(probe)] == ["total 12"]

Everything the sensor would do on its own thread happens when the gateway is asked. Messages pass through their encoded
form, so what a test sees is what a server would.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from . import expressions, wire
from .config import SensorConfig
from .sensor import Idle, Sensor

LEASE_S = 3600.0


class Gateway:
    """The far end of one sensor, in the same thread."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self._probes: dict[str, wire.Probe] = {}
        self._statuses: dict[str, wire.ProbeStatus] = {}
        self._captures: list[wire.Capture] = []
        self._numbers = itertools.count(1)
        self._revisions = itertools.count(1)

    def place(self, kind: wire.ProbeKind, **asked: Any) -> str:
        """Place a probe and give its id.

        ``asked`` are the fields of `wire.Probe`, with ``file`` and ``line``, ``function`` or ``attribute`` for its
        place, and with expressions as text: ``condition="amount > 10"``, ``template="at {amount}"``,
        ``watches={"t": "order.total"}``, ``value="amount"``; ``until`` is a line of the same file.
        """
        probe = _probe(f"prb_{next(self._numbers)}", kind, **asked)
        self._probes[probe.id] = probe
        self.send()
        return probe.id

    def change(self, probe_id: str, **fields: Any) -> None:
        """Send the probe again with other fields of `wire.Probe`."""
        self._probes[probe_id] = msgspec.structs.replace(self._probes[probe_id], **fields)
        self.send()

    def remove(self, probe_id: str) -> None:
        """Send a set without this probe."""
        del self._probes[probe_id]
        self.send()

    def send(self) -> None:
        """Send the whole desired set."""
        body = msgspec.msgpack.encode(list(self._probes.values()))
        self.sensor.on_probe_set(next(self._revisions), wire.probe_list.decode(body))

    def tick(self) -> None:
        """Let the sensor do its housekeeping now."""
        self.sensor.tick()

    def captures(self, probe_id: str = "") -> list[wire.Capture]:
        """What has been captured so far, by one probe or by all."""
        self._captures += [wire.capture_body.decode(body) for body in self._bodies()]
        return [capture for capture in self._captures if probe_id in ("", capture.probe_id)]

    def discard_captures(self) -> int:
        """Encode what waits and forget it; how many bytes it was."""
        return sum(map(len, self._bodies()))

    def _bodies(self) -> Iterator[bytes]:
        outbox = self.sensor.outbox
        while outbox.has_records:
            outbox.encode(self.sensor.write)
            while bodies := outbox.take_captures(wire.MAX_MESSAGE):
                outbox.release(sum(map(len, bodies)))
                yield from bodies

    def status(self, probe_id: str) -> wire.ProbeStatus:
        """Where a probe stands, as the sensor last told."""
        for status in self.sensor.take_statuses():
            self._statuses[status.probe_id] = status
        return self._statuses[probe_id]

    def counters(self, probe_id: str) -> wire.ProbeCounters:
        """The counts of a probe, as the next heartbeat would tell them."""
        return next(each for each in self.sensor.heartbeat().counters if each.probe_id == probe_id)

    def endings(self, probe_id: str) -> dict[str, int]:
        """How the probe's hits ended."""
        return self.counters(probe_id).endings

    def ask(self, ask: wire.Ask, path: str = "") -> wire.AnswerBody:
        """The answer to a question, through its encoded form."""
        return wire.answer_body.decode(wire.encode(self.sensor.on_request(wire.Request(1, ask, path))))


@contextmanager
def gateway(**settings: Any) -> Iterator[Gateway]:
    """A sensor with a gateway of its own, apart from the process's; stopped and gone at the end.

    Its budget is a whole core unless ``settings`` say otherwise: a busy machine is not to end a test's hits.
    """
    given = {"service": "tested", "environment": "test", "file": "nowhere", "budget": 1.0, **settings}
    sensor = Sensor(SensorConfig.read(given, {}), lambda sensor: Idle())
    sensor.start()
    try:
        yield Gateway(sensor)
    finally:
        sensor.stop()


def _probe(
    probe_id: str,
    kind: wire.ProbeKind,
    *,
    file: str = "",
    line: int = 0,
    function: str = "",
    attribute: str = "",
    source_hash: str = "",
    condition: str = "",
    template: str = "",
    watches: dict[str, str] | None = None,
    value: str = "",
    until: int = 0,
    valid_for: float = LEASE_S,
    **fields: Any,
) -> wire.Probe:
    return wire.Probe(
        id=probe_id,
        kind=kind,
        location=wire.Location(
            file=file, line=line, function=function, attribute=attribute, source_hash=source_hash
        ),
        valid_for=valid_for,
        condition=expressions.parse(condition) if condition else None,
        template=expressions.parse_template(template) if template else None,
        watches=[wire.Watch(name, expressions.parse(text)) for name, text in (watches or {}).items()] or None,
        value=expressions.parse(value) if value else None,
        until=wire.Location(file, until) if until else None,
        **fields,
    )
