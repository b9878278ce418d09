"""The messages sensor and gateway speak: msgspec structs, encoded as tagged MessagePack maps.

Every message is one binary websocket frame of at most ``MAX_MESSAGE`` bytes. Unknown fields are ignored, so either side
may add fields without a new version; ``PROTOCOL_VERSION`` changes only when an old peer would misread a message. The
page ``sensors/wire.md`` explains each exchange for whoever writes a sensor in another language.

Field names on the wire are the names here, except in `Value`, the one struct that occurs thousands of times in a frame.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

PROTOCOL_VERSION = 1
SPOKEN_VERSIONS = (1,)
MAX_MESSAGE = 512 * 1024
"""Bytes in one frame, either direction. Daphne drops a connection without a word above 1 MiB."""
CHUNK = 256 * 1024
"""Bytes of data in one `Answer` or `ProbeSet` part."""

ProbeKind = Literal[
    "logpoint",
    "snapshot",
    "counter",
    "metric",
    "duration",
    "function",
    "exception",
    "path",
    "assignment",
    "expectation",
    "dependency",
]
DeliveryState = Literal["pending", "armed", "paused", "rejected", "removed"]
HitEnding = Literal[
    "captured",
    "condition_false",
    "condition_error",
    "rate_limited",
    "evaluation_budget",
    "over_budget",
    "deadline",
    "queue_full",
    "hit_limit",
    "re_entrant",
    "sensor_error",
]
OutcomeName = Literal["pass", "fail", "unknown"]
Ask = Literal["source", "files", "doctor"]


# ---------------------------------------------------------------- values
# Captures are trees by construction, so the garbage collector need not look for cycles among thousands of their values.


_SHORT = {
    "type": "t",
    "value": "v",
    "size": "n",
    "items": "i",
    "entries": "e",
    "fields": "f",
    "cut": "c",
    "redacted": "r",
    "hash": "h",
    "note": "o",
}


class Value(Struct, omit_defaults=True, gc=False, rename=_SHORT):
    """One captured value, cut to limits and redacted: a tree of these is what a snapshot holds for a name.

    ``type`` is the exact type: a bare name for builtins (``str``), ``module.QualName`` otherwise. A scalar carries
    ``value`` (an int beyond 64 bits as its decimal digits, bytes as one character a byte, Latin-1); a sequence or set
    carries ``items``, a mapping ``entries``, an object ``fields``. ``size`` is the true length, whatever was kept.
    """

    type: str
    value: bool | int | float | str | UnsetType | None = UNSET
    size: int | None = None
    items: list[Value] | None = None
    entries: list[tuple[Value, Value]] | None = None
    fields: dict[str, Value] | None = None
    cut: str | None = None
    """Why this is not the whole value: ``depth``, ``items 50 of 9000``, ``fields 40 of 80``, ``length``,
    ``deadline``, ``bytes``, ``cycle``, ``changed`` (resized while read), ``unset``,
    ``opaque`` (reading it would run code)."""
    redacted: str | None = None
    """The rule that withheld it, as ``name: password``; ``value`` is absent and ``hash`` tells equal from
    unequal."""
    hash: bytes | None = None
    note: str | None = None
    """What a well-known type says of itself without running code: an enum's member name, an array's dtype and shape."""


class Frame(Struct, omit_defaults=True, gc=False):
    """One frame of a captured stack, innermost first. Only the top frames carry ``variables``."""

    function: str
    """The code object's qualified name, as ``TradeRequest.from_payload``."""
    file: str
    line: int
    module: str = ""
    variables: dict[str, Value] | None = None
    cut: str | None = None


# ---------------------------------------------------------------- probes


class Expression(Struct):
    """An expression of the safe language: its text for people, its checked tree for sensors (see wire.md)."""

    text: str
    tree: list[Any]


class Watch(Struct, omit_defaults=True):
    """A chosen expression whose value a snapshot keeps under ``name``, with limits of its own."""

    name: str
    expression: Expression
    limits: Limits | None = None


class Limits(Struct, omit_defaults=True):
    """How much one capture may hold. Lengths in characters or elements, ``bytes`` encoded."""

    depth: int = 4
    items: int = 50
    length: int = 256
    fields: int = 40
    frames: int = 20
    variable_frames: int = 5
    bytes: int = 64 * 1024
    deadline_ms: float = 10.0
    library_depth: int = 0
    """In the frames of libraries, unless the probe stands in that library: 0 for types and plain values alone."""


