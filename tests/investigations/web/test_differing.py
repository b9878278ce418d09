"""What the compare page says and draws of differences."""

from __future__ import annotations

from django.template.loader import render_to_string

from investigations.analysis.differences import compare
from investigations.probes.comparing import Compared
from investigations.web.differing import panel
from tests.investigations.analysis.samples import orders, table


def compared(broken, failing=3, passing=50):
    rows, labels = orders(failing, passing, broken)
    return Compared([], [], rows, compare(rows, labels))


def test_a_type_that_differs_is_drawn_as_bars_of_type_and_value():
    shown = panel(compared(lambda row: row.update(urgent="true")))
    assert shown["differences"][0]["predicate"] == "type(urgent) is str"
    assert not shown["differences"][0]["weak"]
    bars = shown["strips"][0]["bars"]["rows"]
    assert bars[0]["label"] == "str 'true'"
    html = render_to_string("components/difference.html", {"difference": shown["differences"][0]})
    assert "type(urgent) is str in 3 of 3 failing" in html


def test_numbers_are_drawn_as_two_distributions():
    shown = panel(compared(lambda row: row.update(amount=row["amount"] * 100)))
    strip = shown["strips"][0]
    assert strip["path"] == "amount"
    assert strip["curves"]["passing"].startswith("M0")
    assert "share at or below" in render_to_string("components/shares_below.html", strip)


def test_what_may_be_chance_is_marked_and_never_drawn():
    shown = panel(compared(lambda row: row.update(urgent="true"), failing=1, passing=4))
    assert shown["strips"] == []
    assert all(each["weak"] for each in shown["differences"])
    assert shown["needed"]


def test_captured_text_cannot_become_markup():
    rows = table([{"x": "<b>" if at < 3 else "a"} for at in range(53)])
    shown = panel(Compared([], [], rows, compare(rows, [at < 3 for at in range(53)])))
    html = render_to_string("components/difference.html", {"difference": shown["differences"][0]})
    html += render_to_string("components/distribution.html", shown["strips"][0])
    assert "<b>'" not in html
    assert "'<b>" not in html
