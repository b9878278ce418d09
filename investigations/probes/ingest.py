"""Stores captures as sensors send them: checked, deduplicated, numbered, many messages in one transaction.

Locks are taken in the order probes, sessions, service, each kind by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

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
    """A capture that reads well and where it came in; its values are only the bytes to store by now."""

    batch: int
    position: int
    id: bytes
    probe_id: str
    hit: int
    at_us: int
    content: bytes


@dataclass(slots=True)
class _Target:
    """A probe, and what has arrived for it."""

    probe: Probe
    origin: bytes
    count: int = 0


_BySession = dict[UUID, list[tuple[_Target, _Arrived]]]


def store(batches: Sequence[Batch]) -> list[list[wire.Refused]]:
    """Commit every capture that can be stored; answer for each batch which of its bodies cannot, and why.

    A capture that is there already counts as stored. Slugs: ``malformed``, ``bad_id`` (no UUIDv7), ``bad_time``,
    ``unknown_probe`` (not this service's, or ended long ago). Raises Django's database errors; then nothing is stored.
    """
    refused: list[list[wire.Refused]] = [[] for _ in batches]
    arrived = list(_readable(batches, refused))
    if arrived:
        for stranger in _retried(lambda: _Writing(batches).write(arrived)):
            refused[stranger.batch].append(wire.Refused(stranger.position, "unknown_probe"))
    return refused


def _readable(batches: Sequence[Batch], refused: list[list[wire.Refused]]) -> Iterator[_Arrived]:
    """The bodies that decode and make sense; the others are noted as refused."""
    for number, batch in enumerate(batches):
        for position, body in enumerate(batch.bodies):
            capture = _decode(body)
            slug = "malformed" if capture is None else _nonsense(capture)
            if capture is None or slug:
                refused[number].append(wire.Refused(position, slug))
                continue
            at_us = (capture.at - batch.clock_offset_ns) // 1000
            content = copying.content(capture, body)
            yield _Arrived(number, position, capture.id, capture.probe_id, capture.hit, at_us, content)


def _decode(body: bytes) -> wire.Capture | None:
    try:
        return wire.capture_body.decode(body)
    except wire.MALFORMED:
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


class _Writing:
    """One transaction, from the locks on its probes to the count of what was new."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self._batches = batches
        self._shared = [
            copying.arrival(
                instance_id=batch.instance_id,
                environment_id=batch.environment_id,
                commit=batch.commit,
                received_at=batch.received_at,
            )
            for batch in batches
        ]

    @transaction.atomic
    def write(self, arrived: Sequence[_Arrived]) -> list[_Arrived]:
        """Store what belongs to a known probe; answers what does not."""
        targets = _locked_targets({one.probe_id for one in arrived})
        by_session: _BySession = {}
        strangers = []
        for one in self._once_each(arrived):
            target = targets.get(one.probe_id)
            if target is None or not self._takes(target.probe, self._batches[one.batch]):
                strangers.append(one)
            else:
                by_session.setdefault(target.probe.session_id, []).append((target, one))
        self._copy_new(by_session)
        for target in targets.values():
            _count(target.probe, target.count)
        return strangers

    def _once_each(self, arrived: Iterable[_Arrived]) -> Iterator[_Arrived]:
        seen: set[tuple[UUID, bytes]] = set()
        for one in arrived:
            if (key := self._key(one)) not in seen:
                seen.add(key)
                yield one

    def _key(self, one: _Arrived) -> tuple[UUID, bytes]:
        return self._batches[one.batch].instance_id, one.id

    def _takes(self, probe: Probe, batch: Batch) -> bool:
        """Whether the probe was armed in that service when this was hit, or might have been."""
        if probe.service_id != batch.service_id:
            return False
        if probe.state == ProbeState.ACTIVE:
            return True
        return probe.ended_at is not None and batch.received_at - probe.ended_at < LATE_FOR

    def _copy_new(self, by_session: _BySession) -> None:
        """Copy what is not there yet.

        Duplicates are rare (a connection broke between a commit and its acknowledgement), so they are looked for only
        once the copy has met one.
        """
        for _ in range(ATTEMPTS):
            try:
                with transaction.atomic():
                    return self._copy(by_session)
            except IntegrityError:
                by_session = self._without_stored(by_session)
        raise OperationalError("captures kept being stored by another connection")

    def _copy(self, by_session: _BySession) -> None:
        rows = [copying.HEADER]
        for session_id in sorted(by_session):
            captures = by_session[session_id]
            first = next_capture_cursors(session_id, len(captures))
            rows += [self._row(target, one, cursor) for cursor, (target, one) in enumerate(captures, first)]
            last = first + len(captures) - 1
            hint: publish.Hint = {"what": "captures", "id": show("ses", session_id), "cursor": last}
            publish.after_commit(topics.session_topic(session_id), hint)
        if by_session:
            _send([*rows, copying.TRAILER])
        for captures in by_session.values():
            for target, _ in captures:
                target.count += 1

    def _row(self, target: _Target, one: _Arrived, cursor: int) -> bytes:
        numbers = copying.numbers(one.id, cursor=cursor, hit=one.hit, at_us=one.at_us)
        return copying.row(numbers, self._shared[one.batch], target.origin, one.content)

    def _without_stored(self, by_session: _BySession) -> _BySession:
        ids = [UUID(bytes=one.id) for captures in by_session.values() for _, one in captures]
        with connection.cursor() as cursor:
            cursor.execute("SELECT instance_id, id FROM probes_capture WHERE id = ANY(%s)", [ids])
            stored = {(instance_id, id.bytes) for instance_id, id in cursor.fetchall()}
        left = {
            session_id: [(target, one) for target, one in captures if self._key(one) not in stored]
            for session_id, captures in by_session.items()
        }
        return {session_id: captures for session_id, captures in left.items() if captures}


def _locked_targets(wire_ids: set[str]) -> dict[str, _Target]:
    """The probes by their id on the wire, counted up by nobody else until we have."""
    ids = {id: wire_id for wire_id in wire_ids if (id := _probe_id(wire_id)) is not None}
    rows = Probe.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    return {
        ids[probe.pk]: _Target(
            probe, copying.origin(session_id=probe.session_id, probe_id=probe.pk, kind=probe.kind)
        )
        for probe in rows
    }


def _probe_id(wire_id: str) -> UUID | None:
    try:
        return read("prb", wire_id)
    except BadId:
        return None


def _send(rows: Iterable[bytes]) -> None:
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(copying.COPY_CAPTURES) as copy,
    ):
        copy.write(b"".join(rows))


def _count(probe: Probe, count: int) -> None:
    if not count:
        return
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
