from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from investigations.web import wording

NOW = datetime(2026, 3, 11, 2, 55, 20, tzinfo=UTC)


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (12480.5, "12,480.5"),
        (0, "0"),
        (Decimal("48200.00"), "48,200"),
        (2.0, "2"),
        (-0.255, "-0.26"),
        (None, "–"),
    ],
)
def test_a_number_has_no_digits_that_say_nothing(value, written):
    assert wording.number(value) == written


@pytest.mark.parametrize(
    ("value", "written"), [(9753, "9,753"), (21_000, "21 k"), (2_100_000, "2.1 M"), (None, "–")]
)
def test_large_figures_are_shortened_for_a_glance(value, written):
    assert plain(wording.compact(value)) == written


def test_a_share_of_one_is_written_in_per_cent():
    assert plain(wording.percent(0.0384)) == "3.8 %"
    assert wording.percent(None) == "–"


@pytest.mark.parametrize(
    ("span", "written"),
    [
        (0, "0 s"),
        (41e-6, "41 µs"),
        (0.0103, "10 ms"),
        (0.0011, "1.1 ms"),
        (1.94, "1.9 s"),
        (735, "12 m 15 s"),
        (11_100, "3 h 5 m"),
        (3600, "1 h"),
        (timedelta(days=41), "41 d"),
        (None, "–"),
    ],
)
def test_a_duration_keeps_its_two_largest_units(span, written):
    assert plain(wording.duration(span)) == written


@pytest.mark.parametrize(
    ("count", "written"), [(512, "512 B"), (9318, "9.3 kB"), (1_200_000, "1.2 MB"), (None, "–")]
)
def test_sizes_are_in_thousands(count, written):
    assert plain(wording.size(count)) == written


@pytest.mark.parametrize(
    ("before", "written"),
    [
        (4, "4 s"),
        (59, "59 s"),
        (60, "1 m"),
        (840, "14 m"),
        (10_900, "3 h"),
        (600_000, "6 d"),
        (-50, "in 50 s"),
    ],
)
def test_time_passed_is_one_unit(before, written):
    assert plain(wording.ago(NOW - timedelta(seconds=before), NOW)) == written


def test_a_short_id_keeps_its_kind_and_its_end():
    assert wording.short_id("cap_01kb2x7qvd4m8n0p3r5s6t7fk2") == "cap_7fk2"


def test_a_commit_that_is_not_known_is_a_dash():
    assert wording.short_sha("9f3c1e2aa0") == "9f3c1e2"
    assert wording.short_sha("") == "–"


@pytest.mark.parametrize(
    ("name", "letters"), [("Ana Ruiz", "AR"), ("claude-1", "c1"), ("ops", "o"), ("", "?")]
)
def test_initials_are_at_most_two(name, letters):
    assert wording.initials(name) == letters
