"""Orientation: what runs, and where a sensor is inside."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.catalog import selectors as catalog
from investigations.mcp.answers import Answer, tool
from investigations.mcp.calling import as_actor
from investigations.shapes import Coverage, ServiceShape

MOST = 100


@tool(title="List services", pages="services")
async def list_services(
    query: Annotated[str, Field(description="Part of a name.")] = "",
    environment: Annotated[str, Field(description="Name of an environment.")] = "",
    after: Annotated[int, Field(ge=0, le=10_000, description="next_cursor of the answer before.")] = 0,
) -> dict[str, Any]:
    """Services you may see, with the versions and instances whose sensor is connected now."""
    return await as_actor(_list, query, environment, after)


def _list(actor: Actor, query: str, environment: str, after: int) -> Answer:
    every = catalog.services(actor, environment=environment, query=query)
    rows = every[after : after + MOST]
    live = catalog.live_instances(actor, services=rows)
    shapes = [ServiceShape.from_row(row, live.get(row.pk, [])) for row in rows]
    return {
        "services": shapes,
        "coverage": Coverage(returned=len(shapes), of=(total := every.count())),
        "more": after + len(shapes) < total,
        "hint": "open_session on one of them, or list_alerts to start from a firing alert."
        if shapes
        else "No service matches. A service appears when an alert names it or a sensor in it connects.",
    }
