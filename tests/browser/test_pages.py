"""Every page in a real browser under the page's own policy: nothing forbidden, nothing wider than a phone."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Page, expect

from tests.browser.dashboard import Dashboard
from tests.servers import of_this_run

PLACES = ["inbox", "sessions", "session", "report", "assignments", "capture", "compare", "evidence", "hypothesis",
          "new session", "new hypothesis", "record", "place", "probe", "fleet", "sources", "tokens",
          "audit", "redaction", "service", "service source"]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_page_opens_without_complaint_and_fits_its_window(
    page: Page, dashboard: Dashboard, place: str
) -> None:
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    dashboard.sign_in(page)
    page.goto(dashboard.places[place])
    page.wait_for_load_state("networkidle")
    expect(page.locator("h1").first).not_to_be_empty()
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.set_viewport_size({"width": 1200, "height": 900})
    assert page.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0  # its panes scroll
    assert errors == []


@pytest.mark.parametrize("place", PLACES)
def test_everything_pressable_has_a_name_and_ids_are_unique(
    page: Page, dashboard: Dashboard, place: str
) -> None:
    dashboard.sign_in(page)
    page.goto(dashboard.places[place])
    page.wait_for_load_state("networkidle")
    nameless = page.evaluate(
        """[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea')].filter(e =>
          !(e.getAttribute('aria-label') || e.textContent.trim() || e.title ||
            e.labels?.length)).map(e => e.outerHTML)"""
    )
    repeated = page.evaluate(
        """(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
                    return ids.filter((id, at) => ids.indexOf(id) !== at); })()"""
    )
    assert (nameless, repeated) == ([], [])


def test_captures_enter_an_open_page_and_survive_a_restart(page: Page, dashboard: Dashboard) -> None:
    dashboard.sign_in(page)
    page.goto(dashboard.places["session"])
    expect(page.locator("live-connection")).to_have_attribute("data-state", "live")
    rows = page.locator("#captures [data-capture]")
    before = rows.count()
    dashboard.capture()
    expect(rows).to_have_count(before + 1)
    dashboard.crash()
    expect(page.locator("live-connection")).to_have_attribute("data-state", "lost")
    dashboard.capture()
    dashboard.capture()
    dashboard.daphne.ensure_started()
    expect(rows).to_have_count(before + 3, timeout=40_000)


def test_captures_enter_an_open_page_though_valkey_was_killed(page: Page, dashboard: Dashboard) -> None:
    servers = of_this_run()
    if os.environ["REDIS_URL"] != servers.valkey.url:
        pytest.skip("REDIS_URL names a server that is not ours to kill")
    dashboard.sign_in(page)
    page.goto(dashboard.places["session"])
    expect(page.locator("live-connection")).to_have_attribute("data-state", "live")
    rows = page.locator("#captures [data-capture]")
    before = rows.count()
    servers.kill_valkey()
    dashboard.capture()
    servers.start_valkey()
    expect(rows).to_have_count(before + 1, timeout=40_000)
    dashboard.capture()
    expect(rows).to_have_count(before + 2, timeout=40_000)


def test_a_capture_opens_beside_its_list_and_is_pinned_by_keys(page: Page, dashboard: Dashboard) -> None:
    dashboard.sign_in(page)
    page.goto(dashboard.places["session"])
    page.locator("#captures [data-capture]").first.click()
    expect(page.locator("#detail")).to_contain_text("high_value")
    page.keyboard.press("e")
    expect(page.get_by_role("heading", name="Record evidence")).to_be_visible()


def test_an_alert_is_investigated_by_one_key(page: Page, dashboard: Dashboard) -> None:
    dashboard.sign_in(page)
    page.goto(dashboard.places["inbox"])
    page.keyboard.press("i")
    page.wait_for_url("**/sessions/ses_*/")
    expect(page.locator("h1")).to_have_text("RejectionsHigh")


def test_a_kind_is_chosen_and_its_fields_come_without_losing_what_was_written(
    page: Page, dashboard: Dashboard
) -> None:
    dashboard.sign_in(page)
    page.goto(dashboard.places["place"])
    page.get_by_label("When").fill("amount > 9")
    page.get_by_label("Ask for").select_option("metric")
    expect(page.get_by_label("Measure")).to_be_visible()
    expect(page.get_by_label("Watch")).to_have_count(0)
    expect(page.get_by_label("When")).to_have_value("amount > 9")


def test_a_probe_is_removed_and_the_removal_taken_back(page: Page, dashboard: Dashboard) -> None:
    dashboard.sign_in(page)
    page.goto(dashboard.places["probe"])
    expect(page.locator("live-connection")).to_have_attribute("data-state", "live")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator(".slip-body")).to_contain_text("removed")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".slip-body")).to_contain_text("armed on 1 of 1")
    expect(page.locator(".toast", has_text="is removed")).to_have_count(0)
