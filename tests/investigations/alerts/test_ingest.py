"""From readings to alerts, episodes and incidents: nothing twice, no end lost, none made up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from investigations.accounts.models import Environment
from investigations.alerts import services
from investigations.alerts.backends.base import Reading
from investigations.alerts.ingest import Ingested
from investigations.alerts.models import Alert, AlertSource, Episode, Incident
from investigations.catalog.models import Service

Tell = Callable[..., Ingested]
Make = Callable[..., Reading]


def test_a_firing_alert_begins_an_episode_in_an_incident(
    prometheus: AlertSource, pulled: Tell, reading: Make, noon: datetime
) -> None:
    result = pulled(prometheus, [reading(expression="ratio > 0.05", value=0.2, severity="page")], minute=1)
    alert = Alert.objects.get()
    assert (alert.state, alert.severity, alert.threshold, alert.value) == ("firing", "critical", 0.05, 0.2)
    assert (alert.summary, alert.service_name, alert.source) == (
        "ErrorsHigh is too high",
        "checkout",
        prometheus,
    )
    episode = Episode.objects.get()
    assert (episode.started_at, episode.ended_at) == (noon, None)
    assert result.new == [episode]
    assert result.opened == [episode.incident]


def test_told_again_it_is_the_same_alert_seen_later(
    prometheus: AlertSource, pulled: Tell, reading: Make, noon: datetime
) -> None:
    pulled(prometheus, [reading()], minute=1)
    again = pulled(prometheus, [reading()], minute=2)
    assert not again.changed
    assert Alert.objects.get().last_seen_at == noon + timedelta(minutes=2)
    assert Episode.objects.get().last_seen_at == noon + timedelta(minutes=2)


def test_pull_webhook_and_both_sources_tell_of_one_alert(
    prometheus: AlertSource, alertmanager: AlertSource, pulled: Tell, posted: Tell, reading: Make
) -> None:
    pulled(prometheus, [reading()], minute=1)
    pulled(alertmanager, [reading(cluster="eu", replica="b")], minute=2)
    posted(alertmanager, [reading(cluster="eu")], minute=3)
    alert = Alert.objects.get()
    assert alert.sightings.count() == 2
    assert alert.labels["cluster"] == "eu"
    assert Episode.objects.count() == 1


def test_an_alert_missing_from_a_whole_pull_is_over(
    prometheus: AlertSource, pulled: Tell, reading: Make, noon: datetime
) -> None:
    pulled(prometheus, [reading()], minute=1)
    result = pulled(prometheus, [], minute=2)
    episode = Episode.objects.get()
    assert result.resolved == [episode]
    assert (episode.ended_at, episode.end_reason) == (noon + timedelta(minutes=2), "absent")
    assert Alert.objects.get().state == "resolved"


def test_missing_from_a_webhook_says_nothing(alertmanager: AlertSource, posted: Tell, reading: Make) -> None:
    posted(alertmanager, [reading("A"), reading("B")], minute=1)
    posted(alertmanager, [reading("A")], minute=2)
    assert set(Alert.objects.values_list("state", flat=True)) == {"firing"}


def test_a_rule_that_was_not_evaluated_yet_resolves_nothing(
    prometheus: AlertSource, pulled: Tell, reading: Make
) -> None:
    pulled(prometheus, [reading()], minute=1)
    pulled(prometheus, [], minute=2, unsure=frozenset({"ErrorsHigh"}))
    assert Alert.objects.get().state == "firing"


def test_one_source_may_not_resolve_what_another_still_sees(
    prometheus: AlertSource, alertmanager: AlertSource, pulled: Tell, reading: Make
) -> None:
    pulled(prometheus, [reading()], minute=1)
    pulled(alertmanager, [reading()], minute=1)
    pulled(prometheus, [], minute=2)
    assert Alert.objects.get().state == "firing"
    pulled(alertmanager, [], minute=3)
    assert Alert.objects.get().state == "resolved"


def test_a_resolve_by_webhook_carries_its_own_time(
    alertmanager: AlertSource, posted: Tell, reading: Make, noon: datetime
) -> None:
    posted(alertmanager, [reading()], minute=1)
    posted(alertmanager, [reading(state="resolved", ends_at=noon + timedelta(minutes=4))], minute=9)
    episode = Episode.objects.get()
    assert (episode.ended_at, episode.end_reason) == (noon + timedelta(minutes=4), "resolved")


def test_a_late_webhook_neither_revives_nor_ends_another_stretch(
    alertmanager: AlertSource, posted: Tell, reading: Make, noon: datetime
) -> None:
    over = reading(state="resolved", ends_at=noon + timedelta(minutes=4))
    posted(alertmanager, [reading()], minute=1)
    posted(alertmanager, [over], minute=5)
    posted(alertmanager, [reading()], minute=6)  # the first one, overtaken
    assert Alert.objects.get().state == "resolved"
    posted(alertmanager, [reading(minute=40)], minute=41)
    posted(alertmanager, [over], minute=42)  # repeated by its sender
    assert Alert.objects.get().state == "firing"


def test_the_end_of_what_was_never_seen_makes_nothing(
    alertmanager: AlertSource, posted: Tell, reading: Make
) -> None:
    posted(alertmanager, [reading(state="resolved")], minute=1)
    assert not Alert.objects.exists()
    assert not Incident.objects.exists()


def test_a_silenced_alert_is_suppressed_and_stays_open(
    prometheus: AlertSource, alertmanager: AlertSource, pulled: Tell, reading: Make
) -> None:
    pulled(prometheus, [reading()], minute=1)
    pulled(alertmanager, [reading(state="suppressed")], minute=1)
    assert Alert.objects.get().state == "suppressed"
    assert Episode.objects.get().ended_at is None


def test_a_source_that_stops_answering_makes_its_alerts_stale_not_resolved(
    environment: Environment, prometheus: AlertSource, pulled: Tell, reading: Make, noon: datetime
) -> None:
    pulled(prometheus, [reading()], minute=1)
    services.sweep(environment=environment, at=noon + timedelta(minutes=1, seconds=30))
    assert Alert.objects.get().state == "firing"
    services.sweep(environment=environment, at=noon + timedelta(minutes=10))
    assert Alert.objects.get().state == "stale"
    assert Episode.objects.get().ended_at is None
    pulled(prometheus, [reading()], minute=11)
    assert Alert.objects.get().state == "firing"


def test_flapping_is_one_episode_until_the_sweep_sees_it_settle(
    environment: Environment, prometheus: AlertSource, pulled: Tell, reading: Make, noon: datetime
) -> None:
    for minute in (1, 3, 5):
        pulled(prometheus, [reading(minute=minute)], minute=minute)
        pulled(prometheus, [], minute=minute + 1)
    assert Alert.objects.get().state == "flapping"
    assert Episode.objects.filter(ended_at=None).count() == 1
    prometheus.last_ok_at = noon + timedelta(minutes=36)
    prometheus.save()
    services.sweep(environment=environment, at=noon + timedelta(minutes=36))
    assert Alert.objects.get().state == "resolved"
    last = Episode.objects.order_by("-started_at")[0]
    assert last.ended_at == noon + timedelta(minutes=6)


def test_of_replicas_the_burning_one_counts(prometheus: AlertSource, posted: Tell, reading: Make) -> None:
    posted(prometheus, [reading(state="resolved", replica="a"), reading(replica="b")], minute=1)
    assert Alert.objects.get().state == "firing"


def test_a_service_we_know_is_likelier_meant_than_one_we_do_not(
    environment: Environment, prometheus: AlertSource, pulled: Tell, reading: Make
) -> None:
    Service.objects.create(environment=environment, name="trades")
    pulled(prometheus, [reading(job="trades")], minute=1)
    assert Alert.objects.get().service_name == "trades"


def test_an_ingest_takes_as_many_queries_for_fifty_alerts_as_for_two(
    prometheus: AlertSource, pulled: Tell, reading: Make
) -> None:
    def queries(count: int, minute: int) -> int:
        readings = [reading(f"Alert{number}", minute=minute) for number in range(count)]
        with CaptureQueriesContext(connection) as captured:
            pulled(prometheus, readings, minute=minute)
        return len(captured)

    queries(1, 1)
    assert queries(3, 2) == queries(50, 3), "some begin"
    assert queries(50, 4) == queries(50, 5), "nothing changes"
    assert queries(30, 6) == queries(2, 7), "some end"
