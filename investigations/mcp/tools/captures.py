"""Look into one capture."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.mcp.answers import Answer, tool
from investigations.mcp.calling import as_actor
from investigations.mcp.references import id_of
from investigations.probes import selectors as probes
from investigations.shapes import CaptureShape


@tool(title="Get a capture")
async def get_capture(
    capture_id: str,
    frames: Annotated[int, Field(ge=0, le=20, description="How many frames to show, innermost first.")] = 1,
) -> dict[str, Any]:
    """One capture: variables with exact types, watches, stack, trace id, and what was cut or withheld."""
    return await as_actor(_get, capture_id, frames)


def _get(actor: Actor, capture_id: str, frames: int) -> Answer:
    row = probes.capture(actor, id_of("cap", capture_id, "capture_id"))
    body = probes.decode(row)
    outcome = probes.outcome_of(row.environment_id, [row.execution_id]).get(row.execution_id, "unknown")
    shape = CaptureShape.from_row(row, body, outcome)
    shown = shape.frames[:frames]
    return {
        "capture": shape.model_copy(update={"frames": shown}),
        "frames_omitted": len(shape.frames) - len(shown),
        "hint": "record_evidence(of=<this id>, …) freezes a copy with its provenance.",
    }
