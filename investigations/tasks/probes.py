"""Probes by the clock: what has expired or lost its session is disarmed."""

from __future__ import annotations

from celery import shared_task

from investigations.probes import services
from investigations.tasks.schedule import every


@shared_task(name="probes.expire")
def expire() -> None:
    """End the probes whose time is up, and those whose session was closed."""
    services.expire_probes()
    services.end_in_closed_sessions()


SCHEDULE = every(2.0, expire)
