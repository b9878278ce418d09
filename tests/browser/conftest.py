"""One headless Chromium for the browser tests, and pages that report what the security policy forbade."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from investigations.accounts import redaction
from investigations.accounts.actors import Actor
from investigations.alerts import services as alerts
from investigations.alerts.backends.base import Reading
from investigations.catalog.models import FunctionMinute, Instance
from investigations.evidence import services as evidence
from investigations.lib.ids import show
from investigations.probes.models import Capture, Probe
from investigations.sessions.models import InvestigationSession
from tests.browser.dashboard import Dashboard
from tests.gateway import GatewayProcess
from tests.investigations.conftest import (
    admin,
    connect,
    environment,
    instance,
    make_person,
    responder,
    say_hello,
    sensor_token,
    service,
    session,
)
from tests.investigations.evidence.conftest import make_capture, make_probe, probe
from tests.investigations.gateway.conftest import gateway, gateway_process

__all__ = [
    "admin",
    "connect",
    "environment",
    "gateway",
    "gateway_process",
    "instance",
    "make_capture",
    "make_person",
    "make_probe",
    "probe",
    "responder",
    "say_hello",
    "sensor_token",
    "service",
    "session",
]
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's loop runs in the thread of the tests
os.environ["SIGHTLINE_TEST"] = "1"  # static files straight from the tree

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.nodeid:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The distribution's Chromium; skipped where there is none."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page; afterwards no script may have failed and no policy may have been violated."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    opened = context.new_page()
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            complaints.append(message.text)

    opened.on("console", hear)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


@pytest.fixture
def dashboard(
    gateway: GatewayProcess,
    admin: Actor,
    session: InvestigationSession,
    probe: Probe,
    instance: Instance,
    make_capture: Callable[..., Capture],
) -> Dashboard:
    """A firing alert, a session with two captures, a hypothesis and evidence, served by a real Daphne."""
    source = alerts.create_source(
        by=admin, environment=session.environment, name="alertmanager", backend="alertmanager", url=""
    )
    about = {"alertname": "RejectionsHigh", "service": "trade-execution-service"}
    fired = Reading(labels=about, annotations={}, starts_at=timezone.now(), state="firing")
    alerts.ingest(source=source, readings=[fired], complete=False, at=timezone.now())
    first, second = make_capture(probe), make_capture(probe)
    claim = evidence.propose_hypothesis(by=admin, session=session, statement="high_value is a str")
    item = evidence.record_evidence(by=admin, session=session, title="A str", of=show("cap", first.id))
    redaction.add_redaction_rule(by=admin, environment=session.environment, kind="name", pattern="acme_*")
    record_calls(instance)
    assert admin.user is not None
    where = f"service={show('svc', probe.service_id)}&function=trades.models:TradeRequest.check"
    home, here = f"http://127.0.0.1:{gateway.port}", f"/sessions/{show('ses', session.id)}/"
    one, other = show("cap", first.id), show("cap", second.id)
    paths = {
        "inbox": "/", "sessions": "/sessions/", "session": here, "report": f"{here}report/",
        "assignments": f"{here}assignments/", "capture": f"/captures/{one}/",
        "compare": f"/captures/{one}/compare/{other}/", "evidence": f"/evidence/{show('evd', item.id)}/",
        "hypothesis": f"/hypotheses/{show('hyp', claim.id)}/", "new session": "/sessions/new/",
        "new hypothesis": f"{here}hypotheses/new/", "record": f"{here}evidence/record/?of={one}",
        "place": f"{here}probes/place/?{where}",
        "probe": f"/probes/{show('prb', probe.id)}/", "fleet": "/fleet/", "sources": "/settings/sources/",
        "tokens": "/settings/tokens/", "redaction": "/settings/redaction/", "audit": "/audit/",
        "service": f"/fleet/{show('svc', probe.service_id)}/",
        "service source": f"/fleet/{show('svc', probe.service_id)}/source/?path=trades/models.py&line=3",
    }  # fmt: skip
    places = {name: home + path for name, path in paths.items()}
    return Dashboard(gateway, admin.user, places, lambda: make_capture(probe))


def record_calls(instance: Instance) -> None:
    """An hour of a function record: `check` calls `price`, and sometimes fails."""
    duration = {
        "count": 9,
        "sum": 90.0,
        "min": 9.0,
        "max": 11.0,
        "scale": 3,
        "positive": {"26": 9},
        "unit": "ms",
    }
    facts = {"file": "trades/models.py", "line": 3, "duration": duration, "exceptions": {}, "errors": 0}
    check = facts | {
        "calls": 9,
        "estimated": 90.0,
        "callers": {"": 9},
        "errors": 2,
        "exceptions": {"KeyError": 2},
    }
    price = facts | {"calls": 9, "estimated": 9.0, "callers": {"trades.models:TradeRequest.check": 9}}
    for minutes in range(60):
        FunctionMinute.objects.create(
            environment=instance.environment, service=instance.service, instance=instance,
            minute=timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=minutes),
            functions={"trades.models:TradeRequest.check": check, "trades.models:price": price},
        )  # fmt: skip
