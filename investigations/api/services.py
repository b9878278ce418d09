"""Services and their instances."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router

from investigations.accounts import selectors as accounts
from investigations.api.auth import actor
from investigations.catalog import functions
from investigations.catalog import selectors as catalog
from investigations.shapes import EnvironmentShape, FunctionRecordShape, InstanceShape, ServiceShape

router = Router(tags=["services"])


@router.get("/environments", response=list[EnvironmentShape], operation_id="list_environments")
def list_environments(request: HttpRequest) -> list[EnvironmentShape]:
    """Environments you may see."""
    return [EnvironmentShape.from_row(row) for row in accounts.environments(actor(request))]


@router.get("/services", response=list[ServiceShape], operation_id="list_services")
def list_services(request: HttpRequest, query: str = "", environment: str = "") -> list[ServiceShape]:
    """Services you may see, with what of each is connected now."""
    by = actor(request)
    rows = catalog.services(by, environment=environment, query=query)
    live = catalog.live_instances(by, services=rows)
    return [ServiceShape.from_row(row, live.get(row.pk, [])) for row in rows]


@router.get("/services/{service}/instances", response=list[InstanceShape], operation_id="list_instances")
def list_instances(request: HttpRequest, service: str) -> list[InstanceShape]:
    """Instances of a service, connected or gone lately."""
    by = actor(request)
    row = catalog.service_by_ref(by, service)
    return [
        InstanceShape.from_row(found, catalog.presence(found)) for found in catalog.instances(by, service=row)
    ]


@router.get("/services/{service}/functions", response=FunctionRecordShape, operation_id="list_functions")
def list_functions(
    request: HttpRequest,
    service: str,
    minutes: Annotated[int, Query(ge=1, le=functions.MOST_MINUTES)] = 60,
    order: Literal["calls", "errors", "time", "slowest"] = "calls",
    query: str = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> FunctionRecordShape:
    """What a service's functions did lately: calls, errors, durations, and who called whom."""
    by = actor(request)
    row = catalog.service_by_ref(by, service)
    record = functions.function_record(by, row, minutes=minutes, order=order, query=query)
    return FunctionRecordShape.from_row(row, record, most=limit)
