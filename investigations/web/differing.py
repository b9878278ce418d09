"""What tells failing from passing captures, as the compare page draws it: findings, and what they look like."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from investigations.analysis.differences import LEVEL
from investigations.probes.comparing import Compared
from investigations.web import plots, strips
from investigations.web.wording import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from investigations.analysis.differences import Difference
    from investigations.analysis.localisation import Suspect
    from investigations.analysis.next_probe import Advice
    from investigations.analysis.significance import Interval
    from investigations.probes.invariants import Broken
    from investigations.probes.localisation import Localised

MOST_LINES = 6
MOST_BROKEN = 8
MOST_TIMES = 1000
"""A risk ratio so large, or as small, reaches the end of the drawn scale."""


def panel(compared: Compared, address: str = "", query: str = "") -> dict[str, Any]:
    """The sentence, the differences in their order, doubtful ones last, and strips of the paths that differ most.

    ``address`` is the page's, with the ``query`` it was asked with: the strips' files lie below it.
    """
    found = compared.result
    rows = [*found.differences, *found.doubtful]
    return {
        "sentence": found.sentence,
        "needed": "" if found.needed.failing == 0 else found.needed.sentence,
        "restating": [each.sentence for each in found.restating],
        "failing": found.failing,
        "passing": found.passing,
        "differences": [_difference(each, rank, found.level) for rank, each in enumerate(rows, start=1)],
        "lines": compared.lines and _lines(compared.lines),
        "strips": strips.drawn(compared, address, query),
    }


def broken(found: Sequence[Broken]) -> list[dict[str, Any]]:
    """The invariants that do not hold, each with how often it was broken."""
    violations = [each.violation for each in found[:MOST_BROKEN]]
    return [
        {
            "rank": rank,
            "about": ", ".join(each.invariant.paths),
            "figures": f"{each.broken} of {each.known} · q {each.q:.2g}",
            "words": each.sentence,
            "weak": each.q >= LEVEL,
        }
        for rank, each in enumerate(violations, start=1)
    ]


def advice(found: Sequence[Advice]) -> list[dict[str, Any]]:
    """Where to probe next, each with what is expected to be learned there."""
    return [
        {
            "rank": rank,
            "about": each.name,
            "figures": f"{each.bits:.2f} bits" if each.bits else "",
            "words": each.sentence,
        }
        for rank, each in enumerate(found, start=1)
    ]


def _lines(found: Localised) -> dict[str, Any]:
    """The foremost lines and branches, and those that account for different failures where there are several faults."""
    several = [each.sentence for each in found.explained] if len(found.explained) > 1 else []
    return {
        "sentence": found.sentence,
        "suspects": [_suspect(each) for each in found.suspects[:MOST_LINES]],
        "failing": found.failing,
        "passing": found.passing,
        "several": several,
    }


def _suspect(each: Suspect) -> dict[str, Any]:
    return {
        "rank": each.rank,
        "about": each.element,
        "words": each.sentence,
        "weak": each.q >= LEVEL,
        **_drawn(each.effect, each.q),
    }


def _difference(each: Difference, rank: int, level: float) -> dict[str, Any]:
    return {
        "rank": rank,
        "about": each.predicate,
        "url": f"#strip-{each.paths[0]}",
        "words": each.sentence,
        "weak": each.q >= level,
        **_drawn(each.effect, each.q),
    }


def _drawn(effect: Interval, q: float) -> dict[str, Any]:
    """An effect as text, and on a line from -1 to 1: a ratio by its logarithm, all else as it is."""
    is_ratio = effect.name == "risk_ratio"
    ends = (effect.estimate, effect.low, effect.high)
    estimate, low, high = (number(round(value, 2)) for value in ends)
    return {
        "figures": f"{'×' if is_ratio else 'δ '}{estimate} · q {q:.2g}",
        "place": plots.effect(*(_on_scale(value) if is_ratio else value for value in ends)),
        "estimate": estimate,
        "low": low,
        "high": high,
    }


def _on_scale(ratio: float) -> float:
    """A risk ratio on a line from -1 to 1, by its logarithm."""
    return math.log(min(max(ratio, 1 / MOST_TIMES), MOST_TIMES), MOST_TIMES)
