"""Lists: keyset pages that go on at the address in their Link header, and ids in paths."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query

from investigations.lib import ids
from investigations.lib.errors import Invalid, NotFound

Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[int, Query(ge=0, lt=1 << 63, description="Go on after this cursor.")]
Before = Annotated[str, Query(max_length=60, description="Id of the last row of the page before.")]


def id_in_path(prefix: str, text: str) -> uuid.UUID:
    """The id in a path; text that is none is simply not there."""
    try:
        return ids.read(prefix, text)
    except ids.BadId as error:
        raise NotFound("not_found", f"{error}.", fix=f"Give a {prefix}_… id.") from error


def before_id(prefix: str, text: str) -> uuid.UUID | None:
    """Where a page begins, None for the first one."""
    if not text:
        return None
    try:
        return ids.read(prefix, text)
    except ids.BadId as error:
        raise Invalid(
            "bad_id", f"before: {error}.", fix="Follow the Link header of the page before."
        ) from error


def link_next(
    request: HttpRequest, response: HttpResponse, prefix: str, rows: Sequence[Any], limit: int
) -> None:
    """Say where the next page is, when this one is full."""
    if len(rows) < limit:
        return
    query = request.GET.copy()
    query["before"] = ids.show(prefix, rows[-1].pk)
    response["Link"] = f'<{request.build_absolute_uri(f"{request.path}?{query.urlencode()}")}>; rel="next"'