class Location(Struct, omit_defaults=True):
    """Where a probe looks: exactly one of ``file`` + ``line``, ``function`` or ``attribute``."""

    file: str = ""
    """A path, or the end of one (``trades/trade_request.py``), with forward slashes."""
    line: int = 0
    function: str = ""
    """``module:qualified.name``; the first executable line of that function for the line kinds."""
    attribute: str = ""
    """``module:Class.attribute``, for the assignment kind."""
    source_hash: str = ""
    """SHA-256 (hex) of the file the line was chosen in; a sensor that runs another text says so in its status."""


class Probe(Struct, omit_defaults=True):
    """What one sensor is asked to watch. Times are seconds counted on the sensor's own monotonic clock from arrival."""

    id: str
    kind: ProbeKind
    location: Location
    valid_for: float
    """The lease: a sensor that has not been sent this probe again by then disarms it."""
    condition: Expression | None = None
    template: list[str | Expression] | None = None
    """A logpoint's message: literal text and expressions in turn."""
    level: str = "info"
    pipe: bool = False
    """Also hand the message to the application's own logging."""
    watches: list[Watch] | None = None
    variables: bool = True
    """Keep arguments and locals; off when only watches and stack are wanted."""
    limits: Limits = msgspec.field(default_factory=Limits)
    hit_limit: int = 100
    """Captures after which this sensor stops, 0 for none."""
    rate: float = 10.0
    """Captures a second."""
    value: Expression | None = None
    """What a metric measures; what an expectation holds to be true."""
    until: Location | None = None
    """Where a duration ends; none: at the end of the function."""
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class ResolvedPlace(Struct, omit_defaults=True):
    """One code object a probe was armed on."""

    file: str
    line: int
    function: str
    source_hash: str = ""


class ProbeStatus(Struct, omit_defaults=True):
    """Where one probe stands on this instance, with a slug the docs explain and a sentence for people."""

    probe_id: str
    state: DeliveryState
    slug: str = ""
    sentence: str = ""
    places: list[ResolvedPlace] | None = None
    nearest: list[int] | None = None
    """Executable lines nearest to a refused one."""


class ProbeCounters(Struct, omit_defaults=True):
    """What became of a probe's hits on this instance, since ``since`` (wall clock, ns); never less than before."""

    probe_id: str
    since: int
    endings: dict[str, int]
    unobserved_ms: float = 0.0
    """How long the line was switched off: hits then are not counted, and totals mean "at least"."""
    cost_us: float = 0.0
    """Thread time spent in this probe, estimated from samples."""
    figures: dict[str, Any] | None = None
    """Aggregates of kinds that have some: a metric's count, sum, minimum, maximum and histogram."""


# ---------------------------------------------------------------- captures


class Capture(Struct, omit_defaults=True, gc=False):
    """A recorded hit. Immutable; what it turned out to mean (pass or fail) is told later by an `Outcome`."""

    id: bytes
    """UUIDv7, 16 bytes, given by the sensor; the server deduplicates on (instance, id)."""
    probe_id: str
    kind: ProbeKind
    hit: int
    """This probe's hit sequence on this instance; gaps are hits that ended otherwise."""
    at: int
    """Wall clock, ns since 1970."""
    mono: int
    """Monotonic clock, ns."""
    thread: str = ""
    task: str = ""
    trace_id: str = ""
    span_id: str = ""
    execution_id: str = ""
    """The call, request or task this hit belongs to; the trace id where there is one."""
    message: str = ""
    level: str = ""
    watches: dict[str, Value] | None = None
    frames: list[Frame] | None = None
    context: dict[str, str] | None = None
    cuts: list[str] | None = None
    """Distinct reasons why something in here is not whole, for the summary columns."""
    cost_us: float = 0.0
    detail: dict[str, Any] | None = None
    """What only some kinds carry (a path's lines, an assignment's writer)."""


class Outcome(Struct, omit_defaults=True):
    """How an execution ended, learned after its hits."""

    execution_id: str
    outcome: OutcomeName
    at: int
    reason: str = ""


# ---------------------------------------------------------------- sensor to gateway


class Runtime(Struct):
    """The interpreter: ``cpython``, ``3.12.1``, and the platform."""

    name: str
    version: str
    platform: str = ""


class Engine(Struct):
    """The means by which lines are watched here, and why this one."""

    name: str
    reason: str


