"""What is done to probes: checked, placed, removed, ended; and what sensors report of them, noted.

Locks are taken in the order probes, session, service: ingesting captures takes them so too.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts import services as accounts
from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import Environment
from investigations.catalog.models import Instance, Service
from investigations.catalog.presence import present
from investigations.catalog.services import bump_probe_revision
from investigations.lib.errors import Invalid, Limited
from investigations.lib.ids import show
from investigations.live import publish, topics
from investigations.probes import places, targeting
from investigations.probes.deliveries import record_counters, record_delivery
from investigations.probes.labels import label_executions, record_outcomes
from investigations.probes.models import Probe, ProbeState
from investigations.probes.spec import ProbeProblem, ProbeSpec, problems_of
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession, SessionStatus

__all__ = [
    "ProbeCheck",
    "ProbeProblem",
    "ProbeSpec",
    "check_probe",
    "disarm_all",
    "expire_probes",
    "label_executions",
    "place_probe",
    "record_counters",
    "record_delivery",
    "record_outcomes",
    "remove_probe",
]

MOST_IN_SESSION = 50
MOST_ON_SERVICE = 200
"""Active probes: each is looked at on every arrival of every set, and a page shows them all."""


@dataclass(frozen=True, slots=True)
class ProbeCheck:
    """What placing a spec would do: where it would stand, whom it would reach, and what is wrong with it."""

    problems: list[ProbeProblem]
    place: places.Place | None = None
    instances: list[Instance] = field(default_factory=list)
    """Present instances it is for."""
    others: int = 0
    """Present instances of the service that its targeting leaves out."""
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def nearest(self) -> list[int]:
        """Executable lines near the one asked for, when that one is not."""
        return [line for problem in self.problems for line in problem.alternatives.get("nearest", [])]


def check_probe(*, by: Actor, session: InvestigationSession, spec: ProbeSpec) -> ProbeCheck:
    """What `place_probe` would do, without doing it. May ask a live instance for the file."""
    permissions.require(by, "read", session.environment)
    return _check(by, session, spec)


def _check(by: Actor, session: InvestigationSession, spec: ProbeSpec) -> ProbeCheck:
    """The check itself, for an actor who may act in the session; reading the source asks for that right again."""
    if spec.service.environment_id != session.environment_id:
        return ProbeCheck([_service_elsewhere(session, spec.service)])
    problems = list(problems_of(spec))
    if problems:
        return ProbeCheck(problems)
    running = list(spec.service.instances.filter(present()).order_by("-connected_at"))
    place = places.resolve(by, spec, running)
    if isinstance(place, ProbeProblem):
        return ProbeCheck([place])
    wanted = targeting.read(spec.targeting)
    chosen = [instance for instance in running if targeting.targets(wanted, instance)]
    notes = [place.note] if place.note else []
    if not chosen:
        notes.append(_nobody(spec.service, running, wanted))
    return ProbeCheck([], place, chosen, len(running) - len(chosen), notes)


def _service_elsewhere(session: InvestigationSession, service: Service) -> ProbeProblem:
    return ProbeProblem(
        "service_elsewhere",
        f"{service.name} is not in {session.environment.name}, where this session is.",
        "Choose a service of that environment, or open a session in the other one.",
        "service",
    )


def _nobody(service: Service, running: Collection[Instance], wanted: targeting.Targeting) -> str:
    if not running:
        return f"No instance of {service.name} is connected; the probe waits for one."
    words = targeting.sentence(wanted)
    return f"None of the connected instances ({len(running)}) matches {words}; the probe waits for one."


def place_probe(
    *, by: Actor, session: InvestigationSession, spec: ProbeSpec, idempotency_key: str = "", purpose: str = ""
) -> Probe:
    """Arm a probe in every instance it is for. The same ``idempotency_key`` in a session gives the same probe.

    Raises `Invalid` with what would be right (``nearest`` lines, ``functions``, ``files``), `Conflict`
    (session_closed), `Limited` (probes_too_many).
    """
    permissions.require(by, "place_probe", session.environment)
    if (placed := _placed_before(session, idempotency_key)) is not None:
        return placed
    check = _check(by, session, spec)  # may wait for a sensor, so no lock is held yet
    if check.problems or check.place is None:
        raise check.problems[0].error()
    with transaction.atomic():
        session = sessions.locked(session)
        sessions.require_open(session)
        if (placed := _placed_before(session, idempotency_key)) is not None:
            return placed
        number = _require_room(session, spec.service)
        probe = _create(by, session, spec, number, check.place, idempotency_key, purpose)
        bump_probe_revision(spec.service)  # before what is told to pages: hints leave in this order
        _record_placing(by, probe, check)
    return probe


def _placed_before(session: InvestigationSession, idempotency_key: str) -> Probe | None:
    if len(idempotency_key) > 200:
        raise Invalid("idempotency_key", "A key has at most 200 characters.", fix="Use a shorter one.")
    if not idempotency_key:
        return None
    return session.probes.filter(idempotency_key=idempotency_key).select_related("service", "session").first()


_ROOM = """
SELECT (SELECT count(*) FROM probes_probe WHERE session_id = %(session)s AND state = 'active'),
       (SELECT count(*) FROM probes_probe WHERE service_id = %(service)s AND state = 'active'),
       (SELECT coalesce(max(number), 0) + 1 FROM probes_probe WHERE session_id = %(session)s)
