"""The inbox: what fires now, the gravest first, and one key from an alert to a session."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from investigations.accounts import selectors as accounts
from investigations.accounts.actors import Actor
from investigations.alerts import selectors
from investigations.alerts.models import Alert, AlertSource
from investigations.lib.ids import show
from investigations.sessions import selectors as sessions
from investigations.web.actors import actor, id_in_address

TABS = (("", "Firing"), ("flapping", "Flapping"), ("suppressed", "Silenced"), ("resolved", "Resolved"))


@login_required
@require_http_methods(["GET"])
def inbox(request: HttpRequest) -> HttpResponse:
    """Alerts by ``state`` and ``q``, grouped by incident; ``alert`` opens one beside the list."""
    by = actor(request)
    state = request.GET.get("state", "")
    query = request.GET.get("q", "")
    found = _alerts(by, state, query)
    chosen = _chosen(by, request.GET.get("alert", ""), found)
    context = {
        "state": state,
        "query": query,
        "tabs": _tabs(by, state),
        "groups": _groups(found, chosen, request),
        "chosen": chosen,
        "failing_sources": [source for source in selectors.sources(by) if _fails(source)],
        "has_sources": bool(selectors.sources(by)),
        "environments": list(accounts.environments(by)),
        "open_sessions": sessions.sessions(by, status="open", limit=5),
    }
    return render(request, "inbox.html", context)


def _alerts(by: Actor, state: str, query: str) -> list[Alert]:
    if state == "resolved":
        return selectors.alerts(by, state=state, query=query, limit=100)
    return selectors.inbox(by, state=state, query=query)


def _tabs(by: Actor, state: str) -> list[dict[str, Any]]:
    counts = selectors.counts(by)
    counts[""] = counts["firing"] + counts["flapping"] + counts["stale"]
    return [
        {"state": key, "name": name, "count": counts.get(key), "current": key == state} for key, name in TABS
    ]


def _chosen(by: Actor, public_id: str, found: list[Alert]) -> dict[str, Any] | None:
    """The alert shown beside the list: the one asked for, else the first."""
    if public_id:
        alert = selectors.alert(by, id_in_address("alr", public_id))
    elif found:
        alert = found[0]
    else:
        return None
    incident = selectors.current_incident(alert)
    return {
        "row": alert,
        "public_id": show("alr", alert.id),
        "episode": selectors.current_episode(alert),
        "incident": incident,
        "sessions": sessions.sessions(by, incident=incident, limit=5) if incident else [],
    }


def _groups(found: list[Alert], chosen: dict[str, Any] | None, request: HttpRequest) -> list[dict[str, Any]]:
    """Alerts of one incident together, in the order of their first."""
    groups: dict[Any, dict[str, Any]] = {}
    for alert in found:
        incident = selectors.current_incident(alert)
        group = groups.setdefault(incident.id if incident else alert.id, {"incident": incident, "alerts": []})
        group["alerts"].append(_row(alert, chosen, request))
    return list(groups.values())


def _row(alert: Alert, chosen: dict[str, Any] | None, request: HttpRequest) -> dict[str, Any]:
    public_id = show("alr", alert.id)
    parameters = request.GET.copy()
    parameters["alert"] = public_id
    return {
        "public_id": public_id,
        "url": f"{reverse('inbox')}?{parameters.urlencode()}",
        "state": alert.state,
        "name": alert.name,
        "service": alert.service_name,
        "severity": alert.severity,
        "summary": alert.summary,
        "since": alert.state_since,
        "tags": [alert.environment.name],
        "source": alert.source.name if alert.source else "",
        "current": chosen is not None and chosen["public_id"] == public_id,
    }


def _fails(source: AlertSource) -> bool:
    return source.enabled and bool(source.health.get("failures"))


urlpatterns = [path("", inbox, name="inbox")]
