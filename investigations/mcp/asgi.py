"""Puts the MCP server beside Django on the one port: its paths go to it, every other to Django."""

from __future__ import annotations

from investigations.lib.lifespan import Application, LazyLifespan, Receive, Scope, Send
from investigations.mcp.server import build

PATHS = ("/mcp", "/.well-known/oauth-protected-resource")


def with_mcp(otherwise: Application) -> Application:
    """An application that answers MCP's paths itself and hands on the rest."""
    agents = LazyLifespan(build)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        is_mcp = any(path == ours or path.startswith(ours + "/") for ours in PATHS)
        await (agents if is_mcp else otherwise)(scope, receive, send)

    return route
