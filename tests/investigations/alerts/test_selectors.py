"""Questions about alerts: the inbox in the order it is needed, only what is the actor's, in few queries."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from investigations.accounts.actors import Actor
from investigations.alerts import selectors
from investigations.alerts.backends.base import Reading
from investigations.alerts.ingest import Ingested
from investigations.alerts.models import Alert, AlertSource, RawPayload
from investigations.lib.errors import NotFound


@pytest.fixture
def told(prometheus: AlertSource, pulled: Callable[..., Ingested], reading: Callable[..., Reading]) -> None:
    pulled(prometheus, [reading("Gone")], minute=0)
    pulled(
        prometheus,
        [
            reading("Old", minute=1),
            reading("New", minute=3),
            reading("Grave", minute=2, severity="critical"),
            reading("Quiet", state="suppressed", severity="critical"),
            reading("Fraud", service="fraud", severity="info"),
        ],
        minute=4,
    )


def names(alerts: list[Alert]) -> list[str]:
    return [alert.name for alert in alerts]


def test_the_inbox_shows_what_burns_the_gravest_and_newest_first(viewer: Actor, told: None) -> None:
    assert names(selectors.inbox(viewer)) == ["Grave", "New", "Old", "Fraud"]
    assert selectors.counts(viewer) == {"firing": 4, "flapping": 0, "stale": 0, "suppressed": 1}


def test_the_inbox_is_narrowed(viewer: Actor, told: None) -> None:
    assert names(selectors.inbox(viewer, state="suppressed")) == ["Quiet"]
    assert names(selectors.inbox(viewer, service="fraud")) == ["Fraud"]
    assert names(selectors.inbox(viewer, severity="critical")) == ["Grave"]
    assert names(selectors.inbox(viewer, query="OLD is")) == ["Old"]


def test_alerts_are_listed_in_any_state_page_by_page(viewer: Actor, told: None) -> None:
    everything = selectors.alerts(viewer)
    assert len(everything) == 6
    rest = selectors.alerts(viewer, before=everything[1].id)
    assert names(rest) == names(everything[2:])
    assert names(selectors.alerts(viewer, state="resolved")) == ["Gone"]
    assert "Gone" not in names(selectors.alerts(viewer, state="open"))


def test_an_alert_knows_its_incident_and_its_stretches(viewer: Actor, told: None) -> None:
    alert = selectors.alert(viewer, Alert.objects.get(name="Old").id)
    incident = selectors.current_incident(alert)
    assert incident is not None
    assert incident == selectors.incident(viewer, incident.id)
    assert [episode.ended_at for episode in selectors.episodes(viewer, alert)] == [None]


def test_incidents_are_found_by_status_and_words(viewer: Actor, told: None) -> None:
    assert [row.title for row in selectors.incidents(viewer)] == ["Fraud is too high", "Gone is too high"]
    assert len(selectors.incidents(viewer, status="open")) == 2
    assert selectors.incidents(viewer, status="resolved") == []
    assert [row.title for row in selectors.incidents(viewer, query="fraud")] == ["Fraud is too high"]


def test_a_stranger_sees_nothing(stranger: Actor, prometheus: AlertSource, told: None) -> None:
    for listing in (selectors.inbox, selectors.alerts, selectors.incidents, selectors.sources):
        assert listing(stranger) == []
    alert = Alert.objects.get(name="Old")
    letter = RawPayload.objects.create(source=prometheus, door="pull", body="{}", error="odd")
    for ask, thing in (
        (selectors.alert, alert.id),
        (selectors.incident, alert.episodes.get().incident_id),
        (selectors.source, prometheus.id),
        (selectors.payload, letter.id),
        (selectors.episodes, alert),
    ):
        with pytest.raises(NotFound):
            ask(stranger, thing)


def test_what_is_not_there_is_not_found(admin: Actor) -> None:
    for ask in (selectors.alert, selectors.incident, selectors.source, selectors.payload):
        with pytest.raises(NotFound):
            ask(admin, uuid.uuid4())


def test_lists_take_as_many_queries_for_five_as_for_one(viewer: Actor, told: None) -> None:
    def queries(limit: int) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as inbox:
            for alert in selectors.inbox(viewer, limit=limit):
                _ = selectors.current_incident(alert), alert.environment.name, alert.source
        with CaptureQueriesContext(connection) as incidents:
            for incident in selectors.incidents(viewer, limit=limit):
                _ = [episode.alert.name for episode in incident.episodes.all()], list(incident.sessions.all())
        return len(inbox), len(incidents)

    assert queries(1) == queries(5)
    assert max(queries(5)) <= 4
