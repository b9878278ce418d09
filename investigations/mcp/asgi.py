"""Puts the MCP server beside Django on the one port: its paths go to it, every other to Django."""

from __future__ import annotations

from asgiref.sync import ThreadSensitiveContext

from investigations.lib.lifespan import Application, LazyLifespan, Receive, Scope, Send
from investigations.mcp.server import build

PATHS = ("/mcp", "/.well-known/oauth-protected-resource")


def with_mcp(otherwise: Application) -> Application:
    """An application that answers MCP's paths itself and hands on the rest."""
    agents = LazyLifespan(build)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if not any(path == ours or path.startswith(ours + "/") for ours in PATHS):
            return await otherwise(scope, receive, send)
        # A database thread for each request, as Django's own handler has: on the one that all share, a tool that
        # asks an instance would keep the gateway from handing it the answer.
        async with ThreadSensitiveContext():
            await agents(scope, receive, send)

    return route
