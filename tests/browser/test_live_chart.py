"""live-chart.js: a series with its gap, drawn under the page's policy, growing and following the theme."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.template import Context, Template
from playwright.sync_api import Page, expect

from tests.browser.wire import Wire

PAGE = """{% load static %}<!doctype html><html lang="en"><head><title>Chart</title>
<link rel="icon" href="{% static 'favicon.svg' %}"><script src="{% static 'js/theme.js' %}"></script>
<link rel="stylesheet" href="{% static 'css/tokens.css' %}"><link rel="stylesheet" href="{% static 'css/base.css' %}">
<link rel="stylesheet" href="{% static 'css/components.css' %}">
{% include "components/chart_scripts.html" %}</head><body>
<button data-theme-switch>Theme</button>
{% include "components/live_chart.html" with label="Rejections" %}</body></html>"""
KNOWN = [0.3] * 20
DATA = {
    "x": [1_773_196_200 + 10 * index for index in range(60)],
    "series": [{"label": "Rejections", "tone": "firing", "values": [*KNOWN, *[None] * 20, *KNOWN]}],
    "unit": "%",
    "threshold": {"value": 1, "label": "1 % for 5 min"},
    "marks": [[1_773_196_300, "deploy 4.18.0"]],
}
# How many pixels of a patch in the plot's middle, where the data is missing, are drawn on.
INK = """() => {
  const canvas = document.querySelector("live-chart canvas");
  const [x, width] = [canvas.width * 0.42, canvas.width * 0.12];
  const { data } = canvas.getContext("2d").getImageData(x, canvas.height * 0.5, width, canvas.height * 0.2);
  return data.filter((value, index) => index % 4 === 3 && value > 0).length;
}"""


@pytest.fixture
def chart(page: Page) -> Iterator[Page]:
    wire = Wire()
    wire.page = Template(PAGE).render(Context({"data": DATA}))
    page.goto(wire.url)
    expect(page.locator("live-chart canvas")).to_be_visible()
    yield page
    wire.stop()


def test_a_stretch_without_data_is_hatched(chart: Page) -> None:
    hatched = chart.evaluate(INK)
    chart.evaluate(
        "() => { const c = document.querySelector('live-chart'); c.data.series[0].values.fill(0.3); c.draw(); }"
    )
    assert hatched > 2 * chart.evaluate(INK)  # the threshold and the grid cross it either way


def test_a_new_reading_pushes_the_oldest_out(chart: Page) -> None:
    chart.evaluate("() => document.querySelector('live-chart').add({x: 1773196800, values: [4]})")
    x = chart.evaluate("() => document.querySelector('live-chart').plot.data[0]")
    assert (len(x), x[0], x[-1]) == (60, DATA["x"][1], 1_773_196_800)  # type: ignore[index]


def test_the_colours_follow_the_theme(chart: Page) -> None:
    colours = []
    for _ in ("light", "dark"):
        chart.click("[data-theme-switch]")
        colours.append(chart.evaluate("() => document.querySelector('live-chart').colors['--firing']"))
    assert colours[0] != colours[1]


def test_the_chart_keeps_to_its_column(chart: Page) -> None:
    chart.set_viewport_size({"width": 360, "height": 800})
    chart.wait_for_function(
        "document.querySelector('live-chart canvas').getBoundingClientRect().width <= 360"
    )
    assert chart.evaluate("document.documentElement.scrollWidth") <= 360
