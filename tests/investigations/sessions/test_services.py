"""Sessions: opened already filled, worked in by people and agents, closed; and a timeline that keeps its order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import Environment
from investigations.alerts.models import Alert, Episode, Incident
from investigations.catalog.models import Instance, Service
from investigations.lib.errors import Conflict, Forbidden, Invalid, NotFound
from investigations.lib.ids import show
from investigations.sessions import selectors, services
from investigations.sessions.models import InvestigationSession, Participant

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def incident(environment: Environment) -> Incident:
    return Incident.objects.create(environment=environment, number=31, title="Settlements", opened_at=NOON)


@pytest.fixture
def alert(environment: Environment, incident: Incident) -> Alert:
    alert = Alert.objects.create(
        environment=environment, fingerprint="1-a", name="SettlementRejectionsHigh", state="firing", state_since=NOON,
        first_seen_at=NOON, last_seen_at=NOON, summary="4 % of settlements are rejected",
        annotations={"description": "The gateway declines more than 1 %."}, service_name="trade-execution-service",
    )  # fmt: skip
    Episode.objects.create(alert=alert, incident=incident, started_at=NOON, last_seen_at=NOON)
    return alert


# ---------------------------------------------------------------- opening


def test_a_session_on_an_alert_is_filled_from_it(
    responder: Actor,
    environment: Environment,
    alert: Alert,
    incident: Incident,
    connect: Callable[..., Instance],
) -> None:
    connect(commit="9f2c1e7")
    connect(commit="9f2c1e7")
    session = services.open_session(by=responder, environment=environment, alert=alert)
    assert (session.number, session.title) == (1, "4 % of settlements are rejected")
    assert session.symptom == "The gateway declines more than 1 %."
    assert (session.incident, session.window_start) == (incident, NOON - timedelta(minutes=15))
    assert [service.name for service in session.services.all()] == ["trade-execution-service"]
    first = session.timeline.get(kind="session_opened")
    assert first.sentence == (
        "Opened the session on SettlementRejectionsHigh, firing since 2026-11-22 12:00:00 UTC."
        " trade-execution-service runs 9f2c1e7 (2 instances)."
    )
    assert first.data["running"] == {"trade-execution-service": {"9f2c1e7": 2}}
    assert first.subject == show("alr", alert.id)


def test_what_the_opener_says_wins(responder: Actor, environment: Environment, alert: Alert) -> None:
    session = services.open_session(
        by=responder,
        environment=environment,
        alert=alert,
        title="  Odd   trades ",
        services=["fraud-service"],
    )
    assert session.title == "Odd trades"
    assert {service.name for service in session.services.all()} == {
        "fraud-service",
        "trade-execution-service",
    }


def test_a_session_on_an_incident_covers_all_its_alerts(
    responder: Actor, environment: Environment, alert: Alert, incident: Incident
) -> None:
    session = services.open_session(by=responder, environment=environment, incident=incident)
    assert (session.title, session.symptom) == ("Settlements", "4 % of settlements are rejected")
    assert session.episode == alert.episodes.get()


def test_a_blank_session_needs_nothing(responder: Actor, environment: Environment) -> None:
    session = services.open_session(by=responder, environment=environment, title="Silent failure")
    assert (session.incident, session.episode, session.services.count()) == (None, None, 0)


def test_the_same_key_opens_once(responder: Actor, environment: Environment) -> None:
    first, second = (
        services.open_session(by=responder, environment=environment, title=title, idempotency_key="k")
        for title in ("One", "Two")
    )
    assert first == second
    assert InvestigationSession.objects.count() == 1


def test_reuse_joins_the_session_open_on_this_stretch_of_firing(
    responder: Actor, agent: Actor, environment: Environment, alert: Alert
) -> None:
    first = services.open_session(by=responder, environment=environment, alert=alert)
    assert services.open_session(by=agent, environment=environment, alert=alert, reuse=True) == first
    assert [who.label for who in selectors.participants(responder, first)] == ["rita", "claude-1 for rita"]
    assert services.open_session(by=responder, environment=environment, alert=alert) != first


def test_reuse_opens_anew_on_the_next_stretch_and_after_closing(
    responder: Actor, environment: Environment, alert: Alert
) -> None:
    first = services.open_session(by=responder, environment=environment, alert=alert)
    services.close_session(by=responder, session=first)
    second = services.open_session(by=responder, environment=environment, alert=alert, reuse=True)
    assert second != first
    alert.episodes.update(ended_at=NOON + timedelta(hours=1))
    Episode.objects.create(alert=alert, started_at=NOON + timedelta(hours=2), last_seen_at=NOON)
    assert services.open_session(by=responder, environment=environment, alert=alert, reuse=True) != second


def test_an_alert_of_elsewhere_is_refused(admin: Actor, alert: Alert, elsewhere: Environment) -> None:
    with pytest.raises(Invalid, match="another environment"):
        services.open_session(by=SYSTEM, environment=elsewhere, alert=alert)


def test_a_viewer_may_not_open_and_a_stranger_learns_nothing(
    viewer: Actor, stranger: Actor, environment: Environment
) -> None:
    with pytest.raises(Forbidden):
        services.open_session(by=viewer, environment=environment, title="T")
    with pytest.raises(NotFound):
        services.open_session(by=stranger, environment=environment, title="T")


# ---------------------------------------------------------------- the work


def test_closing_keeps_the_conclusion_and_reopening_goes_on(
    responder: Actor, session: InvestigationSession
) -> None:
    closed = services.close_session(by=responder, session=session, conclusion="A string in a boolean field")
    assert (closed.status, closed.conclusion) == ("closed", "A string in a boolean field")
    with pytest.raises(Conflict, match="is closed"):
        services.close_session(by=responder, session=session)
    reopened = services.reopen_session(by=responder, session=session, reason="It is back")
    assert (reopened.status, reopened.closed_at) == ("open", None)
    with pytest.raises(Conflict, match="open already"):
        services.reopen_session(by=responder, session=session)


def test_renaming_is_on_the_timeline_once(responder: Actor, session: InvestigationSession) -> None:
    for _ in range(2):
        services.rename(by=responder, session=session, title="Odd trades")
    assert session.timeline.filter(kind="session_renamed").count() == 1
    with pytest.raises(Invalid):
        services.rename(by=responder, session=session, title="  ")


def test_whoever_acts_takes_part_and_an_agent_is_shown_on_behalf_of_a_person(
    responder: Actor, agent: Actor, session: InvestigationSession
) -> None:
    with transaction.atomic():
        for _ in range(2):
            entry = services.record(session, agent, "probe_placed", "Placed P1.", purpose="H1 decides here")
    assert (entry.actor_kind, entry.actor_label, entry.purpose) == (
        "agent",
        "claude-1 for rita",
        "H1 decides here",
    )
    assert Participant.objects.filter(session=session).count() == 2


def test_joining_is_said_once(viewer: Actor, session: InvestigationSession) -> None:
    for _ in range(2):
        services.join(by=viewer, session=session)
    assert session.timeline.filter(kind="participant_joined").count() == 1


def test_since_you_left_tells_what_others_did(
    responder: Actor, agent: Actor, session: InvestigationSession
) -> None:
    assert selectors.since_you_left(responder, session) is None
    services.saw(by=responder, session=session, cursor=session.timeline_cursor)
    with transaction.atomic():
        for kind in ("probe_placed", "probe_placed", "hypothesis_changed"):
            services.record(session, agent, kind, "Something.")
        services.record(session, responder, "note", "Mine.")
    away = selectors.since_you_left(responder, session)
    assert away is not None
    assert away.counts == {"probe_placed": 2, "hypothesis_changed": 1}
    services.saw(by=responder, session=session, cursor=away.cursor)
    assert selectors.since_you_left(responder, session) is None


def test_seen_never_goes_back(responder: Actor, session: InvestigationSession) -> None:
    for cursor in (1, 0):
        services.saw(by=responder, session=session, cursor=cursor)
    assert session.participants.get().seen_cursor == 1


# ---------------------------------------------------------------- order


def test_an_entry_takes_no_more_queries_than_it_must(
    responder: Actor, session: InvestigationSession, django_assert_num_queries: Callable[..., object]
) -> None:
    with transaction.atomic(), django_assert_num_queries(2):  # type: ignore[attr-defined]
        services.record(session, responder, "note", "A note.")


def test_a_cursor_outside_a_transaction_is_refused(
    transactional_db: None, make_person: Callable[..., Actor]
) -> None:
    with pytest.raises(transaction.TransactionManagementError):
        services.next_capture_cursors(InvestigationSession().id, 1)


@pytest.mark.django_db(transaction=True)
def test_cursors_become_visible_in_the_order_they_count(environment: Environment) -> None:
    session = services.open_session(by=SYSTEM, environment=environment, title="Busy")
    first = session.timeline_cursor

    def write(times: int) -> None:
        for _ in range(times):
            with transaction.atomic():
                services.record(session, SYSTEM, "note", "From a thread.")
        connection.close()

    writers = [threading.Thread(target=write, args=(25,)) for _ in range(4)]
    for writer in writers:
        writer.start()
    seen: list[int] = []
    while any(writer.is_alive() for writer in writers) or len(seen) < 100:
        after = seen[-1] if seen else first
        seen += [entry.cursor for entry in selectors.timeline_after(SYSTEM, session, after)]
    for writer in writers:
        writer.join()
    assert seen == list(range(first + 1, first + 101))


def test_capture_cursors_are_reserved_in_runs(session: InvestigationSession) -> None:
    with transaction.atomic():
        assert [services.next_capture_cursors(session.id, count) for count in (3, 1, 10)] == [1, 4, 5]


def test_a_known_service_is_not_made_twice(
    responder: Actor, environment: Environment, service: Service
) -> None:
    services.open_session(by=responder, environment=environment, title="T", services=[service, service.name])
    assert Service.objects.count() == 1
