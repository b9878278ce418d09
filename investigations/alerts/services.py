"""What is done to sources of alerts: configure, pull, take what is posted, replay what could not be read."""

from __future__ import annotations

import hashlib
import hmac
import logging
import random
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.accounts.services import audit
from investigations.alerts.backends import BACKENDS, backend
from investigations.alerts.backends.base import AlertBackend, Check, Pull, Read, Unreadable
from investigations.alerts.incidents import (
    add_reference,
    assign_incident,
    close_incident,
    move_episode,
    note_incident,
    reopen_incident,
    resolve_incident,
    split_incident,
)
from investigations.alerts.ingest import Ingested, ingest, sweep
from investigations.alerts.metrics import MetricWindow, client_for, metric_window
from investigations.alerts.models import AlertSource, RawPayload
from investigations.lib.addresses import RefusedAddress, check_url
from investigations.lib.errors import Conflict, Invalid, Unauthorized
from investigations.lib.ids import show
from investigations.lib.text import storable, storable_text

__all__ = [
    "Ingested", "MetricWindow", "add_reference", "assign_incident", "check_source", "claim", "close_incident",
    "create_source", "delete_source", "digest", "due_sources", "forget_payloads", "ingest", "metric_window",
    "move_episode", "note_incident", "pull_source", "reopen_incident", "replay", "resolve_incident",
    "rotate_webhook_secret", "split_incident", "sweep", "take_webhook", "update_source",
]  # fmt: skip
logger = logging.getLogger(__name__)

LONGEST_PULL = timedelta(seconds=60)
"""After this another worker may claim the source: the one that had it has died."""
LONGEST_PAUSE_S = 300.0
"""Between two tries of a source that keeps failing."""
SECRET_BYTES = 32
LONGEST_BODY = 1024 * 1024
KEPT = timedelta(days=7)
UNREAD_KEPT = timedelta(days=30)


# ---------------------------------------------------------------- configure


@transaction.atomic
def create_source(
    *,
    by: Actor,
    environment: Environment,
    name: str,
    backend: str,
    url: str = "",
    credentials: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    every_s: int = 15,
    enabled: bool = True,
) -> AlertSource:
    """A source, pulled from now on when it has a ``url``.

    ``credentials`` is ``{"header": {"name", "value"}}`` or ``{"user", "password"}``; it is never shown again.
    ``options`` may name ``external_labels``, ``ca_file``, ``settles_in_s``, ``repeats_in_s``, ``open_sessions``.
    Raises `Invalid` for a backend, URL or name that cannot be, `Conflict` for a name that is taken.
    """
    permissions.require(by, "manage_sources", environment)
    source = AlertSource(environment=environment, enabled=enabled)
    _configure(
        source, name=name, backend=backend, url=url, credentials=credentials, options=options, every_s=every_s
    )
    source.save()
    audit(
        by=by,
        action="source_created",
        target=show("src", source.id),
        environment=environment,
        detail=_plain(source),
    )
    return AlertSource.objects.get(pk=source.pk)


@transaction.atomic
def update_source(*, by: Actor, source: AlertSource, **changes: Any) -> AlertSource:
    """Change what `create_source` takes; what is not named stays. The source is pulled again at once."""
    permissions.require(by, "manage_sources", source.environment)
    source = AlertSource.objects.select_for_update(of=("self",)).get(pk=source.pk)
    source.enabled = bool(changes.pop("enabled", source.enabled))
    facts = ("name", "backend", "url", "credentials", "options", "every_s")
    if unknown := set(changes) - set(facts):
        raise Invalid(
            "unknown_field", f"A source has no {', '.join(sorted(unknown))}.", fix=f"Give {', '.join(facts)}."
        )
    _configure(source, **{fact: changes.get(fact, getattr(source, fact)) for fact in facts})
    source.next_pull_at = timezone.now()
    source.save()
    audit(
        by=by, action="source_changed", target=show("src", source.id), environment=source.environment,
        detail={"changed": sorted(changes), **_plain(source)},
    )  # fmt: skip
    return source


@transaction.atomic
def delete_source(*, by: Actor, source: AlertSource) -> None:
    """Forget the source and what it sent. Alerts only it told of become stale."""
    permissions.require(by, "manage_sources", source.environment)
    environment, detail = source.environment, _plain(source)
    target = show("src", source.id)
    source.delete()
    audit(by=by, action="source_deleted", target=target, environment=environment, detail=detail)
    sweep(environment=environment, at=timezone.now())


@transaction.atomic
def rotate_webhook_secret(*, by: Actor, source: AlertSource) -> str:
    """A new secret for the source's webhook; the one before stops working. It is shown this once."""
    permissions.require(by, "manage_sources", source.environment)
    if not BACKENDS[source.backend].takes_webhooks:
        raise Conflict(
            "no_webhook",
            f"{BACKENDS[source.backend].title} posts nothing itself.",
            fix="Add its Alertmanager as a source and let that post.",
        )
    secret = secrets.token_urlsafe(SECRET_BYTES)
    source.webhook_digest = _digest(secret)
    source.save(update_fields=["webhook_digest"])
    audit(
        by=by, action="webhook_secret_rotated", target=show("src", source.id), environment=source.environment
    )
    return secret


