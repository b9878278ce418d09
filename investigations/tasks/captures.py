"""Captures by the clock: partitions are made and dropped, figures with them, and who calls whom is read off."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from investigations.catalog import calls
from investigations.probes import partitions, readings
from investigations.probes.calls import observed_calls
from investigations.tasks.schedule import every

logger = logging.getLogger(__name__)

LOOK_BACK = timedelta(seconds=90)
"""Longer than the pause between two looks, so that a late tick misses nothing."""


@shared_task(name="captures.make_days")
def make_days() -> None:
    """Make the partitions of the days ahead."""
    partitions.make_days(now=timezone.now())


@shared_task(name="captures.drop_days")
def drop_days() -> None:
    """Drop the days that ended longer ago than captures are kept (SIGHTLINE_CAPTURE_DAYS)."""
    dropped = partitions.drop_days(now=timezone.now(), retention=settings.CAPTURE_RETENTION)
    if dropped:
        logger.info("capture_days_dropped", extra={"days": dropped})
    readings.forget(before=timezone.now() - settings.CAPTURE_RETENTION)


@shared_task(name="captures.note_calls")
def note_calls() -> None:
    """Keep which services were seen to call which, and forget what nobody has seen for long."""
    now = timezone.now()
    calls.note_calls(observed_calls(now - LOOK_BACK), now)
    calls.forget_calls(now - calls.KEPT)


SCHEDULE = every(30.0, note_calls) | every(600.0, make_days) | every(3600.0, drop_days)
