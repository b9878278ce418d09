"""A probe's figures in a real browser: its chart is drawn under the policy, and grows while one looks at it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from investigations.catalog.models import Instance
from investigations.lib.ids import show
from investigations.probes import services
from investigations.probes.models import Probe
from sightline import wire
from tests.browser.dashboard import Dashboard
from tests.investigations.probes.samples import FIGURES

SINCE = 1_763_851_200_000_000_000


def report(instance: Instance, probe: Probe, times: int) -> None:
    """Figures as a sensor reports them: the same again and again."""
    figures = FIGURES["metric"]
    grown = {name: value * times for name, value in figures.items() if name in ("count", "sum", "unusable")}
    steps = {index: count * times for index, count in figures["positive"].items()}
    counters = wire.ProbeCounters(
        show("prb", probe.id), SINCE, {}, figures=figures | grown | {"positive": steps}
    )
    services.record_counters(instance, wire.Heartbeat(at=SINCE, mono=0, counters=[counters]))


def test_a_metric_is_drawn_and_goes_on_live(
    page: Page, dashboard: Dashboard, make_probe: Callable[..., Probe], instance: Instance
) -> None:
    probe = make_probe()
    Probe.objects.filter(pk=probe.pk).update(kind="metric", value="amount", watches=[])
    probe.refresh_from_db()
    report(instance, probe, 1)
    dashboard.sign_in(page)
    page.goto(f"{dashboard.places['inbox']}probes/{show('prb', probe.id)}/")
    expect(page.locator("live-connection")).to_have_attribute("data-state", "live")
    expect(page.locator("live-chart canvas")).to_be_visible()
    counted = page.locator(".tiles > div", has_text="all usable").or_(
        page.locator(".tiles > div", has_text="unusable")
    )
    before = counted.first.inner_text()
    report(instance, probe, 2)
    expect(counted.first).not_to_have_text(before)
    expect(page.locator("live-chart canvas")).to_be_visible()
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
