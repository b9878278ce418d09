"""Look into one capture, and compare failing with passing ones."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.mcp.answers import DEFAULT_TOKENS, MOST_TOKENS, Answer, tool
from investigations.mcp.calling import as_actor, note_step
from investigations.mcp.references import id_of
from investigations.probes import comparing
from investigations.probes import selectors as probes
from investigations.sessions import selectors as sessions
from investigations.shapes import CaptureShape, ComparisonShape


@tool(title="Get a capture", untrusted="Captured values")
async def get_capture(
    capture_id: str,
    frames: Annotated[int, Field(ge=0, le=20, description="How many frames to show, innermost first.")] = 1,
    max_tokens: Annotated[int, Field(ge=500, le=MOST_TOKENS)] = DEFAULT_TOKENS,
    purpose: Annotated[str, Field(max_length=500)] = "",
) -> dict[str, Any]:
    """One capture: variables with exact types, watches, stack, trace id, and what was cut or withheld."""
    return await as_actor(_get, capture_id, frames, purpose)


def _get(actor: Actor, capture_id: str, frames: int, purpose: str) -> Answer:
    row = probes.capture(actor, id_of("cap", capture_id, "capture_id"))
    body = probes.decode(row)
    outcome = probes.outcome_of(row.environment_id, [row.execution_id]).get(row.execution_id, "unknown")
    shape = CaptureShape.from_row(row, body, outcome)
    shown = shape.frames[:frames]
    note_step(
        actor, sessions.session(actor, row.session_id), "get_capture", f"looked into {shape.id}", purpose
    )
    return {
        "capture": shape.model_copy(update={"frames": shown}),
        "frames_omitted": len(shape.frames) - len(shown) or None,
        "hint": "record_evidence(of=<this id>, …) freezes a copy with its provenance.",
    }


@tool(title="Compare captures", untrusted="Captured values")
async def compare_captures(
    session_id: str,
    failing: Annotated[
        list[str], Field(max_length=500, description="cap_ ids; none: the latest labelled so.")
    ] = [],  # noqa: B006  (read by the framework)
    passing: Annotated[list[str], Field(max_length=500)] = [],  # noqa: B006
    probe_id: str = "",
    label_paths: Annotated[
        list[str], Field(max_length=20, description="Paths the outcome was read from: what restates it.")
    ] = [],  # noqa: B006
    max_tokens: Annotated[int, Field(ge=500, le=MOST_TOKENS)] = DEFAULT_TOKENS,
    purpose: Annotated[str, Field(max_length=500)] = "",
) -> dict[str, Any]:
    """What tells failing captures of a probe from passing ones, and lines that path and counter probes point at."""
    return await as_actor(_compare, session_id, failing, passing, probe_id, label_paths, purpose)


def _compare(
    actor: Actor,
    session_id: str,
    failing: list[str],
    passing: list[str],
    probe_id: str,
    label_paths: list[str],
    purpose: str,
) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    found = comparing.compare_captures(
        actor,
        session,
        failing=[id_of("cap", text, "failing") for text in failing],
        passing=[id_of("cap", text, "passing") for text in passing],
        probe=probes.probe(actor, id_of("prb", probe_id, "probe_id")) if probe_id else None,
        label_paths=label_paths,
    )
    note_step(actor, session, "compare_captures", f"compared captures: {found.result.sentence}", purpose)
    return {"comparison": ComparisonShape.from_result(found.result, found.lines)}
