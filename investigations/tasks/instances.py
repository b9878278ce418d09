"""Instances by the clock: those whose gateway died without a word are let go of, old function records forgotten."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from investigations.catalog import functions, services
from investigations.tasks.schedule import every


@shared_task(name="instances.sweep")
def sweep() -> None:
    """Let go of sockets that have been silent for too long."""
    services.sweep_instances()


@shared_task(name="instances.forget_functions")
def forget_functions() -> None:
    """Drop what function records told too long ago."""
    functions.forget_functions(timezone.now() - functions.KEPT)


SCHEDULE = every(5.0, sweep) | every(3600.0, forget_functions)
