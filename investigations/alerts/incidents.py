"""What is done to incidents: assigned, noted, resolved, closed, reopened, split, and tied to the same one elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.accounts.models import User
from investigations.alerts import grouping
from investigations.alerts.ingest import lock
from investigations.alerts.models import AlertState, Episode, Incident, IncidentEntry, IncidentStatus
from investigations.lib.addresses import RefusedAddress, check_url
from investigations.lib.errors import Conflict, Invalid
from investigations.lib.ids import show
from investigations.lib.text import one_line, storable_text
from investigations.live import publish, topics

STILL_BURNING = (AlertState.FIRING, AlertState.FLAPPING)
MOST_REFERENCES = 50


@transaction.atomic
def assign_incident(*, by: Actor, incident: Incident, lead: User | None) -> Incident:
    """Say who leads; None for nobody. Raises `Invalid` for somebody who may not work there."""
    incident = _editable(by, incident)
    if lead is not None and not permissions.may(Actor.person(lead), "edit_incident", incident.environment):
        raise Invalid(
            "lead_may_not", f"{lead} may not work on incidents there.", fix="Choose a responder or an admin."
        )
    incident.lead = lead
    incident.save(update_fields=["lead"])
    _write(incident, by, "incident_assigned", f"{lead} leads." if lead else "Nobody leads any more.")
    return incident


@transaction.atomic
def note_incident(*, by: Actor, incident: Incident, text: str) -> IncidentEntry:
    """Write a note on the incident. Raises `Invalid` for an empty one."""
    incident = _editable(by, incident)
    if not text.strip():
        raise Invalid("note_empty", "The note is empty.", fix="Write what others should know.")
    return _write(incident, by, "incident_noted", storable_text(text).strip())


@transaction.atomic
def resolve_incident(*, by: Actor, incident: Incident, reason: str = "") -> Incident:
    """Say that the trouble is over. Raises `Conflict` while a source still says that one of its alerts fires."""
    incident = _editable(by, incident)
    _require(incident, IncidentStatus.OPEN)
    _require_quiet(incident)
    incident.status, incident.resolved_at = IncidentStatus.RESOLVED, timezone.now()
    incident.save(update_fields=["status", "resolved_at"])
    _write(incident, by, "incident_resolved", _because("Resolved", reason))
    return incident


@transaction.atomic
def close_incident(*, by: Actor, incident: Incident, reason: str = "") -> Incident:
    """File the incident. It takes in nothing any more: when one of its alerts fires again, a new one points back.

    Raises `Conflict` while a source still says that one of its alerts fires.
    """
    incident = _editable(by, incident)
    _require(incident, IncidentStatus.OPEN, IncidentStatus.RESOLVED)
    _require_quiet(incident)
    now = timezone.now()
    incident.status, incident.closed_at, incident.resolved_at = (
        IncidentStatus.CLOSED,
        now,
        incident.resolved_at or now,
    )
    incident.save(update_fields=["status", "closed_at", "resolved_at"])
    _write(incident, by, "incident_closed", _because("Closed", reason))
    return incident


@transaction.atomic
def reopen_incident(*, by: Actor, incident: Incident, reason: str = "") -> Incident:
    """Take the incident up again. Raises `Conflict` when it is open."""
    incident = _editable(by, incident)
    _require(incident, IncidentStatus.RESOLVED, IncidentStatus.CLOSED)
    incident.status, incident.resolved_at, incident.closed_at = IncidentStatus.OPEN, None, None
    incident.save(update_fields=["status", "resolved_at", "closed_at"])
    _write(incident, by, "incident_reopened", _because("Reopened", reason))
    return incident


@transaction.atomic
def add_reference(*, by: Actor, incident: Incident, url: str, title: str = "") -> Incident:
    """Tie the incident to the same one elsewhere: a ticket, a page, a thread."""
    incident = _editable(by, incident)
    try:
        check_url(url.strip())
    except RefusedAddress as error:
        raise Invalid("reference_url", str(error), fix="Give the page's address.") from error
    if len(incident.references) >= MOST_REFERENCES:
        raise Conflict("too_many_references", f"An incident has at most {MOST_REFERENCES} references.")
    reference = {"url": url.strip(), "title": one_line(title, 200) or url.strip()}
    if all(known["url"] != reference["url"] for known in incident.references):
        incident.references = [*incident.references, reference]
        incident.save(update_fields=["references"])
        _write(incident, by, "reference_added", f"Also known as {reference['title']}: {reference['url']}")
    return incident


@transaction.atomic
def split_incident(
    *, by: Actor, incident: Incident, episodes: Sequence[Episode], reason: str = ""
) -> Incident:
    """Take some episodes out into an incident of their own: grouping was wrong. Returns the new one.

    Raises `Invalid` when they are not in the incident, or are all of it.
    """
    incident = _editable(by, incident)
    mine = {episode.pk for episode in incident.episodes.all()}
    taken = sorted(
        {episode.pk: episode for episode in episodes}.values(), key=lambda episode: episode.started_at
    )
    if not taken or not {episode.pk for episode in taken} < mine:
        raise Invalid(
            "split_nothing",
            "Split off some of its episodes, and leave some.",
            fix="Choose fewer, or at least one.",
        )
    why = _because(f"Split from INC-{incident.number} by {by.attribution}", reason)
    new = grouping.open_incident(incident.environment, taken[0], key="", reason=why, by=by)
    for episode in taken:
        _move(by, episode, incident, new)
    return new


@transaction.atomic
def move_episode(*, by: Actor, episode: Episode, incident: Incident) -> Episode:
    """Put an episode into another incident of its environment. Raises `Conflict` when that is closed."""
    incident = _editable(by, incident)
    if episode.alert.environment_id != incident.environment_id:
        raise Invalid("another_environment", "That incident belongs to another environment.")
    if incident.status == IncidentStatus.CLOSED:
        raise Conflict("incident_closed", f"INC-{incident.number} is closed.", fix="Reopen it first.")
    before = episode.incident
    if before != incident:
        _move(by, episode, before, incident)
    return episode


def _move(by: Actor, episode: Episode, before: Incident | None, after: Incident) -> None:
    episode.incident = after
    episode.save(update_fields=["incident"])
    after.severity = grouping.worst([after.severity, episode.alert.severity])
    after.save(update_fields=["severity"])
    came_from = f" from INC-{before.number}" if before else ""
    _write(after, by, "alert_joined", f"{episode.alert.name} was moved here{came_from}.")
    if before is not None:
        _write(before, by, "alert_left", f"{episode.alert.name} was moved to INC-{after.number}.")


def _editable(by: Actor, incident: Incident) -> Incident:
    """The incident's row as it is now, for somebody who may change it, with its environment locked against ingests."""
    permissions.require(by, "edit_incident", incident.environment)
    lock(incident.environment)
    return Incident.objects.select_related("environment", "lead").get(pk=incident.pk)


def _require(incident: Incident, *statuses: str) -> None:
    if incident.status not in statuses:
        raise Conflict(
            f"incident_{incident.status}",
            f"INC-{incident.number} is {incident.status}.",
            fix="Look at where it stands.",
        )


def _require_quiet(incident: Incident) -> None:
    burning = incident.episodes.filter(ended_at=None, alert__state__in=STILL_BURNING)
    if names := sorted(set(burning.values_list("alert__name", flat=True))):
        raise Conflict(
            "still_firing",
            f"{', '.join(names)} still fires.",
            fix="Wait for its end, silence it at its source, or move it to another incident.",
            alerts=names,
        )


def _write(incident: Incident, by: Actor, kind: str, sentence: str) -> IncidentEntry:
    hint: publish.Hint = {"what": "incident", "id": show("inc", incident.id)}
    publish.after_commit(topics.environment_topic(incident.environment_id), hint)
    return grouping.note(incident, by, kind, sentence)


def _because(what: str, reason: str) -> str:
    reason = storable_text(reason).strip()
    return f"{what}: {reason}" if reason else f"{what}."
