"""From what an agent wrote (a public id, or a pasted address) to the row, if this actor may see it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from investigations.lib import ids
from investigations.lib.errors import Invalid

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def id_of(prefix: str, text: str, what: str) -> uuid.UUID:
    """The id in ``text``; ``what`` names the argument in the error."""
    try:
        return ids.find(prefix, text)
    except ids.BadId as error:
        raise Invalid(
            "bad_id",
            f"{what}: {error}.",
            fix=f"Give the {prefix}_… id of an earlier answer, or the address of its page.",
        ) from error


def moment(text: str, what: str) -> datetime | None:
    """A time given as RFC 3339 or as ``-15m``; None for empty text."""
    if not text:
        return None
    if text.startswith("-") and text[-1] in _UNITS and text[1:-1].isdigit():
        return timezone.now() - timedelta(**{_UNITS[text[-1]]: int(text[1:-1])})
    parsed = parse_datetime(text)
    if parsed is None or parsed.tzinfo is None:
        raise Invalid(
            "bad_time", f"{what}: {text[:40]!r} is no time.", fix="Write 2026-11-22T10:48:00Z or -15m."
        )
    return parsed
