"""Which services call which, as captures have shown it: whether alerts of two services may be one trouble."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from investigations.accounts.models import Environment
from investigations.catalog.models import Service, ServiceCall

KEPT = timedelta(days=14)
"""A call that nobody saw for so long says nothing about today."""
MOST_CALLS = 5_000


def note_calls(pairs: Collection[tuple[uuid.UUID, uuid.UUID]], seen_at: datetime) -> int:
    """Keep that these (caller, callee) were seen; services that are gone meanwhile are passed over."""
    services = Service.objects.in_bulk({pk for pair in pairs for pk in pair})
    rows = [
        ServiceCall(
            environment_id=services[caller].environment_id,
            caller_id=caller,
            callee_id=callee,
            seen_at=seen_at,
        )
        for caller, callee in sorted(pairs)
        if caller in services and callee in services
    ]
    ServiceCall.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["caller", "callee"], update_fields=["seen_at"]
    )
    return len(rows)


def forget_calls(before: datetime) -> int:
    """Drop the calls last seen before then; answers how many that was."""
    return ServiceCall.objects.filter(seen_at__lt=before).delete()[0]


def calls_between(environment: Environment) -> list[tuple[str, str]]:
    """(caller, callee) by name, for what runs on its own; people and agents ask through what shows them."""
    rows = environment.service_calls.order_by("caller__name", "callee__name")
    return list(rows.values_list("caller__name", "callee__name")[:MOST_CALLS])
