"""The form of a figure: one JSON line, with the baseline of the same run and the goal it is held against."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def figure(
    name: str,
    value: float,
    unit: str,
    *,
    goal: float | None,
    baseline: float | None = None,
    peers: Mapping[str, float] | None = None,
    larger_is_better: bool = False,
    tolerance: float = 0.0,
    **more: Any,
) -> dict[str, Any]:
    """One figure. ``tolerance`` is the noise within which a goal counts as met, in the figure's own unit."""
    met = None
    if goal is not None:
        met = value >= goal - tolerance if larger_is_better else value <= goal + tolerance
    return {
        "figure": name,
        **more,
        "value": round(value, 4),
        "unit": unit,
        "baseline": None if baseline is None else round(baseline, 4),
        "peers": dict(peers or {}),
        "goal": goal,
        "met": met,
    }


def show(line: Mapping[str, Any]) -> None:
    """Print a figure as one JSON line."""
    json.dump(line, sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")
    sys.stdout.flush()
