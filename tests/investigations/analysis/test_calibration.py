"""Whether q keeps its promise: how often something is told that is not so, held against the binomial law."""

from __future__ import annotations

import random

import pytest
from scipy.stats import binom

from investigations.analysis.differences import LEVEL, compare
from tests.investigations.analysis.samples import orders

SURE = 0.999
"""A tool that keeps its promise exactly fails one of these tests in a thousand, and the seeds are fixed."""
SIZES = [(3, 50), (6, 30), (20, 40), (10, 200)]


def most_allowed(runs: int) -> int:
    """So many false answers of ``runs`` are still no sign of more than `LEVEL`."""
    return int(binom.ppf(SURE, runs, LEVEL))


def false_answers(failing: int, passing: int, runs: int) -> int:
    """Fresh captures each time, of which some are called failing by chance."""
    wrong = 0
    for seed in range(runs):
        rows, labels = orders(failing, passing, lambda row: None, seed=1000 + seed)
        shuffled = random.Random(seed).sample(labels, len(labels))
        wrong += bool(compare(rows, shuffled).differences)
    return wrong


def test_where_nothing_differs_seldom_anything_is_told():
    assert false_answers(3, 50, runs=40) <= most_allowed(40)


@pytest.mark.slow
@pytest.mark.parametrize(("failing", "passing"), SIZES)
def test_where_nothing_differs_no_more_is_told_than_promised(failing, passing):
    assert false_answers(failing, passing, runs=400) <= most_allowed(400)


@pytest.mark.slow
@pytest.mark.parametrize(("failing", "passing"), SIZES[1:])
def test_beside_a_true_difference_the_share_of_false_ones_stays_as_promised(failing, passing):
    """The mean share over runs lies below the level, but for three of its own standard errors."""
    shares = []
    for seed in range(300):
        rows, labels = orders(failing, passing, lambda row: row.update(urgent="true"), seed=5000 + seed)
        told = compare(rows, labels).differences
        assert any("urgent" in each.paths[0] for each in told)
        false = [each for each in told if not any("urgent" in path for path in each.paths)]
        shares.append(len(false) / len(told))
    mean = sum(shares) / len(shares)
    spread = (sum((share - mean) ** 2 for share in shares) / (len(shares) - 1)) ** 0.5
    assert mean <= LEVEL + 3 * spread / len(shares) ** 0.5
