"""What sources send, as it came: taken by webhook, read once, kept as a dead letter when it cannot be, replayed."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.accounts.services import audit
from investigations.alerts.backends.base import Read, Unreadable
from investigations.alerts.ingest import Ingested, ingest
from investigations.alerts.models import AlertSource, RawPayload
from investigations.alerts.sources import backend_of, secret_digest
from investigations.lib.errors import Conflict, Invalid, Unauthorized
from investigations.lib.ids import show
from investigations.lib.text import storable_text

LONGEST_BODY = 1024 * 1024
KEPT = timedelta(days=7)
UNREAD_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Taken:
    """A webhook's receipt: how many alerts it told of, what could not be read, and whether it was kept for later."""

    readings: int
    rejected: int
    kept: bool


def take_webhook(*, source_id: UUID, secret: str, body: bytes) -> Taken:
    """Store what was posted, then read it. What cannot be read is kept as a dead letter, so the sender may forget it.

    Raises `Unauthorized` for a wrong secret or an unknown source, in the same words and the same time; `Invalid`
    for a body that is too long.
    """
    source = AlertSource.objects.select_related("environment").filter(pk=source_id).first()
    expected = bytes(source.webhook_digest) if source is not None else b""
    if (
        not hmac.compare_digest(expected or bytes(32), secret_digest(secret))
        or source is None
        or not source.enabled
    ):
        raise Unauthorized(
            "webhook_secret",
            "This is not the secret of this webhook.",
            fix="Use the one shown when it was made.",
        )
    if len(body) > LONGEST_BODY:
        raise Invalid(
            "webhook_too_long", f"A webhook is at most {LONGEST_BODY:,} bytes.", fix="Group less in one post."
        )
    now = timezone.now()
    text = storable_text(body.decode(errors="replace"))
    payload = RawPayload.objects.create(source=source, door="webhook", body=text)
    AlertSource.objects.filter(pk=source.pk).update(
        last_webhook_at=now, next_pull_at=now
    )  # and look for yourself
    return digest(payload, at=now)


@transaction.atomic
def digest(payload: RawPayload, *, at: datetime | None = None) -> Taken:
    """Read a stored webhook once. The row is locked, so two workers cannot both take it in."""
    payload = (
        RawPayload.objects.select_for_update(of=("self",))
        .select_related("source__environment")
        .get(pk=payload.pk)
    )
    at = at or payload.at
    if payload.digested_at is not None:
        return Taken(0, 0, bool(payload.error))
    payload.digested_at = timezone.now()
    read = _read(payload)
    if read is None:
        payload.save(update_fields=["digested_at", "error"])
        return Taken(0, 1, True)
    payload.save(update_fields=["digested_at"])
    ingest(source=payload.source, readings=read.readings, complete=False, at=at)
    keep_rejected(payload.source, read, "webhook", at)
    return Taken(len(read.readings), len(read.rejected), bool(read.rejected))


@transaction.atomic
def replay(*, by: Actor, payload: RawPayload) -> Ingested:
    """Read a dead letter again, as when a backend has learned to. Raises `Conflict` when it still cannot be read."""
    permissions.require(by, "manage_sources", payload.source.environment)
    payload = (
        RawPayload.objects.select_for_update(of=("self",))
        .select_related("source__environment")
        .get(pk=payload.pk)
    )
    read = _read(payload)
    if read is None or (read.rejected and not read.readings):
        why = payload.error if read is None else read.rejected[0].error
        raise Conflict("still_unreadable", f"It still cannot be read: {why}", fix="Look at what it holds.")
    payload.replayed_at = timezone.now()
    payload.error = ""
    payload.save(update_fields=["replayed_at", "error"])
    audit(
        by=by,
        action="payload_replayed",
        target=show("src", payload.source_id),
        environment=payload.source.environment,
    )
    return ingest(source=payload.source, readings=read.readings, complete=False, at=payload.at)


def forget_payloads(at: datetime) -> int:
    """Drop what was kept long enough: a week, a month for what could not be read. Returns how many."""
    old = Q(error="", at__lt=at - KEPT) | Q(at__lt=at - UNREAD_KEPT)
    return RawPayload.objects.filter(old).delete()[0]


def _read(payload: RawPayload) -> Read | None:
    """What the payload tells; None, and the reason on the row, when it is nothing its backend knows."""
    reader = backend_of(payload.source)
    try:
        return (
            reader.read_webhook(payload.body) if payload.door == "webhook" else reader.read_pull(payload.body)
        )
    except Unreadable as error:
        payload.error = storable_text(str(error))
        return None


def keep_rejected(source: AlertSource, read: Read, door: str, at: datetime) -> None:
    """Each alert that could not be read, once: a pull would bring it again every few seconds."""
    waiting = set(RawPayload.objects.filter(source=source).exclude(error="").values_list("error", flat=True))
    for rejected in read.rejected:
        why = storable_text(rejected.error)
        if why not in waiting:
            waiting.add(why)
            RawPayload.objects.create(
                source=source, door=door, body=storable_text(rejected.raw), error=why, digested_at=at
            )
