"""Answers fit their budget, say what was left out, and go on where they stopped."""

from __future__ import annotations

import json

import pytest

from investigations.mcp.answers import CHARACTERS_PER_TOKEN, MOST_TOKENS, fit, lean, paged


def size(answer: object) -> int:
    return len(json.dumps(answer, ensure_ascii=False))


@pytest.mark.parametrize(
    "answer",
    [
        {"rows": [{"text": "x" * 50, "n": n} for n in range(5000)]},
        {"text": "line\n" * 50_000},
        {"capture": {"frames": [{"variables": {"big": {"value": "v" * 300_000}}}, {"function": "f"}]}},
        {"report": {"a": {"b": [[1] * 10_000, ["é" * 40] * 5_000]}, "c": "short"}},
        {"rows": [{"text": "x" * 200_000}]},
    ],
)
@pytest.mark.parametrize("tokens", [500, 8_000, 10**9])
def test_an_answer_never_exceeds_its_budget(answer: dict, tokens: int):
    whole = size(answer)
    cut = fit(json.loads(json.dumps(answer)), tokens)
    allowed = min(tokens, MOST_TOKENS) * CHARACTERS_PER_TOKEN
    assert size(cut) <= allowed
    assert ("truncated" in cut) == (whole > allowed)
    if "truncated" in cut:
        assert all(count > 0 for count in cut["truncated"]["omitted"].values())


def test_what_fits_is_left_alone():
    answer = {"rows": [1, 2, 3]}
    assert fit(answer) is answer


def test_nothing_small_is_lost_beside_something_big():
    cut = fit({"hint": "read on", "rows": [{"id": n, "text": "x" * 90} for n in range(1000)]}, 1_000)
    assert cut["hint"] == "read on"
    assert cut["rows"][0] == {"id": 0, "text": "x" * 90}
    assert cut["truncated"]["omitted"] == {"rows": 1000 - len(cut["rows"])}


def test_rows_with_a_cursor_go_on_after_the_last_one_that_was_kept():
    rows = [{"cursor": n, "text": "x" * 90} for n in range(1, 1001)]
    cut = paged(fit({"rows": rows, "next_cursor": 1000}, 1_000), "rows", 0)
    assert cut["next_cursor"] == cut["rows"][-1]["cursor"] < 1000


def test_other_rows_are_counted_from_where_the_answer_began():
    cut = paged(fit({"rows": ["x" * 90] * 1000}, 1_000), "rows", 40)
    assert cut["next_cursor"] == 40 + len(cut["rows"])
    assert "next_cursor" not in paged({"rows": [1]}, "rows", 0)


def test_what_is_absent_is_not_told():
    assert lean({"a": None, "b": "", "c": [], "d": {"e": None}, "f": 0, "g": False}) == {"f": 0, "g": False}
