"""What a probe would have caught: its condition judged on captures that are stored already."""

from __future__ import annotations

from typing import Any

from investigations.accounts.actors import Actor
from investigations.catalog.paths import is_same_file
from investigations.probes import selectors
from investigations.probes.spec import ProbeSpec
from investigations.sessions.models import InvestigationSession
from sightline import expressions, wire

MOST = 200


def dry_run(by: Actor, session: InvestigationSession, spec: ProbeSpec) -> dict[str, Any]:
    """``tested`` stored captures of the same place, ``matched`` of them; what a capture there holds and withholds.

    A condition that a capture cannot answer (a name it lacks, a value that was cut) counts as not matched.
    """
    bodies = [body for body in _stored(by, session) if _same_place(body, spec)]
    condition = _parsed(spec.condition)
    matched = sum(condition is None or expressions.judge(condition, _names(body)) is True for body in bodies)
    leaves, redacted = _weigh(bodies[-1]) if bodies else (0, 0)
    return {"tested": len(bodies), "matched": matched, "leaves": leaves, "redacted": redacted}


def _stored(by: Actor, session: InvestigationSession) -> list[wire.Capture]:
    return [selectors.decode(row) for row in selectors.captures_before(by, session, limit=MOST)]


def _same_place(body: wire.Capture, spec: ProbeSpec) -> bool:
    frame = body.frames[0] if body.frames else None
    return frame is not None and frame.line == spec.line and is_same_file(frame.file, spec.file)


def _parsed(text: str) -> wire.Expression | None:
    try:
        return expressions.parse(text) if text else None
    except expressions.ExpressionError:
        return None  # the check says what is wrong with it


def _names(body: wire.Capture) -> dict[str, wire.Value]:
    return _locals(body) | _context(body)


def _locals(body: wire.Capture) -> dict[str, wire.Value]:
    return (body.frames[0].variables or {}) if body.frames else {}


def _context(body: wire.Capture) -> dict[str, wire.Value]:
    """``@route`` and its like, as far as the capture tells them: what it does not tell is unknown, not None."""
    told = {"trace_id": body.trace_id, "execution_id": body.execution_id, "thread": body.thread}
    told |= body.context or {}
    return {
        f"@{name}": wire.Value("str", text)
        for name, text in told.items()
        if text and f"@{name}" in expressions.CONTEXT_NAMES
    }


def _weigh(body: wire.Capture) -> tuple[int, int]:
    """How many values a capture of this place holds, and how many of them are withheld."""
    values = list(_locals(body).values())
    counted = withheld = 0
    while values:
        value = values.pop()
        counted += 1
        withheld += value.redacted is not None
        values += (value.fields or {}).values()
        values += value.items or ()
        values += [inner for _, inner in value.entries or ()]
    return counted, withheld
