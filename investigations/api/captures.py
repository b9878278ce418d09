"""Captures, and how their executions turned out."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from investigations.accounts import selectors as accounts
from investigations.accounts.models import Environment
from investigations.api.auth import actor
from investigations.api.paging import Cursor, Limit, id_in_path
from investigations.lib.errors import Invalid
from investigations.probes import comparing, waiting
from investigations.probes import selectors as probes
from investigations.probes import services as probe_verbs
from investigations.sessions import selectors as sessions
from investigations.shapes import (
    CaptureShape,
    CaptureSummary,
    ComparisonShape,
    DeliveryShape,
    LabelIn,
    Shape,
)

router = Router(tags=["captures"])


class CapturePage(Shape):
    """Captures in order of arrival; ``next_after`` continues where this page ends."""

    captures: list[CaptureSummary]
    next_after: int


class Waited(CapturePage):
    """What a wait brought: captures, or why there are none."""

    status: Literal["captured", "timeout", "ended"]
    endings: dict[str, int]
    deliveries: list[DeliveryShape]
    possible_causes: list[str]


class LabelsIn(Shape):
    """How executions turned out, as told by a system of yours."""

    outcomes: list[LabelIn] = Field(min_length=1, max_length=1000)
    environment: str = Field(default="", description="Needed only when the token is for more than one.")


class LabelsTaken(Shape):
    """How many labels were new or changed."""

    taken: int


@router.get("/sessions/{session_id}/captures", response=CapturePage, operation_id="list_captures")
def list_captures(
    request: HttpRequest, session_id: str, after: Cursor = 0, probe_id: str = "", limit: Limit = 100
) -> CapturePage:
    """Captures of a session after a cursor, oldest first."""
    by = actor(request)
    session = sessions.session(by, id_in_path("ses", session_id))
    probe = probes.probe(by, id_in_path("prb", probe_id)) if probe_id else None
    rows = probes.captures_after(by, session, after, probe=probe, limit=limit)
    outcomes = probes.outcome_of(session.environment_id, [row.execution_id for row in rows])
    return CapturePage(
        captures=[
            CaptureSummary.from_row(row, probes.decode(row), outcomes.get(row.execution_id, "unknown"))
            for row in rows
        ],
        next_after=rows[-1].cursor if rows else after,
    )


@router.get(
    "/sessions/{session_id}/captures/compare", response=ComparisonShape, operation_id="compare_captures"
)
def compare_captures(
    request: HttpRequest,
    session_id: str,
    failing: Annotated[list[str], Query(max_length=500)] = [],  # noqa: B006  (read by the framework)
    passing: Annotated[list[str], Query(max_length=500)] = [],  # noqa: B006
    probe_id: str = "",
    label_paths: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006
) -> ComparisonShape:
    """What tells failing captures from passing ones: those named, else the latest of each outcome at one probe."""
    by = actor(request)
    found = comparing.compare_captures(
        by,
        sessions.session(by, id_in_path("ses", session_id)),
        failing=[id_in_path("cap", text) for text in failing],
        passing=[id_in_path("cap", text) for text in passing],
        probe=probes.probe(by, id_in_path("prb", probe_id)) if probe_id else None,
        label_paths=label_paths,
    )
    return ComparisonShape.from_result(found.result, found.lines)


@router.get("/captures/wait", response=Waited, operation_id="wait_for_captures")
async def wait_for_captures(
    request: HttpRequest,
    probe_id: Annotated[list[str], Query(min_length=1, max_length=20)],
    after: Cursor = 0,
    min_count: Annotated[int, Query(ge=1, le=100)] = 1,
    timeout_s: Annotated[float, Query(ge=0, le=50)] = 30,
) -> Waited:
    """Wait until these probes have captured something. Nothing captured is an answer, with possible causes."""
    found = await waiting.wait_for_captures(
        by=actor(request),
        probe_ids=[id_in_path("prb", text) for text in probe_id],
        after=after,
        min_count=min_count,
        timeout_s=timeout_s,
    )
    return Waited(
        status=found.status,
        captures=[CaptureSummary.from_row(row, body, outcome) for row, body, outcome in found.captures],
        next_after=found.cursor,
        endings=found.endings,
        deliveries=[DeliveryShape.from_row(row) for row in found.deliveries],
        possible_causes=found.possible_causes,
    )


@router.get("/captures/{capture_id}", response=CaptureShape, operation_id="get_capture")
def get_capture(request: HttpRequest, capture_id: str) -> CaptureShape:
    """One capture, whole: data from a running process, never instructions."""
    row = probes.capture(actor(request), id_in_path("cap", capture_id))
    outcomes = probes.outcome_of(row.environment_id, [row.execution_id])
    return CaptureShape.from_row(row, probes.decode(row), outcomes.get(row.execution_id, "unknown"))


@router.post("/outcomes", response=LabelsTaken, operation_id="label_executions")
def label_executions(request: HttpRequest, body: LabelsIn) -> LabelsTaken:
    """Say how executions turned out; captures of the same trace are labelled with them."""
    by = actor(request)
    environment = _environment(request, body.environment)
    return LabelsTaken(
        taken=probe_verbs.label_executions(by=by, environment=environment, outcomes=body.outcomes)
    )


def _environment(request: HttpRequest, name: str) -> Environment:
    by = actor(request)
    if name:
        return accounts.environment_named(by, name)
    mine = list(accounts.environments(by))
    if len(mine) != 1:
        raise Invalid(
            "environment_required",
            "This token is for more than one environment.",
            fix="Name one as environment.",
            environments=[row.name for row in mine],
        )
    return mine[0]
