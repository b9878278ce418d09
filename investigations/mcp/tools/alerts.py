"""Orientation: what the existing monitoring says is wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.alerts import selectors as alerts
from investigations.mcp.answers import Answer, tool
from investigations.mcp.calling import as_actor
from investigations.shapes import AlertShape, Coverage

AlertStates = Literal["firing", "resolved", "stale", "suppressed", "flapping", "any"]


@tool(title="List alerts", pages="alerts", untrusted="Labels and summaries")
async def list_alerts(
    state: AlertStates = "firing",
    service: Annotated[str, Field(description="Name of a service.")] = "",
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
    after: Annotated[int, Field(ge=0, le=10_000, description="next_cursor of the answer before.")] = 0,
) -> dict[str, Any]:
    """Alerts from the configured sources, newest first."""
    return await as_actor(_list, state, service, limit, after)


def _list(actor: Actor, state: str, service: str, limit: int, after: int) -> Answer:
    wanted = "" if state == "any" else state
    rows = alerts.alerts(actor, state=wanted, service=service, limit=after + limit + 1)[after:]
    shapes = [AlertShape.from_row(row, alerts.current_incident(row)) for row in rows[:limit]]
    more = len(rows) > limit
    return {
        "alerts": shapes,
        "coverage": Coverage(returned=len(shapes), truncated=f"limit {limit}" if more else None),
        "more": more,
        "hint": "open_session(alert=<id>) starts an investigation that is already filled."
        if shapes
        else "Nothing matches. state='any' also lists what has ended; open_session works without an alert.",
    }
