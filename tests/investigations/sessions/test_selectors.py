"""Questions about sessions: only what the actor may see, in pages, in few queries."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import Environment
from investigations.alerts import grouping
from investigations.alerts.models import Alert, Episode, Incident
from investigations.lib.errors import NotFound
from investigations.sessions import selectors, services
from investigations.sessions.models import InvestigationSession

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def many(responder: Actor, environment: Environment) -> list[InvestigationSession]:
    return [
        services.open_session(
            by=responder, environment=environment, title=f"Trouble {n}", services=["a", "b"]
        )
        for n in range(5)
    ]


def test_the_newest_come_first_and_the_next_page_goes_on(
    viewer: Actor, many: list[InvestigationSession]
) -> None:
    first = selectors.sessions(viewer, limit=2)
    second = selectors.sessions(viewer, limit=2, before=first[-1].id)
    assert [row.title for row in [*first, *second]] == ["Trouble 4", "Trouble 3", "Trouble 2", "Trouble 1"]


def test_sessions_are_found_by_their_words_and_status(
    responder: Actor, viewer: Actor, many: list[InvestigationSession]
) -> None:
    services.close_session(by=responder, session=many[0], conclusion="It was the cache")
    assert selectors.sessions(viewer, query="CACHE") == [many[0]]
    assert selectors.sessions(viewer, status="closed") == [many[0]]


def test_a_stranger_sees_no_session(stranger: Actor, many: list[InvestigationSession]) -> None:
    assert selectors.sessions(stranger) == []
    with pytest.raises(NotFound):
        selectors.session(stranger, many[0].id)
    with pytest.raises(NotFound):
        selectors.timeline_after(stranger, many[0])
    with pytest.raises(NotFound):
        selectors.participants(stranger, many[0])


def test_what_is_not_there_is_not_found(viewer: Actor) -> None:
    with pytest.raises(NotFound):
        selectors.session(viewer, uuid.uuid4())


def test_a_list_takes_as_many_queries_for_five_as_for_one(
    viewer: Actor, many: list[InvestigationSession]
) -> None:
    def queries(limit: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            for row in selectors.sessions(viewer, limit=limit):
                _ = (
                    [service.name for service in row.services.all()],
                    row.environment.name,
                    row.incident,
                    row.episode,
                )
        return len(captured)

    assert queries(1) == queries(5) <= 3


def test_the_timeline_is_read_from_both_ends(responder: Actor, session: InvestigationSession) -> None:
    with transaction.atomic():
        for number in range(5):
            services.record(session, responder, "note", f"Note {number}")
    assert [entry.cursor for entry in selectors.timeline_after(responder, session, 2, limit=2)] == [3, 4]
    assert [entry.cursor for entry in selectors.timeline_before(responder, session, limit=2)] == [5, 6]
    assert [entry.cursor for entry in selectors.timeline_before(responder, session, 5, limit=2)] == [3, 4]


def test_an_incident_timeline_is_woven_from_its_alerts_itself_and_its_sessions(
    responder: Actor, stranger: Actor, environment: Environment
) -> None:
    incident = Incident.objects.create(environment=environment, number=1, title="T", opened_at=NOON)
    alert = Alert.objects.create(
        environment=environment, fingerprint="1-a", name="High", state="resolved", state_since=NOON,
        first_seen_at=NOON, last_seen_at=NOON,
    )  # fmt: skip
    Episode.objects.create(
        alert=alert, incident=incident, started_at=NOON, ended_at=NOON + timedelta(minutes=9), end_reason="absent",
        last_seen_at=NOON,
    )  # fmt: skip
    grouping.note(incident, SYSTEM, "incident_opened", "Opened.", at=NOON + timedelta(seconds=1))
    services.open_session(by=responder, environment=environment, incident=incident)
    woven = selectors.incident_timeline(responder, incident)
    assert [happening.kind for happening in woven] == [
        "alert_fired", "incident_opened", "alert_ended", "session_opened",
    ]  # fmt: skip
    assert woven[2].sentence == "High was no longer told of."
    with pytest.raises(NotFound):
        selectors.incident_timeline(stranger, incident)


def test_participants_come_in_the_order_they_joined(
    responder: Actor,
    agent: Actor,
    viewer: Actor,
    session: InvestigationSession,
    make_person: Callable[..., Actor],
) -> None:
    for who in (agent, viewer):
        services.join(by=who, session=session)
    assert [found.kind for found in selectors.participants(viewer, session)] == ["person", "agent", "person"]
