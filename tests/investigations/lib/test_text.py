"""Text from elsewhere, made fit to be stored."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from investigations.lib.text import one_line, storable, storable_text

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_whatever_comes_becomes_json_that_means_the_same_twice(value: object) -> None:
    once = storable(value)
    text = json.dumps(once, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert "\x00" not in text
    assert storable(once) == once


@pytest.mark.django_db
def test_the_database_takes_it() -> None:
    hostile = {"\x00key": ["a\x00b", "\ud800", float("inf"), 10**400, {"deep": float("nan")}]}
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb", [json.dumps(storable(hostile))])
        assert cursor.fetchone() is not None


def test_what_cannot_be_stored_stays_visible() -> None:
    assert storable_text("a\x00b\udfffc") == "a␀b�c"


def test_a_title_is_one_line() -> None:
    assert one_line("  two\n lines\t here ", 9) == "two lines"
