"""Which probe to place next: lines of failing stacks, and probes somebody thought of, by what they should tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from investigations.accounts.actors import Actor
from investigations.catalog.paths import below_root, is_a_librarys, is_absolute
from investigations.evidence import selectors
from investigations.evidence.models import HypothesisState
from investigations.probes import selectors as probes
from investigations.probes.models import Capture, Probe
from investigations.probes.suspect_commits import stacks
from investigations.sessions.models import InvestigationSession

if TYPE_CHECKING:
    from investigations.analysis.next_probe import Advice

WEIGHTS = {
    HypothesisState.PROPOSED: 1.0,
    HypothesisState.TESTING: 1.0,
    HypothesisState.SUPPORTED: 2.0,
    HypothesisState.CONFIRMED: 4.0,
}
"""How much the states speak for a hypothesis; refuted and untestable ones are out."""
MOST = 5


@dataclass(frozen=True, slots=True)
class Thought:
    """A probe somebody thinks of: ``place`` as file:line, and what each hypothesis (H1 …) expects there.

    ``expects`` gives for a hypothesis the probability of each outcome, as ``{"H1": {"str": 0.9, "bool": 0.1}}``.
    """

    place: str
    expects: Mapping[str, Mapping[str, float]]


def next_probes(
    by: Actor,
    session: InvestigationSession,
    *,
    thoughts: Sequence[Thought] = (),
    probe: Probe | None = None,
) -> list[Advice]:
    """Where to look next, best first: expected bits for the waiting and the cost, else the line's suspicion."""
    from investigations.analysis.next_probe import Candidate
    from investigations.analysis.next_probe import next_probes as ranked

    seen = stacks(by, session, probe=probe)
    rate = _rate([*seen.failing, *seen.passing])
    expected = {each.place: each.expects for each in thoughts}
    weights = {
        f"H{row.number}": WEIGHTS[HypothesisState(row.state)]
        for row in selectors.hypotheses(by, session)
        if row.state in WEIGHTS
    }
    candidates = [
        Candidate(
            name=place,
            outcomes=expected.get(place, {}),
            hits_per_s=rate if rate else 1.0,
            suspicion=seen.suspicion.get(place, 0.0),
        )
        for place in sorted({*filter(_is_the_services, seen.suspicion), *expected} - _probed(by, session))
    ]
    return [each for each in ranked(weights, candidates) if each.worth > 0][:MOST]


def _is_the_services(place: str) -> bool:
    """Whether it is code of the service's own: frameworks are in every stack, and seldom what somebody asks about."""
    return not (is_absolute(place) or is_a_librarys(place))


def _probed(by: Actor, session: InvestigationSession) -> set[str]:
    """Places that probes of the session stand on already, as they asked and as they were armed."""
    rows = list(probes.probes_of(by, session))
    armed = {
        f"{below_root(each.instance.roots, str(place.get('file')))}:{place.get('line')}"
        for told in probes.deliveries_of(rows).values()
        for each in told
        for place in each.places
    }
    return {row.place for row in rows} | armed


def _rate(rows: Sequence[Capture]) -> float:
    """Captures a second over the time they span; 0 when that cannot be said."""
    if len(rows) < 2:
        return 0.0
    span = (max(row.at for row in rows) - min(row.at for row in rows)).total_seconds()
    return len(rows) / span if span > 0 else 0.0
