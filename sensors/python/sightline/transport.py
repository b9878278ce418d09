"""The sensor's one thread: connects, backs off, and pumps between outbox, protocol and socket.

Everything that costs time in the sensor happens here: encoding records, arming probes, reading source, sending. It runs
no event loop and no instrumented library, so no tracer sees its traffic. Nothing is ever raised into the application.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Interface

from . import native, slices, wire
from .outbox import Outbox, Record, nobody_sleeps
from .protocol import (
    BATCH_BYTES,
    Acknowledged,
    Asked,
    Deliveries,
    Event,
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
from .websocket import ConnectionFailed, Waiter, WebSocket

logger = logging.getLogger("sightline")

FLUSH_EVERY_S = 0.010
"""Records are gathered this long, the first after a pause too: what is written at once delays the answer to the very
request it was kept of."""
LONGEST_TICK_S = 1.0
END_WITHIN_S = 1.0
"""How much longer than asked the thread may take to end: one call into the operating system."""
HEARTBEATS_MISSED = 3
HANDSHAKE_WITHIN_S = 10.0
OUTCOMES_A_BATCH = 1000
FUNCTIONS_EVERY_S = 15.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
PAUSE_AFTER_FINAL_S = 600.0
"""After a refusal that will not change by itself."""


class Host(Interface):
    """What the thread asks of the sensor and tells it; all of it is called on this thread alone."""

    def hello(self) -> wire.Hello:
        """Who we are; versions, token and nonce are filled in here."""

    def on_welcome(self, welcome: wire.Welcome) -> None:
        """The terms of a new connection."""

    def on_terms(self, redaction: wire.RedactionRules) -> None:
        """The environment's rules changed."""

    def on_probe_set(self, revision: int, probes: list[wire.Probe]) -> None:
        """The whole desired set: arm, keep and disarm."""

    def on_request(self, request: wire.Request) -> wire.AnswerBody:
        """Answer a read-only question."""

    def heartbeat(self) -> wire.Heartbeat:
        """Counters, drops and cost, since the process started."""

    def take_functions(self) -> wire.Functions | None:
        """What the function record holds since last asked."""

    def take_statuses(self) -> list[wire.ProbeStatus]:
        """Probes whose status changed since last asked."""

    def write(self, record: Record) -> wire.Capture | wire.Outcome | None:
        """Name, cut and redact one record; None when there is nothing to send of it."""

    def tick(self) -> float:
        """Leases, budgets, windows, connected or not; the seconds until it is wanted again."""

    def rests(self, resting: bool) -> None:
        """The thread goes to sleep, or goes to work."""


@dataclass(frozen=True, slots=True)
class Link:
    """How the connection stands, for the doctor."""

    connected: bool = False
    slug: str = ""
    sentence: str = "not connected yet"
    attempts: int = 0
    """Since the last success."""


class Pump:
    """The thread and its housekeeping; `Transport` and `FileSink` say where the bodies go."""

    def __init__(self, host: Host, outbox: Outbox) -> None:
        self._host = host
        self._outbox = outbox
        self._waiter = Waiter()
        self._running = native.allocate_lock()
        self._stopping = False
        self.ended = False
        """Whether the thread has done its last."""
        self._stop_by = 0.0
        self._next_tick = 0.0
        self._gather_until = 0.0
        outbox.wake = self.wake

    def start(self) -> None:
        """Start the thread: a real one, also where gevent has patched `threading`."""
        self._running.acquire()
        native.start_thread(self._run_safely)

    def wake(self) -> None:
        """There is something to do: a record, a changed status, an end. Safe from any thread."""
        self._waiter.wake()

    def stop(self, within: float = 2.0) -> None:
        """Send what is waiting, ``within`` seconds at most, and end the thread."""
        self._stop_by = time.monotonic() + within
        self._stopping = True
        self.wake()
        if self._running.acquire(timeout=within + END_WITHIN_S):
            self._running.release()

    def abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent. Its thread does not exist here."""
        self._outbox.wake = nobody_sleeps
        self._waiter.close()

    def _run_safely(self) -> None:
        try:
            self._host.rests(False)
            self._run()
        except Exception:
            logger.exception("sightline: the sensor's thread ended")
        finally:
            self._outbox.wake = nobody_sleeps
            self._waiter.close()
            self._host.rests(True)
            self.ended = True
            self._running.release()

    def _run(self) -> None:
        """The thread's whole life."""
        raise NotImplementedError

    def _sleep(self, websocket: WebSocket | None, until: float) -> bool:
        """Wait for the socket, a record or ``until``, whatever comes first; whether the socket can be read.

        Right after records were encoded nobody wakes us: what follows within `FLUSH_EVERY_S` goes out together.
        """
        now = time.monotonic()
        timeout = min(until, self._next_tick) - now
        if (gathering := self._gather_until - now) > 0:
            return self._wait(websocket, min(timeout, gathering))
        self._outbox.asleep = True
        if self._outbox.has_records:  # came before the flag was up
            timeout = 0.0
        try:
            readable = self._wait(websocket, timeout)
        finally:
            self._outbox.asleep = False
        if self._outbox.has_records and not self._stopping:
            self._wait(None, FLUSH_EVERY_S)
            slices.begin()
        return readable

    def _wait(self, websocket: WebSocket | None, timeout: float) -> bool:
        self._host.rests(True)
        try:
            return self._waiter.wait(websocket, timeout)
        finally:
            self._host.rests(False)

    def _encode(self) -> None:
        """Turn records into bodies, connected or not: a record keeps parts of the application alive, a body none."""
        if self._outbox.has_records and (time.monotonic() >= self._gather_until or self._stopping):
            self._outbox.encode(self._host.write)
            self._gather_until = time.monotonic() + FLUSH_EVERY_S

    def _tick(self) -> None:
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + LONGEST_TICK_S
            self._ask(self._tick_host)

    def _tick_host(self) -> None:
        self._next_tick = time.monotonic() + min(LONGEST_TICK_S, self._host.tick())

    def _ask(self, call: Callable[[], None]) -> None:
        """Call the sensor; what goes wrong there is logged and must not cost us the thread."""
        try:
            call()
        except Exception:
            logger.exception("sightline: %s failed", getattr(call, "__qualname__", call))

    def _may_go_on(self) -> bool:
        """Whether there is still something to do, or time left to do it after `stop`."""
        if not self._stopping:
            return True
        return self._has_work() and time.monotonic() < self._stop_by

    def _has_work(self) -> bool:
        """Whether something accepted has not reached its end."""
        return len(self._outbox) > 0


