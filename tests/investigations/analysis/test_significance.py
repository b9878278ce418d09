import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from investigations.analysis import significance

counts = st.integers(0, 30)


@pytest.fixture(scope="module")
def stats():
    return pytest.importorskip("scipy.stats")


@settings(max_examples=60)
@given(counts, counts, counts, counts)
def test_fisher_agrees_with_scipy(stats, a, b, c, d):
    ours = significance.fisher(a, a + b, a + c, a + b + c + d)
    theirs = stats.fisher_exact([[a, b], [c, d]]).pvalue
    assert ours == pytest.approx(theirs, rel=1e-6)


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=5), st.lists(st.integers(0, 5), min_size=2, max_size=9)
)
def test_rank_sums_with_ties_agree_with_all_permutations(failing, passing):
    from itertools import combinations

    values = np.array(failing + passing, dtype=float)
    order = np.array([((values < v).sum() * 2 + (values == v).sum() + 1) / 2 for v in values])
    mean = len(failing) * (len(values) + 1) / 2
    seen = abs(order[: len(failing)].sum() - mean)
    ways = [
        abs(sum(order[list(c)]) - mean) >= seen - 1e-9 for c in combinations(range(len(values)), len(failing))
    ]
    ours = significance.compare_numbers(values[: len(failing)], values[len(failing) :])
    assert ours.rank_p == pytest.approx(sum(ways) / len(ways))


@pytest.mark.parametrize("odd", [1, 2, 3])
def test_a_few_odd_values_among_many_alike_are_as_sure_as_fisher_says(odd):
    failing, passing = np.array([5.0] * odd + [4.0] * (10 - odd)), np.full(35, 4.0)
    ours = significance.compare_numbers(failing, passing)
    assert ours.rank_p == pytest.approx(significance.fisher(odd, 10, odd, 45))


def test_large_samples_agree_with_scipy(stats):
    chance = np.random.default_rng(1)
    one, other = chance.normal(size=90), chance.normal(0.4, size=200)
    ours = significance.compare_numbers(one, other)
    assert ours.rank_p == pytest.approx(stats.mannwhitneyu(one, other, method="asymptotic").pvalue, rel=1e-6)
    assert ours.distance == pytest.approx(stats.ks_2samp(one, other).statistic)
    delta = significance.cliffs_delta(ours.delta, 90, 200)
    assert delta.low < delta.estimate == ours.delta < delta.high < 0.1


@pytest.mark.parametrize(
    ("candidates", "failing", "passing"),
    [(50, 3, 17), (200, 3, 27), (1000, 3, 48), (200, 5, 11), (5000, 3, 83)],
)
def test_the_meter_gives_the_published_numbers(candidates, failing, passing):
    assert significance.needed_for_separation(failing, passing, candidates, 0.05) == (0, 0)
    assert significance.needed_for_separation(failing, passing - 1, candidates, 0.05)[1] == 1


def test_q_values_are_benjamini_and_hochbergs(stats):
    p = np.array([0.001, 0.02, 0.03, 0.4, 0.9])
    q, tested = significance.false_discovery(p, np.zeros(5), 0.05)
    assert tested == 5
    assert q == pytest.approx(stats.false_discovery_control(p))


def test_what_could_never_pass_does_not_count_against_the_others():
    q, tested = significance.false_discovery(np.array([0.01, 1.0, 1.0]), np.array([0.01, 0.9, 0.8]), 0.05)
    assert tested == 1
    assert q.tolist() == [0.01, 1, 1]


def test_a_risk_ratio_has_an_interval_even_when_a_count_is_zero():
    clean = significance.risk_ratio(3, 3, 0, 50)
    assert 1 < clean.low < clean.estimate < clean.high < math.inf
