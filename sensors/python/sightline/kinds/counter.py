"""The counter: how often a line is reached, or how often a condition holds there."""

from __future__ import annotations

from typing import Any

from sightline import hits
from sightline.engines.base import Fire
from sightline.kinds.base import LineKind


class Counter(LineKind):
    """Keeps nothing of a hit but its number."""

    captures = False

    def fire(self) -> Fire:
        return hits.counting(self.hits)

    def figures(self) -> dict[str, Any]:
        return {"count": self.hits.tally.captured}
