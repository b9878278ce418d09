"""Incidents: grouped with a reason, resolved when quiet, closed for good, split and moved by people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts import services
from investigations.alerts.backends.base import Reading
from investigations.alerts.ingest import Ingested
from investigations.alerts.models import AlertSource, Episode, Incident
from investigations.catalog.calls import note_calls
from investigations.catalog.services import ensure_service
from investigations.lib.errors import Conflict, Forbidden, Invalid, NotFound

Tell = Callable[..., Ingested]
Make = Callable[..., Reading]


@pytest.fixture
def incident(prometheus: AlertSource, pulled: Tell, reading: Make) -> Incident:
    """Two alerts of one service, five minutes apart."""
    pulled(prometheus, [reading("A"), reading("B", minute=5, severity="critical")], minute=6)
    return Incident.objects.get()


def sentences(incident: Incident) -> list[str]:
    return list(incident.entries.values_list("sentence", flat=True))


# ---------------------------------------------------------------- grouping


def test_alerts_of_one_service_that_begin_close_together_are_one_incident_and_it_says_why(
    incident: Incident,
) -> None:
    assert incident.episodes.count() == 2
    assert incident.grouping_reason == "Alerts of checkout that begin within 30 minutes of each other."
    assert (incident.number, incident.title, incident.severity) == (1, "A is too high", "critical")
    assert sentences(incident)[0].startswith("Opened by A. Grouped: Alerts of checkout")
    assert "B joined" in sentences(incident)[1]


def test_what_begins_much_later_or_elsewhere_is_another_incident(
    incident: Incident, prometheus: AlertSource, posted: Tell, reading: Make
) -> None:
    posted(prometheus, [reading("C", minute=50), reading("D", minute=7, service="fraud")], minute=51)
    assert Incident.objects.count() == 3


def test_much_alike_alerts_of_two_services_that_begin_together_are_one_incident_and_it_says_why(
    prometheus: AlertSource, posted: Tell, reading: Make
) -> None:
    shared = {"cluster": "eu-1", "team": "shop", "severity": "critical"}
    alike = [reading("ErrorRate", service=name, **shared) for name in ("checkout", "fraud")]
    posted(prometheus, alike, minute=1)
    (incident,) = Incident.objects.all()
    assert incident.episodes.count() == 2
    assert "With ErrorRate: " in sentences(incident)[1]
    assert "0 s apart" in sentences(incident)[1]


def test_alerts_of_services_that_call_each_other_are_one_incident_and_it_says_so(
    environment: Environment, prometheus: AlertSource, posted: Tell, reading: Make
) -> None:
    shared = {"cluster": "eu-1", "severity": "critical"}
    alike = [reading("ErrorRate", service=name, **shared) for name in ("checkout", "fraud")]
    caller, callee = (ensure_service(environment=environment, name=name) for name in ("checkout", "fraud"))
    note_calls([(caller.pk, callee.pk)], timezone.now())
    posted(prometheus, alike, minute=1)
    assert "fraud and checkout are 1 call apart" in sentences(Incident.objects.get())[1]


def test_whoever_joins_for_whatever_reason_an_incident_stays_as_grave_as_its_gravest_alert(
    prometheus: AlertSource, posted: Tell, reading: Make
) -> None:
    shared = {"cluster": "eu-1", "team": "shop", "region": "eu", "zone": "a", "tier": "1", "plan": "b"}
    posted(prometheus, [reading("ErrorRate", service="checkout", severity="info", **shared)], minute=1)
    alike = reading("ErrorRate", service="fraud", severity="info", **shared)
    graver = reading("Saturated", service="checkout", severity="critical", minute=0.1)
    milder = reading("ErrorRate", service="orders", severity="warning", minute=0.2, **shared)
    posted(prometheus, [alike, graver, milder], minute=2)
    incident = Incident.objects.get()
    assert incident.episodes.count() == 4
    assert incident.severity == "critical"


def test_an_alert_of_no_service_is_an_incident_by_itself(
    prometheus: AlertSource, posted: Tell, reading: Make
) -> None:
    posted(prometheus, [reading("A", service=""), reading("B", service="")], minute=1)
    reasons = set(Incident.objects.values_list("grouping_reason", flat=True))
    assert reasons == {f"{name} by itself: its labels name no service." for name in "AB"}


def test_it_resolves_by_itself_with_its_last_alert_and_not_before(
    incident: Incident, prometheus: AlertSource, pulled: Tell, reading: Make, noon: datetime
) -> None:
    pulled(prometheus, [reading("A")], minute=10)
    incident.refresh_from_db()
    assert incident.status == "open"
    pulled(prometheus, [], minute=12)
    incident.refresh_from_db()
    assert (incident.status, incident.resolved_at) == ("resolved", noon + timedelta(minutes=12))


def test_an_incident_that_is_over_swallows_nothing_the_next_one_points_back(
    incident: Incident, prometheus: AlertSource, pulled: Tell, reading: Make
) -> None:
    pulled(prometheus, [], minute=10)
    pulled(prometheus, [reading("A", minute=15)], minute=15)
    later = Incident.objects.exclude(pk=incident.pk).get()
    assert later.previous == incident
    assert incident.episodes.count() == 2
    assert "It follows INC-1" in sentences(later)[0]


# ---------------------------------------------------------------- by people


def test_it_cannot_be_resolved_or_closed_while_a_source_says_that_it_fires(
    responder: Actor, incident: Incident
) -> None:
    for verb in (services.resolve_incident, services.close_incident):
        with pytest.raises(Conflict) as refusal:
            verb(by=responder, incident=incident)
        assert refusal.value.slug == "still_firing"
        assert refusal.value.alternatives["alerts"] == ["A", "B"]


def test_a_silenced_incident_can_be_closed(
    responder: Actor, incident: Incident, prometheus: AlertSource, pulled: Tell, reading: Make
) -> None:
    silenced = [reading("A", state="suppressed"), reading("B", state="suppressed", severity="critical")]
    pulled(prometheus, silenced, minute=8)
    closed = services.close_incident(by=responder, incident=incident, reason="Known")
    assert (closed.status, sentences(closed)[-1]) == ("closed", "Closed: Known")


def test_a_closed_incident_is_reopened_by_a_person_only(
    responder: Actor, incident: Incident, prometheus: AlertSource, pulled: Tell, reading: Make
) -> None:
    pulled(prometheus, [], minute=10)
    services.close_incident(by=responder, incident=incident)
    with pytest.raises(Conflict, match="is closed"):
        services.resolve_incident(by=responder, incident=incident)
    pulled(prometheus, [reading("A", minute=20)], minute=20)
    incident.refresh_from_db()
    assert incident.status == "closed"
    reopened = services.reopen_incident(by=responder, incident=incident, reason="The same again")
    assert (reopened.status, reopened.closed_at) == ("open", None)


def test_a_lead_must_be_one_who_may_work_there(responder: Actor, viewer: Actor, incident: Incident) -> None:
    assert (
        services.assign_incident(by=responder, incident=incident, lead=responder.user).lead == responder.user
    )
    with pytest.raises(Invalid, match="may not work"):
        services.assign_incident(by=responder, incident=incident, lead=viewer.user)
    assert services.assign_incident(by=responder, incident=incident, lead=None).lead is None


def test_notes_and_references_are_kept_with_who_wrote_them(
    responder: Actor, agent: Actor, incident: Incident
) -> None:
    services.note_incident(by=agent, incident=incident, text="The gateway declines.")
    for _ in range(2):
        services.add_reference(
            by=responder, incident=incident, url="https://tickets.example/7", title="OPS-7"
        )
    incident.refresh_from_db()
    assert incident.references == [{"url": "https://tickets.example/7", "title": "OPS-7"}]
    labels = list(incident.entries.values_list("actor_label", flat=True))
    assert labels[-2:] == ["claude-1 for rita", "rita"]
    with pytest.raises(Invalid):
        services.add_reference(by=responder, incident=incident, url="javascript:alert(1)")
    with pytest.raises(Invalid):
        services.note_incident(by=responder, incident=incident, text=" ")


def test_wrong_grouping_is_split_and_both_sides_say_so(
    responder: Actor, incident: Incident, prometheus: AlertSource, pulled: Tell, reading: Make
) -> None:
    moved = incident.episodes.get(alert__name="B")
    new = services.split_incident(by=responder, incident=incident, episodes=[moved], reason="Another cause")
    assert list(new.episodes.all()) == [moved]
    assert new.grouping_reason == "Split from INC-1 by rita: Another cause"
    assert sentences(incident)[-1] == "B was moved to INC-2."
    pulled(prometheus, [reading("A"), reading("B", severity="critical"), reading("C", minute=7)], minute=8)
    assert set(new.episodes.all()) == {moved}, "what was split off draws nothing to it"


def test_a_split_takes_some_and_leaves_some(responder: Actor, incident: Incident) -> None:
    for chosen in ([], list(incident.episodes.all())):
        with pytest.raises(Invalid, match="leave some"):
            services.split_incident(by=responder, incident=incident, episodes=chosen)


def test_an_episode_is_moved_to_an_open_incident_only(
    responder: Actor, incident: Incident, noon: datetime
) -> None:
    episode = incident.episodes.get(alert__name="B")
    other = Incident.objects.create(environment=incident.environment, number=9, title="Other", opened_at=noon)
    services.move_episode(by=responder, episode=episode, incident=other)
    assert Episode.objects.get(pk=episode.pk).incident == other
    other.refresh_from_db()
    assert other.severity == "critical"
    Incident.objects.filter(pk=incident.pk).update(status="closed")
    with pytest.raises(Conflict, match="is closed"):
        services.move_episode(by=responder, episode=episode, incident=incident)


def test_a_viewer_may_not_and_a_stranger_learns_nothing(
    viewer: Actor, stranger: Actor, incident: Incident
) -> None:
    for who, refusal in ((viewer, Forbidden), (stranger, NotFound)):
        with pytest.raises(refusal):
            services.note_incident(by=who, incident=incident, text="Hello")
        with pytest.raises(refusal):
            services.close_incident(by=who, incident=incident)
