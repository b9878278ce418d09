"""A line is probeable when it is executable; otherwise the nearest ones are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.codebase.probeable import check_line, first_line_within

LINES = [3, 4, 8, 12]


@pytest.mark.parametrize(
    ("line", "nearest"),
    [(1, [3, 4, 8, 12]), (5, [4, 3, 8, 12]), (6, [8, 4, 3, 12]), (10, [12, 8, 4, 3]), (99, [12, 8, 4, 3])],
)
def test_the_nearest_come_first_and_the_later_one_of_two_as_near(line: int, nearest: list[int]) -> None:
    assert check_line(LINES, line) == (False, nearest)


def test_an_executable_line_is_its_own_nearest() -> None:
    assert check_line(LINES, 8) == (True, [8])


def test_a_file_in_which_nothing_runs_has_none() -> None:
    assert check_line([], 1) == (False, [])


@given(st.lists(st.integers(1, 500), min_size=1), st.integers(1, 500))
def test_none_left_out_is_nearer_than_one_named(lines: list[int], line: int) -> None:
    ok, nearest = check_line(lines, line)

    assert ok == (line in lines)
    assert set(nearest) <= set(lines)
    if not ok:
        farthest = max(abs(named - line) for named in nearest)
        assert all(abs(other - line) >= farthest for other in set(lines) - set(nearest))


@pytest.mark.parametrize(
    ("first", "last", "found"), [(3, 9, 4), (2, 9, 3), (4, 7, 4), (5, 7, None), (8, 8, 8), (1, 2, None)]
)
def test_a_function_is_entered_on_the_first_line_of_its_body(
    first: int, last: int, found: int | None
) -> None:
    assert first_line_within(LINES, first, last) == found
