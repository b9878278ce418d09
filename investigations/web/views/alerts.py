"""One alert: its state, its episodes, its metric."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from investigations.accounts.actors import Actor
from investigations.alerts import selectors
from investigations.alerts.models import Alert
from investigations.evidence import selectors as evidence
from investigations.web import downloads
from investigations.web.actors import actor, id_in_address
from investigations.web.metrics import AlertMetric, alert_metric

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
    context = {"metric": _metric(by, row), "public_id": alert_id, "alert": row}
    return render(request, "alerts/metric.html", context)


def _metric(by: Actor, row: Alert) -> AlertMetric:
    """Its metric from shortly before its episode to that episode's end, or to now."""
    episode = selectors.current_episode(row)
    end = (episode.ended_at if episode and episode.ended_at else None) or timezone.now()
    return alert_metric(by, row, max((episode.started_at if episode else end) - BEFORE, end - LONGEST), end)


@login_required
@require_http_methods(["GET"])
def metric_file(request: HttpRequest, alert_id: str, form: str) -> HttpResponse:
    """The metric's figures as CSV, or its line as SVG."""
    by = actor(request)
    row = selectors.alert(by, id_in_address("alr", alert_id))
    form = downloads.known_form(form)
    found = _metric(by, row)
    if form == "csv":
        rows = [[moment.isoformat(), value] for moment, value in found.points]
        return downloads.as_csv("metric", ["Time (UTC)", found.name], rows)
    chart = found.chart()
    ends = [found.points[0], found.points[-1]] if found.points else []
    ticks = [(float(share), f"{moment:%H:%M:%S} UTC") for share, (moment, _) in enumerate(ends)]
    return downloads.lines_svg("metric", found.name, chart["x"], chart["series"], ticks)


urlpatterns = [
    path("alerts/<str:alert_id>/", alert, name="alert"),
    path("alerts/<str:alert_id>/metric/", metric, name="alert_metric"),
    path("alerts/<str:alert_id>/metric.<slug:form>", metric_file, name="alert_metric_file"),
]
