"""Look into one capture."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.mcp.answers import DEFAULT_TOKENS, MOST_TOKENS, Answer, tool
from investigations.mcp.calling import as_actor, note_step
from investigations.mcp.references import id_of
from investigations.probes import selectors as probes
from investigations.sessions import selectors as sessions
from investigations.shapes import CaptureShape


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
