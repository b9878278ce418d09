"""Between the sockets and the captures table: whatever arrived while one transaction ran is stored in the next one.

One thread writes, so the event loop stays free and every connection of the process shares each commit. A database
that is away is waited for: nothing is acknowledged meanwhile, and the windows keep sensors from sending more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from weakref import WeakKeyDictionary

from django.db import InterfaceError, OperationalError, close_old_connections

from investigations.probes import ingest
from investigations.probes.ingest import Batch
from sightline import wire

logger = logging.getLogger(__name__)

MOST_BYTES = 8 * 1024 * 1024
"""Of bodies in one transaction."""
BUSY_ABOVE = 64
"""Waiting messages above which windows are narrowed."""
NARROW_WINDOW = 2
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
AWAY = (OperationalError, InterfaceError)

Stored = asyncio.Future[list[wire.Refused]]


class _Waiting(NamedTuple):
    batch: Batch
    size: int
    stored: Stored


class Intake:
    """The queue and the writer of one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "gateway-intake")

    @classmethod
    def of_this_loop(cls) -> Intake:
        """The one intake that all connections of the running loop share."""
        loop = asyncio.get_running_loop()
        if loop not in _intakes:
            _intakes[loop] = cls()
        return _intakes[loop]

    def submit(self, batch: Batch) -> Stored:
        """Queue a batch; the answer comes once it is committed and says which bodies never will be."""
        stored: Stored = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(batch, sum(map(len, batch.bodies)), stored))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return stored

    def window(self, usual: int) -> int:
        """How much credit to give while so much is waiting."""
        return NARROW_WINDOW if len(self._waiting) > BUSY_ABOVE else usual

    async def _write(self) -> None:
        pause = FIRST_PAUSE_S
        while self._waiting:
            together = self._take()
            try:
                answers = await self._store([waiting.batch for waiting in together])
            except AWAY as problem:
                logger.warning(
                    "captures_not_stored", extra={"reason": str(problem), "messages": len(together)}
                )
                self._waiting.extendleft(reversed(together))
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE_S, pause * 2)
            except Exception:
                logger.exception("captures_refused_together")
                await self._one_by_one(together)
            else:
                pause = FIRST_PAUSE_S
                _tell(together, answers)

    def _take(self) -> list[_Waiting]:
        """The oldest messages, as many as one transaction should hold, one at least."""
        together = [self._waiting.popleft()]
        size = together[0].size
        while self._waiting and (size := size + self._waiting[0].size) <= MOST_BYTES:
            together.append(self._waiting.popleft())
        return together

    async def _one_by_one(self, together: Sequence[_Waiting]) -> None:
        """Something in here cannot be stored: let it cost its own message, not those of others."""
        for waiting in together:
            try:
                answers = await self._store([waiting.batch])
            except AWAY:
                self._waiting.append(waiting)
            except Exception:
                logger.exception("captures_refused", extra={"instance": str(waiting.batch.instance_id)})
                refused = [wire.Refused(index, "unstorable") for index in range(len(waiting.batch.bodies))]
                _tell([waiting], [refused])
            else:
                _tell([waiting], answers)

    async def _store(self, batches: list[Batch]) -> list[list[wire.Refused]]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _store, batches)


def _store(batches: list[Batch]) -> list[list[wire.Refused]]:
    close_old_connections()
    try:
        return ingest.store(batches)
    finally:
        close_old_connections()


def _tell(together: Sequence[_Waiting], answers: Sequence[list[wire.Refused]]) -> None:
    for waiting, refused in zip(together, answers, strict=True):
        if not waiting.stored.done():  # its connection may have gone
            waiting.stored.set_result(refused)


_intakes: WeakKeyDictionary[asyncio.AbstractEventLoop, Intake] = WeakKeyDictionary()
