"""From readings to rows: alerts, their episodes, and the incidents these fall into.

One ingest runs at a time in an environment, and takes the same number of queries however many alerts it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet

from investigations.accounts.models import Environment
from investigations.alerts import grouping, labels, lifecycle
from investigations.alerts.backends.base import Reading
from investigations.alerts.models import Alert, AlertSource, Episode, Incident, Sighting
from investigations.alerts.promql import take_apart
from investigations.catalog.models import Service
from investigations.lib.ids import show, uuid7
from investigations.lib.text import one_line, storable, storable_text
from investigations.live import publish, topics

BURNING = ("firing", "suppressed")
LOST_AFTER_PULLS = 3
LOST_AFTER_AT_LEAST = timedelta(seconds=60)
REPEATED_WITHIN = timedelta(hours=5)
"""How long a webhook that nobody can pull behind is believed: Alertmanager repeats itself every four hours. A
source's option ``repeats_in_s`` says otherwise."""
_OPEN_STATES = ("firing", "suppressed", "flapping", "stale")


@dataclass(slots=True)
class Ingested:
    """What one ingest changed."""

    readings: int = 0
    new: list[Episode] = field(default_factory=list)
    resolved: list[Episode] = field(default_factory=list)
    opened: list[Incident] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.new or self.resolved)


@dataclass(slots=True)
class _Watched:
    """One alert's rows while they are worked on."""

    alert: Alert
    sightings: dict[object, Sighting]
    episode: Episode | None
    is_new: bool = False


@transaction.atomic
def ingest(
    *,
    source: AlertSource,
    readings: Sequence[Reading],
    complete: bool,
    at: datetime,
    unsure: frozenset[str] = frozenset(),
) -> Ingested:
    """Take in what a source told at ``at`` (when it was asked, or when it posted).

    ``complete``: the readings are all that burns there, so whatever this source told of before and is not among
    them is over, unless its name is in ``unsure``.
    """
    environment = lock(source.environment)
    told = _strongest(readings, source.options.get("external_labels", ()))
    rows = Alert.objects.filter(environment=environment)
    wanted = Q(fingerprint__in=told)
    if complete:
        wanted |= Q(sightings__source=source, sightings__state__in=BURNING)
    watched = {row.alert.fingerprint: row for row in _load(rows.filter(wanted))}
    known = set(Service.objects.filter(environment=environment).values_list("name", flat=True))
    for fingerprint, reading in told.items():
        row = watched.get(fingerprint)
        if row is None:
            if reading.state not in BURNING:
                continue  # the end of what we never saw
            row = watched[fingerprint] = _first_sight(environment, fingerprint, reading, at)
        _hear(row, source, reading, at, known)
    if complete:
        _miss(watched.values(), told, source, at, unsure)
    result = _settle(environment, list(watched.values()), at)
    result.readings = len(readings)
    return result


@transaction.atomic
def sweep(*, environment: Environment, at: datetime) -> Ingested:
    """Look again at every open alert: sources may have fallen silent, and flapping ones may have settled."""
    environment = lock(environment)
    rows = Alert.objects.filter(environment=environment, state__in=_OPEN_STATES)
    return _settle(environment, _load(rows), at)


def lock(environment: Environment) -> Environment:
    """Let one ingest, grouping or numbering at a time touch the environment's alerts and incidents."""
    return Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)


def is_lost(source: AlertSource, sighting: Sighting, at: datetime) -> bool:
    """Whether the source no longer answers, so that its last word may be out of date."""
    if not source.enabled:
        return True
    if not source.url:
        believed = timedelta(
            seconds=float(source.options.get("repeats_in_s", REPEATED_WITHIN.total_seconds()))
        )
        return at - sighting.said_at > believed
    heard_at = max(sighting.said_at, source.last_ok_at or sighting.said_at)
    return at - heard_at > max(LOST_AFTER_PULLS * timedelta(seconds=source.every_s), LOST_AFTER_AT_LEAST)


# ---------------------------------------------------------------- reading


