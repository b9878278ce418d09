"""Sources: configured by admins, pulled by whoever claims them, posted to by whoever holds the secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection
from encrypted_fields.fields import EncryptedJSONField

from investigations.accounts.actors import Actor
from investigations.accounts.models import AuditEntry, Environment
from investigations.alerts import metrics, payloads, pulling, selectors, services, sources
from investigations.alerts.backends.base import Reading
from investigations.alerts.ingest import Ingested
from investigations.alerts.models import Alert, AlertSource, RawPayload
from investigations.lib.errors import Conflict, Forbidden, Invalid, NotFound, Problem, Unauthorized
from investigations.lib.http import Client
from investigations.lib.ids import uuid7

SAMPLES = Path(__file__).parent / "backends" / "samples"
WEBHOOK = (SAMPLES / "alertmanager-0.25-webhook-payload-v4.json").read_bytes()
RULES = (SAMPLES / "prometheus-2.42-api-v1-rules.json").read_text()
RANGE = (SAMPLES / "prometheus-2.42-query_range.json").read_text()
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Let every source be answered by a function instead of the network."""

    def install(answer: Answer) -> None:
        def client(source: AlertSource) -> Client:
            return Client(source.url, transport=httpx.MockTransport(answer))

        for asking in (metrics, pulling, sources):
            monkeypatch.setattr(asking, "client_for", client)

    return install


# ---------------------------------------------------------------- configure


def test_an_admin_adds_a_source_and_the_audit_knows_all_but_its_credentials(
    admin: Actor, environment: Environment
) -> None:
    source = services.create_source(
        by=admin, environment=environment, name="eu", backend="prometheus", url="http://prometheus:9090",
        credentials={"user": "u", "password": "hidden"},
    )  # fmt: skip
    assert selectors.sources(admin) == [source]
    entry = AuditEntry.objects.get(action="source_created")
    assert entry.detail["url"] == "http://prometheus:9090"
    assert "hidden" not in json.dumps(entry.detail)


def test_credentials_are_encrypted_where_they_lie(prometheus: AlertSource) -> None:
    AlertSource.objects.filter(pk=prometheus.pk).update(credentials={"user": "u", "password": "hidden"})
    assert not {"u", "hidden"} & set(lying_there(prometheus).values())
    prometheus.refresh_from_db()
    assert prometheus.credentials == {"user": "u", "password": "hidden"}


def test_a_key_that_is_gone_is_told_at_the_source(prometheus: AlertSource) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE alerts_alertsource SET credentials = %s", ['{"user": "written with another key"}']
        )
    prometheus.refresh_from_db()
    services.pull_source(prometheus)
    prometheus.refresh_from_db()
    said = prometheus.health["scopes"]["alerts"]
    assert said["status"] == "denied"
    assert "another secret key" in said["sentence"]


def test_credentials_outlive_a_change_of_the_secret_key(prometheus: AlertSource, settings: Any) -> None:
    AlertSource.objects.filter(pk=prometheus.pk).update(credentials={"user": "u"})
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    settings.SECRET_KEY_FALLBACKS = [old]
    assert EncryptedJSONField().to_python(json.dumps(lying_there(prometheus))) == {"user": "u"}


def lying_there(source: AlertSource) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM alerts_alertsource WHERE id = %s", [source.pk])
        return dict(json.loads(cursor.fetchone()[0]))


def test_only_an_admin_may(responder: Actor, stranger: Actor, prometheus: AlertSource) -> None:
    for who, refusal in ((responder, Forbidden), (stranger, NotFound)):
        for act in (
            lambda by: services.create_source(
                by=by, environment=prometheus.environment, name="x", backend="prometheus"
            ),
            lambda by: services.update_source(by=by, source=prometheus, enabled=False),
            lambda by: services.delete_source(by=by, source=prometheus),
            lambda by: services.rotate_webhook_secret(by=by, source=prometheus),
            lambda by: services.check_source(by=by, source=prometheus),
            lambda by: selectors.dead_letters(by, prometheus),
        ):
            with pytest.raises(refusal):
                act(who)


