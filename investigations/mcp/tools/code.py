"""Read the code as the instances run it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.catalog import selectors as catalog
from investigations.catalog import services as catalog_verbs
from investigations.catalog.models import Service
from investigations.lib.errors import Invalid
from investigations.mcp.answers import Answer, tool
from investigations.mcp.calling import as_actor, note_step
from investigations.mcp.references import id_of
from investigations.sessions import selectors as sessions
from investigations.sessions.models import InvestigationSession
from investigations.shapes import AssignmentsShape, Coverage, FileShape, MatchShape, SourceShape

LINES = 200
SessionId = Annotated[str, Field(description="ses_ id: the step goes on its timeline.")]
ServiceRef = Annotated[str, Field(description="Name or svc_ id.")]
Purpose = Annotated[str, Field(description="Why, in one sentence.", max_length=500)]


@tool(title="Read code as deployed", pages="files", untrusted="Source and its comments")
async def read_code(
    session_id: SessionId,
    service: ServiceRef,
    path: Annotated[
        str, Field(description="File, or the end of its path; empty lists the service's files.")
    ] = "",
    first_line: Annotated[int, Field(ge=1)] = 1,
    last_line: Annotated[int, Field(ge=0, description=f"0: {LINES} lines from the first.")] = 0,
    after: Annotated[int, Field(ge=0, description="Of files: next_cursor of the answer before.")] = 0,
    purpose: Purpose = "",
) -> dict[str, Any]:
    """Source as running instances have it: numbered, with executable lines (where a probe can stand) and outline."""
    return await as_actor(_read, session_id, service, path, first_line, last_line, after, purpose)


def _read(
    actor: Actor,
    session_id: str,
    service_ref: str,
    path: str,
    first: int,
    last: int,
    after: int,
    purpose: str,
) -> Answer:
    session, service = _session_and_service(actor, session_id, service_ref)
    if not path:
        files = catalog_verbs.fetch_files(by=actor, service=service)
        note_step(actor, session, "read_code", f"listed the files of {service.name}", purpose)
        shapes = [FileShape.from_row(entry) for entry in files.files[after:]]
        return {
            "files": shapes,
            "coverage": Coverage(
                returned=len(shapes),
                of=len(files.files),
                truncated="too many files" if files.truncated else None,
            ),
            "hint": "read_code with one of these paths.",
        }
    source = catalog_verbs.fetch_source(by=actor, service=service, path=path)
    total = len(source.text.splitlines())
    if first > max(total, 1):
        raise Invalid(
            "no_such_line", f"{source.path} has {total} lines.", fix="Give a first_line within them."
        )
    last = min(last or first + LINES - 1, first + 2 * LINES - 1)
    note_step(actor, session, "read_code", f"read {source.path} {first}–{min(last, total)}", purpose)
    return {
        "source": SourceShape.from_row(source, first, last, outline=first == 1),
        "hint": "find_assignments shows where an attribute is written; check_probe tests a place without arming it.",
    }


@tool(title="Search code", pages="matches", untrusted="Source and its comments")
async def search_code(
    session_id: SessionId,
    service: ServiceRef,
    text: Annotated[str, Field(min_length=2, max_length=200, description="Exact text, case sensitive.")],
    after: Annotated[int, Field(ge=0, description="next_cursor of the answer before.")] = 0,
    purpose: Purpose = "",
) -> dict[str, Any]:
    """Lines of the deployed source that contain a text, with the function each stands in."""
    return await as_actor(_search, session_id, service, text, after, purpose)


def _search(actor: Actor, session_id: str, service_ref: str, text: str, after: int, purpose: str) -> Answer:
    session, service = _session_and_service(actor, session_id, service_ref)
    found = catalog_verbs.search_source(by=actor, service=service, text=text)
    note_step(actor, session, "search_code", f"searched {service.name} for {text!r}", purpose)
    return {
        "matches": [MatchShape.from_row(match) for match in found.matches[after:]],
        "coverage": Coverage(
            returned=len(found.matches[after:]), of=found.total, window=f"{found.files} files"
        ),
        "hint": "read_code round one of these lines.",
    }


@tool(title="Find assignments", pages="points", untrusted="Source and its comments")
async def find_assignments(
    session_id: SessionId,
    service: ServiceRef,
    target: Annotated[str, Field(description="Class.attribute, as TradeRequest.high_value.", max_length=300)],
    after: Annotated[int, Field(ge=0, description="next_cursor of the answer before.")] = 0,
    purpose: Purpose = "",
) -> dict[str, Any]:
    """Every place that can write an attribute, reflection included, ranked, each with the probe that shows it."""
    return await as_actor(_assignments, session_id, service, target, after, purpose)


def _assignments(
    actor: Actor, session_id: str, service_ref: str, target: str, after: int, purpose: str
) -> Answer:
    session, service = _session_and_service(actor, session_id, service_ref)
    found = catalog_verbs.find_assignments(by=actor, service=service, target=target)
    note_step(
        actor, session, "find_assignments", f"looked for what assigns {target} in {service.name}", purpose
    )
    shape = AssignmentsShape.from_row(found)
    return {
        **shape.model_dump(mode="json", exclude={"points"}),
        "points": shape.points[after:],
        "hint": "place_probe at a suggested line with a condition; when types surprise, try reflective writers.",
    }


def _session_and_service(
    actor: Actor, session_id: str, service_ref: str
) -> tuple[InvestigationSession, Service]:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    return session, catalog.service_by_ref(actor, service_ref, environment=session.environment)
