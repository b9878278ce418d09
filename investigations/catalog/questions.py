"""Asks a live instance, through whichever gateway process holds its socket, and brings back its answer.

Question and answer lie in Redis under the question's id for a short while; the channel layer carries the id alone. The
gateway that takes a question removes it, so it is asked once however often the hint arrives.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import redis.asyncio
from django.conf import settings
from redis.exceptions import RedisError

from investigations.lib.errors import Unavailable
from investigations.live import publish, topics
from sightline import wire

MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of one whole answer."""
KEPT_S = 60
SPARE_S = 5.0


class Question(msgspec.Struct):
    """What is asked of an instance; the fields of `wire.Request`."""

    ask: wire.Ask
    path: str = ""


class Assembly:
    """An answer that is arriving in parts; the asker gets it whole or not at all."""

    def __init__(self, question_id: str) -> None:
        self.question_id = question_id
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: wire.Answer) -> bytes | None:
        """The whole answer with its last part. Parts out of order or too many bytes make a failure of it."""
        self._size += len(part.data)
        if part.part != len(self._parts) or not part.part < part.parts:
            return _failure("answer_malformed", "The sensor sent the parts of its answer in a wrong order.")
        if self._size > MAX_ANSWER:
            return _failure("too_large", f"The answer has more than {MAX_ANSWER} bytes.")
        self._parts.append(part.data)
        return b"".join(self._parts) if len(self._parts) == part.parts else None


def _failure(slug: str, sentence: str) -> bytes:
    return wire.encode(wire.Failure(slug, sentence))


async def ask_instance(
    instance_id: uuid.UUID,
    ask: wire.Ask,
    path: str = "",
    timeout: float = 5.0,  # noqa: ASYNC109 (the caller decides how long a page may wait)
) -> wire.AnswerBody:
    """The sensor's answer, which may be a `wire.Failure`; ``timeout`` in seconds.

    Raises `Unavailable`: ``no_answer`` when none came in time, ``answer_malformed``, or ``redis_away``.
    """
    question_id = uuid.uuid4().hex
    try:
        async with _redis(timeout + SPARE_S) as client:
            await client.set(
                _question_key(question_id), msgspec.msgpack.encode(Question(ask, path)), ex=KEPT_S
            )
            publish.publish(topics.instance_topic(instance_id), {"what": "question", "id": question_id})
            come = await client.blpop([_answer_key(question_id)], timeout=timeout)
            if come is None:
                await client.delete(_question_key(question_id))  # nobody must answer it any more
    except (RedisError, OSError):
        raise Unavailable(
            "redis_away", "Redis cannot be reached, so no instance can be asked.", fix="Try again."
        ) from None
    if come is None:
        raise Unavailable(
            "no_answer",
            f"The instance did not answer within {timeout:.0f} s.",
            fix="Look on the fleet page whether it is connected, and try again.",
        )
    return _decoded(bytes(come[1]))  # type: ignore[arg-type]  # the client was not asked to decode


def _decoded(body: bytes) -> wire.AnswerBody:
    try:
        return wire.answer_body.decode(body)
    except wire.MALFORMED:
        raise Unavailable(
            "answer_malformed",
            "The sensor's answer cannot be read.",
            fix="Compare its version with the gateway's.",
        ) from None


async def take(question_id: str) -> Question | None:
    """The question, for the one gateway that asks first; None when it is taken, answered or too old."""
    async with _redis() as client:
        kept = await client.getdel(_question_key(question_id))
    return None if kept is None else msgspec.msgpack.decode(bytes(kept), type=Question)  # type: ignore[arg-type]


async def answer(question_id: str, body: bytes) -> None:
    """Hand the asker a whole answer."""
    key = _answer_key(question_id)
    async with _redis() as client, client.pipeline() as pipeline:
        pipeline.rpush(key, body)
        pipeline.expire(key, KEPT_S)
        await pipeline.execute()


@asynccontextmanager
async def _redis(within: float = SPARE_S) -> AsyncIterator[redis.asyncio.Redis]:
    """A connection for this one exchange: callers run on event loops of their own that may end right after.

    ``within``: seconds that one command may take.
    """
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=within)
    try:
        yield client
    finally:
        await client.aclose()


def _question_key(question_id: str) -> str:
    return f"sightline:question:{question_id}"


def _answer_key(question_id: str) -> str:
    return f"sightline:answer:{question_id}"
