"""Keyset paging over time-ordered ids: the next page starts where this one stopped, whatever was added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)
MOST = 200
"""Rows in one page, however many are asked for."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, newest first, and the id to ask for the older ones with; None when these are the last."""

    rows: Sequence[Row]
    before: UUID | None


def newest_first(rows: QuerySet[Row, Any], *, before: UUID | None, limit: int) -> Page[Row]:
    """The ``limit`` newest of ``rows`` that are older than ``before``; their key is a UUIDv7 called ``id``."""
    limit = max(1, min(limit, MOST))
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows.order_by("-id")[: limit + 1])
    more = len(found) > limit
    kept = found[:limit]
    return Page(kept, kept[-1].pk if more else None)
