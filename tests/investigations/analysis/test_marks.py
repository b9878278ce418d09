"""What single executions show at their lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from investigations.analysis.marks import LAP, marks
from investigations.codebase.statements import Statements

FIRST = Statements("""\
def first(items, wanted):
    for each in items:
        if each == wanted:
            return each
    return None
""")
COUNTDOWN = Statements("""\
def countdown(left):
    told = []
    while left:
        told.append(left)
    return told
""")
DEPTH = Statements("""\
def depth(tree):
    if tree is None:
        return 0
    return 1 + depth(tree.left)
""")


def of(*lines: int) -> list[tuple[int, int]]:
    return [(line, 0) for line in lines]


def test_a_condition_that_always_went_the_same_way_is_marked():
    assert marks(of(2, 3, 2, 3, 2, 5), FIRST, "returned") == {3: 1}


def test_a_condition_that_went_both_ways_is_not_marked():
    assert marks(of(2, 3, 2, 3, 4), FIRST, "returned") == {}


def test_a_loop_over_items_is_no_condition():
    assert marks(of(2, 5), FIRST, "returned") == {}


def test_what_followed_a_condition_is_told_apart_by_call():
    steps = [(2, 1), (4, 1), (2, 2), (4, 2), (2, 3), (3, 3)]
    assert marks(steps, DEPTH, "returned") == {}
    assert marks(steps[:4], DEPTH, "cut") == {2: 1}


def test_a_call_that_returned_is_not_continued_by_the_next_one_beside_it():
    both = Statements("""\
def run(a):
    return half(a) + half(a)

def half(a):
    if a:
        pass
    return a / 2
""")
    assert marks([(2, 1), (5, 2), (7, 2), (5, 2), (7, 2)], both, "returned") == {5: 1}


def test_the_line_that_raised_is_marked():
    assert marks(of(2, 3, 2, 3, 4), FIRST, "raised") == {4: 1}


def test_what_is_repeated_without_end_is_marked_and_what_led_to_it_is_not():
    lap = [3, 4] * LAP
    assert marks(of(2, *lap), COUNTDOWN, "endless") == {3: 2, 4: 1}


def test_what_was_merely_cut_raised_nowhere_and_repeats_nothing():
    assert marks(of(2, 3, 4), COUNTDOWN, "cut") == {3: 1}


def test_of_no_steps_nothing_is_marked():
    assert marks([], FIRST, "raised") == {}


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), max_size=40),
    st.sampled_from(["returned", "raised", "endless", "cut"]),
)
def test_only_lines_that_ran_are_marked(steps, ending):
    assert marks(steps, FIRST, ending).keys() <= {line for line, _ in steps}