@pytest.mark.parametrize(
    ("fields", "slug"),
    [
        ({"backend": "nagios"}, "unknown_backend"),
        ({"name": "  "}, "source_without_name"),
        ({"url": ""}, "source_without_url"),
        ({"url": "file:///etc/passwd"}, "source_url"),
        ({"every_s": 0}, "pull_interval"),
        ({"credentials": {"token": "x"}}, "source_credentials"),
        ({"options": {"verify": False}}, "source_option"),
        ({"options": {"ca_file": 3}}, "source_option"),
        ({"name": "prometheus"}, "source_name_taken"),
    ],
)
def test_a_source_that_cannot_be_is_refused(
    admin: Actor, prometheus: AlertSource, fields: dict[str, Any], slug: str
) -> None:
    usual = {"name": "other", "backend": "prometheus", "url": "http://p:9090"}
    with pytest.raises((Invalid, Conflict)) as refusal:
        services.create_source(by=admin, environment=prometheus.environment, **(usual | fields))
    assert refusal.value.slug == slug


def test_a_change_keeps_what_it_does_not_name(admin: Actor, prometheus: AlertSource) -> None:
    changed = services.update_source(by=admin, source=prometheus, every_s=60)
    assert (changed.every_s, changed.name, changed.url) == (60, prometheus.name, prometheus.url)
    with pytest.raises(Invalid, match="no colour"):
        services.update_source(by=admin, source=prometheus, colour="red")


def test_the_alerts_of_a_deleted_source_become_stale(
    admin: Actor, prometheus: AlertSource, pulled: Callable[..., Ingested], reading: Callable[..., Reading]
) -> None:
    pulled(prometheus, [reading()], minute=1)
    services.delete_source(by=admin, source=prometheus)
    assert Alert.objects.get().state == "stale"


# ---------------------------------------------------------------- pull


def test_a_due_source_is_claimed_by_one(prometheus: AlertSource) -> None:
    now = datetime.now(UTC) + timedelta(seconds=1)
    assert services.due_sources(now) == [prometheus.id]
    assert services.claim(prometheus.id, now) == prometheus
    assert services.claim(prometheus.id, now) is None
    assert services.due_sources(now) == []
    assert services.due_sources(now + 2 * services.LONGEST_PULL) == [prometheus.id], "its worker has died"


def test_a_source_that_is_off_or_only_posted_to_is_never_due(admin: Actor, alertmanager: AlertSource) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    services.update_source(by=admin, source=alertmanager, url="")
    assert services.due_sources(later) == []
    services.update_source(by=admin, source=alertmanager, url="http://a:9093", enabled=False)
    assert services.due_sources(later) == []


def test_a_pull_takes_in_what_was_told_and_keeps_what_changed_something(
    prometheus: AlertSource, answering: Callable[[Answer], None]
) -> None:
    answering(lambda _: httpx.Response(200, text=RULES))
    for _ in range(2):
        services.pull_source(prometheus)
    assert Alert.objects.get().name == "CheckoutErrorRateHigh"
    assert RawPayload.objects.get().body == RULES
    prometheus.refresh_from_db()
    assert prometheus.last_ok_at == prometheus.last_pull_at
    assert prometheus.health["scopes"]["alerts"]["status"] == "ok"


def test_a_source_that_fails_is_asked_later_and_later_and_resolves_nothing(
    prometheus: AlertSource, answering: Callable[[Answer], None]
) -> None:
    answering(lambda _: httpx.Response(200, text=RULES))
    services.pull_source(prometheus)
    answering(lambda _: httpx.Response(403))
    pauses = []
    for _ in range(6):
        services.pull_source(prometheus)
        prometheus.refresh_from_db()
        assert prometheus.last_pull_at is not None
        pauses.append((prometheus.next_pull_at - prometheus.last_pull_at).total_seconds())
    assert pauses == pytest.approx([30, 60, 120, 240, 300, 300], rel=0.06)
    assert prometheus.health["scopes"]["alerts"]["status"] == "denied"
    assert Alert.objects.get().state == "firing"


