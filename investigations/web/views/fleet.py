"""The fleet: which instances carry a sensor, what it costs there, and the switch that disarms everything."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from investigations.accounts import permissions
from investigations.accounts import selectors as accounts
from investigations.accounts.actors import Actor
from investigations.catalog import selectors
from investigations.catalog.models import Instance, Service
from investigations.lib.errors import Invalid
from investigations.lib.ids import show
from investigations.lib.processes import read_processes
from investigations.probes import selectors as probes
from investigations.probes import services as probe_verbs
from investigations.web import functions
from investigations.web.actors import actor, id_in_address
from investigations.web.undo import undone


@login_required
@require_http_methods(["GET"])
def fleet(request: HttpRequest) -> HttpResponse:
    """Services and their instances; ``instance`` opens one beside the table. Below, the parts of the dashboard."""
    return render(request, "fleet/fleet.html", _context(request) | {"processes": processes()})


@login_required
@require_http_methods(["GET"])
def service(request: HttpRequest, service_id: str) -> HttpResponse:
    """The fleet of one service, and what its functions did lately."""
    by = actor(request)
    row = selectors.service_by_ref(by, service_id)
    recorded = functions.of_service(by, row, request.GET)
    return render(request, "fleet/fleet.html", _context(request, row) | recorded | {"only": row})


def _context(request: HttpRequest, only: Service | None = None) -> dict[str, Any]:
    socket = f"/live/fleet/{show('svc', only.id)}/" if only else "/live/fleet/"
    return figures(actor(request), only, request.GET.get("instance", "")) | {"socket": socket}


def figures(by: Actor, only: Service | None = None, chosen: str = "") -> dict[str, Any]:
    """What the page shows, and its socket paints again: services with their instances, and the totals."""
    services = [only] if only else list(selectors.services(by))
    instances = list(selectors.instances(by, service=only))
    armed = probes.armed_by_instance(instance.id for instance in instances)
    shown = [_instance(instance, armed) for instance in instances]
    environments = list(accounts.environments(by))
    return {
        "groups": [_group(each, shown) for each in services],
        "totals": _totals(shown),
        "chosen": next((each for each in shown if each["public_id"] == chosen), None),
        "disarmable": permissions.environments_where(by, "disarm_all", environments),
    }


def processes() -> list[dict[str, Any]]:
    """What the supervisor says of the dashboard's own parts; empty where each is run by something else."""
    return [
        {"row": each, "since": datetime.fromtimestamp(each.since, UTC)}
        for each in read_processes(settings.HOME)
    ]


def _group(service: Service, shown: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"service": service, "instances": [each for each in shown if each["row"].service_id == service.id]}


def _instance(row: Instance, armed: dict[uuid.UUID, int]) -> dict[str, Any]:
    return {
        "row": row,
        "public_id": show("ins", row.id),
        "presence": selectors.presence(row),
        "armed": armed.get(row.id, 0),
        "lost": sum(row.drops.values()),
        "up": timezone.now() - row.started_at,
    }


def _totals(shown: list[dict[str, Any]]) -> dict[str, Any]:
    here = [each for each in shown if each["presence"] == "present"]
    return {
        "instances": len(shown),
        "connected": len(here),
        "armed": sum(each["armed"] for each in here),
        "worst": max((each["row"].cpu_share for each in here), default=None),
        "budget": max((each["row"].budget for each in here), default=0.02),
        "lost": sum(each["lost"] for each in here),
        "tripped": sum(bool(each["row"].breaker) for each in here),
    }


@login_required
@require_POST
def disarm(request: HttpRequest, environment: str) -> HttpResponse:
    """Remove every probe of an environment, with the reason why."""
    by = actor(request)
    reason = request.POST.get("reason", "").strip()
    if not reason:
        raise Invalid(
            "reason_required", "Disarming everything needs a reason.", fix="Say why in a few words."
        )
    done = probe_verbs.disarm_all(
        by=by, environment=accounts.environment_named(by, environment), reason=reason
    )
    undo = reverse("fleet_restore", args=[environment, show("act", done.act)]) if done.probes else ""
    messages.success(request, f"{_probes(done.probes)} disarmed in {environment}.", extra_tags=undo)
    return redirect("fleet")


@login_required
@require_POST
def restore(request: HttpRequest, environment: str, act: str) -> HttpResponse:
    """Take a disarming back: what it ended is armed again, where time and room are left."""
    by = actor(request)
    count = probe_verbs.restore_all(
        by=by, environment=accounts.environment_named(by, environment), act=id_in_address("act", act)
    )
    return undone(request, f"{_probes(count)} armed again in {environment}.", reverse("fleet"))


def _probes(count: int) -> str:
    return f"{count} probe{'' if count == 1 else 's'}"


@login_required
@require_http_methods(["GET"])
def instance(request: HttpRequest, instance_id: str) -> HttpResponse:
    """An instance's place in the fleet."""
    row = selectors.instance(actor(request), id_in_address("ins", instance_id))
    return redirect(f"/fleet/{show('svc', row.service_id)}/?instance={instance_id}")


urlpatterns = [
    path("fleet/", fleet, name="fleet"),
    path("fleet/disarm/<slug:environment>/", disarm, name="fleet_disarm"),
    path("fleet/restore/<slug:environment>/<str:act>/", restore, name="fleet_restore"),
    path("fleet/<str:service_id>/", service, name="service"),
    path("instances/<str:instance_id>/", instance, name="instance"),
]
