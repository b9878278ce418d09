"""Captures over time by outcome, as a table and as files: what the bars of a timeline are drawn from."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.probes.histogram import Bucket, HitHistogram, hit_histogram
from investigations.probes.models import Probe
from investigations.sessions.models import InvestigationSession
from investigations.web import downloads

BUCKETS = 120
COLUMNS = ["Time (UTC)", "pass", "fail", "unknown"]


def table(histogram: HitHistogram) -> dict[str, Any]:
    """As components/chart_table.html takes it: stretches in which something was captured."""
    return {
        "caption": f"Captures by outcome, every {histogram.width_s:g} s",
        "columns": COLUMNS,
        "rows": [
            [f"{bucket.start:%H:%M:%S}", *map(str, _counts(bucket))]
            for bucket in histogram.buckets
            if bucket.captures
        ],
    }


def _counts(bucket: Bucket) -> list[int]:
    return [bucket.passed, bucket.failed, bucket.unknown]


def file(
    by: Actor,
    session: InvestigationSession,
    form: str,
    *,
    name: str,
    start: datetime,
    probes: Collection[Probe] = (),
) -> HttpResponse:
    """The captures of a session, or of some of its probes, from ``start`` on; empty cells where nobody watched."""
    end = max(session.closed_at or timezone.now(), start + timedelta(seconds=1))
    found = hit_histogram(by, session, start, end, probes=probes, buckets=BUCKETS)
    if form == "csv":
        rows = [
            [bucket.start.isoformat(), *(_counts(bucket) if bucket.watched else ["", "", ""])]
            for bucket in found.buckets
        ]
        return downloads.as_csv(name, COLUMNS, rows)
    bars = [
        (bucket.passed + bucket.unknown, bucket.failed) if bucket.watched else None
        for bucket in found.buckets
    ]
    ticks = [(0.0, f"{found.start:%H:%M:%S} UTC"), (1.0, f"{found.end:%H:%M:%S} UTC")]
    return downloads.bars_svg(name, f"SES-{session.number}: captures, failing downwards", bars, ticks)
