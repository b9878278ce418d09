"""Verdicts by the clock: probes change without anybody recording evidence, and the rules look at them too."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from investigations.evidence import services
from investigations.sessions.models import InvestigationSession, SessionStatus
from investigations.tasks.schedule import every

LOOK_BACK = timedelta(seconds=60)
"""Longer than the pause between two looks, so that a late tick misses nothing."""
MOST_AT_ONCE = 200


@shared_task(name="evidence.weigh")
def weigh() -> None:
    """Weigh the open sessions that are new, and those whose probes were placed, ended or answered lately."""
    since = timezone.now() - LOOK_BACK
    lately = (
        Q(gates=[])
        | Q(probes__placed_at__gt=since)
        | Q(probes__ended_at__gt=since)
        | Q(probes__deliveries__updated_at__gt=since)
    )
    sessions = InvestigationSession.objects.filter(lately, status=SessionStatus.OPEN).distinct()
    for session in sessions[:MOST_AT_ONCE]:
        services.weigh(session)


SCHEDULE = every(10.0, weigh)