def test_an_alert_that_cannot_be_read_is_a_dead_letter_once_and_keeps_the_others_from_resolving(
    prometheus: AlertSource, admin: Actor, answering: Callable[[Answer], None]
) -> None:
    answering(lambda _: httpx.Response(200, text=RULES))
    services.pull_source(prometheus)
    spoilt = RULES.replace('"activeAt": "2026', '"activeAt": "year 2026')
    answering(lambda _: httpx.Response(200, text=spoilt))
    for _ in range(3):
        services.pull_source(prometheus)
    [letter] = selectors.dead_letters(admin, prometheus)
    assert "activeAt" in letter.error
    assert Alert.objects.get().state == "firing"


def test_checking_a_source_remembers_each_scope_and_since_when(
    admin: Actor, prometheus: AlertSource, answering: Callable[[Answer], None]
) -> None:
    answering(
        lambda request: (
            httpx.Response(200, text=RULES) if "rules" in request.url.path else httpx.Response(403)
        )
    )
    first = [check.status for check in services.check_source(by=admin, source=prometheus)]
    since = prometheus.health["scopes"]["alerts"]["since"]
    services.check_source(by=admin, source=prometheus)
    assert first == ["denied", "ok", "denied"]
    assert prometheus.health["scopes"]["alerts"]["since"] == since


# ---------------------------------------------------------------- webhook


@pytest.fixture
def secret(admin: Actor, alertmanager: AlertSource) -> str:
    return services.rotate_webhook_secret(by=admin, source=alertmanager)


def test_a_webhook_is_stored_and_read(alertmanager: AlertSource, secret: str) -> None:
    taken = services.take_webhook(source_id=alertmanager.id, secret=secret, body=WEBHOOK)
    assert (taken.readings, taken.rejected, taken.kept) == (1, 0, False)
    assert Alert.objects.get().name == "CheckoutErrorRateHigh"
    assert RawPayload.objects.get().body == WEBHOOK.decode()
    alertmanager.refresh_from_db()
    assert alertmanager.last_webhook_at is not None


@pytest.mark.parametrize("which", ["wrong", "old", "none", "unknown", "off"])
def test_without_the_secret_nothing_is_taken(
    admin: Actor, alertmanager: AlertSource, secret: str, which: str
) -> None:
    source_id = uuid7() if which == "unknown" else alertmanager.id
    if which == "old":
        services.rotate_webhook_secret(by=admin, source=alertmanager)
    if which == "off":
        services.update_source(by=admin, source=AlertSource.objects.get(), enabled=False)
    given = {"wrong": "guess", "none": ""}.get(which, secret)
    with pytest.raises(Unauthorized):
        services.take_webhook(source_id=source_id, secret=given, body=WEBHOOK)
    assert not RawPayload.objects.exists()


def test_a_source_without_a_secret_takes_nothing(alertmanager: AlertSource) -> None:
    with pytest.raises(Unauthorized):
        services.take_webhook(source_id=alertmanager.id, secret="", body=WEBHOOK)


def test_prometheus_has_no_webhook(admin: Actor, prometheus: AlertSource) -> None:
    with pytest.raises(Conflict, match="posts nothing"):
        services.rotate_webhook_secret(by=admin, source=prometheus)


@pytest.mark.parametrize("body", [b"", b"\xff\x00{", b"[]", b'{"version":"9","alerts":[]}'])
def test_what_cannot_be_read_is_kept_to_be_seen(
    admin: Actor, alertmanager: AlertSource, secret: str, body: bytes
) -> None:
    taken = services.take_webhook(source_id=alertmanager.id, secret=secret, body=body)
    assert taken.kept
    [letter] = selectors.dead_letters(admin, alertmanager)
    assert letter.error
    with pytest.raises(Conflict) as refusal:
        services.replay(by=admin, payload=letter)
    assert refusal.value.slug == "still_unreadable"


def test_a_dead_letter_is_replayed_when_it_can_be_read(admin: Actor, alertmanager: AlertSource) -> None:
    letter = RawPayload.objects.create(
        source=alertmanager, door="webhook", body=WEBHOOK.decode(), error="We did not know version 4."
    )
    result = services.replay(by=admin, payload=letter)
    assert len(result.new) == 1
    assert selectors.dead_letters(admin, alertmanager) == []
    assert AuditEntry.objects.filter(action="payload_replayed").exists()


