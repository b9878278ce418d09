"""What sensors tell of themselves, kept: services, instances with their presence, and the source they run."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from investigations.accounts.models import AccessToken, Environment
from investigations.catalog import presence
from investigations.catalog.code import find_assignments, find_callers, search_source
from investigations.catalog.models import Instance, Service
from investigations.catalog.source import fetch_files, fetch_source, fetch_sources, store_source
from investigations.lib.errors import Conflict, Forbidden, Invalid
from investigations.live import publish, topics
from sightline import wire

__all__ = [
    "bump_probe_revision",
    "ensure_service",
    "fetch_files",
    "fetch_source",
    "fetch_sources",
    "find_assignments",
    "find_callers",
    "instance_connected",
    "instance_gone",
    "instance_seen",
    "search_source",
    "store_source",
    "sweep_instances",
]

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
MOST_TAGS = 50


def ensure_service(environment: Environment, name: str) -> Service:
    """The service of that name there, known from now on. Raises `Invalid` for a name no service can have."""
    if not name.strip() or len(name) > 255 or _UNPRINTABLE.search(name):
        raise Invalid(
            "service_name", "A service has a name of 1 to 255 printable characters.", fix="Name the service."
        )
    service, _ = Service.objects.get_or_create(environment=environment, name=name)
    return service


_BUMP = (
    "UPDATE catalog_service SET probe_revision = probe_revision + 1 WHERE id = %s RETURNING probe_revision"
)


def bump_probe_revision(service: Service) -> int:
    """Count one more change to the probes that this service's instances should hold; answers the new revision.

    Every connected instance hears of it after the commit and is sent its set anew.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BUMP, [service.pk])
        row = cursor.fetchone()
    if row is None:
        raise Service.DoesNotExist(service.pk)
    service.probe_revision = int(row[0])
    topic = topics.service_topic(service.id)
    publish.after_commit(
        topic, {"what": "probe_set", "id": str(service.id), "cursor": service.probe_revision}
    )
    return service.probe_revision


@transaction.atomic
def instance_connected(
    hello: wire.Hello, token: AccessToken, connection: uuid.UUID, channel: str
) -> Instance:
    """A sensor has proved its token: note who it is, and that this connection speaks for it from now on.

    Raises `Forbidden` (token_environment, token_service) when the token is for elsewhere, `Conflict`
    (instance_id_taken) when the id belongs to another service, `Invalid` for a hello that makes no sense.
    """
    service = _service_of(hello, token)
    id = _instance_id(hello)
    known = Instance.objects.select_for_update().filter(pk=id).first()
    if known is not None and known.service_id != service.id:
        raise Conflict(
            "instance_id_taken", "This instance id is another service's.", fix="Let the sensor choose."
        )
    now = timezone.now()
    facts = _facts(hello) | {
        "environment": service.environment,
        "service": service,
        "connected_at": now,
        "last_seen_at": now,
        "disconnected_at": None,
        "connection": connection,
        "channel": channel,
    }
    instance, _ = Instance.objects.update_or_create(pk=id, defaults=facts)
    _tell(instance)
    return instance


def _service_of(hello: wire.Hello, token: AccessToken) -> Service:
    environment = token.environment
    if environment is None or hello.environment != environment.name:
        raise Forbidden(
            "token_environment",
            f"This token is not for the environment {hello.environment[:63]!r}.",
            fix="Start the sensor with the environment its token was made for.",
        )
    if token.service and token.service != hello.service:
        raise Forbidden(
            "token_service",
            f"This token may only speak for the service {token.service}.",
            fix="Start the sensor with that service's name, or make a token for this one.",
        )
    return ensure_service(environment=environment, name=hello.service)


def _instance_id(hello: wire.Hello) -> uuid.UUID:
    try:
        return uuid.UUID(hello.instance_id)
    except ValueError:
        raise Invalid(
            "instance_id_malformed", "An instance id is a UUID.", fix="Let the sensor choose it."
        ) from None


