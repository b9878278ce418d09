"""Which episodes belong to one incident, and the sentence that says why.

Alerts of one service that begin close together belong together; so do those of several services that are much alike,
or call each other, and begin at about the same time (`investigations.analysis.grouping`). Only an open incident takes
in new episodes; what begins after its end opens a new one that points back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Max
from django.utils import timezone

from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import Environment
from investigations.alerts.models import Alert, Episode, Incident, IncidentEntry, IncidentStatus, Severity
from investigations.catalog.calls import calls_between

if TYPE_CHECKING:
    from investigations.analysis.grouping import Alert as PlainAlert
    from investigations.analysis.grouping import Grouper

WINDOW = timedelta(minutes=30)
"""Episodes that begin within this of each other fall together."""
LABEL_LENGTH = 200
MOST_ALIKE = 200


def key_and_reason(alert: Alert) -> tuple[str, str]:
    """What this alert is grouped by, and the same as a sentence."""
    if alert.service_name:
        minutes = int(WINDOW.total_seconds() // 60)
        return (
            f"service:{alert.service_name}"[:300],
            f"Alerts of {alert.service_name} that begin within {minutes} minutes of each other.",
        )
    return f"alert:{alert.fingerprint}", f"{alert.name} by itself: its labels name no service."


def place(environment: Environment, episodes: Sequence[Episode]) -> list[Incident]:
    """Give each new episode its incident, and return the incidents opened. Call it under the environment's lock."""
    if not episodes:
        return []
    incidents = _OpenIncidents(environment, {key_and_reason(episode.alert)[0] for episode in episodes})
    likeness = _Likeness(environment, episodes)
    opened, joined = [], []
    for episode in sorted(episodes, key=lambda episode: (episode.started_at, episode.id)):
        key, reason = key_and_reason(episode.alert)
        incident, why = incidents.near(key, episode), ""
        if incident is None:
            like, why = likeness.of(episode)
            incident = like and incidents.held(like)
        if incident is None:
            incident = open_incident(environment, episode, key, reason)
            opened.append(incident)
        else:
            joined.append(_join(incident, episode, why))
        episode.incident = incidents.take_in(incident, episode)
        likeness.add(episode)
    Episode.objects.bulk_update(episodes, ["incident"])
    IncidentEntry.objects.bulk_create(joined)
    return opened


class _OpenIncidents:
    """Open incidents with the start of their latest episode; one object for each, so that no joining is lost."""

    def __init__(self, environment: Environment, keys: set[str]) -> None:
        rows = environment.incidents.filter(status=IncidentStatus.OPEN, grouping_key__in=keys)
        rows = rows.annotate(last_start=Max("episodes__started_at")).order_by("-id")
        self._incidents: dict[UUID, Incident] = {row.pk: row for row in rows}
        self._last_start = {row.pk: row.last_start or row.opened_at for row in rows}

    def near(self, key: str, episode: Episode) -> Incident | None:
        """One of that key in which something began within `WINDOW` of this episode."""
        for pk, incident in self._incidents.items():
            if incident.grouping_key == key and abs(episode.started_at - self._last_start[pk]) <= WINDOW:
                return incident
        return None

    def held(self, incident: Incident) -> Incident:
        """The object that stands for this row here, which may be another one."""
        return self._incidents.get(incident.pk, incident)

    def take_in(self, incident: Incident, episode: Episode) -> Incident:
        """Say that this episode is one of its."""
        self._incidents.setdefault(incident.pk, incident)
        self._last_start[incident.pk] = max(
            self._last_start.get(incident.pk, episode.started_at), episode.started_at
        )
        return incident


