"""What both nouns of this room need when a row is written: a number of its own, and text that fits."""

from __future__ import annotations

from typing import Any

from django.db.models import Max

from investigations.lib.text import storable_text

LABEL_LENGTH = 200
LONGEST_TEXT = 10_000


def next_number(rows: Any) -> int:
    """The number after the highest. Call it under the lock of what the rows belong to."""
    return (rows.aggregate(n=Max("number"))["n"] or 0) + 1


def long_text(text: str) -> str:
    """What somebody wrote, storable, and not without end."""
    return storable_text(text).strip()[:LONGEST_TEXT]
