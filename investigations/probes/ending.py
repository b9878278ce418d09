"""How probes end, by a person, by the clock or all at once, and how what a person ended is taken back.

Locks are taken in the order probes, session, service.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts import services as accounts
from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import Environment
from investigations.catalog.models import Service
from investigations.catalog.services import bump_probe_revision
from investigations.lib.errors import Conflict, Invalid, Limited
from investigations.lib.ids import show, uuid7
from investigations.live import publish, topics
from investigations.probes.models import Probe, ProbeState
from investigations.probes.room import require_room
from investigations.sessions import services as sessions
from investigations.sessions.models import SessionStatus

UNDO_WITHIN = timedelta(minutes=15)
"""How long what a person ended can be taken back; its time to live runs on meanwhile."""
MOST_AT_ONCE = 1000


@transaction.atomic
def remove_probe(*, by: Actor, probe: Probe, purpose: str = "") -> Probe:
    """Disarm a probe everywhere; what it captured stays. One that has ended already is left as it ended."""
    permissions.require(by, "remove_probe", probe.environment)
    return _end(by, probe, ProbeState.REMOVED, f"Removed by {by.attribution}.", "removed", purpose)


def expire_probes(*, now: datetime | None = None) -> int:
    """End the active probes whose time is up; answers how many that was."""
    due = Probe.objects.filter(expires_at__lte=now or timezone.now())
    return _end_each(due, ProbeState.EXPIRED, "Its time was up.", "expired")


def end_in_closed_sessions() -> int:
    """Disarm what is still active in sessions that were closed; answers how many that was."""
    left = Probe.objects.filter(session__status=SessionStatus.CLOSED)
    return _end_each(left, ProbeState.REMOVED, "Its session was closed.", "removed")


def _end_each(probes: QuerySet[Probe], state: ProbeState, reason: str, verb: str) -> int:
    """End the active ones among these, each by itself: no lock of a busy session holds the others up."""
    count = 0
    active = probes.filter(state=ProbeState.ACTIVE).select_related("session", "service")
    for probe in active[:MOST_AT_ONCE]:
        with transaction.atomic():
            count += _end(SYSTEM, probe, state, reason, verb).state == state
    return count


def _end(by: Actor, probe: Probe, state: ProbeState, reason: str, verb: str, purpose: str = "") -> Probe:
    """Move an active probe to its end, say so on the timeline, and have every sensor drop it."""
    probe = (
        Probe.objects.select_for_update(no_key=True, of=("self",))
        .select_related("session", "service")
        .get(pk=probe.pk)
    )
    if probe.state != ProbeState.ACTIVE:
        return probe
    probe.state, probe.state_reason, probe.ended_at = state, reason, timezone.now()
    probe.save(update_fields=["state", "state_reason", "ended_at"])
    brought = f"{probe.captures} capture{'' if probe.captures == 1 else 's'}"
    sentence = f"P{probe.number} at {probe.place} {verb} with {brought}."
    if by is not SYSTEM:
        sentence = f"{verb.capitalize()} P{probe.number} at {probe.place}, which had brought {brought}."
    sessions.record(
        probe.session, by, f"probe_{verb}", sentence, subject=show("prb", probe.id), purpose=purpose
    )
    tell(probe)
    bump_probe_revision(probe.service)
    return probe


@dataclass(frozen=True, slots=True)
class Disarmed:
    """How many ``probes`` one act ended, and its name, by which `restore_all` takes it back."""

    probes: int
    act: uuid.UUID


def disarm_all(*, by: Actor, environment: Environment, reason: str) -> Disarmed:
    """The kill switch: remove every probe of an environment at once.

    Probes end in one short transaction; their sessions hear of it in others, so that no lock of a busy session can
    hold the switch up.
    """
    permissions.require(by, "disarm_all", environment)
    if not reason.strip():
        raise Invalid("reason_missing", "Say why everything is disarmed.", fix="Give a reason.")
    act = uuid7()
    ended = _end_all(by, environment, reason, act)
    for probes in _by_session(ended):
        with transaction.atomic():
            numbers = ", ".join(f"P{probe.number}" for probe in probes)
            sentence = f"Disarmed {numbers}, with every probe in {environment.name}: {reason.strip()}"
            sessions.record(probes[0].session, by, "probes_disarmed", sentence)
            for probe in probes:
                tell(probe)
    return Disarmed(len(ended), act)


def _by_session(probes: Iterable[Probe]) -> Iterable[list[Probe]]:
    found: dict[uuid.UUID, list[Probe]] = {}
    for probe in probes:
        found.setdefault(probe.session_id, []).append(probe)
    return found.values()


@transaction.atomic
def _end_all(by: Actor, environment: Environment, reason: str, act: uuid.UUID) -> list[Probe]:
    active = Probe.objects.filter(environment=environment, state=ProbeState.ACTIVE).order_by("pk")
    ended = list(active.select_for_update(no_key=True, of=("self",)).select_related("session"))
    Probe.objects.filter(pk__in=[probe.pk for probe in ended]).update(
        state=ProbeState.REMOVED,
        state_reason=f"Disarmed by {by.attribution}: {reason.strip()}",
        ended_at=timezone.now(),
        ended_together=act,
    )
    touched = {probe.service_id for probe in ended}
    for service in Service.objects.filter(pk__in=touched).order_by("pk"):
        bump_probe_revision(service)
    accounts.audit(
        by=by,
        action="probes_disarmed",
        environment=environment,
        detail={"reason": reason, "probes": len(ended)},
    )
    return ended


# ---------------------------------------------------------------- taken back


@transaction.atomic
def restore_probe(*, by: Actor, probe: Probe) -> Probe:
    """Take a removal back: the probe is armed again with the time that is left to it. One that is active stays so.

    Raises `Conflict` (not_undoable, session_closed) and `Limited` (probes_too_many).
    """
    permissions.require(by, "place_probe", probe.environment)
    probe = (
        Probe.objects.select_for_update(no_key=True, of=("self",))
        .select_related("session", "service", "environment")
        .get(pk=probe.pk)
    )
    if probe.state == ProbeState.ACTIVE:
        return probe
    if not _undoable(probe):
        raise Conflict(
            "not_undoable",
            f"P{probe.number} is {probe.state}, and that cannot be taken back any more.",
            fix="Place it again.",
        )
    sessions.require_open(sessions.locked(probe.session))
    _rearm(probe)
    sessions.record(
        probe.session,
        by,
        "probe_restored",
        f"Took the removal of P{probe.number} at {probe.place} back.",
        subject=show("prb", probe.id),
    )
    bump_probe_revision(probe.service)
    return probe


def restore_all(*, by: Actor, environment: Environment, act: uuid.UUID) -> int:
    """Take back what `disarm_all` ended by that act; answers how many probes are armed again.

    Those whose time is up, whose session was closed or is full meanwhile stay as they are.
    """
    permissions.require(by, "place_probe", environment)
    with transaction.atomic():
        ended = Probe.objects.filter(environment=environment, ended_together=act).order_by("pk")
        locked = ended.select_for_update(no_key=True, of=("self",)).select_related("session", "service")
        sessions_of = {probe.session_id: probe.session for probe in locked}
        for _, session in sorted(sessions_of.items()):
            sessions.locked(session)
        again = [probe for probe in locked if _undoable(probe) and _rearmed(probe)]
        for probes in _by_session(again):
            numbers = ", ".join(f"P{probe.number}" for probe in probes)
            sessions.record(
                probes[0].session, by, "probes_restored", f"Took the disarming of {numbers} back."
            )
        for service in sorted({probe.service for probe in again}, key=lambda service: service.pk):
            bump_probe_revision(service)
        accounts.audit(
            by=by, action="probes_restored", environment=environment, detail={"probes": len(again)}
        )
    return len(again)


def _undoable(probe: Probe) -> bool:
    now = timezone.now()
    fresh = probe.ended_at is not None and now - probe.ended_at < UNDO_WITHIN
    still = probe.expires_at > now and probe.session.status == SessionStatus.OPEN
    return probe.state == ProbeState.REMOVED and fresh and still


def _rearmed(probe: Probe) -> bool:
    """Arm it again, if there is room for it."""
    try:
        _rearm(probe)
    except Limited:
        return False
    return True


def _rearm(probe: Probe) -> None:
    require_room(probe.session, probe.service)
    probe.state, probe.state_reason, probe.ended_at = ProbeState.ACTIVE, "", None
    probe.ended_together = None
    probe.save(update_fields=["state", "state_reason", "ended_at", "ended_together"])
    tell(probe)


def tell(probe: Probe) -> None:
    """Hint at a probe's new state, after the commit."""
    hint: publish.Hint = {"what": "probes", "id": show("prb", probe.id)}
    publish.after_commit(topics.session_topic(probe.session_id), hint)
