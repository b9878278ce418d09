"""Pulling sources: claimed by one worker, asked, taken in, and written down how it went."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from investigations.alerts.backends.base import Check, Pull
from investigations.alerts.ingest import Ingested, ingest
from investigations.alerts.models import AlertSource, RawPayload
from investigations.alerts.payloads import keep_rejected
from investigations.alerts.sources import backend_of, client_for, keep_health
from investigations.lib.addresses import RefusedAddress
from investigations.lib.errors import Conflict
from investigations.lib.text import storable_text

LONGEST_PULL = timedelta(seconds=60)
"""After this another worker may claim the source: the one that had it has died."""
LONGEST_PAUSE_S = 300.0
"""Between two tries of a source that keeps failing."""


def due_sources(at: datetime) -> list[UUID]:
    """The sources whose turn it is and that nobody is pulling."""
    return list(_due(at).order_by("next_pull_at").values_list("pk", flat=True))


def claim(source_id: UUID, at: datetime) -> AlertSource | None:
    """Take the source for one pull; None when another worker was faster or its turn is over."""
    taken = _due(at).filter(pk=source_id).update(claimed_until=at + LONGEST_PULL)
    return AlertSource.objects.select_related("environment").get(pk=source_id) if taken else None


def pull_source(source: AlertSource) -> Ingested:
    """Pull a claimed source once, take in what it told, and write down how it went. Never raises for its failing."""
    asked_at = timezone.now()
    pull = _pull(source)
    result = Ingested()
    if pull.status in ("ok", "partial"):
        result = _take_in(source, pull, asked_at)
    _finish(source, pull, asked_at)
    return result


def _due(at: datetime) -> Any:
    unclaimed = Q(claimed_until=None) | Q(claimed_until__lt=at)
    return AlertSource.objects.filter(unclaimed, enabled=True, next_pull_at__lte=at).exclude(url="")


def _pull(source: AlertSource) -> Pull:
    try:
        with client_for(source) as client:
            return backend_of(source).pull(client, source.cursor)
    except (RefusedAddress, Conflict) as error:
        return Pull("denied", [Check("alerts", "denied", str(error))])


@transaction.atomic
def _take_in(source: AlertSource, pull: Pull, asked_at: datetime) -> Ingested:
    read = pull.read
    result = ingest(
        source=source, readings=read.readings, complete=pull.complete and not read.rejected, at=asked_at,
        unsure=read.unsure,
    )  # fmt: skip
    if result.changed:
        RawPayload.objects.create(
            source=source, door="pull", body=storable_text(pull.raw), digested_at=asked_at
        )
    keep_rejected(source, read, "pull", asked_at)
    return result


def _finish(source: AlertSource, pull: Pull, asked_at: datetime) -> None:
    """How it went, and when to ask again: later and later while it fails."""
    now = timezone.now()
    answered = pull.status in ("ok", "partial")
    failures = 0 if answered else int(source.health.get("failures", 0)) + 1
    keep_health(source, pull.checks, now)
    source.health["failures"] = failures
    pause = (
        min(source.every_s * 2**failures, max(LONGEST_PAUSE_S, source.every_s))
        if failures
        else source.every_s
    )
    source.next_pull_at = asked_at + timedelta(seconds=pause * random.uniform(0.95, 1.05))  # noqa: S311 (jitter)
    source.claimed_until = None
    source.last_pull_at = asked_at
    source.cursor = dict(pull.cursor)
    columns = ["health", "next_pull_at", "claimed_until", "last_pull_at", "cursor"]
    if answered:
        source.last_ok_at = asked_at
        columns.append("last_ok_at")
    source.save(update_fields=columns)