class _Likeness:
    """The open incident of the alert that a new one is most like, with the reason; read only when asked for."""

    def __init__(self, environment: Environment, new: Sequence[Episode]) -> None:
        self._environment = environment
        self._new = [episode.id for episode in new]
        self._since = min(episode.started_at for episode in new) - WINDOW
        self._grouper: Grouper | None = None
        self._episodes: dict[str, Episode] = {}

    def of(self, episode: Episode) -> tuple[Incident | None, str]:
        """Nothing when it is like none, or when that one's incident is open no more."""
        joined = self._loaded().add(_plain(episode))
        self._episodes[str(episode.id)] = episode
        like = self._episodes.get(joined.like)
        if like is None or like.incident is None:
            return None, ""
        return like.incident, joined.sentence.replace(joined.like, like.alert.name)

    def add(self, episode: Episode) -> None:
        """What has found its incident may draw others into it."""
        if self._grouper is not None and str(episode.id) not in self._episodes:
            self._grouper.add(_plain(episode))
            self._episodes[str(episode.id)] = episode

    def _loaded(self) -> Grouper:
        if self._grouper is None:
            # Only grouping pays for the template miner.
            from investigations.analysis.grouping import Grouper, hops_over

            self._grouper = Grouper(hops=hops_over(calls_between(self._environment)))
            recent = Episode.objects.filter(
                incident__environment=self._environment,
                incident__status=IncidentStatus.OPEN,
                ended_at=None,
                started_at__gte=self._since,
            ).exclude(pk__in=self._new)
            rows = list(recent.select_related("alert", "incident").order_by("-started_at", "id")[:MOST_ALIKE])
            for row in reversed(rows):
                self._grouper.add(_plain(row))
                self._episodes[str(row.id)] = row
        return self._grouper


def _plain(episode: Episode) -> PlainAlert:
    from investigations.analysis.grouping import Alert as PlainAlert

    alert = episode.alert
    labels = {str(name): str(value) for name, value in alert.labels.items()}
    started = episode.started_at.timestamp()
    return PlainAlert(str(episode.id), started, alert.service_name, labels, alert.summary)


def open_incident(
    environment: Environment, episode: Episode, key: str, reason: str, by: Actor = SYSTEM
) -> Incident:
    """A new incident that begins with this episode; the caller puts the episode in."""
    alert = episode.alert
    previous = _previous(alert, episode)
    incident = Incident.objects.create(
        environment=environment,
        number=next_number(environment),
        title=(alert.summary.partition("\n")[0] or alert.name)[:300],
        severity=alert.severity,
        grouping_key=key,
        grouping_reason=reason,
        previous=previous,
        opened_at=episode.started_at,
    )
    again = f" It follows INC-{previous.number}." if previous else ""
    note(
        incident,
        by,
        "incident_opened",
        f"Opened by {alert.name}. Grouped: {reason}{again}",
        at=episode.started_at,
    )
    return incident


def note(
    incident: Incident, by: Actor, kind: str, sentence: str, *, at: datetime | None = None
) -> IncidentEntry:
    """Write one line of the incident's own record."""
    entry = _entry(incident, by, kind, sentence, at or timezone.now())
    entry.save(force_insert=True)
    return entry


def _entry(incident: Incident, by: Actor, kind: str, sentence: str, at: datetime) -> IncidentEntry:
    return IncidentEntry(
        incident=incident,
        at=at,
        kind=kind,
        sentence=sentence,
        actor_kind=by.kind,
        actor_label=by.attribution[:LABEL_LENGTH],
        user=by.user,
    )


def resolve_quiet(ended: Iterable[Episode], at: datetime) -> None:
    """Resolve the open incidents in which these were the last episodes."""
    touched = {episode.incident_id for episode in ended if episode.incident_id}
    if not touched:
        return
    quiet = Incident.objects.filter(pk__in=touched, status=IncidentStatus.OPEN).exclude(
        episodes__ended_at=None
    )
    for incident in quiet.annotate(last_end=Max("episodes__ended_at")):
        incident.status = IncidentStatus.RESOLVED
        incident.resolved_at = incident.last_end or at
        incident.save(update_fields=["status", "resolved_at"])
        note(incident, SYSTEM, "incident_resolved", "Resolved: none of its alerts fires any more.")


def next_number(environment: Environment) -> int:
    """The next INC-n there. Call it under the environment's lock."""
    return (Incident.objects.filter(environment=environment).aggregate(n=Max("number"))["n"] or 0) + 1


def worst(severities: Iterable[str]) -> str:
    """The gravest of these."""
    order = list(Severity.values)
    return min(severities, key=order.index)


def _join(incident: Incident, episode: Episode, why: str = "") -> IncidentEntry:
    severity = worst([incident.severity, episode.alert.severity])
    if severity != incident.severity:
        incident.severity = severity
        incident.save(update_fields=["severity"])
    sentence = f"{episode.alert.name} joined: {why or incident.grouping_reason}"
    return _entry(incident, SYSTEM, "alert_joined", sentence, episode.started_at)


def _previous(alert: Alert, episode: Episode) -> Incident | None:
    """The incident of this alert's last episode before this one."""
    earlier = alert.episodes.exclude(pk=episode.pk).exclude(incident=None).order_by("-started_at")
    last = earlier.select_related("incident").first()
    return last.incident if last else None
