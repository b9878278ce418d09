"""Which probe to place next: the one expected to tell most between the standing hypotheses, for what it
costs.

Expected information is the mutual information (bits) of hypothesis and outcome (MacKay 2003, ch. 8); cost is
time spent waiting for hits and microseconds spent in the service.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WAIT_SCALE_S = 60.0
"""Waiting this long halves a probe's worth."""
SERVICE_US_SCALE = 1_000_000.0
"""So does spending a second of the service's time."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A probe one could place.

    ``outcomes`` gives for each hypothesis the probability of each outcome, as ``{"H1": {"str": 0.9, "bool":
    0.1}}``; a hypothesis it does not name expects nothing in particular. ``hits_per_s`` and ``hits_wanted``
    give the wait.
    """

    name: str
    outcomes: Mapping[str, Mapping[str, float]]
    hits_per_s: float
    hits_wanted: int = 3
    cost_us: float = 20.0
    suspicion: float = 0.0
    """Of the line, 0 to 1, for when there are no hypotheses to split."""


@dataclass(frozen=True, slots=True)
class Advice:
    """``bits`` are expected; ``wait_s`` is infinite where the line is never reached.

    ``n`` hypotheses stand, and ``coverage`` of them say what they expect there.
    """

    name: str
    worth: float
    bits: float
    wait_s: float
    splits: tuple[str, ...]
    sentence: str
    n: int
    coverage: float


def next_probes(hypotheses: Mapping[str, float], candidates: Sequence[Candidate]) -> list[Advice]:
    """Candidates by expected bits per cost, best first; by suspicion per cost while hypotheses cannot be split.

    ``hypotheses`` are weights of those not yet refuted, in any unit.
    """
    weights = _normalised(hypotheses)
    advice = [_advice(weights, each) for each in candidates]
    return sorted(advice, key=lambda each: (-round(each.worth, 12), each.name))


def expected_bits(weights: Mapping[str, float], outcomes: Mapping[str, Mapping[str, float]]) -> float:
    """Mutual information of hypothesis and outcome; ``weights`` sum to one."""
    names = sorted({outcome for told in outcomes.values() for outcome in told})
    if not names:
        return 0.0
    rows = {name: _spread(outcomes.get(name), names) for name in weights}
    mixed = [sum(weights[name] * row[at] for name, row in rows.items()) for at in range(len(names))]
    inside = sum(weights[name] * _entropy(row) for name, row in rows.items())
    return max(0.0, _entropy(mixed) - inside)


def _advice(weights: Mapping[str, float], candidate: Candidate) -> Advice:
    bits = expected_bits(weights, candidate.outcomes) if len(weights) > 1 else 0.0
    wait = candidate.hits_wanted / candidate.hits_per_s if candidate.hits_per_s > 0 else math.inf
    cost = 1 + wait / WAIT_SCALE_S + candidate.hits_wanted * candidate.cost_us / SERVICE_US_SCALE
    gain = bits if bits > 0 else 0.01 * candidate.suspicion
    splits = tuple(sorted(name for name in candidate.outcomes if name in weights))
    sentence = _sentence(candidate, bits, wait, splits)
    coverage = len(splits) / len(weights) if weights else 0.0
    return Advice(candidate.name, gain / cost, bits, wait, splits, sentence, len(weights), coverage)


def _sentence(candidate: Candidate, bits: float, wait: float, splits: Sequence[str]) -> str:
    if math.isinf(wait):
        return f"{candidate.name} is not reached: nothing to expect there."
    time = f"about {wait:.0f} s" if wait >= 1 else "at once"
    if bits > 0:
        return f"{candidate.name} should tell {' from '.join(splits)}: {bits:.2f} bits expected, {time}."
    return (
        f"{candidate.name} splits no hypotheses; the line's suspicion is {candidate.suspicion:.2f}, {time}."
    )


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return (
        {name: weight / total for name, weight in sorted(weights.items()) if weight > 0} if total > 0 else {}
    )


def _spread(told: Mapping[str, float] | None, names: Sequence[str]) -> list[float]:
    total = sum((told or {}).values())
    return (
        [(told or {}).get(name, 0.0) / total for name in names]
        if total > 0
        else [1 / len(names)] * len(names)
    )


def _entropy(shares: Sequence[float]) -> float:
    return -sum(share * math.log2(share) for share in shares if share > 0)
