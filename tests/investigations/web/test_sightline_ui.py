from datetime import UTC, datetime

import pytest
from django import forms
from django.template import Context, Template
from django.test import RequestFactory

from investigations.web import values
from sightline.wire import Value

HOSTILE = "<img src=x onerror=alert(1)>' hx-get='/x"


def render(text, **context):
    return Template("{% load sightline_ui %}" + text).render(Context(context))


def test_an_icon_is_hidden_from_screen_readers_unless_it_is_named():
    assert 'aria-hidden="true"' in render('{% icon "inbox" %}')
    named = render('{% mark "met" "gate met" %}')
    assert 'role="img"' in named
    assert 'aria-label="gate met"' in named


def test_a_state_is_shape_tone_and_word():
    html = render('{% state "probe" "active" %}')
    assert "#m-armed" in html
    assert "state armed" in html
    assert ">active" in html


@pytest.mark.parametrize(
    "tag",
    [
        '{% state "probe" value value %}',
        "{% actor value %}",
        "{% stance value %}",
        '{% icon "inbox" value %}',
        '{% include "components/empty.html" with title=value %}',
        '{% include "components/failed.html" with sentence=value slug=value %}',
        '{% include "components/toast.html" with text=value %}',
        '{% include "components/capture_row.html" with capture=capture %}',
        '{% include "components/value_tree.html" with nodes=nodes %}',
    ],
)
def test_hostile_text_stays_text(tag):
    tree = values.tree({HOSTILE: Value(type=HOSTILE, value=HOSTILE)})
    capture = {
        "public_id": "cap_1",
        "url": "/captures/1",
        "at": datetime(2026, 3, 11, tzinfo=UTC),
        "outcome": "fail",
        "headline": tree[0],
        "second": HOSTILE,
        "instance": HOSTILE,
    }
    html = render(tag, value=HOSTILE, nodes=tree, capture=capture)
    assert "<img" not in html
    assert "' hx-get='" not in html


def test_captured_values_stand_where_htmx_does_nothing():
    html = render(
        '{% include "components/value_tree.html" with nodes=nodes %}',
        nodes=values.tree({"a": Value(type="int", value=1)}),
    )
    assert html.index("hx-disable") < html.index("data-path")


def test_a_moment_carries_its_whole_instant():
    html = render("{% clock moment %}", moment=datetime(2026, 3, 11, 2, 54, 58, tzinfo=UTC))
    assert 'datetime="2026-03-11T02:54:58+00:00"' in html
    assert 'title="2026-03-11 02:54:58 UTC"' in html
    assert ">02:54:58<" in html


def test_a_moment_that_is_not_known_is_a_dash():
    assert "–" in render("{% clock moment %}{% ago moment %}", moment=None)


def test_a_place_that_does_not_exist_is_left_out_of_the_rail(settings):
    settings.ROOT_URLCONF = "tests.investigations.web.places"
    assert render('{% rail_item "no_such_page" "Nowhere" "code" %}').strip() == ""


def test_the_rail_marks_where_one_is(settings):
    settings.ROOT_URLCONF = "tests.investigations.web.places"
    for path, current in (
        ("/sessions/", True),
        ("/sessions/ses_1/", True),
        ("/captures/c", True),
        ("/fleet/", False),
    ):
        request = RequestFactory().get(path)
        html = render('{% rail_item "sessions" "Sessions" "session" also="/captures/" %}', request=request)
        assert ('aria-current="page"' in html) is current, path


def test_a_field_ties_its_error_and_help_to_its_control():
    class Sheet(forms.Form):
        condition = forms.CharField(help_text="Names and comparisons.")

    sheet = Sheet({"condition": ""})
    html = render('{% include "components/field.html" with field=form.condition %}', form=sheet)
    assert 'class="input"' in html
    assert 'aria-invalid="true"' in html
    for part in ("id_condition_helptext", "id_condition_error"):
        assert f'id="{part}"' in html
        assert part in html.split("aria-describedby=")[1].split(">")[0]


def test_hits_by_ending_are_read_out_with_their_counts():
    html = render(
        "{% hits_by_ending counts as hits %}"
        '{% include "components/endings.html" %}{% include "components/ending_counts.html" %}',
        counts={"captured": 214, "rate_limited": 58},
    )
    assert "214 captured, 58 rate limited" in html
    assert "272 hits" in html


def test_data_for_a_script_cannot_leave_its_attribute():
    html = render(
        '<live-chart data-series="{{ data|as_json }}"></live-chart>',
        data={"label": '"><script>alert(1)</script>'},
    )
    assert "<script>" not in html
    assert html.count('"') == 2
