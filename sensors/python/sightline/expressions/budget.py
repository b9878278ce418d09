"""How much one evaluation may do: steps and time, looked at inside every loop."""

from __future__ import annotations

import time
from typing import Final

from sightline.errors import BudgetExceeded

DEFAULT_STEPS: Final = 20_000
DEFAULT_SECONDS: Final = 0.010
_LOOK_EVERY = 128


class Budget:
    """Steps left, and a deadline that starts with the first step charged; making one costs next to nothing."""

    __slots__ = ("_deadline", "_look_at", "_seconds", "steps")

    def __init__(self, steps: int = DEFAULT_STEPS, seconds: float = DEFAULT_SECONDS) -> None:
        self.steps = steps
        self._seconds = seconds
        self._deadline = 0.0
        self._look_at = steps

    def charge(self, steps: int = 1) -> None:
        """Take ``steps``; raises `BudgetExceeded` when none are left or the time is up."""
        left = self.steps = self.steps - steps
        if left < self._look_at:
            self._look(left)

    def _look(self, left: int) -> None:
        if left < 0:
            raise BudgetExceeded
        now = time.perf_counter()
        if not self._deadline:
            self._deadline = now + self._seconds
        elif now > self._deadline:
            raise BudgetExceeded
        self._look_at = max(left - _LOOK_EVERY, 0)