class _Ended(Exception):
    """The connection is over; the next one waits for at least ``pause`` seconds."""

    def __init__(self, slug: str, sentence: str, pause: float = 0.0) -> None:
        super().__init__(sentence)
        self.slug = slug
        self.sentence = sentence
        self.pause = pause


class Transport(Pump):
    """The thread that keeps a connection to the gateway at ``url`` (``wss://host/sensor/v1``).

    ``tls`` may name other certificate authorities; certificates and names are verified in any case.
    """

    def __init__(
        self, host: Host, outbox: Outbox, *, url: str, token: Token, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(host, outbox)
        self.link = Link()
        self._url = url
        self._token = token
        self._tls = tls
        self._websocket: WebSocket | None = None
        self._deliveries = Deliveries()
        self._failures = 0
        self._revision = 0
        self._heartbeat_s = 5.0
        self._next_heartbeat = 0.0
        self._heard_at = 0.0
        self._takes_functions = False
        self._next_functions = 0.0

    def _run(self) -> None:
        while self._may_go_on():
            began = time.monotonic()
            try:
                self._one_connection()
            except (ConnectionFailed, ProtocolError) as problem:
                self._came_to_nothing(began, problem.slug, problem.sentence, 0.0)
            except _Ended as end:
                self._came_to_nothing(began, end.slug, end.sentence, end.pause)

    def abandon(self) -> None:
        super().abandon()
        if self._websocket is not None:
            self._websocket.abandon()

    def _has_work(self) -> bool:
        return super()._has_work() or len(self._deliveries) > 0

    def _came_to_nothing(self, began: float, slug: str, sentence: str, pause: float) -> None:
        """Note why, and wait before the next attempt: full jitter, longer each time until a connection lasts."""
        now = time.monotonic()
        self._failures = 1 if self.link.connected and now - began > LONGEST_PAUSE_S else self._failures + 1
        if (slug, sentence) != (self.link.slug, self.link.sentence):
            logger.warning("sightline: not connected: %s (%s)", sentence, slug)
        self.link = Link(False, slug, sentence, self._failures)
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10))
        resume_at = now + pause + random.uniform(0.0, longest)  # noqa: S311 (spreads load, hides nothing)
        while self._may_go_on() and time.monotonic() < resume_at:
            self._tick()
            self._encode()
            self._sleep(None, min(resume_at, self._stop_by) if self._stopping else resume_at)

    def _one_connection(self) -> None:
        """Connect and pump until the connection or our time ends. Raises what ended it."""
        self._websocket = WebSocket.open(self._url, tls=self._tls)
        try:
            self._deliveries.reconnected()
            self._talk(self._websocket, Protocol(self._token, self._host.hello()))
        finally:
            self._websocket.close()

    def _talk(self, websocket: WebSocket, protocol: Protocol) -> None:
        self._heard_at = time.monotonic()
        while self._may_go_on():
            self._tick()
            self._encode()
            self._say(websocket, protocol)
            if self._sleep(websocket, self._next_thing_due(protocol)):
                self._listen(websocket, protocol)
            websocket.flush()

    def _next_thing_due(self, protocol: Protocol) -> float:
        due = self._next_heartbeat if protocol.state is State.READY else self._heard_at + HANDSHAKE_WITHIN_S
        return min(due, self._stop_by) if self._stopping else due

    def _say(self, websocket: WebSocket, protocol: Protocol) -> None:
        """Send what is due and what the window allows."""
        if protocol.state is State.READY:
            self._beat(protocol)
            self._tell_statuses(protocol)
            self._tell_functions(protocol)
            self._deliver(protocol)
        elif time.monotonic() > self._heard_at + HANDSHAKE_WITHIN_S:
            raise ConnectionFailed("silent", "The gateway did not finish the handshake in time.")
        for frame in protocol.frames_to_send():
            websocket.send(frame)

    def _beat(self, protocol: Protocol) -> None:
        now = time.monotonic()
        if now - self._heard_at > HEARTBEATS_MISSED * self._heartbeat_s:
            raise ConnectionFailed("silent", f"The gateway said nothing for {HEARTBEATS_MISSED} heartbeats.")
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + self._heartbeat_s
            self._ask(lambda: protocol.send_heartbeat(self._host.heartbeat()))

    def _tell_statuses(self, protocol: Protocol) -> None:
        self._ask(lambda: protocol.send_statuses(self._revision, self._host.take_statuses()))

    def _tell_functions(self, protocol: Protocol) -> None:
        """Now and then, and once more before the end; unsent it is kept and added to."""
        now = time.monotonic()
        if self._takes_functions and (now >= self._next_functions or self._stopping):
            self._next_functions = now + FUNCTIONS_EVERY_S
            self._ask(lambda: self._send_functions(protocol))

    def _send_functions(self, protocol: Protocol) -> None:
        told = self._host.take_functions()
        if told is not None:
            protocol.send_functions(told)

    def _deliver(self, protocol: Protocol) -> None:
        """Batches are made only when one may go out, so they grow while the gateway is busy."""
        for batch in self._deliveries.due(protocol.window):
            protocol.send(batch)
        while self._deliveries.credit(protocol.window) and self._make_batch():
            for batch in self._deliveries.due(protocol.window):
                protocol.send(batch)

    def _make_batch(self) -> bool:
        """Whether there was anything to make one of."""
        if bodies := self._outbox.take_captures(BATCH_BYTES):
            self._deliveries.add_captures(bodies)
            return True
        if outcomes := self._outbox.take_outcomes(OUTCOMES_A_BATCH):
            self._deliveries.add_outcomes(outcomes)
            return True
        return False

    def _listen(self, websocket: WebSocket, protocol: Protocol) -> None:
        for message in websocket.receive():
            self._heard_at = time.monotonic()
            for event in protocol.receive(message):
                self._handle(event, protocol)

    def _handle(self, event: Event, protocol: Protocol) -> None:
        match event:
            case Welcomed(welcome):
                self._welcomed(welcome)
            case TermsChanged(redaction):
                self._ask(lambda: self._host.on_terms(redaction))
            case ProbesDesired(revision, probes):
                self._revision = revision
                self._ask(lambda: self._host.on_probe_set(revision, probes))
            case Acknowledged(ack):
                self._acknowledged(ack)
            case Asked(request):
                protocol.answer(request, self._answer(request))
            case Refused(refusal):
                pause = max(refusal.retry_after_s, PAUSE_AFTER_FINAL_S if refusal.final else 0.0)
                raise _Ended(refusal.slug, refusal.sentence, pause)
            case HeartbeatReturned():
                pass

    def _welcomed(self, welcome: wire.Welcome) -> None:
        logger.info("sightline: connected")
        self.link = Link(True, sentence="connected")
        self._heartbeat_s = min(60.0, max(0.1, welcome.heartbeat_s))
        self._next_heartbeat = 0.0
        self._takes_functions = "functions" in welcome.takes
        self._ask(lambda: self._host.on_welcome(welcome))

    def _acknowledged(self, ack: wire.Ack) -> None:
        batch = self._deliveries.acknowledge(ack.sequence)
        if batch is None:
            return
        self._outbox.release(batch.size)
        for refused in ack.refused:
            self._outbox.count_refused(refused.slug)

    def _answer(self, request: wire.Request) -> wire.AnswerBody:
        try:
            return self._host.on_request(request)
        except Exception:
            logger.exception("sightline: a request failed")
            return wire.Failure("sensor_error", "The sensor failed to answer; its log says why.")
