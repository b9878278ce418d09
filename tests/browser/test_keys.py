"""shortcuts.js, code-view.js, theme.js and relative-time.js on a page of the real components."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.template import Context, Template
from playwright.sync_api import Page, expect

from investigations.web import values
from sightline.wire import Value
from tests.browser.wire import Wire

PAGE = """{% extends "base.html" %}{% load static sightline_ui %}
{% block title %}Keys{% endblock %}
{% block scripts %}<script type="module" src="{% static 'js/code-view.js' %}"></script>{% endblock %}
{% block main %}
<input id="find" data-key="/" data-key-name="Find" aria-label="Find">
<button id="pin" type="button" data-key="e">Pin as evidence <kbd>e</kbd></button>
<output id="pressed">0</output>
<p>ends <relative-time data-count><time datetime="{{ soon|date:'c' }}">soon</time></relative-time></p>
<section class="pane">
{% include "components/source.html" with file="trade_request.py" lines=lines first=87 last=89 %}
</section>
{% include "components/value_tree.html" with nodes=nodes %}
{% endblock %}
{% block after %}{% include "components/probe_dialog.html" %}{% endblock %}"""
LINES: list[dict[str, Any]] = [
    {"number": 87, "html": "log.debug(request)", "executable": True, "place_url": "/sheet"},
    {"number": 88, "html": "return request", "executable": True, "place_url": "/sheet", "current": True},
    {"number": 89, "html": "", "executable": False, "why_not": "An empty line never runs."},
]
FLAGS = Value(
    type="dict", size=1, entries=[(Value(type="str", value="dry_run"), Value(type="bool", value=False))]
)


@pytest.fixture
def wire(settings: Any) -> Iterator[Wire]:
    settings.ROOT_URLCONF = "tests.investigations.web.places"
    nodes = values.tree({"name": Value(type="str", value="high_value"), "flags": FLAGS})
    soon = datetime.now(UTC) + timedelta(seconds=95)
    started = Wire()
    started.page = Template(PAGE).render(Context({"lines": LINES, "nodes": nodes, "soon": soon}))
    yield started
    started.stop()


@pytest.fixture
def keyed(page: Page, wire: Wire) -> Page:
    """The page, with a count of how often its button was pressed."""
    page.goto(wire.url)
    page.evaluate(
        "pin.addEventListener('click', () => { pressed.textContent = Number(pressed.textContent) + 1; })"
    )
    return page


def pressed(page: Page, times: int) -> None:
    expect(page.locator("#pressed")).to_have_text(str(times))


def test_a_key_presses_what_declares_it(keyed: Page) -> None:
    keyed.keyboard.press("e")
    pressed(keyed, 1)
    keyed.keyboard.press("/")
    expect(keyed.locator("#find")).to_be_focused()


def test_typing_presses_nothing(keyed: Page) -> None:
    keyed.fill("#find", "")
    keyed.locator("#find").press_sequentially("eee")
    expect(keyed.locator("#find")).to_have_value("eee")
    pressed(keyed, 0)


def test_the_question_mark_lists_the_page_s_own_keys(keyed: Page) -> None:
    keyed.keyboard.press("?")
    overlay = keyed.locator("#keys")
    expect(overlay).to_be_visible()
    expect(overlay.locator("dd")).to_contain_text(
        ["Find", "Pin as evidence", "Last values beside the lines", "Next row"]
    )
    keyed.keyboard.press("e")
    pressed(keyed, 0)
    keyed.keyboard.press("Escape")
    expect(overlay).to_be_hidden()


def test_single_keys_can_be_switched_off(keyed: Page) -> None:
    keyed.keyboard.press("?")
    keyed.uncheck("[data-keys-on]")
    keyed.keyboard.press("Escape")
    keyed.keyboard.press("e")
    keyed.reload()
    keyed.keyboard.press("?")
    expect(keyed.locator("[data-keys-on]")).not_to_be_checked()
    pressed(keyed, 0)


def test_rows_are_walked_and_folded(keyed: Page) -> None:
    keyed.focus(".tree")
    keyed.keyboard.press("j")
    expect(keyed.locator("[data-path='name']")).to_be_focused()
    keyed.keyboard.press("j")
    flags = keyed.locator("summary[data-path='flags']")
    expect(flags).to_be_focused()
    keyed.keyboard.press("ArrowLeft")
    expect(keyed.locator("details.node")).not_to_have_attribute("open", "")
    keyed.keyboard.press("ArrowRight")
    keyed.keyboard.press("j")
    expect(keyed.locator("[data-path*='dry_run']")).to_be_focused()


def test_the_current_line_moves_and_opens_its_probe_sheet(keyed: Page) -> None:
    keyed.focus("code-view")
    keyed.keyboard.press("k")
    expect(keyed.locator("#L87")).to_have_attribute("aria-current", "true")
    expect(keyed.locator("#L88")).not_to_have_attribute("aria-current", "true")
    keyed.keyboard.press("p")
    expect(keyed.locator("#probe-sheet")).to_be_visible()
    keyed.click("#probe-sheet [data-close]")
    expect(keyed.locator("#probe-sheet")).to_be_hidden()


def test_a_line_that_cannot_carry_a_probe_says_why(keyed: Page) -> None:
    keyed.focus("code-view")
    keyed.keyboard.press("j")
    keyed.keyboard.press("p")
    expect(keyed.locator("#toasts")).to_contain_text("An empty line never runs.")
    expect(keyed.locator("#probe-sheet")).to_be_hidden()


def test_last_values_can_be_put_away(keyed: Page) -> None:
    keyed.keyboard.press("v")
    expect(keyed.locator("code-view")).to_have_attribute("data-plain", "")


def test_the_theme_is_chosen_once_and_kept(keyed: Page) -> None:
    keyed.click(".account")
    for theme in ("light", "dark"):
        keyed.click("[data-theme-switch]")
        expect(keyed.locator("html")).to_have_attribute("data-theme", theme)
    keyed.reload()
    expect(keyed.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_countdown_counts(keyed: Page) -> None:
    time = keyed.locator("relative-time time")
    expect(time).to_contain_text("in 1:")
    before = time.text_content()
    assert before is not None
    expect(time).not_to_have_text(before)


def test_an_answer_that_failed_is_said_and_replaces_nothing(keyed: Page) -> None:
    keyed.focus("code-view")
    keyed.keyboard.press("p")  # the sheet's address answers 404
    expect(keyed.locator("#toasts")).to_contain_text("This is not there any more.")
    expect(keyed.locator("#probe-sheet-body .skeleton")).to_be_visible()


def test_the_first_tab_stop_skips_to_the_content(keyed: Page) -> None:
    keyed.keyboard.press("Tab")
    expect(keyed.locator(".skip")).to_be_focused()
    keyed.keyboard.press("Enter")
    expect(keyed.locator("#main")).to_be_focused()


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_no_width_scrolls_the_page_sideways(keyed: Page, width: int) -> None:
    keyed.set_viewport_size({"width": width, "height": 800})
    assert keyed.evaluate("document.documentElement.scrollWidth") <= width


def test_a_toast_lies_over_an_open_dialog(keyed: Page) -> None:
    keyed.focus("code-view")
    keyed.keyboard.press("p")
    expect(keyed.locator("#probe-sheet")).to_be_visible()
    keyed.click("#toasts [data-dismiss]")  # behind the dialog it could not be pressed
    expect(keyed.locator("#toasts .toast")).to_have_count(0)
