"""Tells subscribers, after the commit, that there is something new to read: ids and cursors, never data.

Delivery is at most once and out of the verb's hands: a Redis that is away costs a hint, never the verb. Readers
look at the table again on their own from time to time (`live.waiting`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from concurrent.futures import Future

from channels.layers import get_channel_layer
from django.db import transaction

logger = logging.getLogger(__name__)

Hint = dict[str, str | int]
MOST_ON_THE_WAY = 10_000
"""Hints that may wait for a slow Redis before further ones are let go."""


def after_commit(topic: str, hint: Hint) -> None:
    """Send ``hint`` to the topic's subscribers once the running transaction has committed; at once without one.

    Subscribers receive it as ``{"type": "hint", **hint}``.
    """
    transaction.on_commit(lambda: publish(topic, hint))


def publish(topic: str, hint: Hint) -> None:
    """Send ``hint`` now, without waiting for Redis. Safe from any thread; inside a coroutine as well."""
    _publisher.send(topic, hint)


class _Publisher:
    """One thread with one event loop per process: a channel layer keeps a connection for each loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_the_way = 0

    def send(self, topic: str, hint: Hint) -> None:
        with self._lock:
            if self._on_the_way >= MOST_ON_THE_WAY:
                logger.warning("hint_dropped", extra={"topic": topic, "reason": "Redis is too slow"})
                return
            self._on_the_way += 1
            loop = self._running_loop()
        asyncio.run_coroutine_threadsafe(_send(topic, hint), loop).add_done_callback(self._arrived)

    def _arrived(self, sending: Future[None]) -> None:
        with self._lock:
            self._on_the_way -= 1
        if not sending.cancelled() and (failure := sending.exception()) is not None:
            logger.warning("hint_not_sent", extra={"reason": str(failure)})

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="live-publish", daemon=True).start()
        return self._loop


async def _send(topic: str, hint: Hint) -> None:
    layer = get_channel_layer()
    if layer is not None:
        await layer.group_send(topic, {"type": "hint", **hint})


def _start_afresh() -> None:
    """A forked worker has no publisher thread, and must not use its parent's connection."""
    global _publisher
    _publisher = _Publisher()


_publisher = _Publisher()
os.register_at_fork(after_in_child=_start_afresh)
