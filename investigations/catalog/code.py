"""Questions about a service's code as it runs: what contains a text, writes an attribute, calls a function."""

from __future__ import annotations

from investigations.accounts.actors import Actor
from investigations.catalog.models import Service
from investigations.catalog.source import fetch_sources
from investigations.codebase import assignments, callers, search
from investigations.lib.errors import Invalid

SHORTEST_TEXT = 2


def search_source(*, by: Actor, service: Service, text: str) -> search.Found:
    """Lines of the service's files that contain a text, case sensitive."""
    if len(text) < SHORTEST_TEXT or len(text) > 200:
        raise Invalid(
            "text_malformed", "Search for 2 to 200 characters.", fix="Give a longer or shorter text."
        )
    sources = fetch_sources(by=by, service=service)
    return search.search(sources.texts, text, unread=sources.unread)


def find_assignments(*, by: Actor, service: Service, target: str) -> assignments.Assignments:
    """Every place in the service's files that can write ``Class.attribute``. Raises `Invalid` (target_malformed)."""
    try:
        assignments.read_target(target)
    except assignments.NotATarget as error:
        raise Invalid("target_malformed", f"{error}.", fix="Write Class.attribute.") from None
    sources = fetch_sources(by=by, service=service)
    lines = {path: stored.lines for path, stored in sources.files.items()}
    return assignments.find_assignments(
        sources.texts, target, lines=lines, unread=sources.unread, idle=sources.idle
    )


def find_callers(*, by: Actor, service: Service, target: str) -> callers.Callers:
    """Every call of a function in the service's files. Raises `Invalid` (target_malformed)."""
    sources = fetch_sources(by=by, service=service)
    try:
        return callers.find_callers(sources.texts, target, unread=sources.unread)
    except ValueError as error:
        raise Invalid("target_malformed", f"{error}.", fix="Write module:Class.method.") from None
