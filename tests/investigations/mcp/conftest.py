"""Tools called in this process by the official client, each as one of the cast."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from mcp import Client
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import TokenKind
from investigations.mcp.auth import VerifiedToken
from investigations.mcp.server import make_server
from tests.investigations.probes.conftest import capture, place, probe, source, spec

__all__ = ["capture", "place", "probe", "source", "spec"]
T = TypeVar("T")


class Refused(Exception):
    """A tool's error, as the model reads it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.problem: dict[str, Any] = json.loads(text)


class AgentClient:
    """Calls tools as one actor; each use is a connection of its own, as over stateless HTTP."""

    def __init__(self, actor: Actor) -> None:
        assert actor.token is not None
        assert actor.user is not None
        self.actor = actor
        self._token = VerifiedToken(
            token=actor.token.public_id,
            client_id=actor.token.public_id,
            scopes=list(actor.token.scopes),
            subject=str(actor.user.pk),
            actor=actor,
        )

    def use(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """What ``work(client)`` answers."""

        async def connect() -> T:
            auth_context_var.set(AuthenticatedUser(self._token))
            async with Client(make_server()) as client:
                return await work(client)

        return asyncio.run(connect())

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured answer. Raises `Refused`."""
        result = self.use(lambda client: client.call_tool(tool, arguments))
        text = result.content[0].text
        if result.is_error:
            raise Refused(text)
        assert json.loads(text) == result.structured_content
        return result.structured_content

    def tools(self) -> list[str]:
        return [tool.name for tool in self.use(lambda client: client.list_tools()).tools]


@pytest.fixture
def cast(transactional_db: None) -> Callable[..., AgentClient]:
    """An agent of one of the cast: ``cast(responder, scopes=["read"])``. Its calls use database threads."""

    def make(by: Actor, scopes: tuple[str, ...] = ("read", "write"), name: str = "claude-1") -> AgentClient:
        assert by.user is not None
        token, _ = accounts.issue_access_token(
            by=by, kind=TokenKind.AGENT, name=name, owner=by.user, scopes=scopes
        )
        return AgentClient(Actor.bearer(token))

    return make


@pytest.fixture
def claude(cast: Callable[..., AgentClient], responder: Actor) -> AgentClient:
    return cast(responder)