def test_a_webhook_whose_reader_died_is_read_once_later(alertmanager: AlertSource) -> None:
    payload = RawPayload.objects.create(source=alertmanager, door="webhook", body=WEBHOOK.decode())
    assert services.digest(payload).readings == 1
    assert services.digest(payload).readings == 0


def test_a_webhook_that_is_too_long_is_refused(alertmanager: AlertSource, secret: str) -> None:
    with pytest.raises(Problem, match="at most"):
        services.take_webhook(
            source_id=alertmanager.id, secret=secret, body=b"x" * (payloads.LONGEST_BODY + 1)
        )


def test_labels_that_cannot_be_stored_as_they_are_are_taken_all_the_same(
    alertmanager: AlertSource, secret: str
) -> None:
    hostile = WEBHOOK.replace(b'"payments"', b'"pay\\u0000ments"')
    services.take_webhook(source_id=alertmanager.id, secret=secret, body=hostile)
    assert Alert.objects.get().labels["team"] == "pay␀ments"


def test_payloads_are_forgotten_after_a_week_and_unread_ones_after_a_month(alertmanager: AlertSource) -> None:
    now = datetime.now(UTC)
    for age, error in ((1, ""), (8, ""), (8, "unread"), (31, "unread")):
        RawPayload.objects.create(
            source=alertmanager, door="webhook", body="{}", error=error, at=now - timedelta(days=age)
        )
    assert services.forget_payloads(now) == 2
    assert RawPayload.objects.count() == 2


# ---------------------------------------------------------------- the alert's own metric


def test_the_metric_of_an_alert_is_its_expression_without_the_comparison(
    viewer: Actor,
    prometheus: AlertSource,
    alertmanager: AlertSource,
    pulled: Callable[..., Ingested],
    reading: Callable[..., Reading],
    answering: Callable[[Answer], None],
    noon: datetime,
) -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.content)
        return httpx.Response(200, text=RANGE)

    answering(answer)
    pulled(alertmanager, [reading(expression="service:http_errors:ratio1m > 0.05")], minute=1)
    window = services.metric_window(
        by=viewer, alert=Alert.objects.get(), start=noon, end=noon + timedelta(hours=1)
    )
    assert (window.operator, window.threshold, window.source) == (">", 0.05, "prometheus")
    assert window.series.status == "ok"
    assert b"query=service%3Ahttp_errors%3Aratio1m&" in asked[0]


def test_of_several_series_those_of_the_alert_are_kept_and_counted(
    viewer: Actor,
    prometheus: AlertSource,
    pulled: Callable[..., Ingested],
    reading: Callable[..., Reading],
    answering: Callable[[Answer], None],
    noon: datetime,
) -> None:
    lines = [{"metric": {"service": name}, "values": [[1, "1"]]} for name in ("checkout", "fraud", "pricing")]
    answering(lambda _: httpx.Response(200, json={"data": {"result": lines}}))
    pulled(prometheus, [reading(expression="ratio > 0.05")], minute=1)
    series = services.metric_window(
        by=viewer, alert=Alert.objects.get(), start=noon, end=noon + timedelta(hours=1)
    ).series
    assert [line.labels["service"] for line in series.lines] == ["checkout"]
    assert (series.coverage.returned, series.coverage.matched) == (1, 3)


def test_with_nobody_to_ask_there_is_no_data_and_a_reason(
    viewer: Actor, stranger: Actor, alertmanager: AlertSource, pulled: Callable[..., Ingested],
    reading: Callable[..., Reading], noon: datetime,
) -> None:  # fmt: skip
    pulled(alertmanager, [reading(expression="ratio > 0.05")], minute=1)
    alert, later = Alert.objects.get(), noon + timedelta(hours=1)
    series = services.metric_window(by=viewer, alert=alert, start=noon, end=later).series
    assert (series.status, series.lines) == ("no_data", ())
    assert "no source that keeps metrics" in series.sentence
    with pytest.raises(Invalid, match="ends before it starts"):
        services.metric_window(by=viewer, alert=alert, start=later, end=noon)
    with pytest.raises(NotFound):
        services.metric_window(by=stranger, alert=alert, start=noon, end=later)
