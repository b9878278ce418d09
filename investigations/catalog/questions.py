"""Asks a live instance, through whichever gateway process holds its socket (the wire room completes this)."""

from __future__ import annotations

import uuid

from investigations.lib.errors import Unavailable
from sightline import wire


async def ask_instance(instance_id: uuid.UUID, ask: wire.Ask, path: str = "", timeout: float = 5.0) -> wire.AnswerBody:  # noqa: ASYNC109
    """The sensor's answer. Raises `Unavailable` (no_answer) when it does not come in time."""
    raise Unavailable("no_answer", "The gateway cannot pass questions on yet.", fix="Try again.")
