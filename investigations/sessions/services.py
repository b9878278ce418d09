"""What is done to investigation sessions, and how a thing that happened comes onto a session's timeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts.models import Alert, Episode, Incident
from investigations.catalog.models import Service
from investigations.catalog.services import ensure_service
from investigations.lib.errors import Conflict, Invalid
from investigations.lib.ids import show
from investigations.lib.text import one_line, storable, storable_text
from investigations.live import publish, topics
from investigations.sessions import openings
from investigations.sessions.models import InvestigationSession, Participant, SessionStatus, TimelineEntry

TITLE_LENGTH = 300
LABEL_LENGTH = 200


@transaction.atomic
def open_session(
    *,
    by: Actor,
    environment: Environment,
    title: str = "",
    symptom: str = "",
    alert: Alert | None = None,
    incident: Incident | None = None,
    services: Iterable[Service | str] = (),
    reuse: bool = False,
    idempotency_key: str = "",
    purpose: str = "",
) -> InvestigationSession:
    """A session on an alert, on an incident, or on nothing yet; what is not given is filled from those.

    The same ``idempotency_key`` gives the same session. With ``reuse`` the session already open on this
    stretch of firing (or on this incident, when only an incident is given) is joined instead.
    Raises `Invalid` when alert or incident belong to another environment.
    """
    permissions.require(by, "open_session", environment)
    _require_same_environment(environment, alert, incident)
    _lock(environment)
    if (found := _opened_before(environment, idempotency_key)) is not None:
        return found
    opening = openings.opening(alert, incident)
    if reuse and (found := _open_on(opening.episode, incident if alert is None else None)) is not None:
        join(by=by, session=found)
        return found
    session = InvestigationSession.objects.create(
        environment=environment,
        number=_next_number(environment),
        title=_title(title) if title.strip() else opening.title,
        symptom=storable_text(symptom).strip() or opening.symptom,
        incident=incident or opening.incident,
        episode=opening.episode,
        window_start=opening.window_start,
        opened_by=by.attribution[:LABEL_LENGTH],
        idempotency_key=idempotency_key,
    )
    about = _services(environment, [*services, *opening.service_names])
    session.services.set(about)
    _record_opening(session, by, alert, about, purpose)
    return InvestigationSession.objects.get(pk=session.pk)


def _record_opening(
    session: InvestigationSession, by: Actor, alert: Alert | None, about: list[Service], purpose: str
) -> None:
    running = openings.running_commits(about)
    data: dict[str, Any] = {"services": sorted(service.name for service in about), "running": running}
    if session.incident_id:
        data["incident"] = show("inc", session.incident_id)
    sentence = openings.sentence(session, alert, running)
    subject = show("alr", alert.id) if alert else ""
    record(session, by, "session_opened", sentence, subject=subject, data=data, purpose=purpose)
    publish.after_commit(
        topics.environment_topic(session.environment_id), {"what": "sessions", "id": show("ses", session.id)}
    )


@transaction.atomic
def close_session(*, by: Actor, session: InvestigationSession, conclusion: str = "") -> InvestigationSession:
    """End the work, with what came of it in a sentence. Raises `Conflict` when it is closed already."""
    permissions.require(by, "edit_session", session.environment)
    session = locked(session)
    require_open(session)
    session.status = SessionStatus.CLOSED
    session.closed_at = timezone.now()
    session.conclusion = storable_text(conclusion).strip()
    session.save(update_fields=["status", "closed_at", "conclusion"])
    ending = f": {session.conclusion}" if session.conclusion else "."
    record(session, by, "session_closed", f"Closed the session{ending}")
    _tell_environment(session)
    return session


@transaction.atomic
def reopen_session(*, by: Actor, session: InvestigationSession, reason: str = "") -> InvestigationSession:
    """Take up a closed session again. Raises `Conflict` when it is open."""
    permissions.require(by, "edit_session", session.environment)
    session = locked(session)
    if session.status == SessionStatus.OPEN:
        raise Conflict("session_open", "This session is open already.", fix="Go on working in it.")
    session.status = SessionStatus.OPEN
    session.closed_at = None
    session.save(update_fields=["status", "closed_at"])
    why = f": {reason.strip()}" if reason.strip() else "."
    record(session, by, "session_reopened", f"Reopened the session{why}")
    _tell_environment(session)
    return session


@transaction.atomic
def rename(*, by: Actor, session: InvestigationSession, title: str) -> InvestigationSession:
    """Give the session another title. Raises `Invalid` for an empty one."""
    permissions.require(by, "edit_session", session.environment)
    wanted = _title(title)
    session = locked(session)
    if wanted != session.title:
        before, session.title = session.title, wanted
        session.save(update_fields=["title"])
        record(
            session,
            by,
            "session_renamed",
            f"Renamed it to {wanted}",
            data={"before": before, "after": wanted},
        )
        _tell_environment(session)
    return session


@transaction.atomic
def join(*, by: Actor, session: InvestigationSession) -> Participant | None:
    """Take part before doing anything else there; the first act would do the same. None for the system."""
    permissions.require(by, "read", session.environment)
    session = locked(session)
    participant, new = _take_part(session, by)
    if new:
        record(session, by, "participant_joined", f"{by.attribution} joined.")
    return participant


def saw(*, by: Actor, session: InvestigationSession, cursor: int) -> None:
    """Remember how far the actor has read, for "since you left", if the actor takes part."""
    permissions.require(by, "read", session.environment)
    mine = _participations(session, by)
    mine.filter(seen_cursor__lt=cursor).update(seen_cursor=cursor)
    mine.update(last_seen_at=timezone.now())


def record(
    session: InvestigationSession,
    by: Actor,
    kind: str,
    sentence: str,
    *,
    subject: str = "",
    data: Mapping[str, Any] | None = None,
    purpose: str = "",
) -> TimelineEntry:
    """Write one line of the session's timeline, in the caller's transaction; the actor becomes a participant.

    ``kind`` is noun_verbed, ``subject`` the public id of what it is about, ``purpose`` why in an agent's own
    words. The session's row stays locked until the transaction ends, so cursors become visible in the order
    they count.
    """
    cursor, takes_part = _next_entry(session, by)
    if not takes_part:
        _take_part(session, by)
    entry = TimelineEntry.objects.create(
        session=session,
        cursor=cursor,
        kind=kind,
        sentence=storable_text(sentence),
        actor_kind=by.kind,
        actor_label=by.attribution[:LABEL_LENGTH],
        user=by.user,
        purpose=storable_text(purpose),
        subject=subject,
        data=storable(dict(data or {})),
    )
    session.timeline_cursor = cursor
    hint: publish.Hint = {"what": "timeline", "cursor": cursor, "id": show("ses", session.id)}
    publish.after_commit(topics.session_topic(session.id), hint)
    return entry


def next_capture_cursors(session_id: UUID, count: int) -> int:
    """Reserve ``count`` capture cursors, in the transaction that writes the captures, and return the first."""
    [last] = _advance(_NEXT_CAPTURES, {"session": session_id, "count": count})
    return int(last) - count + 1


def locked(session: InvestigationSession) -> InvestigationSession:
    """The session's row as it is now, locked until the transaction ends; rows may still point at it."""
    rows = InvestigationSession.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("environment").get(pk=session.pk)


