"""Alertmanager's own answers and posts, read into our words: by both doors the same alert."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.alerts.backends.alertmanager import Alertmanager
from investigations.alerts.backends.base import AlertBackend, MetricBackend, Unreadable
from investigations.alerts.backends.prometheus import Prometheus
from investigations.alerts.labels import fingerprint
from investigations.lib.http import Client

SAMPLES = Path(__file__).parent / "samples"
ALERTS = (SAMPLES / "alertmanager-0.25-api-v2-alerts.json").read_text()
STATUS = json.loads((SAMPLES / "alertmanager-0.25-api-v2-status.json").read_text())
WEBHOOK = (SAMPLES / "alertmanager-0.25-webhook-payload-v4.json").read_text()
RULES = (SAMPLES / "prometheus-2.42-api-v1-rules.json").read_text()
alertmanager = Alertmanager({})


def answering(*, up_for: timedelta = timedelta(hours=1), alerts: str = ALERTS, **more: Any) -> Client:
    started = {**STATUS, "uptime": (datetime.now(UTC) - up_for).isoformat()}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v2/status":
            return httpx.Response(more.get("code", 200), json=started)
        assert request.url.params["silenced"] == "true"
        return httpx.Response(200, text=alerts)

    return Client("http://127.0.0.1:9093", transport=httpx.MockTransport(answer))


def changed(document: str, **fields: Any) -> str:
    """A sample whose one alert has other fields."""
    plain = json.loads(document)
    [alert] = plain if isinstance(plain, list) else plain["alerts"]
    alert.update(fields)
    return json.dumps(plain)


def test_it_tells_of_alerts_and_keeps_no_metrics() -> None:
    assert isinstance(alertmanager, AlertBackend)
    assert not isinstance(alertmanager, MetricBackend)


def test_pull_webhook_and_prometheus_name_the_same_alert() -> None:
    [held] = alertmanager.read_pull(ALERTS).readings
    [posted] = alertmanager.read_webhook(WEBHOOK).readings
    [ruled] = Prometheus({}).read_pull(RULES).readings
    assert fingerprint(held.labels) == fingerprint(posted.labels) == fingerprint(ruled.labels)
    assert held.starts_at == posted.starts_at
    assert abs(held.starts_at - ruled.starts_at) < timedelta(seconds=1)
    assert held.expression == posted.expression == ruled.expression


def test_an_active_alert_fires_and_its_end_lies_open() -> None:
    [held] = alertmanager.read_pull(ALERTS).readings
    assert (held.state, held.ends_at) == ("firing", None)
    assert held.link.startswith("http://127.0.0.1:9190/graph")


def test_a_silenced_alert_is_suppressed() -> None:
    silenced = changed(ALERTS, status={"state": "suppressed", "silencedBy": ["s"], "inhibitedBy": []})
    assert alertmanager.read_pull(silenced).readings[0].state == "suppressed"


def test_a_posted_resolve_carries_its_end() -> None:
    over = changed(WEBHOOK, status="resolved", endsAt="2026-11-22T11:00:00Z")
    [reading] = alertmanager.read_webhook(over).readings
    assert (reading.state, reading.ends_at) == ("resolved", datetime(2026, 11, 22, 11, tzinfo=UTC))


def test_a_resolve_that_tells_no_end_has_none() -> None:
    [reading] = alertmanager.read_webhook(changed(WEBHOOK, status="resolved")).readings
    assert reading.ends_at is None


def test_one_alert_that_cannot_be_read_does_not_lose_the_others() -> None:
    document = json.loads(WEBHOOK)
    document["alerts"].append({"labels": {"alertname": 7}})
    read = alertmanager.read_webhook(json.dumps(document))
    assert len(read.readings) == 1
    [rejected] = read.rejected
    assert len(alertmanager.read_webhook(rejected.raw).rejected) == 1, "the dead letter can be read alone"


@pytest.mark.parametrize(
    "document", ["", "{}", "[]", '{"version": "3", "alerts": []}', '{"version": "4", "alerts": 1}']
)
def test_what_is_no_webhook_of_version_4_is_unreadable(document: str) -> None:
    with pytest.raises(Unreadable):
        alertmanager.read_webhook(document)


@given(st.text(max_size=80))
def test_no_text_makes_reading_fail_otherwise(document: str) -> None:
    for read in (alertmanager.read_pull, alertmanager.read_webhook):
        with contextlib.suppress(Unreadable):
            read(document)


def test_a_pull_holds_everything_that_burns() -> None:
    pull = alertmanager.pull(answering(), {})
    assert (pull.status, pull.complete, len(pull.read.readings)) == ("ok", True, 1)


def test_just_after_its_start_it_has_forgotten_alerts_and_resolves_none() -> None:
    pull = alertmanager.pull(answering(up_for=timedelta(seconds=20), alerts="[]"), {})
    assert (pull.status, pull.complete) == ("ok", False)
    assert "just started" in pull.checks[0].sentence
    sooner = Alertmanager({"settles_in_s": 10}).pull(answering(up_for=timedelta(seconds=20)), {})
    assert sooner.complete


def test_a_pull_that_failed_is_never_whole() -> None:
    pull = alertmanager.pull(answering(code=401), {})
    assert (pull.status, pull.complete) == ("denied", False)


def test_each_scope_is_checked_by_itself() -> None:
    checks = alertmanager.check(answering())
    assert [(check.scope, check.status) for check in checks] == [("version", "ok"), ("alerts", "ok")]
    assert checks[0].sentence == "Alertmanager 0.25.0"
    assert {check.status for check in alertmanager.check(answering(code=403))} == {"denied"}