def check_source(*, by: Actor, source: AlertSource) -> list[Check]:
    """Try each thing the source is needed for, and remember how it went, scope by scope."""
    permissions.require(by, "manage_sources", source.environment)
    if not source.url:
        raise Conflict(
            "nothing_to_ask", "This source has no URL; it is posted to.", fix="Give it a URL to check."
        )
    with client_for(source) as client:
        checks = _backend(source).check(client)
    _keep_health(source, checks, timezone.now())
    source.save(update_fields=["health"])
    return checks


def _configure(
    source: AlertSource,
    *,
    name: str,
    backend: str,
    url: str,
    credentials: Mapping[str, Any] | None,
    options: Mapping[str, Any] | None,
    every_s: int,
) -> None:
    if backend not in BACKENDS:
        raise Invalid(
            "unknown_backend", f"There is no backend {backend[:50]!r}.", fix="Choose one.", known=[*BACKENDS]
        )
    name = " ".join(name.split())[:100]
    if not name:
        raise Invalid("source_without_name", "A source needs a name.", fix="Give one, as alertmanager-eu.")
    _require_askable(backend, url.strip())
    if not 1 <= every_s <= 3600:
        raise Invalid(
            "pull_interval", "A source is pulled every 1 to 3600 seconds.", fix="Give every_s in that range."
        )
    same = AlertSource.objects.filter(environment=source.environment, name=name).exclude(pk=source.pk)
    if same.exists():
        raise Conflict("source_name_taken", f"There is a source {name} already.", fix="Choose another name.")
    source.name, source.backend, source.url, source.every_s = name, backend, url.strip(), every_s
    source.credentials = _checked_credentials(dict(credentials or {}))
    source.options = _checked_options(dict(options or {}))


def _require_askable(backend: str, url: str) -> None:
    if not url:
        if not BACKENDS[backend].takes_webhooks:
            raise Invalid(
                "source_without_url", f"{BACKENDS[backend].title} has to be asked.", fix="Give its URL."
            )
        return
    try:
        check_url(url)
    except RefusedAddress as error:
        raise Invalid("source_url", str(error), fix="Give a URL such as http://prometheus:9090.") from error


def _checked_credentials(credentials: dict[str, Any]) -> dict[str, Any]:
    header = credentials.get("header")
    well_formed = set(credentials) <= {"header", "user", "password"} and (
        header is None or (isinstance(header, dict) and set(header) == {"name", "value"})
    )
    if not well_formed:
        raise Invalid(
            "source_credentials",
            "Credentials are a header with name and value, or user and password.",
            fix='Give {"header": {"name": "Authorization", "value": "Bearer …"}} or {"user": …, "password": …}.',
        )
    return credentials


_OPTIONS = {
    "external_labels": list,
    "ca_file": str,
    "settles_in_s": (int, float),
    "repeats_in_s": (int, float),
    "open_sessions": bool,
}


def _checked_options(options: dict[str, Any]) -> dict[str, Any]:
    for name, value in options.items():
        kind = _OPTIONS.get(name)
        if kind is None or not isinstance(value, kind):  # type: ignore[arg-type]
            raise Invalid(
                "source_option",
                f"{name[:50]} is no option, or not of its kind.",
                fix="Use:",
                known=[*_OPTIONS],
            )
    return options


def _plain(source: AlertSource) -> dict[str, Any]:
    """What the audit may know of a source: all but its credentials."""
    return {"name": source.name, "backend": source.backend, "url": source.url, "enabled": source.enabled}


# ---------------------------------------------------------------- pull


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
            return _backend(source).pull(client, source.cursor)
    except RefusedAddress as error:
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
    _keep_rejected(source, read, "pull", asked_at)
    return result


def _finish(source: AlertSource, pull: Pull, asked_at: datetime) -> None:
    """How it went, and when to ask again: later and later while it fails."""
    now = timezone.now()
    answered = pull.status in ("ok", "partial")
    failures = 0 if answered else int(source.health.get("failures", 0)) + 1
    _keep_health(source, pull.checks, now)
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


def _keep_health(source: AlertSource, checks: list[Check], at: datetime) -> None:
    """Each scope's status and sentence, and since when it has been so."""
    scopes = dict(source.health.get("scopes", {}))
    for check in checks:
        before = scopes.get(check.scope, {})
        since = before["since"] if before.get("status") == check.status else at.isoformat()
        scopes[check.scope] = storable({**asdict(check), "since": since})
    source.health = {**source.health, "scopes": scopes}


# ---------------------------------------------------------------- webhook, dead letters


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
        not hmac.compare_digest(expected or bytes(32), _digest(secret))
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
    _keep_rejected(payload.source, read, "webhook", at)
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
    reader = _backend(payload.source)
    try:
        return (
            reader.read_webhook(payload.body) if payload.door == "webhook" else reader.read_pull(payload.body)
        )
    except Unreadable as error:
        payload.error = storable_text(str(error))
        return None


def _keep_rejected(source: AlertSource, read: Read, door: str, at: datetime) -> None:
    """Each alert that could not be read, once: a pull would bring it again every few seconds."""
    waiting = set(RawPayload.objects.filter(source=source).exclude(error="").values_list("error", flat=True))
    for rejected in read.rejected:
        why = storable_text(rejected.error)
        if why not in waiting:
            waiting.add(why)
            RawPayload.objects.create(
                source=source, door=door, body=storable_text(rejected.raw), error=why, digested_at=at
            )


def _backend(source: AlertSource) -> AlertBackend:
    return backend(source.backend, source.options)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
