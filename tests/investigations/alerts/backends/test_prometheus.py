"""Prometheus' own answers, read into our words; what it cannot answer is said, never guessed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.alerts.backends.base import AlertBackend, MetricBackend, Unreadable
from investigations.alerts.backends.prometheus import MOST_LINES, MOST_POINTS, Prometheus, step_for
from investigations.lib.http import Client

SAMPLES = Path(__file__).parent / "samples"
RULES = (SAMPLES / "prometheus-2.42-api-v1-rules.json").read_text()
RANGE = (SAMPLES / "prometheus-2.42-query_range.json").read_text()
START = datetime(2026, 11, 22, 10, 48, tzinfo=UTC)
prometheus = Prometheus({})


def answering(*answers: httpx.Response) -> tuple[Client, list[httpx.Request]]:
    waiting, asked = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return waiting.pop(0)

    return Client("http://127.0.0.1:9090", transport=httpx.MockTransport(answer)), asked


def rules(change: Callable[[dict[str, Any]], None]) -> str:
    """The sample with its firing rule changed."""
    document = json.loads(RULES)
    change(document["data"]["groups"][0]["rules"][0])
    return json.dumps(document)


def test_it_tells_of_alerts_and_answers_metrics() -> None:
    assert isinstance(prometheus, AlertBackend)
    assert isinstance(prometheus, MetricBackend)


# ---------------------------------------------------------------- alerts


def test_a_firing_alert_carries_its_rules_expression_and_when_it_began_to_fire() -> None:
    [reading] = prometheus.read_pull(RULES).readings
    assert (reading.name, reading.state, reading.value) == ("CheckoutErrorRateHigh", "firing", 0.2)
    assert reading.expression == "service:http_errors:ratio1m > 0.05"
    assert reading.annotations["summary"] == "5xx ratio 20% on checkout"
    active_for_two_seconds = datetime(2026, 11, 22, 10, 48, 13, 704031, tzinfo=UTC)
    assert reading.starts_at == active_for_two_seconds


def test_a_pending_alert_does_not_fire_yet() -> None:
    assert prometheus.read_pull(rules(lambda rule: rule["alerts"][0].update(state="pending"))).readings == []


def test_a_rule_that_was_never_evaluated_is_unsure() -> None:
    read = prometheus.read_pull(
        rules(lambda rule: rule.update(lastEvaluation="0001-01-01T00:00:00Z", alerts=[]))
    )
    assert read.unsure == {"CheckoutErrorRateHigh"}


def test_one_alert_that_cannot_be_read_does_not_lose_the_others() -> None:
    def spoil(rule: dict[str, Any]) -> None:
        rule["alerts"].append({"labels": {"alertname": "Odd"}, "state": "firing", "activeAt": "yesterday"})

    read = prometheus.read_pull(rules(spoil))
    assert len(read.readings) == 1
    [rejected] = read.rejected
    assert "activeAt" in rejected.error
    again = prometheus.read_pull(rejected.raw)
    assert (again.readings, len(again.rejected)) == ([], 1), "the dead letter can be read alone"


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"data": {"groups": 1}}', "<html>", '{"data": null}'])
def test_what_is_no_list_of_rules_is_unreadable(document: str) -> None:
    with pytest.raises(Unreadable):
        prometheus.read_pull(document)


@given(st.text(max_size=80))
def test_no_text_makes_reading_fail_otherwise(document: str) -> None:
    with contextlib.suppress(Unreadable):
        prometheus.read_pull(document)


def test_a_pull_is_whole_and_says_what_it_found() -> None:
    client, asked = answering(httpx.Response(200, text=RULES))
    pull = prometheus.pull(client, {})
    assert (pull.status, pull.complete, len(pull.read.readings)) == ("ok", True, 1)
    assert str(asked[0].url).endswith("/api/v1/rules?type=alert")


def test_a_rule_that_fails_is_told_and_its_pull_is_partial() -> None:
    client, _ = answering(
        httpx.Response(200, text=rules(lambda rule: rule.update(health="err", lastError="many-to-many")))
    )
    pull = prometheus.pull(client, {})
    assert pull.status == "partial"
    assert "CheckoutErrorRateHigh: many-to-many" in pull.checks[0].sentence


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (httpx.Response(403, text="no"), "denied"),
        (httpx.Response(404, text="no"), "error"),
        (httpx.Response(200, text="<html>"), "error"),
    ],
)
def test_a_pull_that_failed_is_never_whole(response: httpx.Response, status: str) -> None:
    client, _ = answering(response)
    pull = prometheus.pull(client, {})
    assert (pull.status, pull.complete, pull.read.readings) == (status, False, [])


def test_each_scope_is_checked_by_itself() -> None:
    client, _ = answering(
        httpx.Response(200, json={"data": {"version": "2.42.0"}}),
        httpx.Response(200, text=RULES),
        httpx.Response(400, json={"status": "error", "error": "queries are off"}),
    )
    assert [(check.scope, check.status, check.sentence) for check in prometheus.check(client)] == [
        ("version", "ok", "Prometheus 2.42.0"),
        ("alerts", "ok", "2 alerting rules."),
        ("metrics", "error", "queries are off"),
    ]


def test_it_posts_nothing() -> None:
    with pytest.raises(Unreadable, match="Alertmanager"):
        prometheus.read_webhook("{}")


# ---------------------------------------------------------------- metrics


def test_a_range_is_asked_by_post_and_read_with_its_labels() -> None:
    client, asked = answering(httpx.Response(200, text=RANGE))
    series = prometheus.metric_range(
        client, "service:http_errors:ratio1m", START, START + timedelta(minutes=10)
    )
    assert asked[0].method == "POST"
    form = parse_qs(asked[0].content.decode())
    assert (form["query"], form["step"]) == (["service:http_errors:ratio1m"], ["2.0"])
    [line] = series.lines
    assert line.labels["service"] == "checkout"
    assert line.points[0] == (1795344524.0, 0.2)
    assert (series.status, series.coverage.returned, series.coverage.matched) == ("ok", 1, 1)


def test_no_series_is_an_answer_of_its_own() -> None:
    client, _ = answering(httpx.Response(200, json={"data": {"resultType": "matrix", "result": []}}))
    series = prometheus.metric_range(client, "absent", START, START + timedelta(minutes=1))
    assert (series.status, series.lines) == ("no_data", ())


def test_what_is_no_number_is_no_value() -> None:
    result = [{"metric": {}, "values": [[1, "NaN"], [2, "+Inf"], [3, "1e-3"], [4, "odd"]]}]
    client, _ = answering(httpx.Response(200, json={"data": {"result": result}}))
    [line] = prometheus.metric_range(client, "x", START, START + timedelta(minutes=1)).lines
    assert [value for _, value in line.points] == [None, None, 0.001, None]


def test_too_many_series_are_cut_and_counted() -> None:
    result = [{"metric": {"n": str(n)}, "values": [[1, "1"]]} for n in range(MOST_LINES + 5)]
    client, _ = answering(httpx.Response(200, json={"data": {"result": result}}))
    series = prometheus.metric_range(client, "x", START, START + timedelta(minutes=1))
    assert series.status == "partial"
    assert (series.coverage.returned, series.coverage.matched) == (MOST_LINES, MOST_LINES + 5)


def test_prometheus_own_words_for_a_bad_query_are_kept() -> None:
    said = {
        "status": "error",
        "errorType": "bad_data",
        "error": "1:5: parse error: unclosed left parenthesis",
    }
    client, _ = answering(httpx.Response(400, json=said))
    series = prometheus.metric_range(client, "sum((", START, START + timedelta(minutes=1))
    assert (series.status, series.sentence) == ("error", "1:5: parse error: unclosed left parenthesis")


@given(
    st.floats(min_value=0, max_value=10 * 366 * 86400), st.none() | st.floats(min_value=0.001, max_value=1e6)
)
def test_a_step_never_asks_for_more_points_than_are_given(seconds: float, wanted: float | None) -> None:
    end = START + timedelta(seconds=seconds)
    step = step_for(START, end, wanted)
    assert step >= 1
    assert (end - START).total_seconds() / step + 1 <= MOST_POINTS
