"""What a new session knows from its alert or incident: title, services, window, and the code that runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from investigations.alerts.models import Alert, Episode, Incident
from investigations.catalog.models import Instance, Service
from investigations.sessions.models import InvestigationSession

BEFORE_THE_ALERT = timedelta(minutes=15)
"""How far ahead of the alert the window begins: the cause came first."""
Running = dict[str, dict[str, int]]
"""Instances by service name and commit."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What is filled in where the opener gave nothing."""

    title: str
    symptom: str
    window_start: datetime
    service_names: tuple[str, ...] = ()
    episode: Episode | None = None
    incident: Incident | None = None


def opening(alert: Alert | None, incident: Incident | None) -> Opening:
    """Filled from the alert when there is one, else from the incident, else blank."""
    if alert is not None:
        return _on_alert(alert)
    if incident is not None:
        return _on_incident(incident)
    return Opening("Untitled investigation", "", timezone.now() - BEFORE_THE_ALERT)


def running_commits(services: Iterable[Service]) -> Running:
    """What runs now: for each service with a connected sensor, how many instances of which commit."""
    connected = Instance.objects.filter(service__in=list(services), connection__isnull=False)
    counted = (
        connected.values_list("service__name", "commit")
        .annotate(Count("id"))
        .order_by("service__name", "commit")
    )
    running: Running = {}
    for service, commit, instances in counted:
        running.setdefault(service, {})[commit or "unknown"] = instances
    return running


def sentence(session: InvestigationSession, alert: Alert | None, running: Running) -> str:
    """The timeline's first line: opened on what, and what was running then."""
    if alert is not None and session.episode is not None:
        on = f" on {alert.name}, firing since {session.episode.started_at:%Y-%m-%d %H:%M:%S} UTC"
    elif session.incident is not None:
        on = f" on {session.incident}"
    else:
        on = ""
    facts = [f"Opened the session{on}", *(_runs(service, commits) for service, commits in running.items())]
    return ". ".join(facts) + "."


def _runs(service: str, commits: dict[str, int]) -> str:
    parts = [f"{commit[:12]} ({_counted(count, 'instance')})" for commit, count in commits.items()]
    return f"{service} runs {' and '.join(parts)}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _on_alert(alert: Alert) -> Opening:
    episode = alert.episodes.order_by("-started_at").select_related("incident").first()
    began = episode.started_at if episode else alert.state_since
    return Opening(
        title=_first_line(alert.summary) or alert.name,
        symptom=alert.annotations.get("description", "") or alert.summary,
        window_start=began - BEFORE_THE_ALERT,
        service_names=(alert.service_name,),
        episode=episode,
        incident=episode.incident if episode else None,
    )


def _on_incident(incident: Incident) -> Opening:
    episodes = list(incident.episodes.select_related("alert").order_by("started_at"))
    began = episodes[0].started_at if episodes else incident.opened_at
    return Opening(
        title=incident.title,
        symptom="\n".join(dict.fromkeys(e.alert.summary for e in episodes if e.alert.summary)),
        window_start=began - BEFORE_THE_ALERT,
        service_names=tuple(dict.fromkeys(e.alert.service_name for e in episodes)),
        episode=episodes[0] if episodes else None,
        incident=incident,
    )


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:300]