def _strongest(readings: Iterable[Reading], external: Iterable[str]) -> dict[str, Reading]:
    """One reading per alert: replicas of a condition burn while any of them does."""
    order = {"resolved": 0, "firing": 1, "suppressed": 2}
    strongest: dict[str, Reading] = {}
    for reading in readings:
        key = labels.fingerprint(reading.labels, tuple(external))
        if key not in strongest or order[reading.state] > order[strongest[key].state]:
            strongest[key] = reading
    return strongest


def _load(rows: QuerySet[Alert]) -> list[_Watched]:
    still_open = Prefetch("episodes", Episode.objects.filter(ended_at=None), to_attr="open_episodes")
    with_source = Prefetch("sightings", Sighting.objects.select_related("source"))
    found = rows.distinct().prefetch_related(with_source, still_open)
    return [
        _Watched(
            alert,
            {sighting.source_id: sighting for sighting in alert.sightings.all()},
            next(iter(alert.open_episodes), None),
        )
        for alert in found
    ]


def _first_sight(environment: Environment, fingerprint: str, reading: Reading, at: datetime) -> _Watched:
    began = min(reading.starts_at, at)
    alert = Alert(
        id=uuid7(),
        environment=environment,
        fingerprint=fingerprint,
        first_seen_at=at,
        last_seen_at=at,
        state=reading.state,
        state_since=began,
    )
    return _Watched(alert, {}, None, is_new=True)


def _hear(row: _Watched, source: AlertSource, reading: Reading, at: datetime, known: set[str]) -> None:
    """Keep what the source says now, unless it is old news that arrives late."""
    before = row.sightings.get(source.id)
    if before is not None and _is_old_news(before, reading, at):
        return
    row.sightings[source.id] = Sighting(
        id=before.id if before else uuid7(),
        alert=row.alert,
        source=source,
        state=reading.state,
        said_at=at,
        starts_at=reading.starts_at,
        ends_at=reading.ends_at,
    )
    if reading.state in BURNING:
        _describe(row.alert, source, reading, at, known)


def _is_old_news(before: Sighting, reading: Reading, at: datetime) -> bool:
    """Webhooks are repeated and overtake each other: what tells of an earlier stretch than we know of is no news."""
    if before.said_at > at:
        return True
    if reading.state == "resolved" and before.state in BURNING:
        return reading.ends_at is not None and reading.ends_at < before.starts_at
    if reading.state in BURNING and before.state == "resolved" and not before.absent:
        return before.ends_at is not None and reading.starts_at < before.ends_at
    return False


def _describe(alert: Alert, source: AlertSource, reading: Reading, at: datetime, known: set[str]) -> None:
    """Bring the alert's own columns up to what was read; what this source does not tell stays."""
    candidates = labels.service_names(storable(dict(reading.labels)))
    alert.name = one_line(reading.name, 300)
    alert.labels = {**alert.labels, **storable(dict(reading.labels))}  # they differ at most in who told of it
    alert.annotations = storable(dict(reading.annotations))
    alert.summary = labels.summary(alert.annotations)
    alert.severity = labels.severity(reading.labels)
    alert.service_name = next((name for name in candidates if name in known), next(iter(candidates), ""))[
        :255
    ]
    alert.value = reading.value if reading.value is not None else alert.value
    alert.link = storable_text(reading.link or alert.link)[:1000]
    alert.last_seen_at = max(alert.last_seen_at, at)
    if reading.expression:
        alert.expression = storable_text(reading.expression)
        alert.threshold = take_apart(reading.expression).threshold
    if alert.source_id is None:
        alert.source = source


def _miss(
    rows: Iterable[_Watched],
    told: Mapping[str, Reading],
    source: AlertSource,
    at: datetime,
    unsure: frozenset[str],
) -> None:
    """A whole pull without the alert: this source has resolved it, though nobody said so."""
    for row in rows:
        sighting = row.sightings.get(source.id)
        if sighting is None or sighting.state not in BURNING or row.alert.fingerprint in told:
            continue
        if row.alert.name in unsure or sighting.said_at > at:
            continue
        sighting.state, sighting.said_at, sighting.ends_at, sighting.absent = "resolved", at, None, True


