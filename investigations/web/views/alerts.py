"""One alert: its state, its episodes, its metric."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from investigations.alerts import selectors
from investigations.evidence import selectors as evidence
from investigations.web.actors import actor, id_in_address
from investigations.web.metrics import alert_metric

BEFORE = timedelta(minutes=10)
LONGEST = timedelta(hours=6)


@login_required
@require_http_methods(["GET"])
def alert(request: HttpRequest, alert_id: str) -> HttpResponse:
    """The alert with its episodes and the evidence that explains it."""
    by = actor(request)
    row = selectors.alert(by, id_in_address("alr", alert_id))
    context = {
        "alert": row,
        "public_id": alert_id,
        "episodes": selectors.episodes(by, row),
        "incident": selectors.current_incident(row),
        "evidence": evidence.evidence_of(by, row),
    }
    return render(request, "alerts/alert.html", context)


@login_required
@require_http_methods(["GET"])
def metric(request: HttpRequest, alert_id: str) -> HttpResponse:
    """The alert's own metric round its episode; asked for after the page, because the source may be slow."""
    by = actor(request)
    row = selectors.alert(by, id_in_address("alr", alert_id))
    episode = selectors.current_episode(row)
    end = (episode.ended_at if episode and episode.ended_at else None) or timezone.now()
    start = max((episode.started_at if episode else end) - BEFORE, end - LONGEST)
    found = alert_metric(by, row, start, end)
    return render(request, "alerts/metric.html", {"metric": found, "public_id": alert_id, "alert": row})


urlpatterns = [
    path("alerts/<str:alert_id>/", alert, name="alert"),
    path("alerts/<str:alert_id>/metric/", metric, name="alert_metric"),
]
