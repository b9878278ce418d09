"""One connection to the gateway without any I/O: frames in, events out; wishes in, frames out.

    opening → challenged → proven → ready → closed
    hello     proof        (waits)  probe sets, captures, heartbeats, requests

`Protocol` lives as long as one connection. `Deliveries` outlives it: batches stay there until they are acknowledged
and are sent again on the next connection, so each arrives at least once; the gateway keeps each capture once, by id.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeVar

import msgspec

from . import handshake, wire
from .errors import SightlineError

Item = TypeVar("Item")
MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of one whole answer; a larger one is answered with a failure."""
MAX_PROBE_SET_PARTS = 64
BATCH_BYTES = wire.MAX_MESSAGE - 64
"""Bytes of the bodies in one batch; the rest is the message's own head."""


class ProtocolError(SightlineError):
    """The peer said what it may not say; the connection ends with ``slug`` as its reason."""


class Token(NamedTuple):
    """A sensor token in its two halves: the public id is sent, the secret never leaves the process."""

    public_id: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> Token:
        """Read ``sls_<public id>_<secret>``. Raises `ProtocolError` for anything else, without repeating it."""
        prefix, _, rest = text.strip().partition("_")
        public_id, _, secret = rest.partition("_")
        if prefix != "sls" or not public_id or not secret:
            raise ProtocolError(
                "token_malformed", "The sensor token does not have the form sls_<id>_<secret>."
            )
        return cls(public_id, secret)


# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The gateway has proven itself; from here on the connection is in use."""

    welcome: wire.Welcome


@dataclass(frozen=True, slots=True)
class TermsChanged:
    """The environment's rules are these from now on."""

    redaction: wire.RedactionRules


@dataclass(frozen=True, slots=True)
class ProbesDesired:
    """The whole desired set; it replaces what was desired before."""

    revision: int
    probes: list[wire.Probe]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A batch is stored but for the bodies refused."""

    ack: wire.Ack


@dataclass(frozen=True, slots=True)
class Asked:
    """A read-only question; answer it with `Protocol.answer`."""

    request: wire.Request


@dataclass(frozen=True, slots=True)
class HeartbeatReturned:
    """The gateway is alive; the round trip took ``rtt_ms``."""

    rtt_ms: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway is about to close this connection, and says why."""

    refusal: wire.Refusal


Event = Welcomed | TermsChanged | ProbesDesired | Acknowledged | Asked | HeartbeatReturned | Refused


class State(Enum):
    """Where a connection stands."""

    OPENING = "opening"
    CHALLENGED = "challenged"
    READY = "ready"
    CLOSED = "closed"


# ---------------------------------------------------------------- one connection


