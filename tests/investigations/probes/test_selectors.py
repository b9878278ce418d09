"""Sensors get their whole set; people get pages that cost the same however much is stored."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.catalog.models import Instance, Service
from investigations.lib.errors import NotFound
from investigations.lib.ids import show
from investigations.probes import selectors, services
from investigations.probes.labels import Said
from investigations.probes.models import Probe
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession
from sightline import wire
from tests.investigations.probes.conftest import AFTER, FILE

Capture = Callable[..., wire.Capture]


class TestDesiredProbes:
    def test_is_the_whole_set_with_its_revision(
        self, place: Callable[..., Probe], instance: Instance, service: Service
    ) -> None:
        probe = place(
            kind="logpoint",
            condition="amount > 10000",
            template="high {request.high_value}",
            watches=[{"name": "type", "expression": "type_name(request.high_value)"}],
            limits={"depth": 2},
            hit_limit=7,
            rate=2.5,
        )

        revision, (sent,) = selectors.desired_probes(instance)

        assert revision == Service.objects.get(pk=service.pk).probe_revision
        assert (sent.id, sent.kind, sent.hit_limit, sent.rate) == (show("prb", probe.id), "logpoint", 7, 2.5)
        assert sent.location == wire.Location(file=FILE, line=AFTER, source_hash="a" * 64)
        assert sent.condition is not None
        assert (sent.condition.text, sent.limits.depth, sent.limits.items) == ("amount > 10000", 2, 50)
        assert [part if isinstance(part, str) else part.text for part in sent.template or []] == [
            "high ",
            "request.high_value",
        ]
        assert [watch.name for watch in sent.watches or []] == ["type"]

    def test_leases_end_with_the_probe(self, place: Callable[..., Probe], instance: Instance) -> None:
        place(ttl_s=20), place(ttl_s=1000)

        leases = [probe.valid_for for probe in selectors.desired_probes(instance)[1]]

        assert 15 < leases[0] <= 20
        assert leases[1] == 60

    def test_leaves_out_what_ended_what_is_elsewhere_and_what_is_not_for_it(
        self,
        responder: Actor,
        place: Callable[..., Probe],
        instance: Instance,
        connect: Callable[..., Instance],
    ) -> None:
        mine = place()
        place(targeting={"version": "another"})
        services.remove_probe(by=responder, probe=place())
        Probe.objects.filter(pk=place().pk).update(expires_at=timezone.now())

        assert [probe.id for probe in selectors.desired_probes(instance)[1]] == [show("prb", mine.id)]
        assert selectors.desired_probes(connect(service="fraud-service")) == (0, [])

    def test_costs_one_query_however_many_there_are(
        self, place: Callable[..., Probe], instance: Instance, django_assert_num_queries: Callable[..., Any]
    ) -> None:
        for _ in range(3):
            place()

        with django_assert_num_queries(1):
            selectors.desired_probes(instance)


class TestProbes:
    def test_are_a_members_to_see(
        self, viewer: Actor, stranger: Actor, probe: Probe, session: InvestigationSession
    ) -> None:
        assert selectors.probe(viewer, probe.id) == probe
        assert list(selectors.probes_of(viewer, session)) == [probe]
        assert list(selectors.probes_of(viewer, session, state="expired")) == []
        with pytest.raises(NotFound):
            selectors.probe(stranger, probe.id)
        with pytest.raises(NotFound):
            selectors.probes_of(stranger, session)
        with pytest.raises(NotFound):
            selectors.probe(viewer, uuid.uuid4())

    def test_an_instance_that_has_not_answered_is_pending(
        self, probe: Probe, instance: Instance, connect: Callable[..., Instance]
    ) -> None:
        connect(host="zz-second")
        services.record_delivery(instance, 1, [wire.ProbeStatus(show("prb", probe.id), "armed")])

        assert [(row.instance.host, row.state, row.slug) for row in selectors.deliveries(probe)] == [
            ("trade-7d9f", "armed", ""),
            ("zz-second", "pending", "not_answered"),
        ]
        assert selectors.delivery_summary(probe) == {"armed": 1, "pending": 1}

    def test_many_are_told_of_at_the_cost_of_few(
        self,
        place: Callable[..., Probe],
        connect: Callable[..., Instance],
        django_assert_num_queries: Callable[..., Any],
    ) -> None:
        found = [place() for _ in range(4)]
        for instance in [connect() for _ in range(3)]:
            armed = [wire.ProbeStatus(show("prb", probe.id), "armed") for probe in found[:2]]
            services.record_delivery(instance, 1, armed)

        with django_assert_num_queries(2):
            told = selectors.deliveries_of(found)
        with django_assert_num_queries(1):
            totals = selectors.hit_totals_of(found)
        assert [[row.state for row in told[probe.id]] for probe in found] == [
            ["armed", "armed", "armed", "pending"],
            ["armed", "armed", "armed", "pending"],
            ["pending"] * 4,
            ["pending"] * 4,
        ]
        assert [totals[probe.id].hits for probe in found] == [0, 0, 0, 0]


class TestCaptures:
    def test_are_read_forwards_and_backwards_by_cursor(
        self, viewer: Actor, session: InvestigationSession, probe: Probe, capture: Capture
    ) -> None:
        for number in range(5):
            capture(probe, message=str(number))

        def read(page: list[Any]) -> list[str]:
            return [row.message for row in page]

        first = selectors.captures_after(viewer, session, limit=2)
        rest = selectors.captures_after(viewer, session, first[-1].cursor)
        last = selectors.captures_before(viewer, session, limit=2)
        ahead = selectors.captures_before(viewer, session, last[0].cursor, limit=2)

        assert [read(page) for page in (first, rest, last, ahead)] == [
            ["0", "1"],
            ["2", "3", "4"],
            ["3", "4"],
            ["1", "2"],
        ]

    def test_are_filtered_by_probe_and_instance(
        self,
        viewer: Actor,
        session: InvestigationSession,
        place: Callable[..., Probe],
        instance: Instance,
        connect: Callable[..., Instance],
        capture: Capture,
    ) -> None:
        one, other, second = place(), place(), connect()
        capture(one, message="one")
        capture(other, message="other")
        capture(one, second, message="second")

        assert [row.message for row in selectors.captures_after(viewer, session, probe=one)] == [
            "one",
            "second",
        ]
        assert [row.message for row in selectors.captures_after(viewer, session, instance=second)] == [
            "second"
        ]

    def test_are_filtered_by_outcome_and_unlabelled_ones_are_unknown(
        self, viewer: Actor, responder: Actor, session: InvestigationSession, probe: Probe, capture: Capture
    ) -> None:
        capture(probe, message="failed", execution_id="t1")
        capture(probe, message="passed", execution_id="t2")
        capture(probe, message="failed elsewhere", execution_id="task", trace_id="t1")
        capture(probe, message="nobody knows", execution_id="t3")
        capture(probe, message="said unknown", execution_id="t4")
        capture(probe, message="no execution")
        said = [Said("fail", "t1"), Said("pass", "t2"), Said("unknown", "t4")]
        services.label_executions(by=responder, environment=session.environment, outcomes=said)

        def read(outcome: str) -> list[str]:
            return [row.message for row in selectors.captures_after(viewer, session, outcome=outcome)]

        assert read("fail") == ["failed", "failed elsewhere"]
        assert read("pass") == ["passed"]
        assert read("unknown") == ["nobody knows", "said unknown", "no execution"]

    def test_are_whole_and_a_members_to_see(
        self, viewer: Actor, stranger: Actor, session: InvestigationSession, probe: Probe, capture: Capture
    ) -> None:
        value = wire.Value("str", "true")
        capture(probe, watches={"high_value": value})
        (row,) = selectors.captures_after(viewer, session)

        found = selectors.capture(viewer, row.id)

        assert selectors.decode(found).watches == {"high_value": value}
        assert selectors.watches(found) == {"high_value": value}
        with pytest.raises(NotFound):
            selectors.capture(stranger, row.id)
        with pytest.raises(NotFound):
            selectors.captures_after(stranger, session)

    def test_of_another_session_are_not_among_them(
        self,
        responder: Actor,
        session: InvestigationSession,
        probe: Probe,
        capture: Capture,
        environment: Environment,
    ) -> None:
        capture(probe)
        other = sessions.open_session(by=responder, environment=environment, title="another")

        assert selectors.captures_after(responder, other) == []


class TestHistogram:
    def test_counts_by_outcome_where_somebody_watched(
        self,
        viewer: Actor,
        responder: Actor,
        session: InvestigationSession,
        probe: Probe,
        instance: Instance,
        capture: Capture,
    ) -> None:
        services.record_delivery(instance, 1, [wire.ProbeStatus(show("prb", probe.id), "armed")])
        for id in ("t1", "t1", "t2", "t3"):
            capture(probe, execution_id=id)
        said = [Said("fail", "t1"), Said("pass", "t2")]
        services.label_executions(by=responder, environment=session.environment, outcomes=said)
        now = timezone.now()

        found = selectors.hit_histogram(
            viewer, session, now - timedelta(minutes=30), now + timedelta(minutes=30), buckets=4
        )

        assert [bucket.watched for bucket in found.buckets].count(True) in (
            1,
            2,
        )  # noon is near a bucket's edge
        assert not found.buckets[0].watched
        assert not found.buckets[3].watched
        total = [
            sum(getattr(bucket, name) for bucket in found.buckets) for name in ("passed", "failed", "unknown")
        ]
        assert total == [1, 2, 1]
        assert found.complete_from is None
        assert found.width_s == 900

    def test_says_from_when_it_is_complete_once_there_are_too_many(
        self,
        viewer: Actor,
        session: InvestigationSession,
        probe: Probe,
        capture: Capture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("investigations.probes.histogram.MOST_COUNTED", 2)
        for _ in range(4):
            capture(probe)
        now = timezone.now()

        found = selectors.hit_histogram(
            viewer, session, now - timedelta(minutes=1), now + timedelta(minutes=1)
        )

        assert sum(bucket.captures for bucket in found.buckets) == 2
        assert found.complete_from is not None

    def test_is_narrowed_to_probes(
        self, viewer: Actor, session: InvestigationSession, place: Callable[..., Probe], capture: Capture
    ) -> None:
        one, other = place(), place()
        capture(one)
        now = timezone.now()

        found = selectors.hit_histogram(
            viewer, session, now - timedelta(minutes=1), now + timedelta(minutes=1), probes=[other]
        )

        assert not any(bucket.captures for bucket in found.buckets)
