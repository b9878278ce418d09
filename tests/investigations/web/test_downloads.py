"""A plot's files: no formula in a table, no gap drawn as a value, and text of others stays text."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from investigations.lib.errors import NotFound
from investigations.web import downloads

SVG = "{http://www.w3.org/2000/svg}"


def drawn(content: bytes, tag: str) -> list[dict[str, str]]:
    return [each.attrib for each in ElementTree.fromstring(content).iter(f"{SVG}{tag}")]


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\tx"])
def test_what_a_spreadsheet_would_run_is_kept_as_text(text: str) -> None:
    answer = downloads.as_csv("a", ["Name"], [[text]])

    assert answer.content.decode().splitlines()[1].strip('"').startswith("'")


@pytest.mark.parametrize(("value", "cell"), [(None, ""), (-1.5, "-1.5"), ("-1.5", "-1.5"), ("a,b", '"a,b"')])
def test_numbers_and_words_stay_what_they_are(value: object, cell: str) -> None:
    answer = downloads.as_csv("a", ["Name", "n"], [["x", value]])

    assert answer.content.decode().splitlines()[1] == f"x,{cell}"


def test_a_line_breaks_where_nothing_is_known_and_the_gap_is_hatched() -> None:
    line = {"label": "p50", "tone": "ink", "values": [1, 2, None, None, 3]}
    content = downloads.lines_svg("a", "A", [0, 1, 2, 3, 4], [line], []).content

    paths = [each["d"] for each in drawn(content, "path") if each["d"].count("M") == 2]
    assert len(paths) == 1
    assert sum(each.get("fill") == "url(#gap)" for each in drawn(content, "rect")) == 3


def test_bars_that_nobody_looked_at_are_hatched_and_not_zero() -> None:
    content = downloads.bars_svg("a", "A", [(2, 1), None, (0, 0)], []).content
    fills = [each.get("fill") for each in drawn(content, "rect")]

    assert fills.count("url(#gap)") == 1
    assert fills.count(downloads.TONES["pass"]) == fills.count(downloads.TONES["fail"]) == 1


def test_titles_of_others_stay_text() -> None:
    content = downloads.bars_svg("a", "</title><script>alert(1)</script>", [], []).content

    assert b"<script" not in content


def test_only_two_forms_are_known() -> None:
    assert [downloads.known_form(form) for form in ("csv", "svg")] == ["csv", "svg"]
    with pytest.raises(NotFound):
        downloads.known_form("png")