"""


def _require_room(session: InvestigationSession, service: Service) -> int:
    """The number that a further probe gets. Raises `Limited` when there are as many active ones as there may be."""
    with connection.cursor() as cursor:
        cursor.execute(_ROOM, {"session": session.pk, "service": service.pk})
        in_session, on_service, number = cursor.fetchone()
    for active, most, where in (
        (in_session, MOST_IN_SESSION, "this session"),
        (on_service, MOST_ON_SERVICE, service.name),
    ):
        if active >= most:
            raise Limited(
                "probes_too_many",
                f"There are {most} active probes in {where}.",
                fix="Remove one that has answered.",
            )
    return int(number)


def _create(
    by: Actor,
    session: InvestigationSession,
    spec: ProbeSpec,
    number: int,
    place: places.Place,
    idempotency_key: str,
    purpose: str,
) -> Probe:
    return Probe.objects.create(
        environment=session.environment,
        session=session,
        service=spec.service,
        number=number,
        kind=spec.kind,
        location=msgspec.to_builtins(place.location),
        place=place.location.function or f"{place.location.file}:{place.location.line}",
        condition=spec.condition,
        template=spec.template,
        watches=[{"name": watch["name"], "expression": watch["expression"]} for watch in spec.watches],
        limits=dict(spec.limits),
        hit_limit=spec.hit_limit,
        rate=spec.rate,
        targeting=targeting.read(spec.targeting),
        state=ProbeState.ACTIVE,
        purpose=purpose,
        placed_by=by.attribution[:200],
        placed_at=timezone.now(),
        expires_at=timezone.now() + timedelta(seconds=spec.ttl_s),
        idempotency_key=idempotency_key,
    )


def _record_placing(by: Actor, probe: Probe, check: ProbeCheck) -> None:
    condition = f" when {probe.condition}" if probe.condition else ""
    reach = f"{len(check.instances)} instance{'' if len(check.instances) == 1 else 's'}"
    sessions.record(
        probe.session,
        by,
        "probe_placed",
        f"Placed P{probe.number}, a {probe.kind} at {probe.place}{condition}, for {reach} of {probe.service.name}.",
        subject=show("prb", probe.id),
        data={
            "kind": probe.kind,
            "place": probe.place,
            "condition": probe.condition,
            "service": probe.service.name,
            "instances": [show("ins", instance.id) for instance in check.instances],
        },
        purpose=probe.purpose,
    )
    _tell(probe)


@transaction.atomic
def remove_probe(*, by: Actor, probe: Probe, purpose: str = "") -> Probe:
    """Disarm a probe everywhere; what it captured stays. One that has ended already is left as it ended."""
    permissions.require(by, "remove_probe", probe.environment)
    return _end(by, probe, ProbeState.REMOVED, f"Removed by {by.attribution}.", "removed", purpose)


def expire_probes(*, now: datetime | None = None) -> int:
    """End the active probes whose time is up; answers how many that was."""
    now = now or timezone.now()
    due = Probe.objects.filter(state=ProbeState.ACTIVE, expires_at__lte=now)
    count = 0
    for probe in due.select_related("session", "service")[:1000]:
        with transaction.atomic():
            ended = _end(SYSTEM, probe, ProbeState.EXPIRED, "Its time was up.", "expired")
            count += ended.state == ProbeState.EXPIRED
    return count


def end_in_closed_sessions() -> int:
    """Disarm what is still active in sessions that were closed; answers how many that was."""
    left = Probe.objects.filter(state=ProbeState.ACTIVE, session__status=SessionStatus.CLOSED)
    count = 0
    for probe in left.select_related("session", "service")[:1000]:
        with transaction.atomic():
            ended = _end(SYSTEM, probe, ProbeState.REMOVED, "Its session was closed.", "removed")
            count += ended.state == ProbeState.REMOVED
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
    _tell(probe)
    bump_probe_revision(probe.service)
    return probe


def disarm_all(*, by: Actor, environment: Environment, reason: str) -> int:
    """The kill switch: remove every probe of an environment at once; answers how many there were.

    Probes end in one short transaction; their sessions hear of it in others, so that no lock of a busy session can
    hold the switch up.
    """
    permissions.require(by, "disarm_all", environment)
    if not reason.strip():
        raise Invalid("reason_missing", "Say why everything is disarmed.", fix="Give a reason.")
    ended = _end_all(by, environment, reason)
    by_session: dict[uuid.UUID, list[Probe]] = {}
    for probe in ended:
        by_session.setdefault(probe.session_id, []).append(probe)
    for probes in by_session.values():
        with transaction.atomic():
            numbers = ", ".join(f"P{probe.number}" for probe in probes)
            sentence = f"Disarmed {numbers}, with every probe in {environment.name}: {reason.strip()}"
            sessions.record(probes[0].session, by, "probes_disarmed", sentence)
            for probe in probes:
                _tell(probe)
    return len(ended)


@transaction.atomic
def _end_all(by: Actor, environment: Environment, reason: str) -> list[Probe]:
    active = Probe.objects.filter(environment=environment, state=ProbeState.ACTIVE).order_by("pk")
    ended = list(active.select_for_update(no_key=True, of=("self",)).select_related("session"))
    Probe.objects.filter(pk__in=[probe.pk for probe in ended]).update(
        state=ProbeState.REMOVED,
        state_reason=f"Disarmed by {by.attribution}: {reason.strip()}",
        ended_at=timezone.now(),
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


def _tell(probe: Probe) -> None:
    hint: publish.Hint = {"what": "probes", "id": show("prb", probe.id)}
    publish.after_commit(topics.session_topic(probe.session_id), hint)
