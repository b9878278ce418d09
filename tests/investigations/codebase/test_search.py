"""A text is found on every line that has it, with the function round it."""

from __future__ import annotations

from investigations.codebase.search import LONGEST_LINE, search

FILES = {
    "b.py": "def pay(order):\n    total = order.total\n    return total\n",
    "a.py": "TOTAL = 1\n\nclass Order:\n    def total(self):\n        return TOTAL\n",
}


def test_files_come_in_order_of_their_paths() -> None:
    found = search(FILES, "total")

    assert [(match.path, match.line, match.column, match.function) for match in found.matches] == [
        ("a.py", 4, 8, "Order.total"),
        ("b.py", 2, 4, "pay"),
        ("b.py", 3, 11, "pay"),
    ]
    assert (found.total, found.files) == (3, 2)


def test_case_matters() -> None:
    assert [match.line for match in search(FILES, "TOTAL").matches] == [1, 5]


def test_more_than_fit_are_counted_all_the_same() -> None:
    found = search(FILES, "total", most=1)

    assert (len(found.matches), found.total) == (1, 3)


def test_a_very_long_line_is_cut_to_where_the_text_stands() -> None:
    found = search({"a.py": "x = [" + "1, " * 500 + "needle, " + "2, " * 500 + "]"}, "needle")

    (match,) = found.matches
    assert "needle" in match.text
    assert len(match.text) == LONGEST_LINE


def test_what_could_not_be_read_is_handed_on() -> None:
    assert search({}, "x", unread=["c.py"]).unread == ["c.py"]
