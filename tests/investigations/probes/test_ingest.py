"""Captures on their way into the table: checked, kept once, numbered without gaps or repeats."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from investigations.catalog.models import Instance, Service
from investigations.lib.ids import show, uuid7
from investigations.probes.ingest import LATE_FOR, Batch, store
from investigations.probes.models import Capture, Probe, ProbeState
from investigations.sessions.models import InvestigationSession
from sightline import wire
from tests.investigations.probes.samples import make_probe


@pytest.fixture
def probe(session: InvestigationSession, service: Service) -> Probe:
    return make_probe(session, service)


def capture(probe: Probe, **fields: Any) -> wire.Capture:
    usual: dict[str, Any] = {
        "id": uuid7().bytes,
        "probe_id": show("prb", probe.pk),
        "kind": "logpoint",
        "hit": 1,
        "at": int(timezone.now().timestamp() * 1e9),
        "mono": 1,
    }
    return wire.Capture(**(usual | fields))


def batch(instance: Instance, *captures: wire.Capture | bytes, **fields: Any) -> Batch:
    bodies = [one if isinstance(one, bytes) else wire.encode(one) for one in captures]
    usual: dict[str, Any] = {"received_at": timezone.now(), "commit": "9f2c1e7"}
    return Batch(
        instance_id=instance.pk,
        service_id=instance.service_id,
        environment_id=instance.environment_id,
        bodies=bodies,
        **(usual | fields),
    )


def cursors() -> list[int]:
    return list(Capture.objects.order_by("cursor").values_list("cursor", flat=True))


# ------------------------------------------------------------------ what is kept


def test_a_capture_is_kept_as_it_came_beside_its_columns(instance: Instance, probe: Probe) -> None:
    frame = wire.Frame("TradeRequest.from_payload", "trades/app.py", 9, variables={"a": wire.Value("int", 1)})
    hit = capture(
        probe,
        hit=7,
        message="amount 12000",
        trace_id="ab" * 16,
        execution_id="e-1",
        frames=[frame],
        cuts=["depth"],
    )
    assert store([batch(instance, hit)]) == [[]]
    row = Capture.objects.get()
    assert bytes(row.body) == wire.encode(hit)
    assert (row.id.bytes, row.instance_id, row.probe_id, row.session_id) == (
        hit.id, instance.pk, probe.pk, probe.session_id,
    )  # fmt: skip
    assert (row.environment_id, row.commit, row.kind) == (instance.environment_id, "9f2c1e7", "logpoint")
    assert (row.cursor, row.hit, row.message, row.function) == (
        1,
        7,
        "amount 12000",
        "TradeRequest.from_payload",
    )
    assert (row.trace_id, row.execution_id, row.cuts) == ("ab" * 16, "e-1", ["depth"])
    probe.refresh_from_db()
    assert probe.captures == 1


def test_its_time_is_corrected_by_the_clocks_offset(instance: Instance, probe: Probe) -> None:
    at = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
    told = int(at.timestamp()) * 10**9 + 123_456_000 + 90 * 10**9
    store([batch(instance, capture(probe, at=told), clock_offset_ns=90 * 10**9)])
    assert Capture.objects.get().at == at


def test_messages_of_several_instances_share_a_transaction_and_one_order(
    connect: Any, session: InvestigationSession, probe: Probe
) -> None:
    one, other = connect(), connect()
    answers = store(
        [batch(one, *[capture(probe) for _ in range(3)]), batch(other, *[capture(probe) for _ in range(2)])]
    )
    assert answers == [[], []]
    assert cursors() == [1, 2, 3, 4, 5]
    session.refresh_from_db()
    assert session.capture_cursor == 5


# ------------------------------------------------------------------ once


def test_the_same_message_again_changes_nothing(instance: Instance, probe: Probe) -> None:
    message = batch(instance, *[capture(probe) for _ in range(5)])
    for _ in range(3):
        assert store([message]) == [[]]
    assert cursors() == [1, 2, 3, 4, 5]
    probe.refresh_from_db()
    assert probe.captures == 5


def test_new_ones_among_old_ones_are_kept(instance: Instance, probe: Probe) -> None:
    old = [capture(probe) for _ in range(3)]
    store([batch(instance, *old)])
    new = capture(probe)
    store([batch(instance, old[0], new, old[2])])
    assert cursors() == [1, 2, 3, 4]
    assert Capture.objects.get(cursor=4).id.bytes == new.id


def test_twins_within_one_transaction_are_kept_once(instance: Instance, probe: Probe) -> None:
    twin = capture(probe)
    assert store([batch(instance, twin, twin), batch(instance, twin)]) == [[], []]
    assert cursors() == [1]


def test_two_instances_may_give_the_same_id(connect: Any, probe: Probe) -> None:
    same = capture(probe)
    store([batch(connect(), same)])
    store([batch(connect(), same)])
    assert Capture.objects.count() == 2


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("fields", "slug"),
    [
        ({"id": b"short"}, "bad_id"),
        ({"id": uuid.UUID(int=0).bytes}, "bad_id"),
        ({"at": 0}, "bad_time"),
        ({"at": 2**63 - 1}, "bad_time"),
        ({"hit": -1}, "malformed"),
        ({"hit": 2**63}, "malformed"),
        ({"probe_id": "prb_unreadable"}, "unknown_probe"),
        ({"probe_id": show("prb", uuid.uuid4())}, "unknown_probe"),
    ],
)
def test_nonsense_is_refused_by_its_slug(
    instance: Instance, probe: Probe, fields: dict[str, Any], slug: str
) -> None:
    assert store([batch(instance, capture(probe), capture(probe, **fields))]) == [[wire.Refused(1, slug)]]
    assert Capture.objects.count() == 1


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", b"\x91" * 1000, wire.encode(wire.Ack(1))])
def test_what_is_no_capture_is_malformed(instance: Instance, probe: Probe, body: bytes) -> None:
    assert store([batch(instance, body, capture(probe))]) == [[wire.Refused(0, "malformed")]]


@pytest.mark.parametrize(
    ("ago", "refused"), [(timedelta(seconds=1), False), (LATE_FOR + timedelta(seconds=1), True)]
)
def test_late_captures_of_an_ended_probe_are_taken_for_a_while(
    instance: Instance, session: InvestigationSession, service: Service, ago: timedelta, refused: bool
) -> None:
    ended = make_probe(session, service, state=ProbeState.REMOVED, ended_at=timezone.now() - ago)
    assert bool(store([batch(instance, capture(ended))])[0]) is refused


def test_a_probe_that_was_never_allowed_captures_nothing(
    instance: Instance, session: InvestigationSession, service: Service
) -> None:
    pending = make_probe(session, service, state=ProbeState.PENDING_APPROVAL)
    assert store([batch(instance, capture(pending))]) == [[wire.Refused(0, "unknown_probe")]]


# ------------------------------------------------------------------ limits


def test_a_probe_that_has_brought_enough_is_exhausted(
    instance: Instance, session: InvestigationSession, service: Service
) -> None:
    limited = make_probe(session, service, hit_limit=3)
    store([batch(instance, capture(limited), capture(limited))])
    limited.refresh_from_db()
    assert limited.state == ProbeState.ACTIVE
    revision = service.probe_revision
    store([batch(instance, capture(limited), capture(limited))])
    limited.refresh_from_db()
    service.refresh_from_db()
    assert (limited.state, limited.captures) == (ProbeState.EXHAUSTED, 4)
    assert service.probe_revision > revision
    assert session.timeline.filter(kind="probe_exhausted").count() == 1
    assert store([batch(instance, capture(limited))]) == [[]], "what was on its way is late, not lost"


# ------------------------------------------------------------------ many at once


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_give_every_capture_one_place(
    connect: Any, session: InvestigationSession, probe: Probe
) -> None:
    """Each message goes out twice, as after broken connections: no cursor is given twice and none is left out."""
    instances = [connect() for _ in range(4)]
    messages = [
        batch(instance, *[capture(probe) for _ in range(20)]) for instance in instances for _ in range(3)
    ]
    failures: list[Exception] = []

    def write(mine: list[Batch]) -> None:
        try:
            for message in mine:
                store([message])
        except Exception as failure:  # noqa: BLE001 (told to the test's own thread)
            failures.append(failure)
        finally:
            connection.close()

    orders = [messages, messages[::-1], messages[6:] + messages[:6]]
    threads = [threading.Thread(target=write, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert cursors() == list(range(1, 241))
    probe.refresh_from_db()
    assert probe.captures == 240
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE probes_capture")
