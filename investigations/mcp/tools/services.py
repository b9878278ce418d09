"""Orientation: what runs, and where a sensor is inside."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.catalog import functions
from investigations.catalog import selectors as catalog
from investigations.mcp.answers import Answer, tool
from investigations.mcp.calling import as_actor
from investigations.shapes import Coverage, FunctionRecordShape, ServiceShape

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


@tool(title="List functions", untrusted="functions and exceptions")
async def list_functions(
    service: Annotated[str, Field(description="Name or id of a service.")],
    order: Annotated[
        Literal["calls", "errors", "time", "slowest"], Field(description="Which come first.")
    ] = "calls",
    minutes: Annotated[int, Field(ge=1, le=functions.MOST_MINUTES, description="How far back.")] = 60,
    query: Annotated[str, Field(description="Part of a name.")] = "",
    limit: Annotated[int, Field(ge=1, le=200)] = 25,
) -> dict[str, Any]:
    """What a service's functions did lately (calls, errors, durations, who called whom), where it records them."""
    return await as_actor(_list_functions, service, order, minutes, query, limit)


def _list_functions(actor: Actor, service: str, order: str, minutes: int, query: str, limit: int) -> Answer:
    row = catalog.service_by_ref(actor, service)
    record = functions.function_record(actor, row, minutes=minutes, order=order, query=query)
    shape = FunctionRecordShape.from_row(row, record, most=limit)
    return shape.model_dump(mode="json") | {
        "hint": "check_probe on a file and line of these, or find_assignments for a value that is wrong."
        if shape.functions
        else "Nothing was recorded: the service's sensor needs SIGHTLINE_FUNCTIONS, as shop.*, or was not called."
    }
