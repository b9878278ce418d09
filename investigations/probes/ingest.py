"""Stores captures as sensors send them: checked, deduplicated, numbered, many messages in one transaction.

Locks are taken in the order probes, sessions, service, each kind by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone
from psycopg import errors

from investigations.accounts.actors import SYSTEM
from investigations.catalog.services import bump_probe_revision
from investigations.lib.ids import BadId, read, show
from investigations.live import publish, topics
from investigations.probes import copying
from investigations.probes.models import Probe, ProbeState
from investigations.sessions.services import next_capture_cursors, record
from sightline import wire

LATE_FOR = timedelta(minutes=5)
"""How long after a probe's end its captures are still taken: they were hit while it was armed."""
ATTEMPTS = 4
_PLAUSIBLE_NS = range(946_684_800 * 10**9, 4_102_444_800 * 10**9)  # the years 2000 to 2099
_COUNTABLE = range(2**63)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Batch:
    """The capture bodies of one message, and what the gateway knows of the instance that sent it."""

    instance_id: UUID
    service_id: UUID
    environment_id: UUID
    bodies: Sequence[bytes]
    received_at: datetime
    commit: str = ""
    clock_offset_ns: int = 0
    """The instance's wall clock minus ours."""


class _Arrived(NamedTuple):
    """A body that reads well, where it came in, and the columns it shares with the rest of its message."""

    batch: int
    position: int
    instance_id: UUID
    service_id: UUID
    received_at: datetime
    shared: bytes
    at_us: int
    body: bytes
    capture: wire.Capture


_BySession = dict[UUID, list[tuple[Probe, _Arrived]]]


def store(batches: Sequence[Batch]) -> list[list[wire.Refused]]:
    """Commit every capture that can be stored; answer for each batch which of its bodies cannot, and why.

    A capture that is there already counts as stored. Slugs: ``malformed``, ``bad_id`` (no UUIDv7), ``bad_time``,
    ``unknown_probe`` (not this service's, or ended long ago). Raises Django's database errors; then nothing is stored.
    """
    refused: list[list[wire.Refused]] = [[] for _ in batches]
    arrived = list(_readable(batches, refused))
    if arrived:
        for stranger in _retried(lambda: _write(arrived)):
            refused[stranger.batch].append(wire.Refused(stranger.position, "unknown_probe"))
    return refused


def _readable(batches: Sequence[Batch], refused: list[list[wire.Refused]]) -> Iterator[_Arrived]:
    """The bodies that decode and make sense; the others are noted as refused."""
    for number, batch in enumerate(batches):
        shared = copying.arrival(
            instance_id=batch.instance_id,
            environment_id=batch.environment_id,
            commit=batch.commit,
            received_at=batch.received_at,
        )
        for index, body in enumerate(batch.bodies):
            capture = _decode(body)
            slug = "malformed" if capture is None else _nonsense(capture)
            if capture is None or slug:
                refused[number].append(wire.Refused(index, slug))
                continue
            at_us = (capture.at - batch.clock_offset_ns) // 1000
            yield _Arrived(
                number, index, batch.instance_id, batch.service_id, batch.received_at, shared, at_us, body, capture
            )


def _decode(body: bytes) -> wire.Capture | None:
    try:
        return wire.capture_body.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _nonsense(capture: wire.Capture) -> str:
    """The slug of what is wrong with a capture that decodes; empty when nothing is."""
    if len(capture.id) != 16 or capture.id[6] >> 4 != 7:
        return "bad_id"
    if capture.at not in _PLAUSIBLE_NS:
        return "bad_time"
    return "" if capture.hit in _COUNTABLE else "malformed"


def _retried(write: Callable[[], Answer]) -> Answer:
    """Run a transaction again that lost against another one."""
    for _ in range(ATTEMPTS - 1):
        try:
            return write()
        except OperationalError as problem:
            if not isinstance(problem.__cause__, errors.DeadlockDetected | errors.SerializationFailure):
                raise
    return write()


@transaction.atomic
def _write(arrived: Sequence[_Arrived]) -> list[_Arrived]:
    """Store what belongs to a known probe; answers what does not."""
    probes = _locked_probes({one.capture.probe_id for one in arrived})
    by_session: _BySession = {}
    strangers = []
    for one in _once_each(arrived):
        probe = probes.get(one.capture.probe_id)
        if probe is None or not _takes(probe, one):
            strangers.append(one)
        else:
            by_session.setdefault(probe.session_id, []).append((probe, one))
    for probe, count in _copied(by_session).items():
        _count(probe, count)
    return strangers