def require_open(session: InvestigationSession) -> None:
    """Raise `Conflict` when the session is closed: nothing new is placed or claimed in it then."""
    if session.status == SessionStatus.CLOSED:
        raise Conflict(
            "session_closed",
            f"{show('ses', session.id)} is closed.",
            fix="Reopen it, or open another session.",
        )


_NEXT_CAPTURES = """
UPDATE investigation_sessions_investigationsession SET capture_cursor = capture_cursor + %(count)s
WHERE id = %(session)s RETURNING capture_cursor
"""
_NEXT_ENTRY = """
UPDATE investigation_sessions_investigationsession SET timeline_cursor = timeline_cursor + 1
WHERE id = %(session)s
RETURNING timeline_cursor, EXISTS (
    SELECT FROM investigation_sessions_participant
    WHERE session_id = %(session)s AND user_id = %(user)s AND token_id IS NOT DISTINCT FROM %(token)s
)
"""


def _next_entry(session: InvestigationSession, by: Actor) -> tuple[int, bool]:
    """The cursor of a new entry, and whether the actor is known to take part: one round trip for every verb.

    Somebody who joined while this waited for the lock is not seen yet; `_take_part` looks again.
    """
    user, token = by.user and by.user.pk, by.token and by.token.pk
    cursor, takes_part = _advance(_NEXT_ENTRY, {"session": session.id, "user": user, "token": token})
    return cursor, takes_part


