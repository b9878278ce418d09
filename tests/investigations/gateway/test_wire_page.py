"""sensors/wire.md tells the truth: its example, its tables, and a sensor written from it alone."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from asgiref.sync import async_to_sync

from investigations.accounts import services as accounts
from investigations.accounts.actors import SYSTEM
from investigations.accounts.models import AccessToken
from investigations.catalog import questions
from investigations.catalog.models import Instance
from investigations.catalog.services import ensure_service
from investigations.lib.errors import Unavailable
from investigations.lib.ids import show
from investigations.probes.models import Capture, ExecutionLabel, Probe
from investigations.sessions.models import InvestigationSession
from sightline import handshake, wire
from sightline.protocol import Token
from tests.gateway import GatewayProcess
from tests.investigations.gateway.conftest import make_probe
from tests.investigations.gateway.test_sensor import eventually

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "sensors" / "wire.md").read_text()
SMALL_SENSOR = Path(__file__).with_name("small_sensor.py")
EXAMPLE_SECRET = "c2lnaHRsaW5lIGV4YW1wbGUgdG9rZW4gc2VjcmV0IQA"


# ------------------------------------------------------------------ the text


def example(name: str) -> bytes:
    [block] = re.findall(rf"```hex {name}\n([0-9a-f\n]+)```", PAGE)
    return bytes.fromhex(block)


def test_the_worked_example_is_right_byte_for_byte() -> None:
    said = handshake.transcript(example("hello"), example("challenge"))
    keys = handshake.derive(EXAMPLE_SECRET)
    assert isinstance(wire.from_sensor.decode(example("hello")), wire.Hello)
    assert isinstance(wire.from_gateway.decode(example("challenge")), wire.Challenge)
    assert said == example("transcript")
    assert keys == (example("stored_key"), example("server_key"))
    assert handshake.sensor_proof(EXAMPLE_SECRET, said) == example("proof")
    assert handshake.server_proof(keys.server_key, said) == example("welcome")
    key = handshake.signing_key(keys.server_key, said)
    assert handshake.sign_probe_set(key, revision=4, part=0, parts=1, body=b"\x90") == example("mac")


STRUCTS = [
    thing
    for thing in vars(wire).values()
    if isinstance(thing, type) and issubclass(thing, msgspec.Struct) and thing is not msgspec.Struct
]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_message_and_every_key_is_on_the_page(struct: type[msgspec.Struct]) -> None:
    names = [field.encode_name for field in msgspec.structs.fields(struct)]
    tag = struct.__struct_config__.tag
    missing = [name for name in [*names, *([tag] if tag else [])] if f"`{name}`" not in PAGE]
    assert missing == []


def test_every_literal_and_limit_is_on_the_page() -> None:
    for literal in (wire.ProbeKind, wire.DeliveryState, wire.HitEnding, wire.Ask, wire.OutcomeName):
        assert [value for value in literal.__args__ if f"`{value}`" not in PAGE] == []  # type: ignore[attr-defined]
    for number in (wire.MAX_MESSAGE, wire.CHUNK):
        assert f"{number:,}" in PAGE


# ------------------------------------------------------------------ the sensor written from it


def test_the_small_sensor_knows_nothing_of_ours() -> None:
    imports: set[str] = set()
    for node in ast.walk(ast.parse(SMALL_SENSOR.read_text())):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imports.add(str(node.module))
    assert imports - set(sys.stdlib_module_names) == {"msgpack", "websockets.sync.client"}


class SmallSensor:
    """The running program, and what it has printed."""

    def __init__(self, url: str, token_text: str) -> None:
        command = [sys.executable, str(SMALL_SENSOR), url, token_text]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.said: list[dict[str, Any]] = []

    def wait_for(self, what: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))
            if self.said[-1]["what"] == what:
                return self.said[-1]
        raise AssertionError(f"it ended before {what}: {self.said}")


@pytest.fixture
def run(gateway: GatewayProcess) -> Iterator[Callable[[str], SmallSensor]]:
    running: list[SmallSensor] = []

    def start(token_text: str) -> SmallSensor:
        running.append(SmallSensor(gateway.url, token_text))
        return running[-1]

    yield start
    for sensor in running:
        sensor.process.kill()
        sensor.process.wait()


def text_of(token: Token) -> str:
    return f"sls_{token.public_id}_{token.secret}"


@pytest.fixture
def its_probes(session: InvestigationSession) -> list[Probe]:
    """A logpoint, which it can, and a snapshot, which it cannot."""
    service = ensure_service(environment=session.environment, name="small-service")
    return [make_probe(session, service), make_probe(session, service, kind="snapshot")]


def test_it_does_the_whole_loop(
    run: Callable[[str], SmallSensor], token: Token, its_probes: list[Probe]
) -> None:
    logpoint, snapshot = its_probes
    sensor = run(text_of(token))
    assert sensor.wait_for("probe_set")["ids"] == sorted(show("prb", probe.pk) for probe in its_probes)
    acks = [sensor.wait_for("ack") for _ in range(3)]
    assert sorted(ack["sequence"] for ack in acks) == [1, 1, 2]  # the order is not promised
    assert all(ack["refused"] == [] for ack in acks)

    rows = list(Capture.objects.order_by("cursor"))
    assert [(row.cursor, row.hit, row.probe_id, row.function) for row in rows] == [
        (number, number, logpoint.pk, "f") for number in (1, 2, 3)
    ]
    value = wire.capture_body.decode(rows[0].body).frames[0].variables["high_value"]  # type: ignore[index]
    assert value == wire.Value("str", "true", size=4)
    assert ExecutionLabel.objects.get().outcome == "fail"
    eventually(lambda: snapshot.deliveries.filter(state="rejected", slug="kind_unsupported").exists())
    eventually(lambda: logpoint.deliveries.filter(endings__captured=3, endings__condition_false=4).exists())


def test_it_answers_across_processes(
    run: Callable[[str], SmallSensor], token: Token, its_probes: list[Probe]
) -> None:
    sensor = run(text_of(token))
    sensor.wait_for("probe_set")
    instance = Instance.objects.get()
    source = async_to_sync(questions.ask_instance)(instance.pk, "source", "a.py")
    assert isinstance(source, wire.Source)
    assert source.hash == hashlib.sha256(source.text.encode()).hexdigest()
    assert len(source.text) > wire.CHUNK
    assert isinstance(async_to_sync(questions.ask_instance)(instance.pk, "doctor"), wire.Doctor)


def test_it_is_told_why_it_may_not(run: Callable[[str], SmallSensor], token: Token) -> None:
    assert run("sls_0000000000000000_" + "x" * 43).wait_for("refused")["slug"] == "token_unknown"
    sensor = run(text_of(token))
    sensor.wait_for("heartbeat_ack")
    accounts.revoke_access_token(by=SYSTEM, token=AccessToken.objects.get(public_id=token.public_id))
    assert sensor.wait_for("refused")["slug"] == "token_revoked"


def test_nobody_answers_for_an_instance_that_is_not_there(gateway: GatewayProcess) -> None:
    with pytest.raises(Unavailable) as unanswered:
        async_to_sync(questions.ask_instance)(uuid.uuid4(), "doctor", timeout=0.2)
    assert unanswered.value.slug == "no_answer"
