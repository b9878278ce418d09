"""Questions about sessions; every answer holds only what the asking actor may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from uuid import UUID

from django.db.models import Q, QuerySet

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts.models import Incident
from investigations.catalog.models import Service
from investigations.catalog.selectors import service_by_ref
from investigations.lib.errors import NotFound
from investigations.lib.ids import show
from investigations.lib.paging import newest_first
from investigations.sessions.models import InvestigationSession, Participant, TimelineEntry

MOST_ENTRIES = 1000
LATEST_SHOWN = 20


def sessions(
    by: Actor,
    *,
    environment: Environment | None = None,
    status: str = "",
    incident: Incident | None = None,
    query: str = "",
    before: UUID | None = None,
    limit: int = 50,
) -> list[InvestigationSession]:
    """Sessions, newest first. ``query`` is looked for in titles, symptoms and conclusions."""
    rows = _visible(by)
    if environment is not None:
        rows = rows.filter(environment=environment)
    if status:
        rows = rows.filter(status=status)
    if incident is not None:
        rows = rows.filter(incident=incident)
    if query.strip():
        rows = rows.filter(_mentions(query.strip()))
    return newest_first(rows, before=before, limit=limit)


def session(by: Actor, session_id: UUID) -> InvestigationSession:
    """One session. Raises `NotFound` when there is none or it is not the actor's to see."""
    found = _visible(by).filter(pk=session_id).first()
    if found is None:
        raise NotFound("session_not_found", "There is no such session, or it is not yours to see.")
    return found


def service_meant(by: Actor, session: InvestigationSession, ref: str = "") -> Service | None:
    """The service of that name or id, else the only one the session is about; None where it has none or several."""
    if ref:
        return service_by_ref(by, ref, session.environment)
    about = list(session.services.select_related("environment")[:2])
    return about[0] if len(about) == 1 else None


def timeline_after(
    by: Actor, session: InvestigationSession, cursor: int = 0, limit: int = 200
) -> list[TimelineEntry]:
    """The entries that follow ``cursor``, oldest first: for catching up and for what is live."""
    return list(
        _timeline(by, session).filter(cursor__gt=cursor).order_by("cursor")[: min(limit, MOST_ENTRIES)]
    )


def timeline_before(
    by: Actor, session: InvestigationSession, cursor: int | None = None, limit: int = 200
) -> list[TimelineEntry]:
    """The last entries ahead of ``cursor`` (of all, without one), oldest first: to open a page, to scroll back."""
    rows = _timeline(by, session)
    if cursor is not None:
        rows = rows.filter(cursor__lt=cursor)
    return list(rows.order_by("-cursor")[: min(limit, MOST_ENTRIES)])[::-1]


def participants(by: Actor, session: InvestigationSession) -> list[Participant]:
    """Who has acted or joined, in the order they came."""
    permissions.require(by, "read", session.environment)
    return list(session.participants.select_related("user", "token").order_by("joined_at", "id"))


@dataclass(frozen=True, slots=True)
class Away:
    """What others did since the actor last looked: how many entries of each kind, and the latest of them."""

    since_cursor: int
    cursor: int
    counts: dict[str, int]
    latest: list[TimelineEntry]


def since_you_left(by: Actor, session: InvestigationSession) -> Away | None:
    """None for those who took no part, or missed nothing."""
    permissions.require(by, "read", session.environment)
    mine = session.participants.filter(user=by.user, token=by.token).first()
    if mine is None:
        return None
    missed = session.timeline.filter(cursor__gt=mine.seen_cursor).exclude(actor_label=mine.label)
    counts = Counter(missed.values_list("kind", flat=True).order_by())
    if not counts:
        return None
    latest = list(missed.order_by("-cursor")[:LATEST_SHOWN])[::-1]
    return Away(mine.seen_cursor, latest[-1].cursor, dict(counts.most_common()), latest)


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of an incident's timeline, whichever record it comes from; ``session`` when it is a session's."""

    at: datetime
    kind: str
    sentence: str
    actor_label: str = ""
    actor_kind: str = "system"
    subject: str = ""
    session: InvestigationSession | None = None


def incident_timeline(by: Actor, incident: Incident) -> list[Happening]:
    """What its alerts did, what was done to it, and what its sessions wrote, in the order it happened."""
    permissions.require(by, "read", incident.environment)
    everything = chain(_of_alerts(incident), _of_itself(incident), _of_sessions(incident))
    return sorted(everything, key=lambda happening: happening.at)


def _of_alerts(incident: Incident) -> Iterator[Happening]:
    for episode in incident.episodes.select_related("alert"):
        alert, subject = episode.alert, show("alr", episode.alert_id)
        yield Happening(episode.started_at, "alert_fired", f"{alert.name} began to fire.", subject=subject)
        if episode.ended_at is not None:
            sentence = f"{alert.name} {_ENDED.get(episode.end_reason, 'ended')}."
            yield Happening(episode.ended_at, "alert_ended", sentence, subject=subject)


_ENDED = {
    "resolved": "was resolved",
    "absent": "was no longer told of",
    "stale": "was given up: nobody told of it for a day",
}


def _of_itself(incident: Incident) -> Iterator[Happening]:
    for entry in incident.entries.all():
        yield Happening(entry.at, entry.kind, entry.sentence, entry.actor_label, entry.actor_kind)


def _of_sessions(incident: Incident) -> Iterator[Happening]:
    entries = TimelineEntry.objects.filter(session__incident=incident).select_related("session")
    for entry in entries.order_by("at", "cursor"):
        yield Happening(
            entry.at, entry.kind, entry.sentence, entry.actor_label, entry.actor_kind, entry.subject, entry.session
        )  # fmt: skip


def _visible(by: Actor) -> QuerySet[InvestigationSession]:
    rows = InvestigationSession.objects.filter(environment__in=permissions.visible_environments(by))
    return rows.select_related("environment", "incident", "episode__alert").prefetch_related("services")


def _timeline(by: Actor, session: InvestigationSession) -> QuerySet[TimelineEntry]:
    permissions.require(by, "read", session.environment)
    return session.timeline.select_related("user")


def _mentions(text: str) -> Q:
    return Q(title__icontains=text) | Q(symptom__icontains=text) | Q(conclusion__icontains=text)
