"""Ask a running line: check, place and remove probes, and wait for what they capture."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.catalog import selectors as catalog
from investigations.lib.ids import show
from investigations.mcp.answers import Answer, tool
from investigations.mcp.auth import current_actor
from investigations.mcp.calling import as_actor, note_step
from investigations.mcp.references import id_of
from investigations.probes import figures, kinds, readings, waiting
from investigations.probes import selectors as probes
from investigations.probes import services as probe_verbs
from investigations.probes.models import Probe
from investigations.probes.services import ProbeSpec
from investigations.sessions import selectors as sessions
from investigations.sessions.models import InvestigationSession
from investigations.shapes import CaptureSummary, DeliveryShape, ProbeCheckShape, ProbeShape

COURSE = 12
"""Points of a probe's figures over time in one answer."""
Kind = Literal[
    "snapshot", "logpoint", "counter", "metric", "duration", "function", "exception", "path", "assignment",
    "expectation", "dependency",
]  # fmt: skip
SessionId = Annotated[str, Field(description="ses_ id.")]
File = Annotated[str, Field(description="Path or the end of it, as trades/trade_request.py.")]
Function = Annotated[str, Field(description="module:qualified.name, instead of file and line.")]
Attribute = Annotated[str, Field(description="assignment: module:Class.attribute, instead of a line.")]
Condition = Annotated[
    str, Field(max_length=1000, description="Safe expression over the line's names: amount > 10000.")
]
Template = Annotated[str, Field(max_length=2000, description="logpoint: order {order.id} is {state}.")]
Value = Annotated[
    str, Field(max_length=1000, description="metric: a number; expectation: what always holds.")
]
Until = Annotated[int, Field(ge=0, description="duration: a later line of the same function.")]
Watches = Annotated[
    list[str],
    Field(max_length=20, description='Expressions to keep, as ["request.high_value", "len(items)"].'),
]
Options = Annotated[
    dict[str, Any],
    Field(
        description="duration: slower_than_ms. exception: exceptions, how [raised, swallowed, left]. path: most_steps. "
        "dependency: libraries [requests, httpx, redis, …]. logpoint: level, pipe."
    ),
]


@tool(title="Check a probe: before it is placed, or what it has brought")
async def check_probe(
    session_id: SessionId = "",
    service: str = "",
    file: File = "",
    line: Annotated[int, Field(ge=0)] = 0,
    function: Function = "",
    attribute: Attribute = "",
    kind: Kind = "snapshot",
    condition: Condition = "",
    template: Template = "",
    value: Value = "",
    until: Until = 0,
    watches: Watches = [],  # noqa: B006  (pydantic copies it)
    options: Options = {},  # noqa: B006
    probe_id: Annotated[str, Field(description="A placed probe: nothing else is needed.")] = "",
    purpose: Annotated[str, Field(max_length=500)] = "",
) -> dict[str, Any]:
    """Dry run of place_probe: resolved place, nearest executable lines, instances reached, what is wrong.
    With probe_id: where that probe stands, its hits, and its figures: counts, percentiles, writers, course.
    """
    if probe_id:
        return await as_actor(_standing, probe_id, purpose)
    wish = {
        "file": file, "line": line, "function": function, "attribute": attribute, "kind": kind, "condition": condition,
        "template": template, "value": value, "until": until, "watches": watches, "options": options,
    }  # fmt: skip
    return await as_actor(_check, session_id, service, wish, purpose)


def _check(actor: Actor, session_id: str, service: str, wish: dict[str, Any], purpose: str) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    spec = _spec(actor, session, service, wish)
    check = probe_verbs.check_probe(by=actor, session=session, spec=spec)
    note_step(
        actor, session, "check_probe", f"checked whether a {spec.kind} can stand at {spec.place}", purpose
    )
    return {
        **ProbeCheckShape.from_row(check).model_dump(mode="json"),
        "hint": "place_probe with the same arguments arms it."
        if check.ok
        else "Mend what problems says first.",
    }


def _standing(actor: Actor, probe_id: str, purpose: str) -> Answer:
    """A placed probe with what it counted; its course in few points, for a page shows the rest."""
    probe = probes.probe(actor, id_of("prb", probe_id, "probe_id"))
    note_step(actor, probe.session, "check_probe", f"looked at what P{probe.number} has brought", purpose)
    course = readings.series(actor, probe, points=COURSE) if probe.kind in figures.FORMS else []
    return {
        "probe": ProbeShape.from_row(probe, probes.deliveries(probe)),
        "endings": probes.endings(probe),
        "course": [_point(probe, stretch) for stretch in course],
        "width_s": course[0].width if course else None,
        "possible_causes": probes.why_no_capture(probe),
        "hint": "wait_for_captures brings captures as they arrive."
        if kinds.captures(probe.kind, probe.options)
        else "This kind brings figures only: check it again for more.",
    }


def _point(probe: Probe, stretch: readings.Stretch) -> str:
    """One stretch in a few words: figures in full would be most of the answer."""
    words = "not watched" if stretch.figures is None else figures.sentence(probe.kind, stretch.figures)
    return f"{stretch.start:%H:%M:%S} {words}"


