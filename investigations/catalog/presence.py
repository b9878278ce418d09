"""Whether an instance is there: by the socket that speaks for it and by its last heartbeat."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from django.db.models import Q
from django.utils import timezone

from investigations.catalog.models import Instance

HEARTBEAT_S = 5.0
LATE_AFTER = timedelta(seconds=3 * HEARTBEAT_S)
GONE_AFTER = timedelta(seconds=60)
"""A socket this silent is dead, whatever its process believes: the sweep lets go of it."""

Presence = Literal["present", "late", "gone"]


def presence_of(instance: Instance, now: datetime | None = None) -> Presence:
    """``present`` with a heartbeat among the last three, ``late`` while only the socket stands, else ``gone``."""
    if instance.connection is None:
        return "gone"
    return "present" if instance.last_seen_at >= (now or timezone.now()) - LATE_AFTER else "late"


def present(now: datetime | None = None) -> Q:
    """The filter for instances that are present."""
    return Q(connection__isnull=False, last_seen_at__gte=(now or timezone.now()) - LATE_AFTER)
