"""timeline-sight.js: the crosshair, by pointer and by keys, and the sight that a chosen capture moves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from playwright.sync_api import Page, expect

from investigations.web import plots
from tests.browser.wire import Wire

PAGE = """{% load static sightline_ui %}<!doctype html><html lang="en"><head><title>Timeline</title>
<link rel="icon" href="{% static 'favicon.svg' %}">
<link rel="stylesheet" href="{% static 'css/tokens.css' %}"><link rel="stylesheet" href="{% static 'css/base.css' %}">
<link rel="stylesheet" href="{% static 'css/components.css' %}">
<script type="module" src="{% static 'js/timeline-sight.js' %}"></script></head><body>
{% include "components/timeline.html" %}
{% for each in timeline.moments %}
<a class="capture" href="#{{ each.capture }}" data-capture="{{ each.capture }}" data-outcome="fail">{{ each.text }}</a>
{% endfor %}</body></html>"""
START = datetime(2026, 3, 11, 2, 30, tzinfo=UTC)
FIRST, SECOND = START + timedelta(minutes=5), START + timedelta(minutes=15)


@pytest.fixture
def timeline(page: Page) -> Iterator[Page]:
    drawn = plots.timeline(
        plots.Window(START, START + timedelta(minutes=20)),
        captures=[plots.Sight(FIRST, "", "cap_1"), plots.Sight(SECOND, "", "cap_2")],
        sight=plots.Sight(FIRST, "02:35:00 ✕ FAIL", "cap_1"),
    )
    wire = Wire()
    wire.page = Template(PAGE).render(Context({"timeline": drawn}))
    page.goto(wire.url)
    yield page
    wire.stop()


def at(page: Page, selector: str, share: str) -> None:
    expect(page.locator(selector)).to_have_attribute("x1", share)


def test_the_arrow_keys_walk_the_captures_and_enter_opens_one(timeline: Page) -> None:
    timeline.focus("svg.plot")
    timeline.keyboard.press("ArrowLeft")
    at(timeline, ".hoverline", "75%")
    timeline.keyboard.press("ArrowLeft")
    at(timeline, ".hoverline", "25%")
    timeline.keyboard.press("ArrowRight")
    timeline.keyboard.press("Enter")
    expect(timeline).to_have_url(re.compile("#cap_2$"))
    at(timeline, ".sightline", "75%")
    expect(timeline.locator(".sight-label")).to_have_text("02:45:00 ✕ FAIL")


def test_the_pointer_takes_the_nearest_capture_and_leaves_the_sight(timeline: Page) -> None:
    box = timeline.locator("svg.plot").bounding_box()
    assert box is not None
    timeline.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 100)
    at(timeline, ".hoverline", "75%")
    at(timeline, ".sightline", "25%")
    timeline.mouse.move(box["x"] + 10, box["y"] + box["height"] + 60)
    expect(timeline.locator("[data-hover]")).to_be_hidden()


def test_a_capture_chosen_in_the_stream_moves_the_sight(timeline: Page) -> None:
    timeline.click("a[data-capture='cap_2']")
    at(timeline, ".sightline", "75%")
    expect(timeline.locator("a[data-capture='cap_2']")).to_have_attribute("aria-current", "true")
