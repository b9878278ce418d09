"""Services and their instances."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from investigations.accounts import selectors as accounts
from investigations.api.auth import actor
from investigations.catalog import selectors as catalog
from investigations.shapes import EnvironmentShape, InstanceShape, ServiceShape

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