def _once_each(arrived: Iterable[_Arrived]) -> Iterator[_Arrived]:
    seen: set[tuple[bytes, UUID]] = set()
    for one in arrived:
        if (key := (one.capture.id, one.instance_id)) not in seen:
            seen.add(key)
            yield one


def _locked_probes(wire_ids: set[str]) -> dict[str, Probe]:
    """The probes by their id on the wire, counted up by nobody else until we have."""
    ids = {id: wire_id for wire_id in wire_ids if (id := _probe_id(wire_id)) is not None}
    rows = Probe.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    return {ids[probe.pk]: probe for probe in rows}


def _probe_id(wire_id: str) -> UUID | None:
    try:
        return read("prb", wire_id)
    except BadId:
        return None


def _takes(probe: Probe, one: _Arrived) -> bool:
    """Whether the probe was armed in that service when this was hit, or might have been."""
    if probe.service_id != one.service_id:
        return False
    if probe.state == ProbeState.ACTIVE:
        return True
    return probe.ended_at is not None and one.received_at - probe.ended_at < LATE_FOR


def _copied(by_session: _BySession) -> dict[Probe, int]:
    """Copy what is new, and answer how many of each probe's captures that was.

    Duplicates are rare (a connection broke between a commit and its acknowledgement), so they are looked for only
    once the copy has met one.
    """
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return _copy(by_session)
        except IntegrityError:
            by_session = _without_stored(by_session)
    raise OperationalError("captures kept being stored by another connection")


def _copy(by_session: _BySession) -> dict[Probe, int]:
    counts: dict[Probe, int] = {}
    rows = [copying.HEADER]
    for session_id in sorted(by_session):
        captures = by_session[session_id]
        first = next_capture_cursors(session_id, len(captures))
        for cursor, (probe, one) in enumerate(captures, first):
            counts[probe] = counts.get(probe, 0) + 1
            rows.append(_row(probe, one, cursor))
        hint: publish.Hint = {"what": "captures", "id": show("ses", session_id), "cursor": first + len(captures) - 1}
        publish.after_commit(topics.session_topic(session_id), hint)
    if counts:
        _send([*rows, copying.TRAILER])
    return counts


def _row(probe: Probe, one: _Arrived, cursor: int) -> bytes:
    origin = copying.origin(session_id=probe.session_id, probe_id=probe.pk, kind=probe.kind)
    return copying.row(one.capture, one.body, cursor=cursor, at_us=one.at_us, arrival=one.shared, origin=origin)


def _send(rows: Iterable[bytes]) -> None:
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(copying.COPY_CAPTURES) as copy:
        copy.write(b"".join(rows))


def _without_stored(by_session: _BySession) -> _BySession:
    ids = [UUID(bytes=one.capture.id) for captures in by_session.values() for _, one in captures]
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, instance_id FROM probes_capture WHERE id = ANY(%s)", [ids])
        stored = set(cursor.fetchall())
    left = {
        session_id: [
            (probe, one) for probe, one in captures if (UUID(bytes=one.capture.id), one.instance_id) not in stored
        ]
        for session_id, captures in by_session.items()
    }
    return {session_id: captures for session_id, captures in left.items() if captures}


def _count(probe: Probe, count: int) -> None:
    Probe.objects.filter(pk=probe.pk).update(captures=F("captures") + count)
    if probe.state == ProbeState.ACTIVE and 0 < probe.hit_limit <= probe.captures + count:
        _exhaust(probe)


def _exhaust(probe: Probe) -> None:
    """It has brought what it was asked for: take it from every instance."""
    sentence = f"P{probe.number} brought the {probe.hit_limit} captures it was limited to."
    Probe.objects.filter(pk=probe.pk).update(
        state=ProbeState.EXHAUSTED, state_reason=sentence, ended_at=timezone.now()
    )
    subject = show("prb", probe.pk)
    record(probe.session, SYSTEM, "probe_exhausted", sentence, subject=subject)
    publish.after_commit(topics.session_topic(probe.session_id), {"what": "probes", "id": subject})
    bump_probe_revision(probe.service)
