"""What the outcome of an execution depended on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from investigations.analysis.slices import distances
from investigations.codebase.statements import Statements

SUM = Statements("""\
def total(items, fee):
    found = 0
    count = 0
    for each in items:
        count = count + 1
        if each > fee:
            found += each
    print(count)
    return found
""")
STEPS = [2, 3, 4, 5, 6, 7, 4, 5, 6, 4, 8, 9]


def of(*lines: int) -> list[tuple[int, int]]:
    return [(line, 0) for line in lines]


def test_only_what_the_outcome_hung_on_is_told_and_how_near():
    found = distances(of(*STEPS), SUM)
    assert found == {9: 0, 7: 1, 2: 2, 6: 1, 4: 1}
    assert 5 not in found
    assert 8 not in found


def test_a_call_that_raised_ends_with_its_very_last_step():
    assert distances(of(2, 3, 4, 5, 6), SUM, returned=False) == {6: 0, 4: 1}


def test_a_caller_depends_on_what_it_called_and_that_on_who_called_it():
    source = Statements("""\
def outer(a):
    b = a + 1
    c = inner(b)
    return c

def inner(x):
    y = 2
    z = 7
    return x * y
""")
    found = distances([(2, 1), (3, 1), (7, 2), (8, 2), (9, 2), (4, 1)], source)
    assert found == {4: 0, 3: 1, 2: 2, 9: 2, 7: 3}


def test_calls_on_one_line_are_told_apart_by_their_returns():
    source = Statements("""\
def run(a):
    return half(a) + half(a + 1)

def half(x):
    y = x / 2
    if y > 1:
        return y
    return 0
""")
    found = distances([(2, 1), (5, 2), (6, 2), (7, 2), (5, 2), (6, 2), (8, 2)], source)
    assert found == {2: 0, 7: 1, 8: 1, 5: 2, 6: 2}


def test_a_branch_that_was_not_taken_could_have_written_what_is_read():
    source = Statements("""\
def run(price, member):
    total = price
    if member:
        total = price * 0.9
    if price > 100:
        print(price)
    return total
""")
    assert distances(of(2, 3, 5, 7), source) == {7: 0, 2: 1, 3: 1}
    assert distances(of(2, 3, 4, 5, 7), source) == {7: 0, 4: 1, 3: 2}


def test_changing_a_list_in_place_is_writing_it():
    source = Statements("""\
def run(found):
    found.append(1)
    found.index(1)
    found[0] = 2
    return found
""")
    assert distances(of(2, 3, 5), source) == {5: 0, 2: 1}
    assert distances(of(2, 4, 5), source) == {5: 0, 4: 1, 2: 2}


def test_of_no_steps_nothing_hangs_on_anything():
    assert distances([], SUM) == {}


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), max_size=40), st.booleans())
def test_whatever_was_taken_the_outcome_is_nearest_and_distances_have_no_gap(steps, returned):
    found = distances(steps, SUM, returned=returned)
    assert found.keys() <= {line for line, _ in steps}
    assert not steps or min(found.values()) == 0
