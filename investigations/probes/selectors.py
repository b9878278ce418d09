"""What an actor may learn of probes and their captures, and what each instance should be watching."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.catalog.models import Instance, Service
from investigations.catalog.presence import present
from investigations.lib.errors import NotFound
from investigations.lib.ids import show
from investigations.probes import targeting
from investigations.probes.diagnosis import HitTotals, endings, hit_totals, hit_totals_of, why_no_capture
from investigations.probes.histogram import HitHistogram, hit_histogram
from investigations.probes.labels import labels_of, outcome_of
from investigations.probes.models import (
    Capture,
    DeliveryState,
    ExecutionLabel,
    Outcome,
    Probe,
    ProbeDelivery,
    ProbeState,
)
from investigations.probes.spec import parse, parse_template
from investigations.sessions.models import InvestigationSession
from sightline import wire

__all__ = [
    "HitHistogram",
    "HitTotals",
    "Noted",
    "capture",
    "captures_after",
    "captures_before",
    "decode",
    "deliveries",
    "deliveries_of",
    "delivery_summary",
    "desired_probes",
    "endings",
    "hit_histogram",
    "hit_totals",
    "hit_totals_of",
    "labels_of",
    "latest_captures_of",
    "noted",
    "outcome_of",
    "probe",
    "probes_of",
    "watches",
    "why_no_capture",
]

MOST_CAPTURES = 500
"""In one page, however many are asked for."""


# ---------------------------------------------------------------- for sensors


def desired_probes(instance: Instance) -> tuple[int, list[wire.Probe]]:
    """The revision and the whole set of probes that an instance should hold now, each with the lease it runs on.

    Both are read in one statement, so that they belong together. Only an empty set has its revision read after it: a
    probe placed in between was hinted at after that, and is sent then.
    """
    now = timezone.now()
    active = Probe.objects.filter(service=instance.service_id, state=ProbeState.ACTIVE, expires_at__gt=now)
    found = list(active.annotate(revision=F("service__probe_revision")).order_by("id"))
    if not found:
        return Service.objects.values_list("probe_revision", flat=True).get(pk=instance.service_id), []
    mine = [probe for probe in found if targeting.targets(probe.targeting, instance)]
    return found[0].revision, [to_wire(probe, now) for probe in mine]


def to_wire(probe: Probe, now: datetime) -> wire.Probe:
    """A probe as sensors are told of it; its lease ends with it."""
    location = msgspec.convert(probe.location, wire.Location)
    options = dict(probe.options)
    return wire.Probe(
        id=show("prb", probe.id),
        kind=probe.kind,  # type: ignore[arg-type]  # checked when it was placed
        location=location,
        valid_for=min(probe.lease_s, (probe.expires_at - now).total_seconds()),
        condition=parse(probe.condition) if probe.condition else None,
        template=list(parse_template(probe.template)) if probe.template else None,
        level=options.pop("level", "info"),
        pipe=options.pop("pipe", False),
        watches=[wire.Watch(watch["name"], parse(watch["expression"])) for watch in probe.watches] or None,
        limits=msgspec.convert(probe.limits, wire.Limits),
        hit_limit=probe.hit_limit,
        rate=probe.rate,
        value=parse(probe.value) if probe.value else None,
        until=msgspec.structs.replace(location, line=probe.until) if probe.until else None,
        options=options,
    )


# ---------------------------------------------------------------- probes


def probe(by: Actor, id: uuid.UUID) -> Probe:
    """One probe. Raises `NotFound`."""
    seen = Probe.objects.filter(environment__in=permissions.visible_environments(by))
    found = (
        seen.filter(pk=id).select_related("session", "session__environment", "service", "environment").first()
    )
    if found is None:
        raise NotFound("probe_not_found", "There is no such probe, or it is not yours to see.")
    return found


def probes_of(by: Actor, session: InvestigationSession, state: str = "") -> QuerySet[Probe]:
    """A session's probes by number, all or those in one state."""
    permissions.require(by, "read", session.environment)
    found = session.probes.filter(state=state) if state else session.probes.all()
    return found.select_related("service", "session", "environment").order_by("number")


def deliveries(probe: Probe) -> list[ProbeDelivery]:
    """Where a probe stands on each instance it is for, those that have not answered yet as ``pending``."""
    return deliveries_of([probe])[probe.id]


def deliveries_of(probes: Collection[Probe]) -> dict[uuid.UUID, list[ProbeDelivery]]:
    """The same for many probes, by their ids, at the cost of two queries."""
    rows = ProbeDelivery.objects.filter(probe__in=probes).select_related("instance", "instance__service")
    found: dict[uuid.UUID, list[ProbeDelivery]] = {probe.id: [] for probe in probes}
    for row in rows.order_by("instance__host", "instance__pid"):
        found[row.probe_id].append(row)
    active = [probe for probe in probes if probe.state == ProbeState.ACTIVE]
    running = Instance.objects.filter(present(), service__in={probe.service_id for probe in active})
    for instance in running.select_related("service"):
        for probe in active:
            if _unanswered(probe, instance, found[probe.id]):
                found[probe.id].append(_pending(probe, instance))
    return found


def _unanswered(probe: Probe, instance: Instance, told: list[ProbeDelivery]) -> bool:
    return (
        probe.service_id == instance.service_id
        and targeting.targets(probe.targeting, instance)
        and all(row.instance_id != instance.id for row in told)
    )


