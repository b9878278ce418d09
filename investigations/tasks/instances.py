"""Instances by the clock: those whose gateway died without a word are let go of."""

from __future__ import annotations

from celery import shared_task

from investigations.catalog import services
from investigations.tasks.schedule import every


@shared_task(name="instances.sweep")
def sweep() -> None:
    """Let go of sockets that have been silent for too long."""
    services.sweep_instances()


SCHEDULE = every(5.0, sweep)
