"""How a tool reaches the domain: synchronous verbs on a database thread, and the step it leaves on the timeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from channels.db import database_sync_to_async

from investigations.accounts.actors import Actor
from investigations.mcp.auth import current_actor
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession

P = ParamSpec("P")
R = TypeVar("R")


async def as_actor(work: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """Run ``work(actor, …)`` on a database thread, for whoever holds the token of this call."""
    actor = current_actor()
    return await database_sync_to_async(work)(actor, *args, **kwargs)


def note_step(actor: Actor, session: InvestigationSession, tool: str, sentence: str, purpose: str) -> None:
    """Leave a reading step on the session's timeline; verbs that write leave their own entry."""
    sessions.record(
        session=session, by=actor, kind="agent_step", sentence=sentence, purpose=purpose, data={"tool": tool}
    )
