"""Alerts that flap: with hysteresis, so that they do not flap between flapping and not."""

from __future__ import annotations

from collections.abc import Iterable

FLAP_WINDOW_S = 30 * 60.0
FLAP_TRANSITIONS = 4
"""Transitions within the window that make an alert flapping."""
CALM_TRANSITIONS = 1
"""Transitions within the window at which a flapping alert has settled."""


def is_flapping(transitions: Iterable[float], now: float, *, was_flapping: bool = False) -> bool:
    """Whether an alert flaps, by the times (seconds) of its changes between firing and not."""
    recent = sum(now - FLAP_WINDOW_S < each <= now for each in transitions)
    return recent > CALM_TRANSITIONS if was_flapping else recent >= FLAP_TRANSITIONS
