"""Ask a running line: check, place and remove probes, and wait for what they capture."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.catalog import selectors as catalog
from investigations.mcp.answers import Answer, tool
from investigations.mcp.auth import current_actor
from investigations.mcp.calling import as_actor, note_step
from investigations.mcp.references import id_of
from investigations.probes import selectors as probes
from investigations.probes import services as probe_verbs
from investigations.probes import waiting
from investigations.probes.models import Probe
from investigations.probes.services import ProbeSpec
from investigations.sessions import selectors as sessions
from investigations.shapes import CaptureSummary, DeliveryShape, ProbeCheckShape, ProbeShape

Kind = Literal["snapshot", "logpoint", "counter"]
SessionId = Annotated[str, Field(description="ses_ id.")]
File = Annotated[str, Field(description="Path or the end of it, as trades/trade_request.py.")]
Function = Annotated[str, Field(description="module:qualified.name, instead of file and line.")]
Condition = Annotated[
    str, Field(max_length=1000, description="Safe expression over the line's names: amount > 10000.")
]
Template = Annotated[
    str, Field(max_length=2000, description="Message of a logpoint: order {order.id} is {state}.")
]
Watches = Annotated[
    list[str],
    Field(max_length=20, description='Expressions to keep, as ["request.high_value", "len(items)"].'),
]


@tool(title="Check a probe without arming it")
async def check_probe(
    session_id: SessionId,
    service: str,
    file: File = "",
    line: Annotated[int, Field(ge=0)] = 0,
    function: Function = "",
    kind: Kind = "snapshot",
    condition: Condition = "",
    template: Template = "",
    watches: Watches = [],  # noqa: B006  (pydantic copies it)
    purpose: Annotated[str, Field(max_length=500)] = "",
) -> dict[str, Any]:
    """Dry run of place_probe: the resolved place, nearest executable lines, instances it would reach, what is wrong."""
    return await as_actor(
        _check, session_id, service, file, line, function, kind, condition, template, watches, purpose
    )


def _check(
    actor: Actor,
    session_id: str,
    service: str,
    file: str,
    line: int,
    function: str,
    kind: str,
    condition: str,
    template: str,
    watches: list[str],
    purpose: str,
) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    spec = ProbeSpec(
        service=catalog.service_by_ref(actor, service, environment=session.environment),
        kind=kind,
        file=file,
        line=line,
        function=function,
        condition=condition,
        template=template,
        watches=_watches(watches),
    )
    check = probe_verbs.check_probe(by=actor, session=session, spec=spec)
    where = function or f"{file}:{line}"
    note_step(actor, session, "check_probe", f"checked whether a {kind} can stand at {where}", purpose)
    return {
        **ProbeCheckShape.from_row(check).model_dump(mode="json"),
        "hint": "place_probe with the same arguments arms it."
        if check.ok
        else "Mend what problems says first.",
    }


@tool(title="Place a probe", writes=True)
async def place_probe(
    session_id: SessionId,
    service: str,
    purpose: Annotated[str, Field(max_length=500, description="What its answer will decide.")],
    file: File = "",
    line: Annotated[int, Field(ge=0)] = 0,
    function: Function = "",
    kind: Kind = "snapshot",
    condition: Condition = "",
    template: Template = "",
    watches: Watches = [],  # noqa: B006  (pydantic copies it)
    hit_limit: Annotated[int, Field(ge=1, le=10_000)] = 20,
    rate: Annotated[float, Field(gt=0, le=1000, description="Captures a second, per instance.")] = 5.0,
    ttl_s: Annotated[float, Field(ge=10, le=86_400)] = 1800,
    idempotency_key: str = "",
) -> dict[str, Any]:
    """Arm a probe in every running instance of a service: no restart, no code change. It ends by itself after ttl_s."""
    return await as_actor(
        _place, session_id, service, purpose, file, line, function, kind, condition, template, watches,
        hit_limit, rate, ttl_s, idempotency_key,
    )  # fmt: skip


def _place(
    actor: Actor,
    session_id: str,
    service: str,
    purpose: str,
    file: str,
    line: int,
    function: str,
    kind: str,
    condition: str,
    template: str,
    watches: list[str],
    hit_limit: int,
    rate: float,
    ttl_s: float,
    idempotency_key: str,
) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    spec = ProbeSpec(
        service=catalog.service_by_ref(actor, service, environment=session.environment),
        kind=kind,
        file=file,
        line=line,
        function=function,
        condition=condition,
        template=template,
        watches=_watches(watches),
        hit_limit=hit_limit,
        rate=rate,
        ttl_s=ttl_s,
    )
    probe = probe_verbs.place_probe(
        by=actor, session=session, spec=spec, idempotency_key=idempotency_key, purpose=purpose
    )
    return {
        "probe": ProbeShape.from_row(probe, probes.deliveries(probe)),
        "hint": "wait_for_captures with this probe id; deliveries say where it is armed.",
    }


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
