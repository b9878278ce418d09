import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from investigations.analysis.differences import compare
from investigations.analysis.localisation import (
    Spectrum,
    combined,
    dstar,
    explain_failures,
    importance,
    ochiai,
    sober,
    tarantula,
)
from tests.investigations.analysis.samples import orders

# Three failing and two passing executions over four lines.
LINES = Spectrum.of_lines(
    ["a.py:1", "a.py:2", "a.py:3", "a.py:4"],
    [[1, 1, 0, 1], [1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]],
    [True, True, True, False, False],
)


def test_scores_are_those_of_their_formulas():
    assert tarantula(LINES) == pytest.approx([0.5, 1, (1 / 3) / (1 / 3 + 1 / 2), (1 / 3) / (1 / 3 + 1 / 2)])
    assert ochiai(LINES) == pytest.approx([3 / 15**0.5, 1, 1 / 6**0.5, 1 / 6**0.5])
    assert dstar(LINES).tolist() == pytest.approx([4.5, np.inf, 1 / 3, 1 / 3])


def test_importance_is_the_harmonic_mean_of_increase_and_reach():
    held = np.array([[1, 1]] * 20 + [[0, 1]] * 20, dtype=float)
    spectrum = Spectrum(("bad", "both"), held, np.ones((40, 2)), np.arange(40) < 20)
    scores, low, _ = importance(spectrum)
    assert scores[0] == pytest.approx(2 / (1 / 0.5 + 1))
    assert scores[1] == 0
    assert low[0] > 0


def test_several_faults_are_told_apart_by_taking_away_what_is_explained():
    held = np.zeros((60, 3))
    held[:15, 0] = 1
    held[15:20, 1] = 1
    held[:, 2] = 1
    spectrum = Spectrum(("first", "second", "always"), held, np.ones((60, 3)), np.arange(60) < 20)
    found = explain_failures(spectrum)
    assert [(each.element, each.explains) for each in found] == [("first", 15), ("second", 5)]


def test_frequency_tells_what_coverage_cannot():
    held = np.array([[5, 9]] * 10 + [[5, 2]] * 20, dtype=float)
    spectrum = Spectrum(("steady", "retries"), held, np.full((30, 2), 10.0), np.arange(30) < 10)
    scores = sober(spectrum)
    assert scores[1] > scores[0]
    assert ochiai(spectrum)[0] == ochiai(spectrum)[1]


def test_values_decide_between_lines_that_coverage_cannot_tell_apart():
    rows, labels = orders(3, 50, lambda row: row.update(urgent="true"))
    spectrum = Spectrum.of_lines(["a.py:1", "a.py:2", "a.py:3"], np.ones((53, 3)), labels)
    found = combined(spectrum, compare(rows, labels), {"urgent": ["a.py:2"], "amount": ["a.py:3"]})
    assert found[0].element == "a.py:2"
    assert len({each.score for each in found[1:]}) == 1


@settings(max_examples=30)
@given(st.integers(0, 2**16), st.permutations(range(12)))
def test_the_order_of_executions_does_not_matter(bits, order):
    held = np.array([[bits >> at & 1, at % 3 == 0] for at in range(12)], dtype=float)
    failing = np.arange(12) < 4
    there = Spectrum.of_lines(["x", "y"], held, failing)
    back = Spectrum.of_lines(["x", "y"], held[order], failing[order])
    for score in (tarantula, ochiai, dstar, sober):
        assert score(there) == pytest.approx(score(back))


def test_ties_of_coverage_are_broken_by_frequency_then_by_how_much_a_line_does():
    counts = [[1, 1, 1], [1, 2, 1], [1, 1, 1], [1, 40, 1], [1, 42, 1]]
    spectrum = Spectrum.of_lines(["plain", "loop", "busy"], counts, [False, False, False, True, True])
    found = combined(spectrum, operations={"plain": 1, "loop": 2, "busy": 7})
    assert [each.element for each in found] == ["loop", "busy", "plain"]
    assert [each.rank for each in found] == [1, 2, 3]


def test_of_lines_that_all_ran_those_come_first_on_which_failing_outcomes_hang_and_the_nearest():
    spectrum = Spectrum.of_lines(
        ["aside", "once", "far", "near"], np.ones((4, 4)), [True, True, False, False]
    )
    failing = {"near": 1, "far": 3}
    found = combined(spectrum, distances=[failing, {**failing, "once": 0}, {"aside": 0}, {"aside": 0}])
    assert [each.element for each in found] == ["near", "far", "once", "aside"]


def test_each_mark_makes_a_line_twice_as_likely_and_four_times_the_operations_too():
    spectrum = Spectrum.of_lines(["long", "marked", "plain", "aside"], np.ones((2, 4)), [True, False])
    found = combined(
        spectrum,
        operations={"long": 9, "marked": 4, "plain": 4, "aside": 4},
        distances=[{"long": 1, "marked": 1, "plain": 1}, {}],
        marks=[{"marked": 1}, {"aside": 3}],
    )
    assert [each.element for each in found] == ["marked", "long", "plain", "aside"]


def test_marks_count_as_far_as_failing_executions_bear_them():
    spectrum = Spectrum.of_lines(["once", "always"], np.ones((3, 2)), [True, True, False])
    found = combined(spectrum, marks=[{"once": 1, "always": 1}, {"always": 1}, {"once": 1}])
    assert [each.element for each in found] == ["always", "once"]


def test_marks_break_ties_and_nothing_more():
    spectrum = Spectrum.of_lines(["ran", "marked"], [[1, 1], [0, 1]], [True, False])
    found = combined(spectrum, marks=[{"marked": 4}, {}])
    assert [each.element for each in found] == ["ran", "marked"]


def test_of_lines_equally_near_the_one_that_does_more_comes_first():
    spectrum = Spectrum.of_lines(["little", "much"], np.ones((2, 2)), [True, False])
    found = combined(spectrum, operations={"little": 1, "much": 4}, distances=[{"little": 1, "much": 1}, {}])
    assert [each.element for each in found] == ["much", "little"]


def test_what_nothing_tells_apart_shares_a_rank():
    spectrum = Spectrum.of_lines(["a", "b", "c"], [[1, 1, 0], [1, 1, 1]], [False, True])
    assert [(each.element, each.rank) for each in combined(spectrum)] == [("c", 1), ("a", 2), ("b", 2)]
