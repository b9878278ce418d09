"""The audit: who was given what, and who changed how things are set."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_http_methods

from investigations.accounts import permissions, selectors
from investigations.lib.errors import Forbidden
from investigations.lib.ids import show
from investigations.web.actors import actor, id_in_address

PAGE = 50


@login_required
@require_http_methods(["GET"])
def audit(request: HttpRequest) -> HttpResponse:
    """The log of one environment, newest first; ``environment``, ``action`` and ``before`` are in the address."""
    by = actor(request)
    readable = permissions.environments_where(by, "read_audit", selectors.environments(by))
    if not readable:
        raise Forbidden("forbidden", "The audit is for admins.", fix="Ask an admin of your environment.")
    name = request.GET.get("environment") or readable[0].name
    environment = selectors.environment_named(by, name)
    before = request.GET.get("before", "")
    entries = selectors.audit_entries(
        by,
        environment,
        before=id_in_address("aud", before) if before else None,
        limit=PAGE + 1,
        action=request.GET.get("action", ""),
    )
    context = {
        "section": "audit",
        "environments": readable,
        "environment": environment,
        "entries": entries[:PAGE],
        "older": show("aud", entries[PAGE - 1].id) if len(entries) > PAGE else "",
        "action": request.GET.get("action", ""),
    }
    return render(request, "settings/audit.html", context)


urlpatterns = [path("audit/", audit, name="audit")]
