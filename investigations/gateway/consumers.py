"""The sensors' door: one websocket per instance, from its hello to its end.

Frames of one connection are handled in order and at once: whatever needs the database is handed to the intake, which
all connections share, or to this connection's own tasks. Every way a connection can end carries a slug.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError, InterfaceError
from redis.exceptions import RedisError

from investigations.accounts.redaction import rules_of
from investigations.accounts.services import sensor_keys
from investigations.catalog import questions
from investigations.catalog.functions import record_functions
from investigations.catalog.models import Instance
from investigations.catalog.services import instance_gone, instance_seen
from investigations.gateway import refusals
from investigations.gateway.auth import WINDOW, Admitted, Greeting
from investigations.gateway.clocks import ClockOffset
from investigations.gateway.intake import AWAY, Intake
from investigations.gateway.refusals import Refuse
from investigations.lib.errors import Unauthorized
from investigations.live import publish, topics
from investigations.probes.ingest import Batch
from investigations.probes.selectors import desired_probes
from investigations.probes.services import record_counters, record_delivery, record_outcomes
from sightline import handshake, wire

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

PROVEN_WITHIN_S = 10.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
RENEW_EVERY_S = 15.0
"""How often a set with probes in it is sent again: well within the leases of its probes."""
MESSAGES_A_SECOND = 50.0
BURST = 200
MOST_QUESTIONS = 16


class SensorConsumer(AsyncWebsocketConsumer):
    """One connection. ``_admitted`` is None until the sensor has proven its token."""

    _admitted: Admitted | None = None
    _over = False

    async def connect(self) -> None:
        self._greeting = Greeting(self.channel_name)
        self._tasks: set[asyncio.Task[None]] = set()
        self._offset = ClockOffset()
        self._pace = Pace(MESSAGES_A_SECOND, BURST)
        self._under_way = 0
        self._probes_wanted = asyncio.Event()
        self._sent_revision = -1
        self._terms, self._terms_revision = b"", 0
        self._latest_heartbeat: tuple[wire.Heartbeat, datetime] | None = None
        self._later: asyncio.Queue[Callable[[], Coroutine[Any, Any, None]]] = asyncio.Queue(maxsize=BURST)
        self._questions: dict[int, questions.Assembly] = {}
        self._asked = 0
        await self.accept()
        self._start(self._refuse_unless_proven())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self._over:
            await self._guarded(self._frame(bytes_data))

    async def disconnect(self, code: int) -> None:
        self._over = True
        for task in self._tasks:
            task.cancel()
        if self._admitted is None:
            return
        with contextlib.suppress(RedisError, OSError):
            for topic in _topics(self._admitted):
                await self.channel_layer.group_discard(topic, self.channel_name)
        with contextlib.suppress(DatabaseError, InterfaceError):  # the sweep finds the silent instance later
            await _in_thread(instance_gone, self._admitted.instance.pk, self._admitted.connection)

    async def hint(self, event: dict[str, Any]) -> None:
        """Something that this connection subscribes to has happened."""
        if self._admitted is None or self._over:
            return
        match event["what"], event.get("id"):
            case "probe_set", _:
                self._probes_wanted.set()
            case "terms", _:
                self._start(self._send_terms(self._admitted))
            case "question", question_id:
                self._start(self._ask(str(question_id)))
            case "connected", connection if connection != str(self._admitted.connection):
                self._start(self._make_way(self._admitted))
            case "token_revoked", token_id if token_id == str(self._admitted.token.pk):
                await self._end(Refuse("token_revoked", "This token was revoked.", code=4401, final=True))

    async def _make_way(self, admitted: Admitted) -> None:
        """Another connection announced itself; the table knows which of the two came later."""
        if not await _in_thread(_still_speaks, admitted):
            raise refusals.superseded()

    # Ends

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a part of this connection; whatever goes wrong ends this connection and nothing else."""
        try:
            await work
        except Refuse as refuse:
            await self._end(refuse)
        except (DatabaseError, InterfaceError, RedisError) as problem:
            logger.warning("sensor_connection_failed", extra={**self._who(), "reason": str(problem)})
            await self._end(refusals.unavailable())
        except Exception:
            logger.exception("sensor_connection_failed", extra=self._who())
            await self._end(refusals.internal())

    async def _end(self, refuse: Refuse) -> None:
        """Say why, and close."""
        if self._over:
            return
        self._over = True
        logger.info("sensor_refused", extra={**self._who(), "slug": refuse.slug, "reason": str(refuse)})
        await self.send(bytes_data=wire.encode(refuse.message))
        await self.close(code=refuse.code)

    async def _say(self, message: msgspec.Struct) -> None:
        if not self._over:
            await self.send(bytes_data=wire.encode(message))

    def _who(self) -> dict[str, str]:
        address = (self.scope.get("client") or ["?"])[0]
        instance = str(self._admitted.instance.pk) if self._admitted else ""
        return {"address": address, "instance": instance}

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside the frames, until done or disconnected."""
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # The handshake

    async def _refuse_unless_proven(self) -> None:
        await asyncio.sleep(PROVEN_WITHIN_S)
        if self._admitted is None:
            raise refusals.too_slow()

    async def _frame(self, frame: bytes | None) -> None:
        if frame is None:
            raise refusals.malformed("Messages are binary frames.")
        if len(frame) > wire.MAX_MESSAGE:
            raise refusals.too_large(len(frame), wire.MAX_MESSAGE)
        if self._admitted is not None:
            await self._message(self._admitted, frame)
        elif self._greeting.has_hello:
            await self._admit(await self._greeting.proof(frame))
        else:
            await self.send(bytes_data=await self._greeting.hello(frame))

    async def _admit(self, admitted: Admitted) -> None:
        """From here on this connection speaks for its instance; one that did before is told to go."""
        for topic in _topics(admitted):
            await self.channel_layer.group_add(topic, self.channel_name)
        self._admitted = admitted
        publish.publish(
            topics.instance_topic(admitted.instance.pk), {"what": "connected", "id": str(admitted.connection)}
        )
        await self.send(bytes_data=admitted.welcome)
        self._start(self._send_terms(admitted))  # they may have changed before we subscribed
        self._start(self._keep_probes(admitted))
        self._start(self._work_off())

    # Messages

    async def _message(self, admitted: Admitted, frame: bytes) -> None:
        try:
            message = wire.from_sensor.decode(frame)
        except wire.MALFORMED as problem:
            raise refusals.malformed(f"That is no message: {problem}") from None
        match message:
            case wire.Captures():
                self._take_captures(admitted, message)
            case wire.Outcomes():
                self._take_credit()
                self._do_later(lambda: self._store_outcomes(admitted, message))
            case _:
                self._pace.step()
                await self._control(admitted, message)

    async def _control(self, admitted: Admitted, message: wire.FromSensor) -> None:
        match message:
            case wire.Heartbeat():
                await self._heartbeat(admitted, message)
            case wire.ProbeStatuses():
                self._do_later(
                    lambda: _in_thread(record_delivery, admitted.instance, message.revision, message.statuses)
                )
            case wire.Functions():
                now = datetime.now(UTC)
                self._do_later(lambda: _in_thread(record_functions, admitted.instance, message, now))
            case wire.Answer():
                await self._answer_part(message)
            case _:
                raise refusals.out_of_order(str(message.__struct_config__.tag))

    def _take_credit(self) -> None:
        self._under_way += 1
        if self._under_way > WINDOW:
            raise refusals.too_fast(f"More than {WINDOW} messages came without an acknowledgement.")

    def _take_captures(self, admitted: Admitted, message: wire.Captures) -> None:
        self._take_credit()
        batch = Batch(
            instance_id=admitted.instance.pk,
            service_id=admitted.instance.service_id,
            environment_id=admitted.instance.environment_id,
            commit=admitted.instance.commit,
            clock_offset_ns=self._offset.ns,
            received_at=datetime.now(UTC),
            bodies=message.bodies,
        )
        stored = Intake.of_this_loop().submit(batch)
        self._start(self._acknowledge(message.sequence, stored))

    async def _acknowledge(self, sequence: int, stored: Awaitable[list[wire.Refused]]) -> None:
        refused = await stored
        self._under_way -= 1
        await self._say(wire.Ack(sequence, Intake.of_this_loop().window(WINDOW), refused))

    async def _store_outcomes(self, admitted: Admitted, message: wire.Outcomes) -> None:
        await _in_thread(record_outcomes, admitted.instance, message.outcomes)
        self._under_way -= 1
        await self._say(wire.Ack(message.sequence, WINDOW))

    async def _heartbeat(self, admitted: Admitted, heartbeat: wire.Heartbeat) -> None:
        now = time.time_ns()
        self._offset.note(
            sent_ns=heartbeat.at, received_ns=now, round_trip_ns=int(min(heartbeat.rtt_ms, 60_000.0) * 1e6)
        )
        await self._say(wire.HeartbeatAck(heartbeat.mono, now))
        waiting = self._latest_heartbeat is not None
        self._latest_heartbeat = (heartbeat, datetime.now(UTC))
        if not waiting:
            self._do_later(lambda: self._note_heartbeat(admitted))

    async def _note_heartbeat(self, admitted: Admitted) -> None:
        """Only the newest is noted: its counts contain those of the ones before."""
        latest, self._latest_heartbeat = self._latest_heartbeat, None
        if latest is not None and not await _in_thread(_note_heartbeat, admitted, *latest):
            raise refusals.superseded()

    # This connection's own work, in order

    def _do_later(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            self._later.put_nowait(work)
        except asyncio.QueueFull:
            raise refusals.too_fast("Statuses came faster than they can be noted.") from None

    async def _work_off(self) -> None:
        while True:
            work = await self._later.get()
            await _patiently(work)

    # Probe sets

    async def _keep_probes(self, admitted: Admitted) -> None:
        """Send the desired set when it changes, and again within its leases."""
        while True:
            self._probes_wanted.clear()
            await _patiently(lambda: self._send_probes(admitted))
            try:
                await asyncio.wait_for(self._probes_wanted.wait(), RENEW_EVERY_S)
            except TimeoutError:
                await _patiently(lambda: _require_alive(admitted))

    async def _send_probes(self, admitted: Admitted) -> None:
        revision, probes = await _in_thread(desired_probes, admitted.instance)
        if revision == self._sent_revision and not probes:
            return
        for part in _signed_parts(admitted.signing_key, revision, msgspec.msgpack.encode(probes)):
            await self._say(part)
        self._sent_revision = revision

    async def _send_terms(self, admitted: Admitted) -> None:
        """Bring the environment's rules if they changed; a sensor that cannot take them so is told to come again."""
        body = wire.encode(await _in_thread(rules_of, admitted.instance.environment))
        if body == (self._terms or admitted.rules):
            return
        if "terms" not in admitted.takes:
            raise refusals.terms_changed()
        self._terms, self._terms_revision = body, self._terms_revision + 1
        revision = self._terms_revision
        mac = handshake.sign_terms(admitted.signing_key, revision=revision, body=body)
        await self._say(wire.Terms(revision, body, mac))

    # Questions

    async def _ask(self, question_id: str) -> None:
        """Pass a question on, if it is still there to be taken and not too many wait already."""
        question = await questions.take(question_id)
        if question is None:
            return
        if len(self._questions) >= MOST_QUESTIONS:
            self._questions.pop(min(self._questions))
        self._asked += 1
        self._questions[self._asked] = questions.Assembly(question_id)
        await self._say(wire.Request(self._asked, question.ask, question.path))

    async def _answer_part(self, part: wire.Answer) -> None:
        assembly = self._questions.get(part.id)
        if assembly is None:
            return  # asked too long ago
        whole = assembly.add(part)
        if whole is not None:
            del self._questions[part.id]
            self._start(questions.answer(assembly.question_id, whole))


