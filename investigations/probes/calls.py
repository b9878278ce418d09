"""Which services call which, read off captures: outgoing calls that name a service, and traces through just two."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import connection

from investigations.catalog.models import Service
from investigations.probes import details, selectors
from investigations.probes.models import Capture

MOST_READ = 2_000

_TRACES = """
WITH reached AS (
    SELECT capture.trace_id, instance.service_id, min(capture.at) AS first
    FROM probes_capture capture JOIN catalog_instance instance ON instance.id = capture.instance_id
    WHERE capture.id >= %(first)s AND capture.trace_id <> ''
    GROUP BY 1, 2
), pairs AS (
    SELECT array_agg(service_id ORDER BY first, service_id) AS services FROM reached
    GROUP BY trace_id HAVING count(*) = 2
)
SELECT DISTINCT services[1], services[2] FROM pairs
"""
"""Of three or more services in one trace nobody can say who called whom."""


def observed_calls(since: datetime) -> set[tuple[uuid.UUID, uuid.UUID]]:
    """(caller, callee) services of the captures taken since then, each of its own environment."""
    first = uuid.UUID(int=int(since.timestamp() * 1000) << 80)
    return _named(first) | _traced(first)


def _named(first: uuid.UUID) -> set[tuple[uuid.UUID, uuid.UUID]]:
    """Of dependency probes: what was called goes by the name of a service."""
    rows = Capture.objects.filter(id__gte=first, kind="dependency").order_by("-id")[:MOST_READ]
    called = {(row.probe_id, row.environment_id, name) for row in rows if (name := _host(row))}
    callers = dict(Service.objects.filter(probes__in={pk for pk, _, _ in called}).values_list("probes", "pk"))
    wanted = Service.objects.filter(name__in={name for *_, name in called})
    by_name = {(row.environment_id, row.name): row.pk for row in wanted}
    pairs = {(callers.get(probe), by_name.get((environment, name))) for probe, environment, name in called}
    return {(caller, callee) for caller, callee in pairs if caller and callee and caller != callee}


def _host(row: Capture) -> str:
    """The first name of the host that was called: services are mostly reached by their own name."""
    detail = details.read(selectors.noted(row))
    target = detail.target if isinstance(detail, details.CallOut) else ""
    return target.partition("/")[0].partition(":")[0].partition(".")[0]


def _traced(first: uuid.UUID) -> set[tuple[uuid.UUID, uuid.UUID]]:
    with connection.cursor() as cursor:
        cursor.execute(_TRACES, {"first": first})
        return {(caller, callee) for caller, callee in cursor.fetchall()}
