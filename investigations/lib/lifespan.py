"""Runs an ASGI application that needs a lifespan under a server that sends none, such as Daphne."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Build = Callable[[], tuple[Application, AbstractAsyncContextManager[Any]]]


class LazyLifespan:
    """Enters the application's context in one task of its own when the first request arrives.

    A task group must be left by the task that entered it, so requests never enter it themselves: they wait until the
    keeper task has. A context cannot be entered twice, so application and context are built anew for another event
    loop, or after the keeper died.
    """

    def __init__(self, build: Build) -> None:
        self._build = build
        self._keeper: _Keeper | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._keeper is None or not self._keeper.serves_this_loop():
            self._keeper = _Keeper(
                *self._build()
            )  # no await since the test, so no second one can come between
        keeper = self._keeper
        await keeper.entered()
        await keeper.application(scope, receive, send)


class _Keeper:
    """Holds one context open on one event loop until the server shuts down."""

    def __init__(self, application: Application, context: AbstractAsyncContextManager[Any]) -> None:
        self.application = application
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._stop = asyncio.Event()
        self._task = self._loop.create_task(self._hold(context), name="lifespan")
        _before_shutdown(self._close)

    def serves_this_loop(self) -> bool:
        return self._loop is asyncio.get_running_loop() and not self._task.done()

    async def entered(self) -> None:
        """Wait until the context is open; raises what entering it raised."""
        await asyncio.shield(self._ready)

    async def _hold(self, context: AbstractAsyncContextManager[Any]) -> None:
        try:
            async with context:
                self._ready.set_result(None)
                await self._stop.wait()
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _close(self) -> None:
        self._stop.set()
        with contextlib.suppress(Exception):
            await self._task


def _before_shutdown(close: Callable[[], Awaitable[None]]) -> None:
    """Have Daphne's reactor close the context first; without it, a worker thread of the context keeps the process."""
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is None or not getattr(reactor, "running", False):
        return
    from twisted.internet.defer import Deferred

    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(close()))
    )
