"""The server's half of the live contract (its text stands at the top of static/js/connection.js).

A page's socket is told by hints that something is new, and reads it from the tables by cursors, at most four times a
second: nothing is sent twice, and nothing is missed however often the line breaks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from investigations.accounts.actors import Actor
from investigations.accounts.models import User
from investigations.lib.errors import Forbidden, NotFound, Problem
from investigations.live.waiting import Subscription

log = logging.getLogger(__name__)
T = TypeVar("T")

SIGNED_OUT, NOT_ALLOWED, GONE = 4401, 4403, 4404
PAINT_EVERY_S = 0.25
"""From one look's beginning to the next; a look that takes more than half of it is followed by as long a rest."""
LOOK_EVERY_S = 15.0
"""Without any hint: hints are delivered at most once, and a permission may have been taken away."""
LONGEST_MESSAGE = 4096
ALIVE = " "  # Daphne drops an empty frame, so an answer with nothing in it is one space


class LiveConsumer(AsyncWebsocketConsumer):
    """A page's socket. A page says which topics concern it, and how to paint what changed."""

    async def connect(self) -> None:
        self.cursors: dict[str, int] = {}
        self.paused = self.hidden = False
        self._changed: set[str] = set()
        self._whole = False
        self._wake = asyncio.Event()
        self._sent: dict[str, int] = {}
        self._work: asyncio.Task[None] | None = None
        await self.accept()
        if not self.scope["user"].is_authenticated:
            await self.close(SIGNED_OUT)
            return
        self._work = asyncio.create_task(self._run())

    async def disconnect(self, code: int) -> None:
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A resume or a beat; anything else is answered like a beat."""
        message = _read(text_data)
        if "resume" in message:
            self.cursors = {name: at for name, at in message["resume"].items() if isinstance(at, int)}
            self.paused, self.hidden = bool(message.get("paused")), bool(message.get("hidden"))
            self.resumed()
            self._sent = {}
            self._whole = True
            self._wake.set()
        await self.send(text_data=ALIVE)

    # -- what a page says ---------------------------------------------------------------------------------------------

    def open(self, by: Actor) -> Sequence[str]:
        """Look the page's matter up for this person, and name its topics. Raises the selector's `Problem`."""
        raise NotImplementedError

    def paint(self, by: Actor, changed: set[str], whole: bool) -> list[str]:
        """HTML frames for what changed; ``whole`` also for every live element. Moves `cursors` on."""
        raise NotImplementedError

    def resumed(self) -> None:
        """The client told its cursors anew: forget what was sent before."""

    # -- what a page may use ------------------------------------------------------------------------------------------

    def unsent(self, html: str) -> str:
        """An element to swap in by its id, or nothing when the page has this very one already."""
        name, mark = html.partition(' id="')[2].partition('"')[0], hash(html)
        if self._sent.get(name) == mark:
            return ""
        self._sent[name] = mark
        return out_of_band(html)

    # -- the loop -----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            topics = await self._on_thread(lambda by: self.open(by))
            async with Subscription(topics) as subscription:
                listening = asyncio.create_task(self._listen(subscription))
                try:
                    await self._paint_for_ever()
                finally:
                    listening.cancel()
        except Problem as problem:
            await self.close(_code(problem))
        except Exception:
            log.exception("page_socket_failed")
            await self.close(1011)

    async def _listen(self, subscription: Subscription) -> None:
        while True:
            hint = await subscription.next(LOOK_EVERY_S)
            self._changed |= {
                str(each.get("what", "")) for each in ([hint] if hint else []) + subscription.drain()
            }
            self._wake.set()

    async def _paint_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self.hidden:
                continue
            began = time.monotonic()
            changed, whole = self._changed, self._whole
            self._changed, self._whole = set(), False
            for frame in await self._on_thread(lambda by: self.paint(by, changed, whole)):  # noqa: B023 (awaited here)
                await self.send(text_data=frame)
            took = time.monotonic() - began
            await asyncio.sleep(max(PAINT_EVERY_S - took, took))

    async def _on_thread(self, work: Callable[[Actor], T]) -> T:
        return await database_sync_to_async(self._as_person)(work)

    def _as_person(self, work: Callable[[Actor], T]) -> T:
        """Every look is taken as the person stands now: signed out, disabled or demoted counts at once."""
        user = User.objects.filter(pk=self.scope["user"].pk, is_active=True).first()
        session = self.scope.get("session")
        if user is None or (session is not None and not session.exists(session.session_key)):
            raise _SignedOut("signed_out", "This person is signed out.")
        return work(Actor.person(user))


class _SignedOut(Problem):
    """The sign-in behind this socket has ended."""


def _code(problem: Problem) -> int:
    if isinstance(problem, _SignedOut):
        return SIGNED_OUT
    return NOT_ALLOWED if isinstance(problem, Forbidden) else GONE if isinstance(problem, NotFound) else 1011


def _read(text: str | None) -> dict[str, Any]:
    """The client's message; anything but a small JSON object is an empty one."""
    if not text or len(text) > LONGEST_MESSAGE:
        return {}
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(message, dict) or not isinstance(message.get("resume", {}), dict):
        return {}
    return message


def out_of_band(html: str) -> str:
    """A rendered element that replaces the one with its id, wherever that stands."""
    return html.replace(' id="', ' hx-swap-oob="true" id="', 1)
