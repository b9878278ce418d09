"""What else happens by the clock: probes end, capture days come and go, silent instances are let go of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.catalog.models import Instance, Service
from investigations.evidence import services as evidence_verbs
from investigations.probes.models import Probe, ProbeDelivery
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession
from investigations.tasks import captures, evidence, instances, probes

NOW = datetime.now(UTC)


@pytest.fixture
def probe(session: InvestigationSession, service: Service, environment: Environment) -> Probe:
    return Probe.objects.create(
        environment=environment, session=session, service=service, number=1, kind="snapshot", location={},
        place="trades/models.py:88", state="active", placed_by="rita", expires_at=NOW + timedelta(hours=1),
    )  # fmt: skip


def test_a_probe_whose_time_is_up_is_ended(probe: Probe) -> None:
    probes.expire()
    probe.refresh_from_db()
    assert probe.state == "active"
    Probe.objects.update(expires_at=NOW - timedelta(seconds=1))
    probes.expire()
    probe.refresh_from_db()
    assert probe.state == "expired"


def test_the_probes_of_a_closed_session_are_ended(
    responder: Actor, session: InvestigationSession, probe: Probe
) -> None:
    sessions.close_session(by=responder, session=session)
    probes.expire()
    probe.refresh_from_db()
    assert (probe.state, probe.state_reason) == ("removed", "Its session was closed.")


def test_a_silent_instance_is_let_go_of(instance: Instance) -> None:
    instances.sweep()
    instance.refresh_from_db()
    assert instance.connection is not None
    Instance.objects.update(last_seen_at=NOW - timedelta(hours=1))
    instances.sweep()
    instance.refresh_from_db()
    assert instance.connection is None


def test_the_days_ahead_have_partitions_and_old_ones_go(db: None) -> None:
    def days() -> set[str]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relname LIKE 'probes\\_capture\\_2%%' AND relkind = 'r'"
            )
            return {name for (name,) in cursor.fetchall()}

    captures.make_days()
    tomorrow = f"probes_capture_{NOW + timedelta(days=1):%Y%m%d}"
    assert tomorrow in days()
    before = days()
    captures.drop_days()
    assert tomorrow in days() <= before


def test_the_rules_look_again_when_a_probe_answers(
    responder: Actor, session: InvestigationSession, probe: Probe, instance: Instance
) -> None:
    evidence_verbs.propose_hypothesis(by=responder, session=session, statement="It is text")
    ProbeDelivery.objects.create(
        probe=probe,
        instance=instance,
        state="rejected",
        sentence="Line 88 is not executable.",
        updated_at=NOW,
    )
    evidence.weigh()
    session.refresh_from_db()
    assert session.verdict == "blocked"
    assert session.timeline.filter(kind="verdict_changed").exists()


def test_a_session_nothing_happened_in_is_weighed_once(
    session: InvestigationSession, probe: Probe, django_assert_num_queries: object
) -> None:
    Probe.objects.update(placed_at=NOW - timedelta(hours=1))
    evidence.weigh()
    session.refresh_from_db()
    assert [gate["slug"] for gate in session.gates] == ["mechanism"]
    with django_assert_num_queries(1):  # type: ignore[operator]
        evidence.weigh()
