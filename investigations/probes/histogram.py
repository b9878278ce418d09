"""Captures over time by outcome, and where anybody watched: no data is never drawn as zero."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.lib.errors import Invalid
from investigations.probes.models import Probe, ProbeDelivery
from investigations.sessions.models import InvestigationSession

MOST_BUCKETS = 400
MOST_COUNTED = 5_000
"""The newest captures that are counted: a page must not get slower with every capture that comes."""

_COUNT = """
WITH newest AS (
    SELECT at, cursor, execution_id, trace_id FROM probes_capture
    WHERE session_id = %(session)s AND (%(all)s OR probe_id = ANY(%(probes)s)) AND at >= %(start)s AND at < %(end)s
    ORDER BY cursor DESC LIMIT %(most)s
)
SELECT floor(extract(epoch FROM newest.at - %(start)s) / %(width)s)::int AS bucket,
       coalesce(own.outcome, traces.outcome, 'unknown') AS outcome, count(*), min(newest.at)
FROM newest
LEFT JOIN probes_executionlabel own
    ON own.environment_id = %(environment)s AND own.current
    AND own.execution_id = newest.execution_id AND newest.execution_id <> ''
LEFT JOIN probes_executionlabel traces
    ON traces.environment_id = %(environment)s AND traces.current
    AND traces.execution_id = newest.trace_id AND newest.trace_id <> ''
GROUP BY 1, 2
"""


@dataclass(slots=True)
class Bucket:
    """One stretch of time. ``watched`` False: no probe was armed anywhere, so zero means nothing."""

    start: datetime
    passed: int = 0
    failed: int = 0
    unknown: int = 0
    watched: bool = False

    @property
    def captures(self) -> int:
        return self.passed + self.failed + self.unknown


@dataclass(frozen=True, slots=True)
class HitHistogram:
    """``buckets`` of ``width_s`` seconds from ``start``. ``complete_from``: captures before it are not all counted."""

    start: datetime
    end: datetime
    width_s: float
    buckets: list[Bucket] = field(default_factory=list)
    complete_from: datetime | None = None


def hit_histogram(
    by: Actor,
    session: InvestigationSession,
    start: datetime,
    end: datetime,
    *,
    probes: Collection[Probe] = (),
    buckets: int = 60,
) -> HitHistogram:
    """Captures between two times in that many buckets, of these probes or of all the session's.

    Raises `Invalid` (window_malformed) for a window that is empty or turned round.
    """
    permissions.require(by, "read", session.environment)
    if end <= start:
        raise Invalid("window_malformed", "A window ends after it begins.", fix="Give a later end.")
    count = max(1, min(buckets, MOST_BUCKETS))
    width = (end - start) / count
    made = [Bucket(start + width * number) for number in range(count)]
    for first, last in watched(session, probes):
        for bucket in made:
            bucket.watched |= first < bucket.start + width and last > bucket.start
    counted, oldest = 0, end
    for number, outcome, captures, first_at in _counts(session, probes, start, end, width):
        bucket = made[min(number, count - 1)]
        setattr(bucket, _FIELDS[outcome], getattr(bucket, _FIELDS[outcome]) + captures)
        bucket.watched = True
        counted, oldest = counted + captures, min(oldest, first_at)
    complete_from = oldest if counted >= MOST_COUNTED else None
    return HitHistogram(start, end, width.total_seconds(), made, complete_from)


_FIELDS = {"pass": "passed", "fail": "failed", "unknown": "unknown"}


def _counts(
    session: InvestigationSession, probes: Collection[Probe], start: datetime, end: datetime, width: timedelta
) -> Iterable[tuple[int, str, int, datetime]]:
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT,
            {
                "session": session.id,
                "environment": session.environment_id,
                "all": not probes,
                "probes": [probe.id for probe in probes],
                "start": start,
                "end": end,
                "width": width.total_seconds(),
                "most": MOST_COUNTED,
            },
        )
        return cursor.fetchall()


def watched(
    session: InvestigationSession, probes: Collection[Probe] = ()
) -> Iterable[tuple[datetime, datetime]]:
    """When some instance had some probe armed: from its arming to its end, the probe's, or the instance's."""
    rows = ProbeDelivery.objects.filter(probe__session=session, armed_at__isnull=False)
    if probes:
        rows = rows.filter(probe__in=probes)
    now = timezone.now()
    for row in rows.select_related("probe", "instance"):
        if row.armed_at is not None:
            ends = (row.disarmed_at, row.probe.ended_at, row.instance.disconnected_at)
            yield row.armed_at, min((end for end in ends if end and end >= row.armed_at), default=now)