def _facts(hello: wire.Hello) -> dict[str, object]:
    """The columns of an instance that its hello fills; what is too long is cut, for it is only shown."""
    if len(hello.tags) > MOST_TAGS:
        raise Invalid(
            "tags_too_many", f"An instance carries at most {MOST_TAGS} tags.", fix="Drop some tags."
        )
    return {
        "host": _printable(hello.host, 255),
        "pid": hello.pid % 2**31,
        "runtime": _printable(f"{hello.runtime.name} {hello.runtime.version}", 100),
        "sensor_version": _printable(hello.sensor_version, 50),
        "protocol_version": max(
            set(hello.versions) & set(wire.SPOKEN_VERSIONS), default=wire.PROTOCOL_VERSION
        ),
        "commit": _printable(hello.commit, 64),
        "version": _printable(hello.version, 100),
        "tags": {_printable(name, 100): _printable(value, 255) for name, value in hello.tags.items()},
        "engine": _printable(hello.engine.name, 32),
        "engine_reason": _printable(hello.engine.reason, 500),
        "neighbours": [_printable(name, 100) for name in hello.neighbours[:50]],
        "roots": [_printable(root, 1000) for root in hello.roots[:50]],
        "started_at": _instant(hello.started_at),
    }


def _printable(text: str, most: int) -> str:
    return _UNPRINTABLE.sub("\ufffd", text[:most])


def _instant(nanoseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        raise Invalid(
            "time_malformed", "A time is nanoseconds since 1970.", fix="Send the wall clock."
        ) from None


def instance_seen(
    instance_id: uuid.UUID, connection: uuid.UUID, heartbeat: wire.Heartbeat, received_at: datetime
) -> bool:
    """Note a heartbeat. False when another connection speaks for the instance by now: this one should close."""
    sent_at = _instant(heartbeat.at) + timedelta(milliseconds=min(max(heartbeat.rtt_ms, 0.0), 60_000.0) / 2)
    seen = Instance.objects.filter(pk=instance_id, connection=connection).update(
        last_seen_at=received_at,
        clock_offset_ms=(sent_at - received_at) / timedelta(milliseconds=1),
        cpu_share=heartbeat.cpu_share,
        budget=heartbeat.budget,
        breaker=_printable(heartbeat.breaker, 1000),
        queued=min(heartbeat.queued, 2**31 - 1),
        drops={_printable(reason, 64): count for reason, count in list(heartbeat.drops.items())[:50]},
        memory_bytes=min(heartbeat.memory_bytes, 2**63 - 1),
    )
    return seen == 1


@transaction.atomic
def instance_gone(instance_id: uuid.UUID, connection: uuid.UUID) -> bool:
    """Its socket closed. False when another connection speaks for it already, and nothing is to be done."""
    mine = Instance.objects.filter(pk=instance_id, connection=connection)
    if not mine.update(connection=None, channel="", disconnected_at=timezone.now()):
        return False
    _tell(Instance.objects.get(pk=instance_id))
    return True


@transaction.atomic
def sweep_instances(*, now: datetime | None = None) -> int:
    """Let go of sockets that have been silent for a minute: their gateway died before it could say so."""
    silent_since = (now or timezone.now()) - presence.GONE_AFTER
    silent = Instance.objects.filter(connection__isnull=False, last_seen_at__lt=silent_since)
    gone = list(silent.select_for_update(skip_locked=True, of=("self",)))
    Instance.objects.filter(pk__in=[instance.pk for instance in gone]).update(
        connection=None, channel="", disconnected_at=F("last_seen_at")
    )
    for instance in gone:
        _tell(instance)
    return len(gone)


def _tell(instance: Instance) -> None:
    hint: publish.Hint = {"what": "instances", "id": str(instance.id)}
    publish.after_commit(topics.environment_topic(instance.environment_id), hint)
