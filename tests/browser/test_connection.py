"""connection.js at both ends: what the page asks for, and what it paints, holds and counts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.template import Context, Template
from playwright.sync_api import Page, expect

from tests.browser.wire import Wire

PAGE = """{% load static django_htmx sightline_ui %}<!doctype html><html lang="en"><head><title>Live</title>
<link rel="icon" href="{% static 'favicon.svg' %}">
<meta name="htmx-config" content='{"allowEval": false, "allowScriptTags": false, "includeIndicatorStyles": false}'>
<link rel="stylesheet" href="{% static 'css/tokens.css' %}"><link rel="stylesheet" href="{% static 'css/base.css' %}">
<link rel="stylesheet" href="{% static 'css/layout.css' %}">
<link rel="stylesheet" href="{% static 'css/components.css' %}">
{% htmx_script %}<script type="module" src="{% static 'js/connection.js' %}"></script></head><body>
<p id="away">away</p>
{% include "components/live_state.html" with socket="/live/" %}
<p id="verdict">inconclusive <button id="inside">why</button></p>
{% include "components/newer.html" with list="captures" %}
<div id="captures" data-live="captures" data-cursor="7" data-cap="5"><a class="capture" id="cap_7" href="#">7</a></div>
</body></html>"""

COUNTS_FRAMES = """const Line = WebSocket;
window.frames_heard = 0;
window.WebSocket = class extends Line {
  constructor(address) { super(address); this.addEventListener("message", () => { window.frames_heard += 1; }); }
};"""


@pytest.fixture
def wire() -> Iterator[Wire]:
    started = Wire()
    started.page = Template(PAGE).render(Context())
    yield started
    started.stop()


@pytest.fixture
def live(page: Page, wire: Wire) -> Page:
    """The page, connected, with the pointer above its list: below it, the list would grow under it."""
    page.add_init_script(COUNTS_FRAMES)
    page.goto(wire.url)
    page.hover("#away")
    assert wire.next() == {"resume": {"captures": 7}, "paused": False, "hidden": False}
    return page


def batch(start: int, *numbers: int, failing: int = 0, extra: str = "") -> str:
    rows = "".join(
        f'<a class="capture" id="cap_{number}" href="#">{number}</a>' for number in reversed(numbers)
    )
    return (
        f'<div data-live="captures" data-from="{start}" data-cursor="{numbers[-1]}" '
        f'data-newer="{len(numbers)}" data-failing="{failing}" {extra}>{rows}</div>'
    )


def rows(page: Page, *numbers: int) -> None:
    expect(page.locator("#captures a")).to_have_text([str(number) for number in numbers])


def newer(page: Page, words: str) -> None:
    expect(page.locator("[data-live-newer-words]")).to_have_text(words)


def test_rows_enter_at_the_top_and_move_the_cursor(live: Page, wire: Wire) -> None:
    wire.say(batch(7, 8, 9))
    rows(live, 9, 8, 7)
    expect(live.locator("#captures")).to_have_attribute("data-cursor", "9")
    expect(live.locator("[data-live-word]")).to_have_text("Live")


def test_what_was_painted_is_not_painted_again(live: Page, wire: Wire) -> None:
    wire.say(batch(7, 8))
    wire.say(batch(7, 8))
    wire.say(batch(8, 9))
    rows(live, 9, 8, 7)


def test_nothing_moves_under_the_pointer_until_it_leaves(live: Page, wire: Wire) -> None:
    live.hover("#cap_7")
    wire.say(batch(7, 8, 9, failing=1))
    newer(live, "2 newer, 1 FAIL: show")
    wire.say(batch(9, 10))
    newer(live, "3 newer, 1 FAIL: show")
    rows(live, 7)
    live.hover("#away")
    assert wire.next()["resume"] == {"captures": 7}
    wire.say(batch(7, 8, 9, 10))
    rows(live, 10, 9, 8, 7)
    expect(live.locator("[data-live-newer]")).to_be_hidden()


def test_nothing_moves_while_a_row_has_the_focus_and_the_bar_shows_it(live: Page, wire: Wire) -> None:
    live.focus("#cap_7")
    wire.say(batch(7, 8))
    newer(live, "1 newer: show")
    live.click("[data-live-newer]")
    assert wire.next()["resume"] == {"captures": 7}
    wire.say(batch(7, 8))
    rows(live, 8, 7)


def test_a_hole_is_asked_for_instead_of_painted(live: Page, wire: Wire) -> None:
    wire.say(batch(9, 10))
    assert wire.next()["resume"] == {"captures": 7}
    rows(live, 7)
    wire.say(batch(7, 8, 9, 10))
    rows(live, 10, 9, 8, 7)


def test_more_than_the_list_holds_pushes_the_oldest_out(live: Page, wire: Wire) -> None:
    wire.say(batch(7, 8, 9, 10, 11, 12, 13))
    rows(live, 13, 12, 11, 10, 9)


def test_a_list_that_missed_too_much_is_replaced(live: Page, wire: Wire) -> None:
    wire.say(batch(500, 501, 502, extra="data-replace"))
    rows(live, 502, 501)


def test_pausing_stops_painting_and_going_on_asks_for_what_was_missed(live: Page, wire: Wire) -> None:
    live.click("[data-live-pause]")
    assert wire.next() == {"resume": {"captures": 7}, "paused": True, "hidden": False}
    expect(live.locator("[data-live-word]")).to_have_text("Paused")
    wire.say('<div data-live="captures" data-from="7" data-cursor="9" data-newer="2" data-failing="0"></div>')
    wire.say('<p id="verdict" hx-swap-oob="true">diagnosed</p>')
    newer(live, "2 newer: show")
    expect(live.locator("#verdict")).to_contain_text("inconclusive")
    live.click("[data-live-pause]")
    assert wire.next() == {"resume": {"captures": 7}, "paused": False, "hidden": False}


def test_a_lost_link_comes_back_from_its_cursor(live: Page, wire: Wire) -> None:
    wire.say(batch(7, 8))
    rows(live, 8, 7)
    wire.drop()
    assert wire.next()["resume"] == {"captures": 8}
    expect(live.locator("[data-live-word]")).to_have_text("Live")


def test_whoever_is_signed_out_is_not_tried_again(live: Page, wire: Wire) -> None:
    wire.drop(4401)
    expect(live.locator("[data-live-word]")).to_have_text("Signed out")
    assert wire.heard.empty()


def test_a_hidden_tab_paints_nothing_and_catches_up(live: Page, wire: Wire) -> None:
    hide = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => %s});"
    live.evaluate(hide % "true" + "document.dispatchEvent(new Event('visibilitychange'))")
    assert wire.next() == {"resume": {"captures": 7}, "paused": False, "hidden": True}
    wire.say(batch(7, 8))
    live.wait_for_function("window.frames_heard === 1")
    live.evaluate(hide % "false" + "document.dispatchEvent(new Event('visibilitychange'))")
    assert wire.next() == {"resume": {"captures": 7}, "paused": False, "hidden": False}
    rows(live, 7)
    wire.say(batch(7, 8))
    rows(live, 8, 7)


def test_anything_else_is_swapped_by_its_id(live: Page, wire: Wire) -> None:
    wire.say('<p id="verdict" hx-swap-oob="true">diagnosed</p>')
    expect(live.locator("#verdict")).to_have_text("diagnosed")


def test_what_has_the_focus_is_swapped_when_the_focus_leaves(live: Page, wire: Wire) -> None:
    live.focus("#inside")
    wire.say('<p id="verdict" hx-swap-oob="true">likely</p>')
    wire.say('<p id="verdict" hx-swap-oob="true">diagnosed</p>' + batch(7, 8))
    rows(live, 8, 7)  # both frames have been read
    expect(live.locator("#verdict")).to_contain_text("inconclusive")
    live.locator("#inside").blur()
    expect(live.locator("#verdict")).to_have_text("diagnosed")


def test_script_in_a_frame_does_not_run(live: Page, wire: Wire) -> None:
    wire.say(
        '<p id="verdict" hx-swap-oob="true">likely<script>document.title = "ran"</script></p>' + batch(7, 8)
    )
    rows(live, 8, 7)
    expect(live).to_have_title(re.compile("^Live$"))


def test_screen_readers_are_told_a_count_and_not_every_row(live: Page, wire: Wire) -> None:
    wire.say(batch(7, 8, failing=1))
    wire.say(batch(8, 9, 10))
    expect(live.locator("[data-live-announce]")).to_have_text("3 new, 1 failing", timeout=8000)