# ---------------------------------------------------------------- settling


def _settle(environment: Environment, rows: list[_Watched], at: datetime) -> Ingested:
    """Let each alert's life go on, write what changed, and group what began."""
    result = Ingested()
    ended: list[Episode] = []
    seen: list[Episode] = []
    for row in list(rows):
        step = _step(row, at)
        if step is None:  # never seen before, and told of by a source that is not to be believed
            rows.remove(row)
            continue
        _take_on(row.alert, step.condition)
        if step.ended is not None and row.episode is not None:
            row.episode.ended_at, row.episode.end_reason = step.ended.at, step.ended.reason
            ended.append(row.episode)
        elif step.began is not None:
            result.new.append(
                Episode(
                    id=uuid7(), alert=row.alert, started_at=step.began, last_seen_at=row.alert.last_seen_at
                )
            )
        elif row.episode is not None and row.episode.last_seen_at != row.alert.last_seen_at:
            row.episode.last_seen_at = row.alert.last_seen_at
            seen.append(row.episode)
    _save(rows, result.new, [*ended, *seen])
    result.resolved = ended
    result.opened = grouping.place(environment, result.new)
    grouping.resolve_quiet(ended, at)
    if result.changed:
        _tell(environment, result)
    return result


def _step(row: _Watched, at: datetime) -> lifecycle.Step | None:
    verdict = lifecycle.weigh(_word(sighting, at) for sighting in row.sightings.values())
    if row.is_new:
        return lifecycle.begin(verdict, at)
    return lifecycle.advance(_condition(row), verdict, at)


def _word(sighting: Sighting, at: datetime) -> lifecycle.Word:
    return lifecycle.Word(
        state=cast("lifecycle.Told", sighting.state),
        at=sighting.said_at,
        starts_at=sighting.starts_at,
        ends_at=sighting.ends_at,
        absent=sighting.absent,
        lost=is_lost(sighting.source, sighting, at),
    )


def _condition(row: _Watched) -> lifecycle.Condition:
    turns = [lifecycle.Turn(datetime.fromisoformat(at), burning) for at, burning in row.alert.transitions]
    return lifecycle.Condition(
        state=cast("lifecycle.State", row.alert.state),
        since=row.alert.state_since,
        turns=tuple(turns),
        begun=row.episode.started_at if row.episode else None,
    )


def _take_on(alert: Alert, condition: lifecycle.Condition) -> None:
    alert.state, alert.state_since = condition.state, condition.since
    alert.transitions = [[turn.at.isoformat(), turn.burning] for turn in condition.turns]


_ALERT_COLUMNS = (
    "name", "summary", "severity", "state", "state_since", "labels", "annotations", "service_name", "source",
    "expression", "threshold", "value", "link", "last_seen_at", "transitions",
)  # fmt: skip


def _save(rows: list[_Watched], new: list[Episode], changed: list[Episode]) -> None:
    Alert.objects.bulk_create(row.alert for row in rows if row.is_new)
    Alert.objects.bulk_update([row.alert for row in rows if not row.is_new], _ALERT_COLUMNS)
    Sighting.objects.bulk_create(
        [sighting for row in rows for sighting in row.sightings.values()],
        update_conflicts=True,
        unique_fields=["alert", "source"],
        update_fields=["state", "said_at", "starts_at", "ends_at", "absent"],
    )
    Episode.objects.bulk_update(changed, ["ended_at", "end_reason", "last_seen_at"])
    Episode.objects.bulk_create(new)


def _tell(environment: Environment, result: Ingested) -> None:
    hint: publish.Hint = {"what": "alerts", "new": len(result.new), "resolved": len(result.resolved)}
    publish.after_commit(topics.environment_topic(environment.id), hint)
    for incident in result.opened:
        publish.after_commit(
            topics.environment_topic(environment.id), {"what": "incident", "id": show("inc", incident.id)}
        )
