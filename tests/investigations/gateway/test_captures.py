"""Captures on their way through a real gateway: stored, then acknowledged, each once."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from investigations.probes.models import Capture, Probe
from sightline import wire
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
