"""What became of a file."""

from __future__ import annotations

import pytest

from investigations.codebase.changes import changed_lines, same_syntax


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("a\nb\nc", "a\nB\nc", [2]),
        ("a\nc", "a\nb\nc", [2]),
        ("a\nb\nc", "a\nc", [2]),
        ("a\nb", "a", [1]),
        ("a", "a", []),
        ("", "a\nb", [1, 2]),
    ],
)
def test_lines_are_those_of_the_later_text(before, after, lines):
    assert changed_lines(before, after) == lines


def test_comments_and_spaces_are_no_change_of_syntax():
    assert same_syntax("x = 1  # one", "x=1")
    assert not same_syntax("x = 1", "x = 2")
    assert not same_syntax("x = (", "x = (")
