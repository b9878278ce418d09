"""The gates for kinds whose hits have a beginning and an end, or whose events are many and of which few are hits.

The same gates in the same order as in `hits`, taken one by one: a kind asks whether a hit may pass, keeps something,
and perhaps much later, when it knows how the call ended, hands it over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final

from sightline import context, native, snapshots
from sightline.errors import BudgetExceeded, ExpressionError
from sightline.hits import DISPATCH_NS, LIMITED_EVERY, ProbeHits, rare

CHECK_NS: Final = 700
"""What it costs to find that an event is no hit, or may not pass; a condition costs twice that."""
_get_ident = native.get_ident
_thread_time_ns = native.thread_time_ns
_monotonic = native.monotonic


class Gate:
    """One probe's gates. Everything here runs in the application's threads."""

    __slots__ = ("_unbooked", "hits")

    def __init__(self, hits: ProbeHits) -> None:
        self.hits = hits
        self._unbooked = 0

    def refuses(self, frame: FrameType, now: float, names: Mapping[str, Any] | None = None) -> str:
        """The ending of a hit that may not pass, or an empty string. Nothing is counted yet."""
        hits = self.hits
        room = hits.room
        if room.busy and _get_ident() in room.busy:
            return "re_entrant"
        if hits.condition is None:
            if now < hits.rate.until:
                return "rate_limited"
            return "over_budget" if room.budget.balance < 0 else ""
        if room.budget.balance < 0:
            return "evaluation_budget"
        self.book()
        scope = hits.scope
        try:  # no variable holds the locals: see snapshots.variables_of
            if not hits.condition.holds(
                names if names is not None else scope(frame) if scope else frame.f_locals
            ):
                return "condition_false"
        except BudgetExceeded:
            return "evaluation_budget"
        except ExpressionError as error:
            hits.last_error = error
            return "condition_error"
        return "rate_limited" if now < hits.rate.until else ""

    def ends(self, ending: str) -> bool:
        """Count a hit that ended so; True where that asks to switch the place off."""
        tally = self.hits.tally
        if ending in ("condition_false", "rate_limited"):
            setattr(tally, ending, getattr(tally, ending) + 1)
        else:
            rare(tally, ending)
        return self.book() or ending in ("over_budget", "evaluation_budget", "hit_limit")

    def admit(self, now: float) -> bool:
        """Take one of the captures this probe may make, and its share of the rate; a hit beyond them is counted."""
        hits = self.hits
        left = hits.left = hits.left - 1
        if left < 0:
            rare(hits.tally, "hit_limit")
            return False
        hits.rate.take(now)
        return True

    def book(self) -> bool:
        """Account for one event that was looked at; True when the process has no budget left."""
        unbooked = self._unbooked = self._unbooked + 1
        if unbooked < LIMITED_EVERY:
            return False
        self._unbooked = 0
        return self.hits.book(LIMITED_EVERY * CHECK_NS)

    def keep(self, copy: Callable[[], Any]) -> tuple[Any, int]:
        """What ``copy`` copies, and what that cost in ns, which is booked."""
        room, ident = self.hits.room, _get_ident()
        began = _thread_time_ns()
        if room.guarded:
            room.busy.add(ident)
            try:
                kept = copy()
            finally:
                room.busy.discard(ident)
        else:
            kept = copy()
        cost = _thread_time_ns() - began + DISPATCH_NS
        self.hits.book(cost)
        return kept, cost

    def offer(self, frame: FrameType, now: float, payload: Any, cost: int) -> None:
        """Hand over what was kept of a hit that happened at ``now``."""
        hits = self.hits
        number = hits.tally.hits() + 1
        record = (hits, number, now, context.current(frame), payload, cost)
        if hits.room.outbox.offer(record, snapshots.weight(payload)):
            hits.tally.captured += 1
        else:
            rare(hits.tally, "queue_full")