class Hello(Struct, tag="hello", omit_defaults=True):
    """First message of a connection: who is this, and which token will it prove to hold."""

    versions: list[int]
    token_id: str
    nonce: bytes
    service: str
    environment: str
    instance_id: str
    host: str
    pid: int
    started_at: int
    runtime: Runtime
    sensor_version: str
    engine: Engine
    commit: str = ""
    version: str = ""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    neighbours: list[str] = msgspec.field(default_factory=list)
    """Who else watches in this process: debugger, coverage, ddtrace, other monitoring tool ids."""
    roots: list[str] = msgspec.field(default_factory=list)
    takes: list[str] = msgspec.field(default_factory=list)
    """Types of messages beyond those of version 1 that this sensor understands: ``terms``."""


class Proof(Struct, tag="proof"):
    """Answer to a `Challenge`: shows the token's possession without sending it (see handshake.py)."""

    proof: bytes


class ProbeStatuses(Struct, tag="statuses"):
    """Where probes of set ``revision`` stand; only those that changed since the last such message."""

    revision: int
    statuses: list[ProbeStatus]


class Captures(Struct, tag="captures"):
    """A batch; each body is one MessagePack `Capture`, kept by the server as it came."""

    sequence: int
    bodies: list[bytes]


class Outcomes(Struct, tag="outcomes"):
    """A batch of outcomes; shares the sequence of `Captures`."""

    sequence: int
    outcomes: list[Outcome]


class Heartbeat(Struct, tag="heartbeat", omit_defaults=True):
    """Every ``Welcome.heartbeat_s``: counters, drops, the sensor's own cost. Counts since the process started."""

    at: int
    mono: int
    rtt_ms: float = 0.0
    """Round trip of the previous heartbeat, for the clock offset."""
    counters: list[ProbeCounters] = msgspec.field(default_factory=list)
    drops: dict[str, int] = msgspec.field(default_factory=dict)
    queued: int = 0
    cpu_share: float = 0.0
    """Of one core, over all the sensor's work, since the last heartbeat."""
    budget: float = 0.0
    breaker: str = ""
    """Empty while closed; else the sentence why everything costly was disarmed."""
    memory_bytes: int = 0


class FunctionCounts(Struct, omit_defaults=True):
    """What the function record knows of one function since it was last told."""

    function: str
    """``module:qualified.name``."""
    file: str
    line: int
    calls: int
    errors: int = 0
    """Calls that an exception left; it may have been caught further out."""
    exceptions: dict[str, int] = msgspec.field(default_factory=dict)
    """Those by type."""
    callers: dict[str, int] = msgspec.field(default_factory=dict)
    """Calls by the nearest recorded function further out; an empty name where there is none."""
    duration: dict[str, Any] = msgspec.field(default_factory=dict)
    """A histogram in ms; see wire.md. Of calls that ended."""
    observed: float = 1.0
    """The share of the time for which calls were told at all: below 1, the counts are of a sample."""


class Functions(Struct, tag="functions"):
    """The function record of the time from ``began`` to ``ended`` (wall clock, ns); only what was called.

    Sent to gateways whose `Welcome.takes` names it.
    """

    began: int
    ended: int
    functions: list[FunctionCounts]


class Answer(Struct, tag="answer"):
    """Part ``part`` (from 0) of ``parts`` of the MessagePack answer to request ``id``."""

    id: int
    part: int
    parts: int
    data: bytes


# ---------------------------------------------------------------- gateway to sensor


class Challenge(Struct, tag="challenge"):
    """The gateway's nonce, and the version both will speak."""

    version: int
    nonce: bytes


class RedactionRules(Struct, omit_defaults=True):
    """Server-managed additions to the sensor's own rules; they can only withhold more."""

    names: list[str] = msgspec.field(default_factory=list)
    values: list[str] = msgspec.field(default_factory=list)
    types: list[str] = msgspec.field(default_factory=list)
    paths: list[str] = msgspec.field(default_factory=list)


class Welcome(Struct, tag="welcome", omit_defaults=True):
    """The gateway's proof that it knows the token too, and the terms of this connection."""

    proof: bytes
    now: int
    heartbeat_s: float = 5.0
    window: int = 8
    """How many `Captures` and `Outcomes` messages may be unacknowledged at once."""
    hash_key: bytes = b""
    """Keys the hashes of withheld values, one per environment."""
    hash_key_id: str = ""
    redaction: RedactionRules = msgspec.field(default_factory=RedactionRules)
    takes: list[str] = msgspec.field(default_factory=list)
    """Types of messages beyond those of version 1 that this gateway wants: ``functions``."""