def _advance(statement: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Move a session's cursor forward; the UPDATE is what locks the row."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "A cursor is handed out in the transaction that uses it."
        )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row: tuple[Any, ...] | None = cursor.fetchone()
    if row is None:
        raise InvestigationSession.DoesNotExist(values["session"])
    return row


def _take_part(session: InvestigationSession, by: Actor) -> tuple[Participant | None, bool]:
    """The actor's own row among the participants, and whether it is new. The caller holds the session's lock."""
    if by.user is None:
        return None, False
    if (mine := _participations(session, by).first()) is not None:
        return mine, False
    mine = Participant.objects.create(
        session=session, user=by.user, token=by.token, kind=by.kind, label=by.attribution[:LABEL_LENGTH]
    )
    publish.after_commit(
        topics.session_topic(session.id), {"what": "participants", "id": show("ses", session.id)}
    )
    return mine, True


def _participations(session: InvestigationSession, by: Actor) -> Any:
    return Participant.objects.filter(session=session, user=by.user, token=by.token)


def _require_same_environment(
    environment: Environment, alert: Alert | None, incident: Incident | None
) -> None:
    for thing in (alert, incident):
        if thing is not None and thing.environment_id != environment.id:
            raise Invalid(
                "another_environment",
                f"{thing} belongs to another environment than {environment.name}.",
                fix="Open the session in the environment of its alert or incident.",
            )


def _lock(environment: Environment) -> None:
    """One opening at a time in an environment: numbers have no gaps, and ``reuse`` never opens twice."""
    Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)


def _next_number(environment: Environment) -> int:
    highest = InvestigationSession.objects.filter(environment=environment).aggregate(n=Max("number"))["n"]
    return (highest or 0) + 1


def _opened_before(environment: Environment, idempotency_key: str) -> InvestigationSession | None:
    if not idempotency_key:
        return None
    return InvestigationSession.objects.filter(
        environment=environment, idempotency_key=idempotency_key
    ).first()


def _open_on(episode: Episode | None, incident: Incident | None) -> InvestigationSession | None:
    """The newest open session on this stretch of firing, or on this incident."""
    still_open = InvestigationSession.objects.filter(status=SessionStatus.OPEN).order_by("-id")
    if incident is not None:
        return still_open.filter(incident=incident).first()
    return still_open.filter(episode=episode).first() if episode is not None else None


def _services(environment: Environment, wanted: Iterable[Service | str]) -> list[Service]:
    """The services meant, each once; a name nobody has used yet becomes known."""
    found = {}
    for service in wanted:
        if isinstance(service, str):
            if not service.strip():
                continue
            service = ensure_service(environment=environment, name=service.strip())
        found[service.id] = service
    return list(found.values())


def _title(text: str) -> str:
    title = one_line(text, TITLE_LENGTH)
    if not title:
        raise Invalid("title_empty", "A session needs a title.", fix="Say in a few words what is wrong.")
    return title


def _tell_environment(session: InvestigationSession) -> None:
    publish.after_commit(
        topics.environment_topic(session.environment_id), {"what": "sessions", "id": show("ses", session.id)}
    )
