"""Probes by the clock: what has expired or lost its session is disarmed, and what captures break is told."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from investigations.probes import services, silent_failures
from investigations.tasks.schedule import every

LOOK_BACK = timedelta(seconds=90)
"""Longer than the pause between two looks, so that a late tick misses nothing."""
MOST_WATCHED = 20


@shared_task(name="probes.expire")
def expire() -> None:
    """End the probes whose time is up, and those whose session was closed."""
    services.expire_probes()
    services.end_in_closed_sessions()


@shared_task(name="probes.watch_invariants")
def watch_invariants() -> None:
    """Hold new captures of open sessions against what always held there."""
    now = timezone.now()
    for probe in silent_failures.watched(now - LOOK_BACK, MOST_WATCHED):
        silent_failures.watch(probe, now)


SCHEDULE = every(2.0, expire) | every(30.0, watch_invariants)
