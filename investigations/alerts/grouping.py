"""Which episodes belong to one incident, and the sentence that says why.

Thin on purpose: alerts of one service that begin close together. Only an open incident takes in new episodes; what
begins after its end opens a new one that points back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Max
from django.utils import timezone

from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import Environment
from investigations.alerts.models import Alert, Episode, Incident, IncidentEntry, IncidentStatus, Severity

WINDOW = timedelta(minutes=30)
"""Episodes that begin within this of each other fall together."""
LABEL_LENGTH = 200


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
    wanted = {key_and_reason(episode.alert)[0] for episode in episodes}
    candidates = _open_incidents(environment, wanted)
    opened, joined = [], []
    for episode in sorted(episodes, key=lambda episode: (episode.started_at, episode.id)):
        key, reason = key_and_reason(episode.alert)
        incident = next((i for i in candidates if i.grouping_key == key and _is_near(i, episode)), None)
        if incident is None:
            incident = open_incident(environment, episode, key, reason)
            incident.last_start = episode.started_at  # type: ignore[attr-defined]
            candidates.append(incident)
            opened.append(incident)
        else:
            joined.append(_join(incident, episode))
        episode.incident = incident
    Episode.objects.bulk_update(episodes, ["incident"])
    IncidentEntry.objects.bulk_create(joined)
    return opened


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


def _open_incidents(environment: Environment, keys: set[str]) -> list[Incident]:
    rows = Incident.objects.filter(environment=environment, status=IncidentStatus.OPEN, grouping_key__in=keys)
    return list(rows.annotate(last_start=Max("episodes__started_at")).order_by("-id"))


def _is_near(incident: Incident, episode: Episode) -> bool:
    last: datetime = incident.last_start or incident.opened_at  # type: ignore[attr-defined]
    return abs(episode.started_at - last) <= WINDOW


def _join(incident: Incident, episode: Episode) -> IncidentEntry:
    severity = worst([incident.severity, episode.alert.severity])
    if severity != incident.severity:
        incident.severity = severity
        incident.save(update_fields=["severity"])
    incident.last_start = max(incident.last_start, episode.started_at)  # type: ignore[attr-defined]
    sentence = f"{episode.alert.name} joined: {incident.grouping_reason}"
    return _entry(incident, SYSTEM, "alert_joined", sentence, episode.started_at)


def _previous(alert: Alert, episode: Episode) -> Incident | None:
    """The incident of this alert's last episode before this one."""
    earlier = alert.episodes.exclude(pk=episode.pk).exclude(incident=None).order_by("-started_at")
    last = earlier.select_related("incident").first()
    return last.incident if last else None
