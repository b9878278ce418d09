"""What always held in passing captures of a probe, which later captures break it, and what a version changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from investigations.accounts.actors import Actor
from investigations.probes import comparing, selectors
from investigations.probes.models import Capture, Outcome, Probe
from investigations.sessions.models import InvestigationSession

if TYPE_CHECKING:
    from investigations.analysis.invariants import Drift, Invariant, Violation

LATEST = 500


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that does not hold, with the captures that break it."""

    violation: Violation
    captures: list[Capture]


@dataclass(frozen=True, slots=True)
class Held:
    """Learned from ``passing`` captures of a probe, looked for in ``checked`` others: failing or not labelled.

    ``drifts`` compare the passing captures of one commit with those of the next.
    """

    probe: Probe | None
    passing: int
    checked: int
    invariants: list[Invariant]
    broken: list[Broken]
    drifts: list[Drift]
    sentence: str


def learn_invariants(
    by: Actor,
    session: InvestigationSession,
    *,
    probe: Probe | None = None,
    since: datetime | None = None,
) -> Held:
    """What held in the latest passing captures of a probe (the one that fails most, when none is named).

    With ``since``, others are looked at only from then on.
    """
    # Only learning pays for NumPy: see comparing.
    from investigations.analysis.features import tabulate
    from investigations.analysis.invariants import drift, learn, violations

    chosen = comparing.probe_of(by, session, probe)
    if chosen is None:
        return Held(
            None, 0, 0, [], [], [], "No probe here has captured a failure: name one, or label executions."
        )
    passing, failing, unknown = (
        selectors.captures_before(by, session, probe=chosen, outcome=outcome, limit=LATEST)
        for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN)
    )
    others = [row for row in (*failing, *unknown) if since is None or row.at >= since]
    learned = learn(tabulate(comparing.observed(passing))) if passing else []
    found = violations(learned, tabulate(comparing.observed(others))) if learned and others else []
    broken = [Broken(each, [others[row] for row in each.rows]) for each in found]
    drifts = drift([(commit, tabulate(comparing.observed(rows))) for commit, rows in _by_commit(passing)])
    return Held(
        chosen,
        len(passing),
        len(others),
        learned,
        broken,
        drifts,
        _sentence(learned, broken, passing, others),
    )


def _by_commit(rows: Iterable[Capture]) -> list[tuple[str, list[Capture]]]:
    """Captures of each commit, in the order in which the commits first ran."""
    told = sorted((row for row in rows if row.commit), key=lambda row: row.at)
    order = {commit: at for at, commit in reversed(list(enumerate(row.commit for row in told)))}
    told.sort(key=lambda row: order[row.commit])
    return [(commit, list(each)) for commit, each in groupby(told, key=lambda row: row.commit)]


def _sentence(
    learned: Sequence[Invariant],
    broken: Sequence[Broken],
    passing: Sequence[Capture],
    others: Sequence[Capture],
) -> str:
    if not learned:
        return f"{len(passing)} passing captures are too few to say what always holds."
    if broken:
        return broken[0].violation.sentence
    return (
        f"All {len(learned)} invariants of {len(passing)} passing captures hold in the other {len(others)}"
        " captures."
    )