@tool(title="Place a probe", writes=True)
async def place_probe(
    session_id: SessionId,
    service: str,
    purpose: Annotated[str, Field(max_length=500, description="What its answer will decide.")],
    file: File = "",
    line: Annotated[int, Field(ge=0)] = 0,
    function: Function = "",
    attribute: Attribute = "",
    kind: Kind = "snapshot",
    condition: Condition = "",
    template: Template = "",
    value: Value = "",
    until: Until = 0,
    watches: Watches = [],  # noqa: B006  (pydantic copies it)
    options: Options = {},  # noqa: B006
    hit_limit: Annotated[int, Field(ge=1, le=10_000)] = 20,
    rate: Annotated[float, Field(gt=0, le=1000, description="Captures a second, per instance.")] = 5.0,
    ttl_s: Annotated[float, Field(ge=10, le=86_400)] = 1800,
    idempotency_key: str = "",
) -> dict[str, Any]:
    """Arm a probe in every running instance of a service: no restart, no code change. It ends by itself after ttl_s.

    Which kind: snapshot values and types at a line; function each call's arguments, result, duration; exception what is
    raised, swallowed or leaves; path lines and branches of a call; assignment who writes an attribute; expectation what
    should always hold; dependency what calls out answered; metric, duration, counter figures without captures.
    """
    wish = {
        "file": file, "line": line, "function": function, "attribute": attribute, "kind": kind, "condition": condition,
        "template": template, "value": value, "until": until, "watches": watches, "options": options,
        "hit_limit": hit_limit, "rate": rate, "ttl_s": ttl_s,
    }  # fmt: skip
    return await as_actor(_place, session_id, service, wish, idempotency_key, purpose)


def _place(
    actor: Actor, session_id: str, service: str, wish: dict[str, Any], idempotency_key: str, purpose: str
) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    spec = _spec(actor, session, service, wish)
    probe = probe_verbs.place_probe(
        by=actor, session=session, spec=spec, idempotency_key=idempotency_key, purpose=purpose
    )
    return {
        "probe": ProbeShape.from_row(probe, probes.deliveries(probe)),
        "hint": "wait_for_captures with this probe id; deliveries say where it is armed."
        if kinds.captures(probe.kind, probe.options)
        else "check_probe with this probe_id shows its figures; deliveries say where it is armed.",
    }


def _spec(actor: Actor, session: InvestigationSession, service: str, wish: dict[str, Any]) -> ProbeSpec:
    row = catalog.service_by_ref(actor, service, environment=session.environment)
    return ProbeSpec(service=row, **{**wish, "watches": _watches(wish["watches"])})


def _watches(texts: list[str]) -> list[dict[str, str]]:
    return [{"name": text[:80], "expression": text} for text in texts]


@tool(title="Wait for captures", pages="captures", untrusted="Captured values and messages")
async def wait_for_captures(
    probe_ids: Annotated[list[str], Field(min_length=1, max_length=20)],
    ctx: Context,
    after: Annotated[
        int, Field(ge=0, description="next_cursor of the answer before; 0 from the beginning.")
    ] = 0,
    min_count: Annotated[int, Field(ge=1, le=50)] = 1,
    timeout_s: Annotated[float, Field(ge=0, le=50, description="0 looks and returns at once.")] = 30,
    purpose: Annotated[str, Field(max_length=500)] = "",
) -> dict[str, Any]:
    """Captures of these probes as they arrive. No capture is an answer too: hits by ending, and possible causes."""
    actor = current_actor()
    ids = [id_of("prb", text, "probe_ids") for text in probe_ids]
    await as_actor(_note_waiting, ids, timeout_s, purpose)

    async def progress(seconds: float) -> None:
        await ctx.report_progress(seconds, timeout_s, "waiting for captures")

    waited = await waiting.wait_for_captures(
        by=actor, probe_ids=ids, after=after, min_count=min_count, timeout_s=timeout_s, every_second=progress
    )
    return {
        "status": waited.status,
        "captures": [CaptureSummary.from_row(row, body, outcome) for row, body, outcome in waited.captures],
        "next_cursor": waited.cursor,
        "endings": waited.endings,
        "figures": await as_actor(_figures, ids),
        "deliveries": [DeliveryShape.from_row(row) for row in waited.deliveries],
        "possible_causes": waited.possible_causes,
        "hint": _next(waited),
    }


def _note_waiting(actor: Actor, ids: list[uuid.UUID], timeout_s: float, purpose: str) -> None:
    """Said before the wait, so that people see what an agent is waiting for while it does."""
    found = [probes.probe(actor, probe_id) for probe_id in ids]
    waits = f"waits up to {timeout_s:g} s for" if timeout_s else "looks for"
    numbers = ", ".join(f"P{probe.number}" for probe in found)
    note_step(actor, found[0].session, "wait_for_captures", f"{waits} captures of {numbers}", purpose)


def _figures(actor: Actor, ids: list[uuid.UUID]) -> dict[str, str]:
    """What probes counted beside captures, by their ids: some kinds bring nothing else."""
    found = [probes.probe(actor, probe_id) for probe_id in ids]
    totals = readings.totals_of(found)
    return {show("prb", probe.id): figures.sentence(probe.kind, totals[probe.id]) for probe in found}


def _next(waited: waiting.Waited) -> str:
    if waited.captures:
        return "get_capture shows frames and variables; record_evidence keeps it for good."
    if waited.status == "ended":
        return "Every probe has ended; place another."
    return "Call again with after=next_cursor, or change place or condition as possible_causes suggests."


@tool(title="Remove a probe", destroys=True)
async def remove_probe(probe_id: str, purpose: Annotated[str, Field(max_length=500)] = "") -> dict[str, Any]:
    """Disarm a probe everywhere. What it captured stays."""
    return await as_actor(_remove, probe_id, purpose)


def _remove(actor: Actor, probe_id: str, purpose: str) -> Answer:
    probe: Probe = probes.probe(actor, id_of("prb", probe_id, "probe_id"))
    probe = probe_verbs.remove_probe(by=actor, probe=probe, purpose=purpose)
    return {"probe": ProbeShape.from_row(probe, probes.deliveries(probe)), "endings": probes.endings(probe)}
