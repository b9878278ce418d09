"""Bytes that nobody meant, thrown at every door of the sensor and the gateway's decoder: `fuzzing.py [SECONDS [DOOR]]`.

Each door may refuse with its own error and with no other, and must be done in time. Where atheris is installed
(`requirements/fuzz.txt`), it chooses the bytes by what they reach and goes on from what earlier runs have reached;
else they are mutations of good ones, the same in every run.
"""

from __future__ import annotations

import contextlib
import importlib.util
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDED = importlib.util.find_spec("atheris") is not None
if __name__ == "__main__":
    sys.path[:1] = [str(ROOT), str(ROOT / "sensors" / "python")]
    if GUIDED and len(sys.argv) > 2:  # this process runs one door: what it imports of ours shows its branches
        import atheris

        with atheris.instrument_imports(include=["sightline"]):
            import sightline.expressions
            import sightline.protocol  # noqa: F401

import msgspec  # noqa: E402

from sightline import expressions, handshake, wire  # noqa: E402
from sightline.errors import BudgetExceeded, ExpressionError  # noqa: E402
from sightline.protocol import Protocol, ProtocolError, Token  # noqa: E402

TOKEN = Token("0123456789abcdef", "s" * 43)
SCOPE = {"a": [3, 1, 2], "b": {"x": 1, 2: "two"}, "c": "text", "d": object(), "e": 1.5, "f": (None, b"bytes")}
SLOWEST_S = 2.0
"""An input that takes longer than this is a finding; the budget of one evaluation is a hundredth of it."""
SLOWEST_GUIDED_S = 15
"""The same under atheris, whose counting makes everything several times slower."""
HELLO = wire.Hello(
    versions=[],
    token_id="",
    nonce=b"",
    service="fuzzed",
    environment="test",
    instance_id="i",
    host="h",
    pid=1,
    started_at=0,
    runtime=wire.Runtime("cpython", "3.12"),
    sensor_version="0",
    engine=wire.Engine("none", ""),
)
CHALLENGE = wire.encode(wire.Challenge(1, b"n" * 32))
SAID = handshake.transcript(Protocol(TOKEN, HELLO, nonce=b"n" * 32).frames_to_send()[0], CHALLENGE)
SERVER_KEY = handshake.derive(TOKEN.secret).server_key
SIGNING_KEY = handshake.signing_key(SERVER_KEY, SAID)


def expression(data: bytes) -> None:
    """As a person or an agent types it."""
    with contextlib.suppress(ExpressionError, BudgetExceeded):
        expressions.compile(expressions.parse(data.decode(errors="surrogateescape"))).evaluate(SCOPE)


def template(data: bytes) -> None:
    with contextlib.suppress(ExpressionError, BudgetExceeded):
        for part in expressions.parse_template(data.decode(errors="surrogateescape")):
            if not isinstance(part, str):
                expressions.compile(part).evaluate(SCOPE)


def checked_tree(data: bytes) -> None:
    """As a gateway sends it: a tree that did not come from our parser must be checked all the same."""
    try:
        tree = msgspec.msgpack.decode(data, type=wire.Expression)
    except wire.MALFORMED:
        return
    with contextlib.suppress(ExpressionError, BudgetExceeded):
        expressions.compile(tree).evaluate(SCOPE)


def from_gateway(data: bytes) -> None:
    """The sensor's side of a connection."""
    protocol = Protocol(TOKEN, HELLO, nonce=b"n" * 32)
    with contextlib.suppress(ProtocolError):
        protocol.receive(data)
        protocol.receive(data)
    for frame in protocol.frames_to_send():
        wire.from_sensor.decode(frame)


def proven_gateway(data: bytes) -> None:
    """From who knows the token, too: a frame in use, the body of a signed probe set, and that of signed terms."""
    numbers = {"revision": 1, "part": 0, "parts": 1}
    signed = handshake.sign_probe_set(SIGNING_KEY, **numbers, body=data)
    terms = handshake.sign_terms(SIGNING_KEY, revision=1, body=data)
    for frame in (
        data,
        wire.encode(wire.ProbeSet(**numbers, body=data, mac=signed)),
        wire.encode(wire.Terms(revision=1, body=data, mac=terms)),
    ):
        with contextlib.suppress(ProtocolError):
            welcomed().receive(frame)


def welcomed() -> Protocol:
    """A connection in use."""
    protocol = Protocol(TOKEN, HELLO, nonce=b"n" * 32)
    protocol.receive(CHALLENGE)
    protocol.receive(wire.encode(wire.Welcome(handshake.server_proof(SERVER_KEY, SAID), now=0)))
    return protocol


def from_sensor(data: bytes) -> None:
    """What the gateway decodes, body by body."""
    decoders = (wire.from_sensor, wire.capture_body, wire.probe_list, wire.answer_body, wire.redaction_rules)
    for decoder in decoders:
        with contextlib.suppress(*wire.MALFORMED):
            decoder.decode(data)


DOORS: dict[str, Callable[[bytes], None]] = {
    "expression": expression,
    "template": template,
    "checked_tree": checked_tree,
    "from_gateway": from_gateway,
    "proven_gateway": proven_gateway,
    "from_sensor": from_sensor,
}
_TEXTS = (
    "a[0] + len(b) > 5 and not c",
    "any(x > 2 for x in a) or b['x'] == 1",
    "c.startswith('te') if e else f[1:]",
    "min(a) * 2 ** 8 % 3 << 1",
    "matches(c, '(a+)+$')",
    "d.x.y[0]",
    "-(~1) in {1, 2} is not None",
    "all(sum(a) >= x for x in range_ or [1])",
    "type_name(d) != 'str' and round(e, 1) // 2",
)


