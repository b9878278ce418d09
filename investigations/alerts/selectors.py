"""Questions about alerts, incidents and sources; every answer holds only what the asking actor may see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Model, Prefetch, Q, QuerySet, Value, When

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts.models import (
    Alert,
    AlertSource,
    AlertState,
    Episode,
    Incident,
    RawPayload,
    Severity,
)
from investigations.lib.errors import NotFound
from investigations.lib.paging import MOST, newest_first

Row = TypeVar("Row", bound=Model)
OPEN = (AlertState.FIRING, AlertState.FLAPPING, AlertState.STALE, AlertState.SUPPRESSED)
LAST_EPISODES = 20


def inbox(
    by: Actor,
    *,
    environment: Environment | None = None,
    state: str = "",
    severity: str = "",
    service: str = "",
    query: str = "",
    limit: int = 200,
) -> list[Alert]:
    """What is open now, the gravest first, then the newest. Without ``state``, silenced alerts are left out."""
    rows = _filtered(by, environment, state, service, query)
    if not state:
        rows = rows.filter(state__in=[AlertState.FIRING, AlertState.FLAPPING, AlertState.STALE])
    if severity:
        rows = rows.filter(severity=severity)
    return list(rows.order_by(_gravity(), "-state_since", "-id")[: min(limit, MOST)])


def counts(by: Actor, environment: Environment | None = None) -> dict[str, int]:
    """How many alerts are in each open state, for the inbox's tabs."""
    rows = _in(Alert.objects.filter(state__in=OPEN), by, environment)
    counted = dict(rows.values_list("state").annotate(n=Count("id")).order_by())
    return {state.value: counted.get(state.value, 0) for state in OPEN}


def alerts(
    by: Actor,
    *,
    environment: Environment | None = None,
    state: str = "",
    service: str = "",
    query: str = "",
    before: UUID | None = None,
    limit: int = 100,
) -> list[Alert]:
    """Alerts in any state, or in one (``open`` means all but resolved), those first seen latest first."""
    return newest_first(_filtered(by, environment, state, service, query), before=before, limit=limit)


def alert(by: Actor, alert_id: UUID) -> Alert:
    """One alert. Raises `NotFound`."""
    return _one(_alerts(by), alert_id, "alert")


def episodes(by: Actor, alert: Alert) -> list[Episode]:
    """The alert's last stretches of firing, newest first."""
    permissions.require(by, "read", alert.environment)
    return list(alert.episodes.select_related("incident").order_by("-started_at")[:LAST_EPISODES])


def current_episode(alert: Alert) -> Episode | None:
    """The stretch that is open, else the last one."""
    latest: list[Episode] | None = getattr(alert, "latest_episodes", None)
    if latest is None:
        return alert.episodes.select_related("incident").order_by("-started_at").first()
    return latest[0] if latest else None


def current_incident(alert: Alert) -> Incident | None:
    """The incident of the alert's current or last stretch of firing."""
    episode = current_episode(alert)
    return episode.incident if episode else None


def incidents(
    by: Actor,
    *,
    environment: Environment | None = None,
    status: str = "",
    query: str = "",
    before: UUID | None = None,
    limit: int = 100,
) -> list[Incident]:
    """Incidents, newest first."""
    rows = _in(_incidents(), by, environment)
    if status:
        rows = rows.filter(status=status)
    if query.strip():
        rows = rows.filter(title__icontains=query.strip())
    return newest_first(rows, before=before, limit=limit)


def incident(by: Actor, incident_id: UUID) -> Incident:
    """One incident, its episodes and their alerts with it. Raises `NotFound`."""
    return _one(_in(_incidents(), by, None), incident_id, "incident")


def sources(by: Actor, environment: Environment | None = None) -> list[AlertSource]:
    """The configured sources by name; doors show their health, never their credentials."""
    rows = _in(AlertSource.objects.all(), by, environment)
    return list(rows.select_related("environment").order_by("environment__name", "name"))


def source(by: Actor, source_id: UUID) -> AlertSource:
    """One source. Raises `NotFound`."""
    return _one(_in(AlertSource.objects.select_related("environment"), by, None), source_id, "source")


def payloads(
    by: Actor, source: AlertSource, *, before: UUID | None = None, limit: int = 50
) -> list[RawPayload]:
    """What the source sent, as it came, newest first."""
    permissions.require(by, "manage_sources", source.environment)
    return newest_first(_payloads(source), before=before, limit=limit)


def dead_letters(
    by: Actor, source: AlertSource, *, before: UUID | None = None, limit: int = 50
) -> list[RawPayload]:
    """What the source sent and could not be read, newest first."""
    permissions.require(by, "manage_sources", source.environment)
    return newest_first(_payloads(source).exclude(error=""), before=before, limit=limit)


def payload(by: Actor, payload_id: UUID) -> RawPayload:
    """One payload, for those who may manage its source. Raises `NotFound`."""
    rows = RawPayload.objects.filter(source__environment__in=permissions.visible_environments(by))
    found = _one(rows.select_related("source__environment"), payload_id, "payload")
    permissions.require(by, "manage_sources", found.source.environment)
    return found


def _filtered(
    by: Actor, environment: Environment | None, state: str, service: str, query: str
) -> QuerySet[Alert]:
    rows = _alerts(by)
    if environment is not None:
        rows = rows.filter(environment=environment)
    if state == "open":
        rows = rows.filter(state__in=OPEN)
    elif state:
        rows = rows.filter(state=state)
    if service:
        rows = rows.filter(service_name=service)
    if query.strip():
        rows = rows.filter(_mentions(query.strip()))
    return rows


def _alerts(by: Actor) -> QuerySet[Alert]:
    latest = Episode.objects.order_by("alert_id", "-started_at").distinct("alert_id")
    rows = Alert.objects.filter(environment__in=permissions.visible_environments(by))
    return rows.select_related("environment", "source").prefetch_related(
        Prefetch("episodes", latest.select_related("incident"), to_attr="latest_episodes")
    )


def _incidents() -> QuerySet[Incident]:
    told = Episode.objects.select_related("alert").order_by("started_at")
    rows = Incident.objects.select_related("environment", "lead", "previous")
    return rows.prefetch_related(Prefetch("episodes", told), "sessions")


def _payloads(source: AlertSource) -> QuerySet[RawPayload]:
    return RawPayload.objects.filter(source=source).select_related("source__environment")


def _in(rows: QuerySet[Row], by: Actor, environment: Environment | None) -> QuerySet[Row]:
    rows = rows.filter(environment__in=permissions.visible_environments(by))
    return rows.filter(environment=environment) if environment is not None else rows


def _one(rows: QuerySet[Row], row_id: UUID, noun: str) -> Row:
    found = rows.filter(pk=row_id).first()
    if found is None:
        raise NotFound(f"{noun}_not_found", f"There is no such {noun}, or it is not yours to see.")
    return found


def _gravity() -> Case:
    ranks: Iterable[When] = (
        When(severity=name, then=Value(rank)) for rank, name in enumerate(Severity.values)
    )
    return Case(*ranks, default=Value(len(Severity.values)), output_field=IntegerField())


def _mentions(text: str) -> Q:
    return Q(name__icontains=text) | Q(summary__icontains=text) | Q(service_name__icontains=text)
