"""Failing captures beside passing ones: rows of a session turned into what `analysis.differences` compares."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from investigations.accounts.actors import Actor
from investigations.catalog.models import Instance
from investigations.lib.errors import Invalid
from investigations.probes import selectors
from investigations.probes.localisation import Localised, localise
from investigations.probes.models import Capture, Outcome, Probe
from investigations.sessions.models import InvestigationSession

if TYPE_CHECKING:
    from investigations.analysis.differences import Comparison
    from investigations.analysis.features import Observation, Table

MOST_OF_EACH = 500


@dataclass(frozen=True, slots=True)
class Compared:
    """The captures that were compared, failing first, their table in that order, and what differs between them.

    ``lines`` are those the session's path and counter probes point at; None where it has none of these.
    """

    failing: list[Capture]
    passing: list[Capture]
    table: Table
    result: Comparison
    lines: Localised | None = None


def compare_captures(
    by: Actor,
    session: InvestigationSession,
    *,
    failing: Sequence[uuid.UUID] = (),
    passing: Sequence[uuid.UUID] = (),
    probe: Probe | None = None,
    label_paths: Sequence[str] = (),
) -> Compared:
    """Compares captures of one probe: those named, and where none are named the latest of that outcome.

    Without a probe it is that of the captures named, else the one with the most failing captures. ``label_paths`` are
    what the outcome was read from: what is about them restates it, and is told apart. Raises `Invalid` for
    captures of several probes or of another session, `NotFound` for those not to be seen.
    """
    # Only comparing pays for SciPy: it takes longer to import than most pages take to answer.
    from investigations.analysis.differences import compare
    from investigations.analysis.features import tabulate

    named = [_named(by, session, ids) for ids in (failing, passing)]
    chosen = _chosen(_one_probe([*named[0], *named[1]], probe) or _most_failing(by, session))
    sides = [
        rows or ([] if chosen is None else _latest(by, session, chosen, outcome))
        for rows, outcome in zip(named, (Outcome.FAIL, Outcome.PASS), strict=True)
    ]
    table = tabulate(observed([*sides[0], *sides[1]]))
    labels = [at < len(sides[0]) for at in range(table.rows)]
    result = compare(table, labels, label_paths=label_paths)
    return Compared(sides[0], sides[1], table, result, localise(by, session))


def _named(by: Actor, session: InvestigationSession, ids: Iterable[uuid.UUID]) -> list[Capture]:
    rows = [selectors.capture(by, each) for each in dict.fromkeys(ids)]
    if any(row.session_id != session.id for row in rows):
        raise Invalid(
            "captures_of_another_session",
            "These captures belong to another session.",
            fix="Compare captures of one session.",
        )
    return rows


def _one_probe(rows: Iterable[Capture], probe: Probe | None) -> uuid.UUID | None:
    found = {row.probe_id for row in rows} | ({probe.pk} if probe else set())
    if len(found) > 1:
        raise Invalid(
            "captures_of_several_probes",
            "These captures were taken by different probes, so their variables cannot be compared.",
            fix="Name captures of one probe, or only the probe.",
        )
    return next(iter(found), None)


def _most_failing(by: Actor, session: InvestigationSession) -> uuid.UUID | None:
    failing = selectors.captures_before(by, session, outcome=Outcome.FAIL, limit=MOST_OF_EACH)
    counts = Counter(row.probe_id for row in failing)
    return max(counts, key=lambda each: (counts[each], each.bytes), default=None)


def _chosen(probe_id: uuid.UUID | None) -> Probe | None:
    return Probe.objects.filter(pk=probe_id).first() if probe_id else None


def probe_of(by: Actor, session: InvestigationSession, probe: Probe | None) -> Probe | None:
    """That probe, else the one with the most failing captures; None while nothing failed."""
    return probe or _chosen(_most_failing(by, session))


def observed(rows: Sequence[Capture]) -> list[Observation]:
    """What analysis looks at, with the commit and the host of each capture."""
    instances = {row.instance_id for row in rows}
    hosts = dict(Instance.objects.filter(pk__in=instances).values_list("pk", "host"))
    return [_observed(row, hosts) for row in rows]


def _latest(by: Actor, session: InvestigationSession, probe: Probe, outcome: str) -> list[Capture]:
    return selectors.captures_before(by, session, probe=probe, outcome=outcome, limit=MOST_OF_EACH)


def _observed(row: Capture, hosts: dict[uuid.UUID, str]) -> Observation:
    from investigations.analysis.features import observe

    facts = {"commit": row.commit, "host": hosts.get(row.instance_id, "")}
    return observe(selectors.decode(row), {name: value for name, value in facts.items() if value})
