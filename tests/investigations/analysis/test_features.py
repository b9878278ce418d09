import numpy as np
import pytest

from investigations.analysis.features import ABSENT, UNKNOWN, observe, shape_of, tabulate
from sightline.wire import Capture, Frame, Value
from tests.investigations.analysis.samples import observation, table


def test_a_capture_gives_watches_variables_and_facts_of_where_it_was_seen():
    capture = Capture(
        id=b"1" * 16, probe_id="prb_1", kind="snapshot", hit=1, at=0, mono=0,
        watches={"total": Value("int", 3)},
        frames=[Frame("buy", "shop.py", 4, variables={"x": Value("str", "a")}), Frame("main", "shop.py", 9)],
        detail={"branches": ["4-5"]},
    )  # fmt: skip
    seen = observe(capture, {"commit": "abc"})
    assert list(seen.values) == ["total", "x"]
    assert seen.facts == {"commit": "abc", "caller": "main:9", "branches 4-5": "reached"}


def test_types_are_exact_and_what_is_missing_from_a_whole_object_is_absent():
    found = table([{"order": {"paid": True}}, {"order": {"paid": "true"}}, {"order": {}}])
    paid = found.column("order['paid']")
    assert [paid.type_names[code] if code >= 0 else code for code in paid.kinds] == ["bool", "str", ABSENT]


def test_what_a_cut_value_might_have_held_is_unknown_not_absent():
    cut = Value("dict", size=900, entries=[], cut="items 0 of 900")
    found = tabulate([observation(order={"paid": True}), observation(order=cut)])
    assert found.column("order['paid']").kinds[1] == UNKNOWN
    assert np.isnan(table([{"text": Value("str", "abc", cut="length")}]).column("text").numbers[0])


def test_withheld_values_are_told_equal_from_unequal_by_their_hash():
    secret = [Value("str", redacted="name: token", hash=bytes([n]) * 16) for n in (1, 1, 2)]
    column = table([{"token": each} for each in secret]).column("token")
    assert column.identities[0] == column.identities[1] != column.identities[2]
    assert (table([{"token": Value("str", redacted="name: token")}]).column("token").identities == 0).all()


def test_sequences_tell_their_order_repeats_extremes_and_types():
    found = table([{"at": [1, 2, 3]}, {"at": [3, 1, 1.5]}])
    assert found.column("sorted(at)").truths.tolist() == [1, 0]
    assert found.column("max(at)").numbers.tolist() == [3, 3]
    assert {label for _, label in found.column("types(at)").top} == set()
    assert found.column("at[-1]").numbers.tolist() == [3, 1.5]


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("", "empty"), (" ", "blank"), ("true", "a boolean as text"), ("12", "an integer as text"),
        ("null", "a word for nothing"), ("1.5", "a number as text"), ("1,500.00", "a number with separators"),
        ("2026-01-02", "a date"), ("03/04/2026", "a date in another order"), ("ann", "in small letters"),
        ("2026-01-02T03:04:05", "a time without zone"), ("2026-01-02T03:04:05Z", "a time with zone"),
        ("EUR", "in capitals"), ("a@b.de", "an e-mail address"), ("---", "signs"), ("{}", "JSON"),
    ],
)  # fmt: skip
def test_a_text_has_one_shape(text, shape):
    assert shape_of(text) == shape


def test_paths_come_in_the_order_they_were_assigned_whatever_the_order_of_rows():
    rows = [{"a": 1, "b": 2}, {"a": 1, "c": 3}, {"a": 2, "b": 4}]
    there, back = table(rows), table(rows[::-1])
    assert [each.path for each in there.columns] == [each.path for each in back.columns] == ["a", "b", "c"]
