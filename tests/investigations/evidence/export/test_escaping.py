"""Text that must stay text in Markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.evidence.export.escaping import block, cell, code, paragraph, text, visible


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain words, 5 % of 3.2", "plain words, 5 % of 3.2"),
        ("**bold** _it_ `code`", "\\*\\*bold\\*\\* \\_it\\_ \\`code\\`"),
        ("<script>&", "&lt;script&gt;&amp;"),
        ("@team see #12", "&#64;team see \\#12"),
        ("http://evil.example www.evil.example", "http&#58;//evil.example www&#46;evil.example"),
        (":tada:", "&#58;tada:"),
        ("two\nlines\x1b", "two lines␛"),
        ("turn \u202e round", "turn ⟨U+202E⟩ round"),
    ],
)
def test_prose_renders_as_it_was(value: str, written: str) -> None:
    assert text(value) == written


@given(st.text(max_size=60))
def test_prose_is_one_line_without_markup(value: str) -> None:
    written = text(value)
    assert "\n" not in written
    assert not re.search(r"(?<!\\)(\\\\)*[`*_\[\]|~]", written.replace("\\\\", ""))
    assert not re.search(r"[<>@]", written)


@given(st.text(max_size=60))
def test_a_code_span_ends_where_we_end_it(value: str) -> None:
    written = code(value)
    fence = re.match("`+", written)
    assert fence is not None
    inside = written[len(fence.group()) : -len(fence.group())]
    assert fence.group() not in re.findall("`+", inside)
    assert "\n" not in written


@given(st.text(max_size=60))
def test_a_block_ends_where_we_end_it(value: str) -> None:
    first, *_, last = block(value).split("\n")
    assert first == last
    assert first not in visible(value)


@given(st.text(alphabet="a|\\`\n", max_size=20))
def test_a_cell_is_never_two(value: str) -> None:
    for written in (text(value), code(value)):
        assert not re.search(r"(?<!\\)\|", cell(written))


def test_a_line_of_prose_begins_no_list_and_no_heading() -> None:
    assert paragraph("- one\n1. two\n# three") == "&#45; one  \n&#49;. two  \n\\# three"
