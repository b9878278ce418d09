"""How much a probe and the whole sensor may do: rates, one CPU budget, and the breaker that sheds what costs most."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from . import native

DEFAULT_SHARE = 0.02
"""Of one core, over all threads."""
SAVED_UP_S = 2.0
"""How many seconds' worth of budget may be saved up for a burst."""
DEEPEST_DEBT_S = 5.0
"""How many seconds' worth one dear hit may be in debt at most: it is the breaker's business after that."""
BREAKER_WINDOW_S = 10.0
TOLERANCE = 1.25
"""The breaker opens when the share exceeds the budget by this factor over a whole window: more than a burst does."""


RUNAWAY: Final = 5.0
"""Beyond so many budgets the breaker does not shed one probe a window, but as many as it takes."""


class Rate:
    """Lets ``rate`` hits a second pass, with bursts of one second's worth; 0 lets none pass.

    ``until`` is the moment before which nothing passes: the hot path compares it with the clock and calls nothing, and
    does what `take` does in its own body.
    """

    __slots__ = ("interval", "tolerance", "until")

    def __init__(self, rate: float) -> None:
        self.interval = 1 / rate if rate > 0 else 0.0
        self.tolerance = max(0.0, 1.0 - self.interval)
        self.start_over()

    def start_over(self) -> None:
        """Forget what passed."""
        self.until = 0.0 if self.interval else float("inf")

    def take(self, now: float) -> None:
        """Count one hit that passed at ``now``."""
        until, earliest = self.until, now - self.tolerance
        self.until = (until if until > earliest else earliest) + self.interval


class Budget:
    """The sensor's share of one core. Spent in ns of thread time by whoever works, refilled by the sensor's thread."""

    def __init__(self, share: float = DEFAULT_SHARE) -> None:
        self.share = share
        self.start_over()

    def start_over(self) -> None:
        """Begin with one burst saved up, as a new process does."""
        self.balance = int(self.share * SAVED_UP_S * 1e9)
        """In ns; below zero nothing more is evaluated or captured until it has been refilled."""
        self.total = 0
        self._filled_at = native.monotonic()

    def spend(self, ns: int) -> None:
        """Book work that was done. Called from any thread; a lost update now and then does not matter."""
        self.balance -= ns
        self.total += ns

    def refill(self, now: float) -> None:
        """Add what the time since the last refill earned."""
        earned = int((now - self._filled_at) * self.share * 1e9)
        self._filled_at = now
        highest, lowest = (int(self.share * seconds * 1e9) for seconds in (SAVED_UP_S, -DEEPEST_DEBT_S))
        self.balance = max(lowest, min(highest, self.balance + earned))


class Costly(Protocol):
    """Something the breaker can shed."""

    cost_ns: int
    """Thread time that would not have been spent without it: at its hits, and writing what they kept."""

    def shed(self, sentence: str) -> None:
        """Stop costing anything, until a person clears it."""


class Breaker:
    """Sheds the costliest probe when the budget is exceeded over a whole window and probes are the cause.

    One probe a window, unless the budget is exceeded many times over: on 3.11 a line that is switched off still costs
    at each hit, until its last probe is gone. What the sensor spends whatever is armed (its connection, heartbeats,
    the function record) is on the same budget, but no probe has to go for it: where probes together cost less than
    the excess, shedding them all would not bring the sensor back within its budget.
    """

    def __init__(self, budget: Budget) -> None:
        self.sentence = ""
        """Why something was disarmed; empty while nothing was."""
        self.share = 0.0
        """The share measured over the last whole window."""
        self._budget = budget
        self._since = native.monotonic()
        self._total = budget.total
        self._costs: dict[int, int] = {}

    def check(self, now: float, candidates: Iterable[Costly]) -> None:
        """Close a window if one is over, and shed if it cost too much."""
        elapsed = now - self._since
        if elapsed < BREAKER_WINDOW_S:
            return
        spent = self._budget.total - self._total
        self.share = spent / 1e9 / elapsed
        self._since, self._total = now, self._budget.total
        alive = list(candidates)
        before, self._costs = self._costs, {id(each): each.cost_ns for each in alive}
        if self.share <= self._budget.share * TOLERANCE or not alive:
            return
        lately = [max(0, each.cost_ns - before.get(id(each), 0)) for each in alive]
        excess = spent - self._budget.share * elapsed * 1e9
        if sum(lately) < excess:
            return
        dearest_first = sorted(range(len(alive)), key=lately.__getitem__, reverse=True)
        number = self._how_many(spent, excess, [lately[each] for each in dearest_first])
        shed = dearest_first[:number]
        used = sum(lately[each] for each in shed) / 1e9 / elapsed
        who = "costliest probe, which" if number == 1 else f"{number} costliest probes, which together"
        self.sentence = (
            f"The sensor used {self.share:.1%} of a core over {elapsed:.0f} s; its budget is {self._budget.share:.1%}. "
            f"The {who} used {used:.1%}, {'was' if number == 1 else 'were'} disarmed."
        )
        for each in shed:
            alive[each].shed(self.sentence)

    @staticmethod
    def _how_many(spent: int, excess: float, costs: list[int]) -> int:
        """How many probes have to go at once, of those with these costs, the dearest first."""
        if spent <= RUNAWAY * (spent - excess):
            return 1
        number = 0
        while number < len(costs) and excess > 0 and costs[number] > 0:
            excess -= costs[number]
            number += 1
        return number

    def clear(self) -> None:
        """A person looked at it and lets the shed probes run again."""
        self.sentence = ""
