"""What can be read by address: a session and its report. Tools answer the same; nothing is only here."""

from __future__ import annotations

import json
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError

from investigations.accounts.actors import Actor
from investigations.evidence.export import markdown
from investigations.evidence.export.report import report
from investigations.lib.errors import Problem
from investigations.mcp.answers import lean
from investigations.mcp.calling import as_actor
from investigations.mcp.references import id_of
from investigations.probes import selectors as probes
from investigations.sessions import selectors as sessions
from investigations.shapes import CaptureShape, ProbeShape, SessionShape


def register(server: MCPServer[Any]) -> None:
    """Add the resource templates to a server."""

    @server.resource("session://{session_id}", title="A session", mime_type="application/json")
    async def session(session_id: str) -> str:
        return await _read(_session, session_id)

    @server.resource("session://{session_id}/report", title="A session's report", mime_type="text/markdown")
    async def session_report(session_id: str) -> str:
        return await _read(_report, session_id)

    @server.resource("probe://{probe_id}", title="A probe", mime_type="application/json")
    async def probe(probe_id: str) -> str:
        return await _read(_probe, probe_id)

    @server.resource("capture://{capture_id}", title="A capture", mime_type="application/json")
    async def capture(capture_id: str) -> str:
        return await _read(_capture, capture_id)


async def _read(work: Any, public_id: str) -> str:
    try:
        found: str = await as_actor(work, public_id)
    except Problem as problem:
        raise ResourceNotFoundError(problem.sentence) from problem
    return found


def _session(actor: Actor, text: str) -> str:
    return _json(SessionShape.from_row(sessions.session(actor, id_of("ses", text, "session_id"))))


def _report(actor: Actor, text: str) -> str:
    return markdown.write(report(actor, sessions.session(actor, id_of("ses", text, "session_id"))))


def _probe(actor: Actor, text: str) -> str:
    row = probes.probe(actor, id_of("prb", text, "probe_id"))
    return _json(ProbeShape.from_row(row, probes.deliveries(row)))


def _capture(actor: Actor, text: str) -> str:
    row = probes.capture(actor, id_of("cap", text, "capture_id"))
    outcome = probes.outcome_of(row.environment_id, [row.execution_id]).get(row.execution_id, "unknown")
    return _json(CaptureShape.from_row(row, probes.decode(row), outcome))


def _json(shape: Any) -> str:
    return json.dumps(lean(shape), default=str)
