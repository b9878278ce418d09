"""Captures by the clock: days ahead get their partitions, days kept long enough are dropped, figures with them."""

from __future__ import annotations

import logging

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from investigations.probes import partitions, readings
from investigations.tasks.schedule import every

logger = logging.getLogger(__name__)


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


SCHEDULE = every(600.0, make_days) | every(3600.0, drop_days)
