"""Sources of alerts: configured by admins, checked scope by scope, and the client that asks each."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.accounts.services import audit
from investigations.alerts.backends import BACKENDS, backend
from investigations.alerts.backends.base import AlertBackend, Check
from investigations.alerts.ingest import sweep
from investigations.alerts.models import AlertSource
from investigations.lib.addresses import RefusedAddress, check_url
from investigations.lib.errors import Conflict, Invalid
from investigations.lib.http import Client
from investigations.lib.ids import show
from investigations.lib.text import storable

SECRET_BYTES = 32


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
    source.webhook_digest = secret_digest(secret)
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
        checks = backend_of(source).check(client)
    keep_health(source, checks, timezone.now())
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


# ---------------------------------------------------------------- asking


def client_for(source: AlertSource) -> Client:
    """The HTTP client for a source, with its credentials.

    Raises `RefusedAddress` for a URL not to be asked, `Conflict` for credentials that no key at hand decrypts.
    """
    credentials = source.credentials
    if not isinstance(credentials, dict):
        raise Conflict(
            "source_credentials_unreadable",
            f"The credentials of {source.name} were encrypted with another secret key.",
            fix="Give them again, or the key they were encrypted with as SIGHTLINE_OLD_SECRET_KEYS.",
        )
    header = credentials.get("header")
    return Client(
        source.url,
        headers={header["name"]: header["value"]} if header else None,
        basic=(credentials["user"], credentials.get("password", "")) if credentials.get("user") else None,
        ca_file=source.options.get("ca_file") or None,
    )


def backend_of(source: AlertSource) -> AlertBackend:
    """The code that speaks to the source's kind of system, with the source's options."""
    return backend(source.backend, source.options)


def keep_health(source: AlertSource, checks: list[Check], at: datetime) -> None:
    """Put into the source's health each scope's status and sentence, and since when it has been so."""
    scopes = dict(source.health.get("scopes", {}))
    for check in checks:
        before = scopes.get(check.scope, {})
        since = before["since"] if before.get("status") == check.status else at.isoformat()
        scopes[check.scope] = storable({**asdict(check), "since": since})
    source.health = {**source.health, "scopes": scopes}


def secret_digest(secret: str) -> bytes:
    """What is kept of a webhook's secret."""
    return hashlib.sha256(secret.encode()).digest()
