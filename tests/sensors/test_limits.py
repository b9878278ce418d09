"""Rates, the one budget, and the breaker; time is what the test says it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.limits import (
    BREAKER_WINDOW_S,
    DEEPEST_DEBT_S,
    RUNAWAY,
    SAVED_UP_S,
    TOLERANCE,
    Breaker,
    Budget,
    Rate,
)

ALLOWED = int(0.02 * BREAKER_WINDOW_S * 1e9)
"""What a budget of 2 % allows over one window, in ns."""


def passing(rate: Rate, moments: list[float]) -> int:
    passed = 0
    for now in moments:
        if now >= rate.until:
            rate.take(now)
            passed += 1
    return passed


def test_a_burst_of_one_seconds_worth_passes_and_then_the_rate():
    rate = Rate(10)
    assert passing(rate, [100.0] * 50) == 10
    assert passing(rate, [100 + step / 100 for step in range(1, 201)]) == 20


def test_a_slow_rate_lets_one_pass_at_a_time():
    rate = Rate(0.1)
    assert passing(rate, [float(second) for second in range(0, 100)]) == 10


def test_a_rate_of_nothing_lets_nothing_pass():
    assert passing(Rate(0), [1.0, 1e9]) == 0


def test_the_rate_holds_over_any_long_stretch():
    rate = Rate(3)
    assert passing(rate, [step / 1000 for step in range(60_000)]) == pytest.approx(180, abs=3)


class TestBudget:
    def test_work_is_booked_and_time_refills_it(self):
        budget = Budget(0.02)
        start = budget._filled_at
        budget.spend(60_000_000)
        assert budget.balance == -20_000_000
        budget.refill(start + 1)
        assert budget.balance == 0
        assert budget.total == 60_000_000

    def test_idle_time_saves_up_one_burst_and_no_more(self):
        budget = Budget(0.02)
        budget.refill(budget._filled_at + 3600)
        assert budget.balance == int(0.02 * SAVED_UP_S * 1e9)

    def test_one_dear_hit_does_not_silence_the_sensor_for_ever(self):
        budget = Budget(0.02)
        budget.spend(10**12)
        budget.refill(budget._filled_at)
        assert budget.balance == -int(0.02 * DEEPEST_DEBT_S * 1e9)


class Shed:
    def __init__(self, cost_ns: int = 0) -> None:
        self.cost_ns = cost_ns
        self.why = ""

    def shed(self, sentence: str) -> None:
        self.why = sentence


class TestBreaker:
    def test_it_stays_closed_within_the_budget_and_a_burst(self):
        budget = Budget(0.02)
        breaker = Breaker(budget)
        probe = Shed(10**9)
        budget.spend(int((SAVED_UP_S + BREAKER_WINDOW_S) * 0.02 * 1e9))
        breaker.check(breaker._since + BREAKER_WINDOW_S, [probe])
        assert (breaker.sentence, probe.why) == ("", "")
        assert breaker.share == pytest.approx(0.024)

    def test_it_sheds_what_cost_most_lately_and_one_at_a_time(self):
        budget = Budget(0.02)
        breaker = Breaker(budget)
        start = breaker._since
        once_dear, cheap, dear = Shed(10**9), Shed(), Shed()
        breaker.check(start + BREAKER_WINDOW_S, [once_dear, cheap, dear])
        for _ in range(2):
            budget.spend(10**9)
            cheap.cost_ns += 100
            dear.cost_ns += 10**9
        breaker.check(start + 2 * BREAKER_WINDOW_S, [once_dear, cheap, dear])
        assert (once_dear.why, cheap.why) == ("", "")
        assert "its budget is 2.0%" in dear.why
        assert breaker.sentence == dear.why

    def test_it_stays_open_until_it_is_cleared(self):
        budget = Budget(0.02)
        breaker = Breaker(budget)
        start = breaker._since
        budget.spend(10**10)
        breaker.check(start + BREAKER_WINDOW_S, [Shed(10**10)])
        breaker.check(start + 5 * BREAKER_WINDOW_S, [Shed()])
        assert breaker.sentence
        breaker.clear()
        assert not breaker.sentence

    def test_what_the_sensor_costs_by_itself_sheds_no_probe(self):
        """A connection that breaks again and again is dear, and no probe is to blame."""
        breaker, innocent = self.window(spent=5 * ALLOWED, costs=[ALLOWED // 10])
        assert (breaker.sentence, innocent[0].why) == ("", "")
        assert breaker.share == pytest.approx(0.1)

    def test_a_probe_that_alone_would_be_within_the_budget_goes_when_it_explains_the_excess(self):
        breaker, probes = self.window(spent=2 * ALLOWED, costs=[ALLOWED // 20, ALLOWED + ALLOWED // 5])
        assert probes[0].why == ""
        assert probes[1].why == breaker.sentence
        assert "used 2.4%" in probes[1].why

    def test_many_small_probes_explain_an_excess_together(self):
        _, probes = self.window(spent=3 * ALLOWED, costs=[ALLOWED // 2] * 5 + [ALLOWED // 2 + 1])
        assert [bool(probe.why) for probe in probes] == [False] * 5 + [True]

    def test_as_many_go_at_once_as_it_takes_when_the_budget_is_exceeded_many_times_over(self):
        breaker, probes = self.window(
            spent=20 * ALLOWED, costs=[6 * ALLOWED, 6 * ALLOWED, 7 * ALLOWED, ALLOWED // 2]
        )
        assert [bool(probe.why) for probe in probes] == [True, True, True, False]
        assert "The 3 costliest probes, which together used 38.0%, were disarmed." in breaker.sentence

    def test_what_is_left_of_a_shed_probe_sheds_no_other(self):
        """Its captures are still being written when it is gone."""
        budget = Budget(0.02)
        breaker = Breaker(budget)
        start = breaker._since
        dear, cheap = Shed(10 * ALLOWED), Shed(ALLOWED // 10)
        budget.spend(10 * ALLOWED)
        breaker.check(start + BREAKER_WINDOW_S, [dear, cheap])
        budget.spend(3 * ALLOWED)
        breaker.check(start + 2 * BREAKER_WINDOW_S, [cheap])
        assert (bool(dear.why), cheap.why) == (True, "")

    @given(st.lists(st.integers(0, 5 * ALLOWED), min_size=1, max_size=6), st.integers(0, 5 * ALLOWED))
    def test_it_sheds_the_dearest_or_nobody_and_only_when_probes_are_the_cause(self, costs, fixed):
        breaker, probes = self.window(spent=sum(costs) + fixed, costs=costs)
        shed = [probe for probe in probes if probe.why]
        if breaker.share <= 0.02 * RUNAWAY:
            assert len(shed) <= 1
        if shed:
            assert sorted(probe.cost_ns for probe in shed) == sorted(costs)[-len(shed) :]
            assert breaker.share > 0.02 * TOLERANCE
            assert fixed <= ALLOWED + 1
        elif breaker.share > 0.02 * TOLERANCE:
            assert fixed >= ALLOWED - 1

    def window(self, *, spent: int, costs: list[int]) -> tuple[Breaker, list[Shed]]:
        """A breaker after one window in which so much was spent, of it so much by each probe."""
        budget = Budget(0.02)
        breaker = Breaker(budget)
        probes = [Shed(cost) for cost in costs]
        budget.spend(spent)
        breaker.check(breaker._since + BREAKER_WINDOW_S, probes)
        return breaker, probes
