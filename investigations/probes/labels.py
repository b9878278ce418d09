"""How executions turned out: said by a sensor, a program or a person, and open to a later, better word."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from django.db import connection, transaction
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import Environment
from investigations.catalog.models import Instance
from investigations.lib.errors import Invalid
from investigations.lib.ids import show
from investigations.live import publish, topics
from investigations.probes.models import ExecutionLabel, Outcome
from sightline import wire

MOST_AT_ONCE = 1000
HINT_FOR = timedelta(hours=6)
"""Labels of executions captured longer ago change pages when these are loaded, but wake nobody."""


class SaidOutcome(Protocol):
    """One word on one execution: by its trace id, which joins all services it went through, or by its own id."""

    @property
    def outcome(self) -> str: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def execution_id(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Said:
    """The plain form of `SaidOutcome`. ``at``: when it was known, None for now; ``source``: what system said so."""

    outcome: str
    execution_id: str = ""
    trace_id: str = ""
    reason: str = ""
    source: str = ""
    at: datetime | None = None


def label_executions(*, by: Actor, environment: Environment, outcomes: Sequence[SaidOutcome]) -> int:
    """Say how executions turned out; answers how many labels are new or changed. The latest word on each counts.

    Raises `Invalid` (outcome_unknown, execution_missing, outcomes_too_many), and then labels nothing.
    """
    permissions.require(by, "label_executions", environment)
    if len(outcomes) > MOST_AT_ONCE:
        raise Invalid("outcomes_too_many", f"At most {MOST_AT_ONCE} at once.", fix="Send them in parts.")
    labels = [_label(said, environment.id, by.attribution) for said in outcomes]
    return _write(environment.id, labels)


def record_outcomes(instance: Instance, outcomes: Sequence[wire.Outcome]) -> int:
    """The same, as an instance's sensor tells it. What makes no sense is passed over: a sensor cannot be asked back."""
    labels = []
    for told in outcomes:
        said = Said(told.outcome, told.execution_id[:128], reason=told.reason, at=_instant(told.at))
        try:
            labels.append(_label(said, instance.environment_id, f"{SYSTEM.label} in {instance.service.name}"))
        except Invalid:
            continue
    return _write(instance.environment_id, labels)


def outcome_of(environment: Environment | uuid.UUID, execution_ids: Iterable[str]) -> dict[str, str]:
    """How these executions turned out, for those of which it is known; an execution shares its trace's label."""
    environment_id = environment.id if isinstance(environment, Environment) else environment
    wanted = {id for id in execution_ids if id}
    found = _said(environment_id, wanted)
    missing = wanted - found.keys()
    traces = _traces_of(environment_id, missing) if missing else {}
    by_trace = _said(environment_id, set(traces.values())) if traces else {}
    return found | {id: by_trace[trace] for id, trace in traces.items() if trace in by_trace}


def labels_of(environment: Environment, execution_id: str) -> list[ExecutionLabel]:
    """Every word on one execution, the one that counts first, then the latest first."""
    labels = ExecutionLabel.objects.filter(environment=environment, execution_id=execution_id)
    return list(labels.order_by("-current", "-at", "-id"))


def _label(said: SaidOutcome, environment_id: uuid.UUID, said_by: str) -> ExecutionLabel:
    if said.outcome not in Outcome.values:
        raise Invalid(
            "outcome_unknown",
            f"{said.outcome[:30]!r} is no outcome.",
            fix="Use one of these.",
            outcomes=Outcome.values,
        )
    id = (said.trace_id or said.execution_id).strip()
    if not id or len(id) > 128 or "\x00" in id:
        raise Invalid(
            "execution_missing", "Say which execution: its trace id or its own id.", fix="Give one of them."
        )
    return ExecutionLabel(
        environment_id=environment_id,
        execution_id=id,
        outcome=said.outcome,
        reason=said.reason[:1000].replace("\x00", ""),
        said_by=(f"{said.source} by {said_by}" if said.source else said_by)[:200],
        at=said.at or timezone.now(),
    )


@transaction.atomic
def _write(environment_id: uuid.UUID, labels: list[ExecutionLabel]) -> int:
    """Add what is new; the latest by its own time becomes current. One writer at a time in an environment."""
    if not labels:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"labels of {environment_id}"]
        )
    ids = {label.execution_id for label in labels}
    rows = ExecutionLabel.objects.filter(environment=environment_id, execution_id__in=ids, current=True)
    current = {row.execution_id: row for row in rows}
    stored = set(current.values())
    new = []
    for label in sorted(labels, key=lambda label: label.at):
        before = current.get(label.execution_id)
        if before is not None and _same(before, label):
            continue
        label.current = before is None or before.at <= label.at
        if label.current:
            if before is not None:
                before.current = False
            current[label.execution_id] = label
        new.append(label)
    ExecutionLabel.objects.filter(pk__in=[row.pk for row in stored if not row.current]).update(current=False)
    ExecutionLabel.objects.bulk_create(new)
    _hint(environment_id, {label.execution_id for label in new})
    return len(new)


def _same(one: ExecutionLabel, other: ExecutionLabel) -> bool:
    return (one.outcome, one.reason, one.said_by) == (other.outcome, other.reason, other.said_by)


def _hint(environment_id: uuid.UUID, execution_ids: set[str]) -> None:
    """Wake the sessions that show captures of these executions."""
    if not execution_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT session_id FROM probes_capture"
            " WHERE execution_id = ANY(%s) AND execution_id <> '' AND environment_id = %s AND id >= %s",
            [list(execution_ids), environment_id, _first_id(timezone.now() - HINT_FOR)],
        )
        sessions = [row[0] for row in cursor.fetchall()]
    for id in sessions:
        publish.after_commit(topics.session_topic(id), {"what": "outcomes", "id": show("ses", id)})


def _said(environment_id: uuid.UUID, ids: set[str]) -> dict[str, str]:
    labels = ExecutionLabel.objects.filter(environment=environment_id, execution_id__in=ids, current=True)
    return dict(labels.values_list("execution_id", "outcome"))


def _traces_of(environment_id: uuid.UUID, execution_ids: set[str]) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT execution_id, trace_id FROM probes_capture WHERE execution_id = ANY(%s)"
            " AND execution_id <> '' AND environment_id = %s AND trace_id <> '' AND trace_id <> execution_id",
            [list(execution_ids), environment_id],
        )
        return dict(cursor.fetchall())


def _first_id(at: datetime) -> uuid.UUID:
    """The smallest UUIDv7 of an instant, so that older partitions are not looked into."""
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80)


def _instant(nanoseconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        return None
