"""What statements do, by their first lines."""

from __future__ import annotations

from investigations.codebase.statements import Statements

TEXT = """\
def settle(trade,
           fee):
    if trade.high_value and fee:
        total = (trade.amount
                 + fee)
    return total
"""


def test_each_line_belongs_to_the_innermost_statement_and_a_block_only_gives_its_head():
    assert Statements(TEXT).first_lines == {1: 1, 2: 1, 3: 3, 4: 4, 5: 4, 6: 6}


def test_what_a_statement_does_is_counted_at_its_first_line():
    found = Statements(TEXT).operations
    assert found[4] == 5
    assert found[6] == 1


def test_names_and_attributes_are_found_where_they_are_read_or_written():
    found = Statements(TEXT).mentions
    assert found["total"] == {4, 6}
    assert found["high_value"] == {3}
    assert found["fee"] == {3, 4}


def test_what_is_changed_in_place_is_written_and_what_decides_is_the_nearest_head():
    found = Statements("""\
def run(items, total):
    for each in items:
        if each.ready:
            items[0] = each
            total += each.size
            items.append(total)
    return items
""")
    assert found.writes == {2: {"each"}, 4: {"items"}, 5: {"total"}, 6: {"items"}}
    assert found.reads[5] == {"total", "each"}
    assert found.heads == {3: 2, 4: 3, 5: 3, 6: 3}


def test_a_branch_or_loop_tells_what_is_written_anywhere_inside():
    found = Statements("""\
def run(items):
    for each in items:
        if each:
            total = 1
        else:
            count = 2
    while True:
        return 3
""")
    assert found.inside == {2: {"total", "count"}, 3: {"total", "count"}}
    assert found.conditions == {3, 7}
    assert found.returns == {8}


def test_a_function_inside_a_branch_is_not_decided_by_it():
    found = Statements("if x:\n    def f():\n        return 1\n")
    assert found.heads == {2: 1}


def test_what_is_no_python_has_no_statements():
    assert Statements("def (").operations == {}
    assert Statements("def (").mentions == {}