class Terms(Struct, tag="terms"):
    """The environment's rules changed: they take the place of those in `Welcome`.

    Sent to sensors whose `Hello.takes` names it. ``body`` is one MessagePack `RedactionRules`; ``mac`` signs (revision,
    body), see handshake.py.
    """

    revision: int
    """Grows with every such message of a connection."""
    body: bytes
    mac: bytes


class ProbeSet(Struct, tag="probe_set"):
    """The whole desired set: after the last part, whatever is not in it is disarmed.

    ``body`` is part of a MessagePack array of `Probe`; ``mac`` signs (revision, part, parts, body), see handshake.py.
    """

    revision: int
    part: int
    parts: int
    body: bytes
    mac: bytes


class Refused(Struct):
    """One body of a batch that will never be stored, by its index, and why."""

    index: int
    slug: str


class Ack(Struct, tag="ack", omit_defaults=True):
    """All of batch ``sequence`` that could be stored is committed; the sensor may forget it."""

    sequence: int
    window: int = 8
    refused: list[Refused] = msgspec.field(default_factory=list)


class HeartbeatAck(Struct, tag="heartbeat_ack"):
    """Echoes the heartbeat's ``mono`` so that the sensor can time the round trip."""

    mono: int
    now: int


class Request(Struct, tag="request", omit_defaults=True):
    """A read-only question: a file's ``source``, the ``files`` of its roots, or what the ``doctor`` says."""

    id: int
    ask: Ask
    path: str = ""


class Refusal(Struct, tag="refusal", omit_defaults=True):
    """The gateway closes this connection after this message. ``final``: the same attempt can never succeed."""

    slug: str
    sentence: str
    final: bool = False
    retry_after_s: float = 0.0


FromSensor = Hello | Proof | ProbeStatuses | Captures | Outcomes | Heartbeat | Functions | Answer
FromGateway = Challenge | Welcome | Terms | ProbeSet | Ack | HeartbeatAck | Request | Refusal


# ---------------------------------------------------------------- answers


class Symbol(Struct, omit_defaults=True):
    """A class or function in a file, by its line range; nested symbols carry a dotted ``name``."""

    name: str
    kind: Literal["class", "function"]
    first_line: int
    last_line: int


class Source(Struct, tag="source", omit_defaults=True):
    """A file as this process runs it. ``loaded_differs`` when the text on disk is not the text that was compiled."""

    path: str
    text: str
    hash: str
    module: str = ""
    lines: list[int] = msgspec.field(default_factory=list)
    """Executable lines, from the interpreter's own line tables."""
    outline: list[Symbol] = msgspec.field(default_factory=list)
    loaded_differs: bool = False


class Files(Struct, tag="files"):
    """The Python files under the service's own roots: relative paths, imported or not."""

    files: list[FileEntry]
    truncated: bool = False


class FileEntry(Struct, omit_defaults=True):
    path: str
    module: str = ""
    imported: bool = False
    size: int = 0


class Doctor(Struct, tag="doctor"):
    """What is in this process: facts by name, each a short sentence."""

    facts: dict[str, str]


class Failure(Struct, tag="failure"):
    """A request that could not be answered, and why."""

    slug: str
    sentence: str


AnswerBody = Source | Files | Doctor | Failure


def encode(message: Struct) -> bytes:
    """One message (or body) as MessagePack bytes."""
    return _encoder.encode(message)


_encoder = msgspec.msgpack.Encoder()
MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises on bytes that are no message: text that is not UTF-8 has an error of its own."""

from_sensor: msgspec.msgpack.Decoder[FromSensor] = msgspec.msgpack.Decoder(FromSensor)
from_gateway: msgspec.msgpack.Decoder[FromGateway] = msgspec.msgpack.Decoder(FromGateway)
capture_body: msgspec.msgpack.Decoder[Capture] = msgspec.msgpack.Decoder(Capture)
probe_list: msgspec.msgpack.Decoder[list[Probe]] = msgspec.msgpack.Decoder(list[Probe])
redaction_rules: msgspec.msgpack.Decoder[RedactionRules] = msgspec.msgpack.Decoder(RedactionRules)
answer_body: msgspec.msgpack.Decoder[AnswerBody] = msgspec.msgpack.Decoder(AnswerBody)