def _pending(probe: Probe, instance: Instance) -> ProbeDelivery:
    return ProbeDelivery(
        probe=probe,
        instance=instance,
        state=DeliveryState.PENDING,
        slug="not_answered",
        sentence="The sensor has not answered yet.",
    )


def delivery_summary(probe: Probe) -> dict[str, int]:
    """How many instances it is on by state, as ``{"armed": 2, "pending": 1}``; states without one are left out."""
    return dict(Counter(str(row.state) for row in deliveries(probe)))


# ---------------------------------------------------------------- captures


def captures_after(
    by: Actor,
    session: InvestigationSession,
    cursor: int = 0,
    *,
    probe: Probe | None = None,
    outcome: str = "",
    instance: Instance | None = None,
    limit: int = 100,
) -> list[Capture]:
    """The captures that follow ``cursor``, oldest first: for catching up and for what is live."""
    found = _captures(by, session, probe, outcome, instance).filter(cursor__gt=cursor)
    return list(found.order_by("cursor")[: min(limit, MOST_CAPTURES)])


def captures_before(
    by: Actor,
    session: InvestigationSession,
    cursor: int | None = None,
    *,
    probe: Probe | None = None,
    outcome: str = "",
    instance: Instance | None = None,
    limit: int = 100,
) -> list[Capture]:
    """The last captures ahead of ``cursor`` (of all, without one), oldest first: to open a page, to scroll back."""
    found = _captures(by, session, probe, outcome, instance)
    if cursor is not None:
        found = found.filter(cursor__lt=cursor)
    return list(found.order_by("-cursor")[: min(limit, MOST_CAPTURES)])[::-1]


def _captures(
    by: Actor, session: InvestigationSession, probe: Probe | None, outcome: str, instance: Instance | None
) -> QuerySet[Capture]:
    permissions.require(by, "read", session.environment)
    found = Capture.objects.filter(session_id=session.id)
    if probe is not None:
        found = found.filter(probe_id=probe.id)
    if instance is not None:
        found = found.filter(instance_id=instance.id)
    if outcome:
        found = found.filter(_turned_out(session, outcome))
    return found


def _turned_out(session: InvestigationSession, outcome: str) -> Q:
    """Captures whose execution, or its trace, is labelled so; ``unknown`` are also those nobody labelled.

    Labels are looked up capture by capture, so the cost is that of the captures read, not of all labels there are.
    """
    labels = ExecutionLabel.objects.filter(environment=session.environment_id, current=True)

    def labelled(*names: str) -> Q:
        said = labels.filter(outcome__in=names)
        own = Q(Exists(said.filter(execution_id=OuterRef("execution_id"))))
        return own | ~Q(trace_id="") & Q(Exists(said.filter(execution_id=OuterRef("trace_id"))))

    return ~labelled(Outcome.PASS, Outcome.FAIL) if outcome == Outcome.UNKNOWN else labelled(outcome)


def capture(by: Actor, id: uuid.UUID) -> Capture:
    """One capture. Raises `NotFound`; captures are dropped some days after they came."""
    environments = permissions.visible_environments(by).values("id")
    found = Capture.objects.filter(id=id, environment_id__in=environments).first()
    if found is None:
        raise NotFound(
            "capture_not_found",
            "There is no such capture, or it is not yours to see.",
            fix="Captures are kept for some days; what was recorded as evidence stays.",
        )
    return found


def decode(capture: Capture) -> wire.Capture:
    """What the sensor sent, whole."""
    return wire.capture_body.decode(capture.body)


class Noted(msgspec.Struct, gc=False):
    """The part of a capture's body that a list shows."""

    kind: str = ""
    watches: dict[str, wire.Value] | None = None
    detail: dict[str, Any] | None = None


_noted_body = msgspec.msgpack.Decoder(Noted)


def noted(capture: Capture) -> Noted:
    """Its watched values and what only its kind keeps, without decoding its frames."""
    return _noted_body.decode(capture.body)


def watches(capture: Capture) -> dict[str, wire.Value]:
    """Its watched values by name."""
    return noted(capture).watches or {}


_LATEST = """
SELECT newest.id FROM unnest(%(probes)s::uuid[]) AS wanted(probe_id)
CROSS JOIN LATERAL (
    SELECT id FROM probes_capture WHERE probe_id = wanted.probe_id ORDER BY cursor DESC LIMIT %(most)s
) AS newest
"""


def latest_captures_of(
    by: Actor, probes: Collection[Probe], limit: int = 20
) -> dict[uuid.UUID, list[Capture]]:
    """The last captures of each of many probes, oldest first, by their ids; two queries for them all."""
    for environment in {probe.environment for probe in probes}:
        permissions.require(by, "read", environment)
    found: dict[uuid.UUID, list[Capture]] = {probe.id: [] for probe in probes}
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, {"probes": list(found), "most": limit})
        ids = [id for (id,) in cursor.fetchall()]
    for capture in Capture.objects.filter(id__in=ids, probe_id__in=found).order_by("cursor"):
        found[capture.probe_id].append(capture)
    return found


def armed_by_instance(instance_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many active probes are armed on each of these instances; one query for them all."""
    armed = ProbeDelivery.objects.filter(
        instance__in=list(instance_ids), state=DeliveryState.ARMED, probe__state=ProbeState.ACTIVE
    )
    return dict(armed.values_list("instance_id").annotate(count=Count("id")).order_by())
