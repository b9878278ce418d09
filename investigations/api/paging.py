"""Lists: keyset pages with a cursor, and ids in paths."""

from __future__ import annotations

import uuid
from typing import Annotated

from ninja import Query

from investigations.lib import ids
from investigations.lib.errors import NotFound

Limit = Annotated[int, Query(ge=1, le=500)]


def id_in_path(prefix: str, text: str) -> uuid.UUID:
    """The id in a path; text that is none is simply not there."""
    try:
        return ids.read(prefix, text)
    except ids.BadId as error:
        raise NotFound("not_found", f"{error}.", fix=f"Give a {prefix}_… id.") from error
