"""Probes: check, place, read, remove."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Header, Query, Router, Status
from pydantic import Field

from investigations.accounts import selectors as accounts
from investigations.accounts.actors import Actor
from investigations.api.auth import actor
from investigations.api.paging import id_in_path
from investigations.catalog import selectors as catalog
from investigations.probes import readings
from investigations.probes import selectors as probes
from investigations.probes import services as probe_verbs
from investigations.probes.services import ProbeSpec
from investigations.sessions import selectors as sessions
from investigations.sessions.models import InvestigationSession
from investigations.shapes import ProbeCheckShape, ProbeIn, ProbeShape, SeriesShape, Shape

router = Router(tags=["probes"])


class ProbePlacement(ProbeIn):
    """A probe, and why."""

    purpose: str = Field(default="", max_length=500)


class Reason(Shape):
    """Why, for the audit."""

    reason: str = Field(min_length=1, max_length=500)


class Disarmed(Shape):
    """How many probes were removed."""

    probes: int


@router.get("/sessions/{session_id}/probes", response=list[ProbeShape], operation_id="list_probes")
def list_probes(request: HttpRequest, session_id: str) -> list[ProbeShape]:
    """The probes of a session with their deliveries."""
    by = actor(request)
    session = sessions.session(by, id_in_path("ses", session_id))
    rows = list(probes.probes_of(by, session))
    told = probes.deliveries_of(rows)
    return [ProbeShape.from_row(row, told[row.id]) for row in rows]


@router.post("/sessions/{session_id}/probes/check", response=ProbeCheckShape, operation_id="check_probe")
def check_probe(request: HttpRequest, session_id: str, body: ProbeIn) -> ProbeCheckShape:
    """What placing this probe would do, without doing it."""
    by = actor(request)
    session = sessions.session(by, id_in_path("ses", session_id))
    return ProbeCheckShape.from_row(
        probe_verbs.check_probe(by=by, session=session, spec=spec_of(by, session, body))
    )


@router.post("/sessions/{session_id}/probes", response={201: ProbeShape}, operation_id="place_probe")
def place_probe(
    request: HttpRequest,
    session_id: str,
    body: ProbePlacement,
    idempotency_key: Annotated[str, Header(max_length=200)] = "",
) -> Status[ProbeShape]:
    """Arm a probe in the running instances of a service."""
    by = actor(request)
    session = sessions.session(by, id_in_path("ses", session_id))
    row = probe_verbs.place_probe(
        by=by,
        session=session,
        spec=spec_of(by, session, body),
        idempotency_key=idempotency_key,
        purpose=body.purpose,
    )
    return Status(201, ProbeShape.from_row(row, probes.deliveries(row)))


@router.get("/probes/{probe_id}", response=ProbeShape, operation_id="get_probe")
def get_probe(request: HttpRequest, probe_id: str) -> ProbeShape:
    """One probe with its deliveries and hits by ending."""
    row = probes.probe(actor(request), id_in_path("prb", probe_id))
    return ProbeShape.from_row(row, probes.deliveries(row))


@router.get("/probes/{probe_id}/figures", response=SeriesShape, operation_id="read_figures")
def read_figures(
    request: HttpRequest,
    probe_id: str,
    start: datetime | None = None,
    end: datetime | None = None,
    points: Annotated[int, Query(ge=1, le=400)] = 120,
) -> SeriesShape:
    """What a probe counted and measured, in all and over time; without a window, over its whole life."""
    by = actor(request)
    row = probes.probe(by, id_in_path("prb", probe_id))
    found = readings.series(by, row, start=start, end=end, points=points)
    return SeriesShape.from_rows(row, readings.totals_of([row])[row.id], found)


@router.post("/probes/{probe_id}/restore", response=ProbeShape, operation_id="restore_probe")
def restore_probe(request: HttpRequest, probe_id: str) -> ProbeShape:
    """Take a removal back, within 15 minutes."""
    by = actor(request)
    row = probe_verbs.restore_probe(by=by, probe=probes.probe(by, id_in_path("prb", probe_id)))
    return ProbeShape.from_row(row, probes.deliveries(row))


@router.delete("/probes/{probe_id}", response=ProbeShape, operation_id="remove_probe")
def remove_probe(request: HttpRequest, probe_id: str) -> ProbeShape:
    """Disarm a probe everywhere; what it captured stays."""
    by = actor(request)
    row = probe_verbs.remove_probe(by=by, probe=probes.probe(by, id_in_path("prb", probe_id)))
    return ProbeShape.from_row(row, probes.deliveries(row))


@router.post("/environments/{environment}/disarm", response=Disarmed, operation_id="disarm_all")
def disarm_all(request: HttpRequest, environment: str, body: Reason) -> Disarmed:
    """Remove every probe of an environment at once."""
    by = actor(request)
    done = probe_verbs.disarm_all(
        by=by, environment=accounts.environment_named(by, environment), reason=body.reason
    )
    return Disarmed(probes=done.probes)


def spec_of(by: Actor, session: InvestigationSession, body: ProbeIn) -> ProbeSpec:
    """The request as the domain's own specification."""
    fields = set(ProbeIn.model_fields) - {"service"}
    facts = body.model_dump(include=fields)
    return ProbeSpec(
        service=catalog.service_by_ref(by, body.service, environment=session.environment), **facts
    )
