"""Highlighted source is escaped, line by line, and carries classes alone."""

from __future__ import annotations

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from investigations.codebase.highlight import highlight
from investigations.codebase.source import split_lines

TAG = re.compile(r"</?span[^>]*>")


def plain(html: str) -> str:
    return unescape(TAG.sub("", html))


def test_tokens_carry_pygments_short_classes() -> None:
    (line,) = highlight("if amount > 10: pass  # why")

    assert line == (
        '<span class="k">if</span> <span class="n">amount</span> <span class="o">&gt;</span>'
        ' <span class="mi">10</span><span class="p">:</span> <span class="k">pass</span>'
        '  <span class="c1"># why</span>'
    )


def test_a_token_over_several_lines_is_whole_on_each() -> None:
    lines = highlight('"""one\ntwo\n"""\n')

    assert [plain(line) for line in lines] == ['"""one', "two", '"""']
    assert all(line.count("<span") == line.count("</span>") for line in lines)


def test_hostile_source_stays_text() -> None:
    (line,) = highlight("x = '<script>alert(1)</script>' # </span><img src=x onerror=y>")

    assert set(re.findall(r"<(\w+)", line)) == {"span"}


def test_what_is_no_python_is_coloured_by_its_name_or_left_plain() -> None:
    assert 'class="' in highlight('{"a": 1}', "a.json")[0]
    assert highlight("a < b", "README.unheardof") == ["a &lt; b"]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00")))
def test_nothing_is_lost_or_added(text: str) -> None:
    lines = highlight(text)

    assert [plain(line) for line in lines] == split_lines(text)
    assert all(line.count("<span class=") == line.count("<") / 2 for line in lines)
