"""Waiting for something new without missing it: subscribe first, then look, then wait, then look again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
LOOK_AT_LEAST_EVERY_S = 10.0
"""Hints are delivered at most once, so a waiter looks from time to time without one."""


class Subscription:
    """The hints of some topics, from the moment the ``async with`` block is entered.

    While Redis is away no hint arrives and nothing is raised: the subscriber is slower then, not wrong.
    """

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = tuple(topics)
        self._hints: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None
        self._channel = ""

    async def __aenter__(self) -> Subscription:
        self._layer = get_channel_layer()
        try:
            self._channel = await self._layer.new_channel()
            for topic in self._topics:
                await self._layer.group_add(topic, self._channel)
        except (RedisError, OSError) as failure:
            logger.warning("subscription_failed", extra={"topics": self._topics, "reason": str(failure)})
            return self
        self._pump = asyncio.create_task(self._receive())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pump is None:
            return
        with contextlib.suppress(RedisError, OSError):
            for topic in self._topics:
                await self._layer.group_discard(topic, self._channel)
        self._pump.cancel()  # the layer forgets the channel when its receive is cancelled, and only then
        with contextlib.suppress(asyncio.CancelledError):
            await self._pump

    async def next(self, timeout: float) -> dict[str, Any] | None:  # noqa: ASYNC109 (a time-out is an answer here)
        """The next hint, or None when none came within ``timeout`` seconds."""
        try:
            return await asyncio.wait_for(self._hints.get(), timeout)
        except TimeoutError:
            return None

    def drain(self) -> list[dict[str, Any]]:
        """The hints that have come already, so that one look answers them all."""
        come = []
        while not self._hints.empty():
            come.append(self._hints.get_nowait())
        return come

    async def _receive(self) -> None:
        """Move hints to our own queue: a time-out on the layer's `receive` would unsubscribe the channel."""
        while True:
            self._hints.put_nowait(await self._layer.receive(self._channel))


async def wait_until(
    topics: Sequence[str],
    look: Callable[[], Awaitable[Answer | None]],
    timeout: float,  # noqa: ASYNC109 (a time-out is an answer here)
) -> Answer | None:
    """What ``look`` answers as soon as that is not None, or None after ``timeout`` seconds.

    ``look`` reads the table. It is asked once after subscribing, then after each burst of hints.
    """
    deadline = time.monotonic() + timeout
    async with Subscription(topics) as subscription:
        while (answer := await look()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            await subscription.next(min(left, LOOK_AT_LEAST_EVERY_S))
            subscription.drain()
    return answer