def seeds(door: str) -> list[bytes]:
    """Good input for a door, from which bad is made."""
    if door == "expression":
        return [text.encode() for text in _TEXTS]
    if door == "template":
        return [f"saw {{{text}}} and {{e:>8.2f}} {{c!r}}".encode() for text in _TEXTS]
    trees = [expressions.parse(text) for text in _TEXTS]
    if door == "checked_tree":
        return [msgspec.msgpack.encode(tree) for tree in trees]
    location = wire.Location(file="a.py", line=1)
    probes = [wire.Probe(f"p{n}", "snapshot", location, 60.0, condition=tree) for n, tree in enumerate(trees)]
    messages: list[object] = [
        HELLO,
        wire.Challenge(1, b"n" * 32),
        probes,
        wire.ProbeStatus("p", "armed"),
        wire.Ack(7, refused=[wire.Refused(0, "too_large")]),
        wire.HeartbeatAck(1, 2),
        wire.Request(1, "source", "a.py"),
        wire.Refusal("slug", "A sentence."),
        wire.RedactionRules(),
    ]
    return [msgspec.msgpack.encode(message) for message in messages]


def mutations(door: str, seed: int = 0) -> Iterator[bytes]:
    """Endless input for a door, always the same: bytes changed, cut out, doubled, and spliced from two seeds."""
    chance = random.Random(f"{door} {seed}")
    good = seeds(door)
    yield from good
    while True:
        data = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 8)):
            _mutate(data, chance, good)
        yield bytes(data)


def _mutate(data: bytearray, chance: random.Random, good: list[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    until = min(len(data), at + chance.randint(1, 12))
    match chance.randrange(6):
        case 0:
            data[at:until] = chance.randbytes(until - at)
        case 1:
            del data[at:until]
        case 2:
            data[at:at] = data[at:until] * chance.randint(1, 40)
        case 3:
            other = chance.choice(good)
            data[at:until] = other[chance.randrange(len(other)) :][:40]
        case 4:
            data[at:at] = chance.choice(
                (b"(" * 200, b"[" * 200, b"\x91" * 300, b"\xc1", b"9" * 400, b"{{", b"\x00")
            )
        case _:
            data[at:until] = bytes(each ^ (1 << chance.randrange(8)) for each in data[at:until])


def fuzz(door: str, seconds: float) -> int:
    """Run mutations for that long; how many they were. What a door should not raise is raised, with the input."""
    until, count = time.monotonic() + seconds, 0
    for data in mutations(door, seed=1):
        began = time.monotonic()
        if began > until:
            return count
        try:
            DOORS[door](data)
        except Exception as problem:
            raise AssertionError(f"{door} raised on {data!r}") from problem
        took = time.monotonic() - began
        assert took < SLOWEST_S, f"{door} took {took:.1f} s on {data!r}"
        count += 1
    return count


def guided(door: str, seconds: float) -> None:
    """Run atheris on a door in this process, and end the process: with 0 when nothing was found in that time."""
    corpus = folder_of(door)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(door)):
        (corpus / f"seed-{number}").write_bytes(seed)
    bounds = [f"-max_total_time={int(seconds)}", f"-timeout={SLOWEST_GUIDED_S}", "-rss_limit_mb=2048"]
    options = [*bounds, f"-artifact_prefix={corpus.parent}/{door}-", str(corpus)]
    # Whether it was refused is a branch of the door's own.
    atheris.Setup([sys.argv[0], *options], atheris.instrument_func(DOORS[door]))
    atheris.Fuzz()


def guided_apart(door: str, seconds: float) -> bool:
    """Run atheris on a door in a process of its own; whether nothing was found. What it says is left in a file."""
    log = folder_of(door).with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        command = [sys.executable, "-W", "ignore", __file__, str(seconds), door]
        ended = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT)
    said = log.read_text(errors="replace")
    if ended.returncode:
        sys.stdout.write(f"{door}: found something (all of it in {log.relative_to(ROOT)})\n{said[-3000:]}\n")
    else:
        inputs, branches = (re.findall(each, said)[-1] for each in (r"Done (\d+) runs", r"cov: (\d+)"))
        sys.stdout.write(f"{door}: {inputs} inputs, {branches} branches reached\n")
    return not ended.returncode


def folder_of(door: str) -> Path:
    """Where the inputs are kept that have reached something new."""
    return ROOT / "test-results" / "fuzz" / door


def main(seconds: float, wanted: str) -> int:
    """Fuzz one door, or each in its turn; 1 when atheris found something. Mutations raise what they find."""
    if GUIDED and wanted:
        guided(wanted, seconds)
    found = False
    for door in [wanted] if wanted else DOORS:
        if GUIDED:
            found |= not guided_apart(door, seconds)
        else:
            sys.stdout.write(f"{door}: {fuzz(door, seconds)} inputs\n")
        sys.stdout.flush()
    return int(found)


if __name__ == "__main__":
    sys.exit(
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0, sys.argv[2] if len(sys.argv) > 2 else "")
    )