class Pace:
    """How fast one connection may send what is not governed by credit: a bucket of ``burst`` that refills."""

    def __init__(self, a_second: float, burst: float) -> None:
        self._a_second = a_second
        self._burst = self._left = burst
        self._at = time.monotonic()

    def step(self) -> None:
        """Count one message. Raises `Refuse` when the bucket is empty."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._a_second) - 1.0
        self._at = now
        if self._left < 0:
            raise refusals.too_fast(f"More than {self._a_second:.0f} messages a second came.")


def _topics(admitted: Admitted) -> list[str]:
    instance = admitted.instance
    return [
        topics.instance_topic(instance.pk),
        topics.service_topic(instance.service_id),
        topics.environment_topic(instance.environment_id),
    ]


def _signed_parts(key: bytes, revision: int, body: bytes) -> Iterator[wire.ProbeSet]:
    """A probe set in parts that each fit a message, each signed."""
    pieces = [body[start : start + wire.CHUNK] for start in range(0, len(body), wire.CHUNK)]
    for number, piece in enumerate(pieces):
        mac = handshake.sign_probe_set(key, revision=revision, part=number, parts=len(pieces), body=piece)
        yield wire.ProbeSet(revision, number, len(pieces), piece, mac)


async def _in_thread(work: Callable[..., Answer], *args: Any) -> Answer:
    """Run database work on a thread of its own: one slow query must not hold up every connection."""
    return await database_sync_to_async(work, thread_sensitive=False)(*args)


async def _patiently(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do this again until the database is back."""
    pause = FIRST_PAUSE_S
    while True:
        try:
            return await work()
        except AWAY as problem:
            logger.warning("gateway_waits_for_database", extra={"reason": str(problem)})
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_S, pause * 2)


async def _require_alive(admitted: Admitted) -> None:
    """Raise `Refuse` when the token has ended meanwhile: it may have run out, or the hint of its end was lost."""
    try:
        await _in_thread(sensor_keys, admitted.token.public_id)
    except Unauthorized as problem:
        raise Refuse(problem.slug, problem.sentence, code=4401, final=True) from None


def _still_speaks(admitted: Admitted) -> bool:
    return Instance.objects.filter(pk=admitted.instance.pk, connection=admitted.connection).exists()


def _note_heartbeat(admitted: Admitted, heartbeat: wire.Heartbeat, received_at: datetime) -> bool:
    """False when another connection speaks for the instance by now."""
    if not instance_seen(admitted.instance.pk, admitted.connection, heartbeat, received_at):
        return False
    record_counters(admitted.instance, heartbeat)
    return True
