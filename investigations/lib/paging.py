"""Keyset paging over time-ordered ids: the next page starts where this one stopped, whatever was added."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)
MOST = 500
"""Rows in one answer, however many are asked for."""


def newest_first(rows: QuerySet[Row, Any], *, before: UUID | None = None, limit: int) -> list[Row]:
    """The ``limit`` newest of ``rows`` that are older than ``before``; their key is a UUIDv7 called ``id``.

    The last row's id is the next page's ``before``; whoever must know whether there is one asks for one more.
    """
    if before is not None:
        rows = rows.filter(id__lt=before)
    return list(rows.order_by("-id")[: max(1, min(limit, MOST))])
