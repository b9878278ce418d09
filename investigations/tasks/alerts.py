"""Alerts by the clock: pull the sources that are due, read what was posted, notice silence, forget old payloads."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from investigations.accounts.actors import SYSTEM
from investigations.accounts.models import Environment
from investigations.alerts import services
from investigations.alerts.models import Incident, IncidentStatus, RawPayload
from investigations.sessions import services as sessions
from investigations.tasks.schedule import every

logger = logging.getLogger(__name__)

LEFT_BEHIND_AFTER = timedelta(seconds=10)
"""A webhook is read when it comes; one still unread after this was left by a process that died."""
MOST_AT_ONCE = 100
SESSIONS_FOR = timedelta(hours=1)
"""A source that opens sessions by itself does so for incidents no older than this."""


@shared_task(name="alerts.pull_due")
def pull_due() -> None:
    """Hand each source whose turn it is to a worker of its own, so that a slow one keeps nobody waiting."""
    for source_id in services.due_sources(timezone.now()):
        pull.apply_async([str(source_id)], expires=services.LONGEST_PULL.total_seconds())


@shared_task(name="alerts.pull")
def pull(source_id: str) -> None:
    """Pull one source, unless another worker has it."""
    source = services.claim(UUID(source_id), timezone.now())
    if source is not None:
        services.pull_source(source)


@shared_task(name="alerts.digest_left_behind")
def digest_left_behind() -> None:
    """Read the webhooks that were stored and not read."""
    before = timezone.now() - LEFT_BEHIND_AFTER
    for payload in RawPayload.objects.filter(digested_at=None, at__lt=before).order_by("id")[:MOST_AT_ONCE]:
        services.digest(payload)


@shared_task(name="alerts.sweep")
def sweep() -> None:
    """Find alerts whose sources have fallen silent, and flapping ones that have settled."""
    for environment in Environment.objects.filter(alerts__isnull=False).distinct():
        services.sweep(environment=environment, at=timezone.now())


@shared_task(name="alerts.open_sessions")
def open_sessions() -> None:
    """Open a session for each new incident of a source whose option ``open_sessions`` says so; off by default."""
    wanting = Incident.objects.filter(
        status=IncidentStatus.OPEN,
        opened_at__gt=timezone.now() - SESSIONS_FOR,
        sessions=None,
        episodes__alert__sightings__source__options__open_sessions=True,
    )
    for incident in wanting.select_related("environment").distinct()[:MOST_AT_ONCE]:
        sessions.open_session(by=SYSTEM, environment=incident.environment, incident=incident, reuse=True)


@shared_task(name="alerts.forget_payloads")
def forget_payloads() -> None:
    """Drop payloads that were kept long enough."""
    dropped = services.forget_payloads(timezone.now())
    if dropped:
        logger.info("payloads_forgotten", extra={"count": dropped})


SCHEDULE = (
    every(1.0, pull_due)
    | every(5.0, digest_left_behind)
    | every(15.0, sweep)
    | every(5.0, open_sessions)
    | every(3600.0, forget_payloads)
)
