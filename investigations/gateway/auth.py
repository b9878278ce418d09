"""The handshake, as the gateway sees it: who is this, can it prove its token, and may it speak for this service."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from channels.db import database_sync_to_async

from investigations.accounts.models import AccessToken
from investigations.accounts.redaction import rules_of
from investigations.accounts.services import sensor_keys
from investigations.catalog import presence
from investigations.catalog.models import Instance
from investigations.catalog.services import instance_connected
from investigations.gateway import refusals
from investigations.gateway.refusals import Refuse
from investigations.lib.errors import Problem, Unauthorized
from sightline import handshake, wire

MAX_HELLO = 64 * 1024
"""Bytes a stranger may send us."""
WINDOW = 8
"""Messages of captures and outcomes that a sensor may have under way."""

Message = TypeVar("Message", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A connection that has proven its token."""

    instance: Instance
    token: AccessToken
    connection: uuid.UUID
    signing_key: bytes
    welcome: bytes
    takes: frozenset[str]
    """Messages beyond those of version 1 that the sensor understands."""
    rules: bytes
    """The rules of redaction in the welcome, encoded."""


class Greeting:
    """One connection's handshake: give the first frame to `hello`, the second to `proof`. Both raise `Refuse`."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._hello: wire.Hello | None = None

    @property
    def has_hello(self) -> bool:
        return self._hello is not None

    async def hello(self, frame: bytes) -> bytes:
        """Learn which token will be proven; the answer is the challenge."""
        if len(frame) > MAX_HELLO:
            raise refusals.too_large(len(frame), MAX_HELLO)
        hello = _decoded(frame, wire.Hello)
        version = _common_version(hello.versions)
        if len(hello.nonce) < handshake.NONCE_BYTES:
            raise refusals.malformed(f"A nonce has at least {handshake.NONCE_BYTES} bytes.")
        self._token, self._keys = await _keys_of(hello.token_id)
        challenge = wire.encode(wire.Challenge(version, os.urandom(handshake.NONCE_BYTES)))
        self._said = handshake.transcript(frame, challenge)
        self._hello = hello
        return challenge

    async def proof(self, frame: bytes) -> Admitted:
        """Check the proof, and only then what the hello claims; note the instance as connected."""
        if len(frame) > MAX_HELLO or self._hello is None:
            raise refusals.too_large(len(frame), MAX_HELLO)
        proof = _decoded(frame, wire.Proof)
        if not handshake.sensor_proof_holds(self._keys, self._said, proof.proof):
            raise Refuse("not_proven", "The proof does not fit the token.", code=4401, final=True)
        connection = uuid.uuid4()
        instance, rules = await _connect(self._hello, self._token, connection, self._channel)
        return Admitted(
            instance=instance,
            token=self._token,
            connection=connection,
            signing_key=handshake.signing_key(self._keys.server_key, self._said),
            welcome=wire.encode(
                _welcome(self._keys, self._said, bytes(instance.environment.hash_key), rules)
            ),
            takes=frozenset(self._hello.takes),
            rules=wire.encode(rules),
        )


def _decoded(frame: bytes, wanted: type[Message]) -> Message:
    try:
        message = wire.from_sensor.decode(frame)
    except wire.MALFORMED as problem:
        raise refusals.malformed(f"That is no message: {problem}") from None
    if not isinstance(message, wanted):
        raise refusals.out_of_order(str(message.__struct_config__.tag))
    return message


def _common_version(offered: list[int]) -> int:
    common = set(offered) & set(wire.SPOKEN_VERSIONS)
    if not common:
        spoken = " and ".join(map(str, wire.SPOKEN_VERSIONS))
        raise Refuse("version", f"This gateway speaks protocol {spoken}.", code=4426, final=True)
    return max(common)


async def _keys_of(token_id: str) -> tuple[AccessToken, handshake.Keys]:
    try:
        return await database_sync_to_async(sensor_keys, thread_sensitive=False)(token_id)
    except Unauthorized as problem:
        raise Refuse(problem.slug, problem.sentence, code=4401, final=True) from None


async def _connect(
    hello: wire.Hello, token: AccessToken, connection: uuid.UUID, channel: str
) -> tuple[Instance, wire.RedactionRules]:
    def connect() -> tuple[Instance, wire.RedactionRules]:
        instance = instance_connected(hello, token, connection, channel)
        return instance, rules_of(instance.environment)

    try:
        return await database_sync_to_async(connect, thread_sensitive=False)()
    except Problem as problem:
        raise Refuse(problem.slug, problem.sentence, code=4403, final=not problem.retryable) from None


def _welcome(keys: handshake.Keys, said: bytes, hash_key: bytes, rules: wire.RedactionRules) -> wire.Welcome:
    return wire.Welcome(
        proof=handshake.server_proof(keys.server_key, said),
        now=time.time_ns(),
        heartbeat_s=presence.HEARTBEAT_S,
        window=WINDOW,
        hash_key=hash_key,
        hash_key_id=hashlib.sha256(hash_key).hexdigest()[:8],
        redaction=rules,
        takes=["functions"],
    )