class Protocol:
    """The sensor's side of one connection.

    Give every frame that arrives to `receive`; send every frame of `frames_to_send`, in order. Nothing but
    `ProtocolError` is raised, and after that the connection is to be closed.
    """

    def __init__(
        self,
        token: Token,
        hello: wire.Hello,
        *,
        nonce: bytes | None = None,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.state = State.OPENING
        self.window = 0
        self.rtt_ms = 0.0
        self._token = token
        self._mono_ns = mono_ns
        self._server_key = handshake.derive(token.secret).server_key
        self._said = self._signing_key = b""
        self._set = _ProbeSetParts()
        self._terms_revision = 0
        hello = msgspec.structs.replace(
            hello,
            versions=list(wire.SPOKEN_VERSIONS),
            token_id=token.public_id,
            nonce=nonce or os.urandom(handshake.NONCE_BYTES),
            takes=["terms"],
        )
        self._hello = wire.encode(hello)
        self._out: list[bytes] = [self._hello]

    def frames_to_send(self) -> list[bytes]:
        """What has to go out, oldest first; each frame is handed out once."""
        out, self._out = self._out, []
        return out

    def receive(self, frame: bytes) -> list[Event]:
        """What a frame from the gateway means. Raises `ProtocolError`."""
        if self.state is State.CLOSED:
            return []
        try:
            message = wire.from_gateway.decode(frame)
        except wire.MALFORMED as problem:
            raise self._broken(
                "malformed", f"The gateway sent a frame that is no message: {problem}"
            ) from None
        if isinstance(message, wire.Refusal):
            self.state = State.CLOSED
            return [Refused(message)]
        if self.state is State.READY:
            return self._in_use(message)
        return self._shake_hands(message, frame)

    # The handshake

    def _shake_hands(self, message: wire.FromGateway, frame: bytes) -> list[Event]:
        if self.state is State.OPENING and isinstance(message, wire.Challenge):
            return self._challenged(message, frame)
        if self.state is State.CHALLENGED and isinstance(message, wire.Welcome):
            return self._welcomed(message)
        raise self._out_of_order(message)

    def _challenged(self, challenge: wire.Challenge, frame: bytes) -> list[Event]:
        if challenge.version not in wire.SPOKEN_VERSIONS:
            raise self._broken(
                "version", f"The gateway chose protocol {challenge.version}, which was not offered."
            )
        if len(challenge.nonce) < handshake.NONCE_BYTES:
            raise self._broken("malformed", "The gateway's nonce is too short.")
        self._said = handshake.transcript(self._hello, frame)
        self._out.append(wire.encode(wire.Proof(handshake.sensor_proof(self._token.secret, self._said))))
        self.state = State.CHALLENGED
        return []

    def _welcomed(self, welcome: wire.Welcome) -> list[Event]:
        if not hmac.compare_digest(welcome.proof, handshake.server_proof(self._server_key, self._said)):
            raise self._broken("gateway_not_proven", "The gateway could not prove that it knows this token.")
        self._signing_key = handshake.signing_key(self._server_key, self._said)
        self.window = welcome.window
        self.state = State.READY
        return [Welcomed(welcome)]

    # In use

    def _in_use(self, message: wire.FromGateway) -> list[Event]:
        match message:
            case wire.Ack():
                self.window = message.window
                return [Acknowledged(message)]
            case wire.ProbeSet():
                return self._probe_set(message)
            case wire.Terms():
                return self._terms(message)
            case wire.Request():
                return [Asked(message)]
            case wire.HeartbeatAck():
                self.rtt_ms = max(0.0, (self._mono_ns() - message.mono) / 1e6)
                return [HeartbeatReturned(self.rtt_ms)]
        raise self._out_of_order(message)

    def _probe_set(self, part: wire.ProbeSet) -> list[Event]:
        if not self._set.fits(part):
            raise self._broken("probe_set_order", "A probe set came in a wrong order, or an old one again.")
        signed = handshake.probe_set_holds(
            self._signing_key,
            revision=part.revision,
            part=part.part,
            parts=part.parts,
            body=part.body,
            mac=part.mac,
        )
        if not signed:
            raise self._broken("probe_set_forged", "A probe set was not signed by who knows the token.")
        body = self._set.add(part)
        if body is None:
            return []
        try:
            return [ProbesDesired(part.revision, wire.probe_list.decode(body))]
        except wire.MALFORMED as problem:
            raise self._broken("malformed", f"A probe set cannot be read: {problem}") from None

    def _terms(self, terms: wire.Terms) -> list[Event]:
        if not self._terms_revision < terms.revision < 1 << 63:
            raise self._broken("terms_order", "Old terms came again.")
        if not handshake.terms_hold(
            self._signing_key, revision=terms.revision, body=terms.body, mac=terms.mac
        ):
            raise self._broken("terms_forged", "New terms were not signed by who knows the token.")
        self._terms_revision = terms.revision
        try:
            return [TermsChanged(wire.redaction_rules.decode(terms.body))]
        except wire.MALFORMED as problem:
            raise self._broken("malformed", f"New terms cannot be read: {problem}") from None

    # Wishes

    def send_heartbeat(self, heartbeat: wire.Heartbeat) -> None:
        """Send counters and costs, in several messages when they are too many for one."""
        heartbeat = msgspec.structs.replace(heartbeat, mono=self._mono_ns(), rtt_ms=self.rtt_ms)
        self._send_split(heartbeat.counters, lambda some: msgspec.structs.replace(heartbeat, counters=some))

    def send_statuses(self, revision: int, statuses: Sequence[wire.ProbeStatus]) -> None:
        """Say where probes stand."""
        if statuses:
            self._send_split(list(statuses), lambda some: wire.ProbeStatuses(revision, some))

    def send_functions(self, told: wire.Functions) -> None:
        """Send what the function record holds."""
        self._send_split(told.functions, lambda some: msgspec.structs.replace(told, functions=some))

    def answer(self, request: wire.Request, body: wire.AnswerBody) -> None:
        """Answer a request, in parts."""
        data = wire.encode(body)
        if len(data) > MAX_ANSWER:
            sentence = f"The answer has {len(data)} bytes, {MAX_ANSWER} are possible."
            data = wire.encode(wire.Failure("too_large", sentence))
        parts = [data[start : start + wire.CHUNK] for start in range(0, len(data), wire.CHUNK)]
        for number, part in enumerate(parts):
            self._out.append(wire.encode(wire.Answer(request.id, number, len(parts), part)))

    def send(self, batch: Batch) -> None:
        """Send a batch of `Deliveries.due`."""
        self._out.append(batch.frame)

    def _send_split(self, items: list[Item], message: Callable[[list[Item]], msgspec.Struct]) -> None:
        """Send ``message(items)``, or its halves when it is larger than a message may be."""
        frame = wire.encode(message(items))
        if len(frame) <= wire.MAX_MESSAGE or len(items) < 2:
            self._out.append(frame)
            return
        middle = len(items) // 2
        self._send_split(items[:middle], message)
        self._send_split(items[middle:], message)

    def _out_of_order(self, message: wire.FromGateway) -> ProtocolError:
        kind = type(message).__struct_config__.tag
        return self._broken(
            "out_of_order", f"The gateway sent {kind} while the connection was {self.state.value}."
        )

    def _broken(self, slug: str, sentence: str) -> ProtocolError:
        self.state = State.CLOSED
        return ProtocolError(slug, sentence)


class _ProbeSetParts:
    """The parts of the probe set that is arriving: from the first on, in order, never an older revision."""

    def __init__(self) -> None:
        self._newest = 0
        self._parts: list[bytes] = []
        self._head = (0, 0)

    def fits(self, part: wire.ProbeSet) -> bool:
        """Whether this part may come next."""
        if part.part == 0:
            return self._newest <= part.revision < 1 << 63 and 1 <= part.parts <= MAX_PROBE_SET_PARTS
        return (
            bool(self._parts) and part.part == len(self._parts) and self._head == (part.revision, part.parts)
        )

    def add(self, part: wire.ProbeSet) -> bytes | None:
        """Keep a part that fits; the whole body once the last has come."""
        if part.part == 0:
            self._parts = []
            self._head = (part.revision, part.parts)
            self._newest = part.revision
        self._parts.append(part.body)
        if len(self._parts) < part.parts:
            return None
        whole, self._parts = b"".join(self._parts), []
        return whole


# ---------------------------------------------------------------- what outlives a connection


@dataclass(slots=True)
class Batch:
    """One `Captures` or `Outcomes` message, kept until it is acknowledged. ``size`` counts the bytes of its bodies."""

    sequence: int
    frame: bytes
    size: int
    sent: bool = False


class Deliveries:
    """Batches on their way, in order of their sequence; each stays until acknowledged."""

    def __init__(self) -> None:
        self._batches: dict[int, Batch] = {}
        self._last_sequence = 0

    def __len__(self) -> int:
        return len(self._batches)

    def add_captures(self, bodies: list[bytes]) -> None:
        """Make a batch of encoded captures."""
        sequence = self._next_sequence()
        frame = wire.encode(wire.Captures(sequence, bodies))
        self._batches[sequence] = Batch(sequence, frame, sum(map(len, bodies)))

    def add_outcomes(self, outcomes: list[wire.Outcome]) -> None:
        """Make a batch of outcomes."""
        sequence = self._next_sequence()
        self._batches[sequence] = Batch(sequence, wire.encode(wire.Outcomes(sequence, outcomes)), 0)

    def _next_sequence(self) -> int:
        self._last_sequence += 1
        return self._last_sequence

    def credit(self, window: int) -> int:
        """How many further batches this connection's window has room for."""
        return max(0, window - sum(batch.sent for batch in self._batches.values()))

    def due(self, window: int) -> Iterator[Batch]:
        """Batches to send now, oldest first, within the window; they count as sent from here on."""
        credit = self.credit(window)
        for batch in self._batches.values():
            if credit <= 0:
                return
            if not batch.sent:
                batch.sent = True
                credit -= 1
                yield batch

    def acknowledge(self, sequence: int) -> Batch | None:
        """Forget a batch that is stored. None when it was forgotten before: an acknowledgement may come twice."""
        return self._batches.pop(sequence, None)

    def reconnected(self) -> None:
        """On a new connection nothing has been sent yet."""
        for batch in self._batches.values():
            batch.sent = False
