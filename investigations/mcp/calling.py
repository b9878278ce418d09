"""How a tool reaches the domain: synchronous verbs on a database thread, and the step it leaves on the timeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from channels.db import database_sync_to_async
from django.db import transaction

from investigations.accounts import permissions
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


async def may_write_somewhere() -> bool:
    """Whether any tool that writes could do anything for this caller."""
    return await as_actor(_may_write_somewhere)


def _may_write_somewhere(actor: Actor) -> bool:
    return any(
        permissions.may(actor, "edit_session", environment)
        for environment in permissions.visible_environments(actor)
    )


def note_step(actor: Actor, session: InvestigationSession, tool: str, sentence: str, purpose: str) -> None:
    """Leave a reading step on the session's timeline; verbs that write leave their own entry."""
    with transaction.atomic():
        sessions.record(
            session=session,
            by=actor,
            kind="agent_step",
            sentence=sentence,
            purpose=purpose,
            data={"tool": tool},
        )
