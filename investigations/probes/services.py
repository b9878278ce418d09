"""What is done to probes: checked, placed, removed, ended; and what sensors report of them, noted.

Locks are taken in the order probes, session, service: ingesting captures takes them so too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
from django.db import transaction
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.catalog.models import Instance, Service
from investigations.catalog.presence import present
from investigations.catalog.services import bump_probe_revision
from investigations.lib.errors import Invalid
from investigations.lib.ids import show
from investigations.probes import places, targeting
from investigations.probes.deliveries import record_counters, record_delivery
from investigations.probes.ending import (
    Disarmed,
    disarm_all,
    end_in_closed_sessions,
    expire_probes,
    remove_probe,
    restore_all,
    restore_probe,
    tell,
)
from investigations.probes.labels import label_executions, record_outcomes
from investigations.probes.models import Probe, ProbeState
from investigations.probes.room import MOST_IN_SESSION, MOST_ON_SERVICE, require_room
from investigations.probes.spec import ProbeProblem, ProbeSpec, problems_of
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession

__all__ = [
    "MOST_IN_SESSION",
    "MOST_ON_SERVICE",
    "Disarmed",
    "ProbeCheck",
    "ProbeProblem",
    "ProbeSpec",
    "check_probe",
    "disarm_all",
    "end_in_closed_sessions",
    "expire_probes",
    "label_executions",
    "place_probe",
    "record_counters",
    "record_delivery",
    "record_outcomes",
    "remove_probe",
    "restore_all",
    "restore_probe",
]


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
        number = require_room(session, spec.service)
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
        place=spec.attribute or spec.function or place.words or spec.place,
        condition=spec.condition,
        template=spec.template,
        watches=[{"name": watch["name"], "expression": watch["expression"]} for watch in spec.watches],
        value=spec.value,
        until=spec.until,
        limits=dict(spec.limits),
        options=dict(spec.options),
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
    tell(probe)
