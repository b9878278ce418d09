"""What the compare page says and draws of differences."""

from __future__ import annotations

import csv
import io

import pytest
from django.template.loader import render_to_string

from investigations.analysis.differences import compare
from investigations.analysis.localisation import Spectrum, combined
from investigations.analysis.next_probe import Candidate, next_probes
from investigations.lib.errors import Invalid
from investigations.probes.comparing import Compared
from investigations.probes.localisation import Localised
from investigations.web import strips
from investigations.web.differing import advice, panel
from tests.investigations.analysis.samples import orders, table


def compared(broken, failing=3, passing=50):
    rows, labels = orders(failing, passing, broken)
    return Compared([], [], rows, compare(rows, labels))


def test_a_type_that_differs_is_drawn_as_bars_of_type_and_value():
    shown = panel(compared(lambda row: row.update(urgent="true")))
    assert shown["differences"][0]["about"] == "type(urgent) is str"
    assert not shown["differences"][0]["weak"]
    bars = shown["strips"][0]["bars"]["rows"]
    assert bars[0]["label"] == "str 'true'"
    html = render_to_string("components/finding.html", {"finding": shown["differences"][0]})
    assert "type(urgent) is str in 3 of 3 failing" in html


def test_numbers_are_drawn_as_two_distributions():
    shown = panel(compared(lambda row: row.update(amount=row["amount"] * 100)))
    strip = shown["strips"][0]
    assert strip["path"] == "amount"
    assert strip["curves"]["passing"].startswith("M0")
    assert "share at or below" in render_to_string("components/shares_below.html", strip)


def test_bars_are_kept_as_csv_and_svg():
    found = compared(lambda row: row.update(urgent="true"))
    shown = strips.drawn(found, "/compare/", "label_paths=a")[0]
    assert shown["table"]["csv_url"] == "/compare/strip.csv?path=urgent&label_paths=a"
    strip = strips.strip(found, "urgent")
    rows = list(csv.reader(io.StringIO(strip.file("csv").content.decode())))
    assert rows[:2] == [["type and value", "PASS", "FAIL"], ["str 'true'", "0", "3"]]
    assert "str 'true'" in strip.file("svg").content.decode()


def test_numbers_are_kept_each_with_its_outcome_and_drawn_as_steps():
    found = compared(lambda row: row.update(amount=row["amount"] * 100))
    strip = strips.strip(found, "amount")
    rows = list(csv.reader(io.StringIO(strip.file("csv").content.decode())))
    assert rows[0] == ["amount", "outcome"]
    assert [side for _, side in rows[1:]] == ["PASS"] * 50 + ["FAIL"] * 3
    assert strip.file("svg").content.count(b"stroke-linejoin") == 2
    table = strip.drawn("", "")["table"]["rows"]
    assert [row[0] for row in table] == ["0 %", "25 %", "50 %", "75 %", "100 %"]


def test_a_path_that_is_not_drawn_is_refused_by_name():
    with pytest.raises(Invalid) as refused:
        strips.strip(compared(lambda row: row.update(urgent="true")), "nothing")
    assert refused.value.slug == "path_not_drawn"


def test_what_may_be_chance_is_marked_and_never_drawn():
    shown = panel(compared(lambda row: row.update(urgent="true"), failing=1, passing=4))
    assert shown["strips"] == []
    assert all(each["weak"] for each in shown["differences"])
    assert shown["needed"]


def test_captured_text_cannot_become_markup():
    rows = table([{"x": "<b>" if at < 3 else "a"} for at in range(53)])
    shown = panel(Compared([], [], rows, compare(rows, [at < 3 for at in range(53)])))
    html = render_to_string("components/finding.html", {"finding": shown["differences"][0]})
    html += render_to_string("components/distribution.html", shown["strips"][0])
    assert "<b>'" not in html
    assert "'<b>" not in html


def test_each_line_is_drawn_with_its_effect_and_a_tie_with_a_shared_rank():
    counts = [[1, 1, 1]] * 3 + [[1, 0, 0]] * 20
    spectrum = Spectrum.of_lines(["shop.py:1", "shop.py:2", "shop.py:3"], counts, [True] * 3 + [False] * 20)
    rows, labels = orders(3, 20, lambda row: None)
    went = Localised(combined(spectrum), [], 3, 20, 1.0, "2 lines.")
    shown = panel(Compared([], [], rows, compare(rows, labels), went))["lines"]
    assert [(each["rank"], each["about"]) for each in shown["suspects"][:2]] == [
        (1, "shop.py:2"),
        (1, "shop.py:3"),
    ]
    html = render_to_string("components/finding.html", {"finding": shown["suspects"][0]})
    assert 'class="effect"' in html
    assert "shop.py:2 in 3 of 3 failing and 0 of 20 passing executions" in html


def test_advice_says_how_much_is_expected_to_be_learned_and_draws_no_effect():
    outcomes = {"lost": {"absent": 1.0}, "late": {"seen": 1.0}}
    best = next_probes({"lost": 1.0, "late": 1.0}, [Candidate("shop.py:9", outcomes, hits_per_s=5.0)])
    html = render_to_string("components/finding.html", {"finding": advice(best)[0]})
    assert "1.00 bits" in html
    assert "shop.py:9 should tell late from lost" in html
    assert "<svg" not in html
