"""Probes are placed by who may, once, where they can stand; and they end, each for a reason that is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.accounts.models import AuditEntry, Environment
from investigations.catalog import services as catalog
from investigations.catalog.models import Instance, Service
from investigations.lib.errors import Conflict, Forbidden, Invalid, Limited, NotFound, Problem
from investigations.lib.ids import show
from investigations.probes import ending, room, selectors, services
from investigations.probes.models import Probe, ProbeState
from investigations.probes.services import ProbeSpec
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession, TimelineEntry
from sightline import wire
from tests.investigations.probes.conftest import AFTER, FILE, TEXT, WRITE, line_with


def last_entry(session: InvestigationSession) -> TimelineEntry:
    return session.timeline.latest("cursor")


def revision(service: Service) -> int:
    return Service.objects.get(pk=service.pk).probe_revision


class TestCheckProbe:
    def test_says_where_it_would_stand_and_whom_it_would_reach(
        self, viewer: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec], instance: Instance
    ) -> None:
        check = services.check_probe(by=viewer, session=session, spec=spec())

        assert check.ok
        assert check.place is not None
        assert (check.place.file, check.place.line, check.place.function) == (
            FILE,
            AFTER,
            "TradeRequest.from_payload",
        )
        assert check.place.text.startswith("log.debug(")
        assert check.place.location.source_hash == "a" * 64
        assert (check.instances, check.others, check.notes) == ([instance], 0, [])
        assert not Probe.objects.exists()

    def test_takes_the_end_of_a_path_only_where_it_is_unambiguous(
        self, viewer: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec], instance: Instance
    ) -> None:
        catalog.instance_gone(instance.id, instance.connection)  # type: ignore[arg-type]

        check = services.check_probe(
            by=viewer, session=session, spec=spec(file="trade_request.py", line=AFTER)
        )

        assert check.place is not None
        assert check.place.file == FILE

    def test_a_function_stands_on_the_first_line_of_its_body(
        self, viewer: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
    ) -> None:
        name = "trades.trade_request:TradeRequest.from_payload"

        check = services.check_probe(by=viewer, session=session, spec=spec(function=name))

        assert check.place is not None
        assert check.place.line == line_with("amount = Decimal(payload")
        assert check.place.location.function == name

    def test_a_line_where_nothing_runs_is_answered_with_the_nearest(
        self, viewer: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
    ) -> None:
        blank = line_with("log = ") + 1

        check = services.check_probe(by=viewer, session=session, spec=spec(file=FILE, line=blank))

        assert [problem.slug for problem in check.problems] == ["line_not_executable"]
        assert check.nearest[0] == blank - 1
        assert check.problems[0].alternatives["lines"][str(blank - 1)] == "log = logging.getLogger(__name__)"

    def test_a_misspelt_function_is_answered_with_those_there_are(
        self, viewer: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
    ) -> None:
        wish = spec(function="trades.trade_request:TradeRequest.from_paylod")

        (problem,) = services.check_probe(by=viewer, session=session, spec=wish).problems

        assert problem.slug == "function_unknown"
        assert problem.alternatives == {"functions": ["trades.trade_request:TradeRequest.from_payload"]}

    def test_without_an_instance_the_place_is_taken_unchecked(
        self, viewer: Actor, session: InvestigationSession, service: Service
    ) -> None:
        wish = ProbeSpec(service=service, file="trades/new.py", line=3)

        check = services.check_probe(by=viewer, session=session, spec=wish)

        assert check.ok
        assert check.place is not None
        assert not check.place.checked
        assert any("could not be checked" in note for note in check.notes)
        assert any("waits for one" in note for note in check.notes)

    def test_says_when_the_targeting_leaves_everybody_out(
        self, viewer: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
    ) -> None:
        check = services.check_probe(by=viewer, session=session, spec=spec(targeting={"version": "9"}))

        assert check.ok
        assert (check.instances, check.others) == ([], 1)
        assert check.notes == [
            "None of the connected instances (1) matches version 9; the probe waits for one."
        ]

    def test_a_service_of_another_environment_is_refused(
        self, viewer: Actor, session: InvestigationSession, elsewhere: Environment
    ) -> None:
        other = catalog.ensure_service(elsewhere, "pricing")

        (problem,) = services.check_probe(
            by=viewer, session=session, spec=ProbeSpec(service=other, file="a.py", line=1)
        ).problems

        assert problem.slug == "service_elsewhere"

    def test_is_not_for_strangers(
        self, stranger: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
    ) -> None:
        with pytest.raises(NotFound):
            services.check_probe(by=stranger, session=session, spec=spec())


class TestPlaceProbe:
    def test_costs_few_statements_for_somebody_waits(
        self,
        responder: Actor,
        session: InvestigationSession,
        spec: Callable[..., ProbeSpec],
        django_assert_max_num_queries: Callable[..., Any],
    ) -> None:
        services.place_probe(by=responder, session=session, spec=spec())  # joins the session

        with django_assert_max_num_queries(12):  # with two questions of role, and the savepoint's two
            services.place_probe(by=responder, session=session, spec=spec())

    def test_makes_an_active_probe_and_tells_the_timeline_and_the_sensors(
        self, agent: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec], service: Service
    ) -> None:
        before = revision(service)
        probe = services.place_probe(
            by=agent, session=session, spec=spec(condition="amount > 10000", ttl_s=60), purpose="who sets it?"
        )

        assert (probe.number, probe.state, probe.place) == (1, ProbeState.ACTIVE, f"{FILE}:{AFTER}")
        assert timedelta(seconds=55) < probe.expires_at - timezone.now() <= timedelta(seconds=60)
        assert revision(service) == before + 1
        entry = last_entry(session)
        assert (entry.kind, entry.subject, entry.purpose) == (
            "probe_placed",
            show("prb", probe.id),
            "who sets it?",
        )
        assert entry.sentence == (
            f"Placed P1, a snapshot at {FILE}:{AFTER} when amount > 10000, for 1 instance of trade-execution-service."
        )
        assert entry.actor_label == "claude-1 for rita"

    def test_the_same_key_gives_the_same_probe(
        self, responder: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
    ) -> None:
        first = services.place_probe(by=responder, session=session, spec=spec(), idempotency_key="k")
        again = services.place_probe(
            by=responder, session=session, spec=spec(line=1, file=FILE), idempotency_key="k"
        )

        assert again == first
        assert session.probes.count() == 1

    def test_numbers_run_within_the_session(self, place: Callable[..., Probe]) -> None:
        assert [place().number, place().number] == [1, 2]

    @pytest.mark.parametrize(("who", "error"), [("viewer", Forbidden), ("stranger", NotFound)])
    def test_is_a_responders(
        self,
        request: pytest.FixtureRequest,
        session: InvestigationSession,
        spec: Callable[..., ProbeSpec],
        who: str,
        error: type[Problem],
    ) -> None:
        with pytest.raises(error):
            services.place_probe(by=request.getfixturevalue(who), session=session, spec=spec())

    def test_what_is_wrong_is_raised_with_what_would_be_right(
        self, responder: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
    ) -> None:
        with pytest.raises(Invalid) as caught:
            services.place_probe(by=responder, session=session, spec=spec(file=FILE, line=1))

        assert caught.value.slug == "line_not_executable"
        assert caught.value.alternatives["nearest"]

    def test_not_in_a_closed_session(
        self, responder: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
    ) -> None:
        sessions.close_session(by=responder, session=session)

        with pytest.raises(Conflict) as caught:
            services.place_probe(by=responder, session=session, spec=spec())
        assert caught.value.slug == "session_closed"

    def test_a_session_holds_only_so_many(
        self,
        responder: Actor,
        session: InvestigationSession,
        spec: Callable[..., ProbeSpec],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(room, "MOST_IN_SESSION", 1)
        first = services.place_probe(by=responder, session=session, spec=spec())
        with pytest.raises(Limited) as caught:
            services.place_probe(by=responder, session=session, spec=spec())
        assert caught.value.slug == "probes_too_many"

        services.remove_probe(by=responder, probe=first)
        assert services.place_probe(by=responder, session=session, spec=spec()).number == 2


class TestRemoveProbe:
    def test_ends_it_and_tells_the_timeline_and_the_sensors(
        self, responder: Actor, probe: Probe, session: InvestigationSession, service: Service
    ) -> None:
        before = revision(service)

        removed = services.remove_probe(by=responder, probe=probe, purpose="answered")

        assert (removed.state, removed.state_reason) == (ProbeState.REMOVED, "Removed by rita.")
        assert removed.ended_at is not None
        assert revision(service) == before + 1
        assert last_entry(session).sentence == f"Removed P1 at {FILE}:{AFTER}, which had brought 0 captures."

    def test_twice_is_once(self, responder: Actor, probe: Probe, session: InvestigationSession) -> None:
        services.remove_probe(by=responder, probe=probe)
        ended = services.remove_probe(by=responder, probe=probe).ended_at

        assert ended == Probe.objects.get(pk=probe.pk).ended_at
        assert session.timeline.filter(kind="probe_removed").count() == 1

    @pytest.mark.parametrize(("who", "error"), [("viewer", Forbidden), ("stranger", NotFound)])
    def test_is_a_responders(
        self, request: pytest.FixtureRequest, probe: Probe, who: str, error: type[Problem]
    ) -> None:
        with pytest.raises(error):
            services.remove_probe(by=request.getfixturevalue(who), probe=probe)


class TestExpireProbes:
    def test_ends_those_whose_time_is_up(
        self, place: Callable[..., Probe], session: InvestigationSession, service: Service
    ) -> None:
        short, long = place(ttl_s=10), place(ttl_s=1000)
        before = revision(service)

        assert services.expire_probes(now=timezone.now() + timedelta(seconds=11)) == 1
        assert services.expire_probes(now=timezone.now() + timedelta(seconds=11)) == 0

        assert [Probe.objects.get(pk=probe.pk).state for probe in (short, long)] == ["expired", "active"]
        assert revision(service) == before + 1
        entry = last_entry(session)
        assert (entry.kind, entry.actor_kind) == ("probe_expired", "system")
        assert entry.sentence == f"P1 at {FILE}:{AFTER} expired with 0 captures."


class TestDisarmAll:
    def test_removes_every_probe_of_the_environment_and_is_audited(
        self, responder: Actor, place: Callable[..., Probe], session: InvestigationSession, service: Service
    ) -> None:
        place(), place()
        before = revision(service)

        assert (
            services.disarm_all(by=responder, environment=session.environment, reason="p99 rises").probes == 2
        )

        assert set(Probe.objects.values_list("state", "state_reason")) == {
            ("removed", "Disarmed by rita: p99 rises")
        }
        assert revision(service) == before + 1
        assert last_entry(session).sentence == "Disarmed P1, P2, with every probe in production: p99 rises"
        assert AuditEntry.objects.get(action="probes_disarmed").detail == {"reason": "p99 rises", "probes": 2}

    def test_leaves_other_environments_alone(
        self, make_person: Callable[..., Actor], probe: Probe, elsewhere: Environment
    ) -> None:
        other = make_person("olga", "responder", elsewhere)

        assert services.disarm_all(by=other, environment=elsewhere, reason="test").probes == 0
        assert Probe.objects.get(pk=probe.pk).state == ProbeState.ACTIVE

    def test_wants_a_reason(self, responder: Actor, environment: Environment) -> None:
        with pytest.raises(Invalid, match="Say why"):
            services.disarm_all(by=responder, environment=environment, reason=" ")

    @pytest.mark.parametrize(("who", "error"), [("viewer", Forbidden), ("stranger", NotFound)])
    def test_is_a_responders(
        self, request: pytest.FixtureRequest, environment: Environment, who: str, error: type[Problem]
    ) -> None:
        with pytest.raises(error):
            services.disarm_all(by=request.getfixturevalue(who), environment=environment, reason="x")


class TestTakingBack:
    def test_a_removal_arms_the_probe_again(
        self, responder: Actor, probe: Probe, session: InvestigationSession, service: Service
    ) -> None:
        services.remove_probe(by=responder, probe=probe)
        before = revision(service)

        again = services.restore_probe(by=responder, probe=probe)

        assert (again.state, again.state_reason, again.ended_at) == (ProbeState.ACTIVE, "", None)
        assert revision(service) == before + 1
        assert last_entry(session).sentence == f"Took the removal of P1 at {FILE}:{AFTER} back."

    def test_of_what_was_not_removed_changes_nothing(
        self, responder: Actor, probe: Probe, session: InvestigationSession
    ) -> None:
        assert services.restore_probe(by=responder, probe=probe).state == ProbeState.ACTIVE
        assert not session.timeline.filter(kind="probe_restored").exists()

    @pytest.mark.parametrize(
        "change",
        [
            {"state": "expired"},
            {"ended_at": timezone.now() - ending.UNDO_WITHIN},
            {"expires_at": timezone.now() - timedelta(seconds=1)},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_is_possible_only_of_a_removal_for_a_while_and_while_time_is_left(
        self, responder: Actor, probe: Probe, change: dict[str, Any]
    ) -> None:
        services.remove_probe(by=responder, probe=probe)
        Probe.objects.filter(pk=probe.pk).update(**change)

        with pytest.raises(Conflict) as refused:
            services.restore_probe(by=responder, probe=probe)
        assert refused.value.slug == "not_undoable"

    def test_not_when_its_room_was_taken(
        self, responder: Actor, place: Callable[..., Probe], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(room, "MOST_IN_SESSION", 1)
        first = services.remove_probe(by=responder, probe=place())
        place()

        with pytest.raises(Limited):
            services.restore_probe(by=responder, probe=first)

    def test_the_switch_arms_what_it_disarmed_and_nothing_else(
        self, responder: Actor, place: Callable[..., Probe], session: InvestigationSession, service: Service
    ) -> None:
        services.remove_probe(by=responder, probe=place())
        place(), place()
        done = services.disarm_all(by=responder, environment=session.environment, reason="p99 rises")
        before = revision(service)

        again = services.restore_all(by=responder, environment=session.environment, act=done.act)

        assert (done.probes, again) == (2, 2)
        states = session.probes.order_by("number").values_list("state", flat=True)
        assert list(states) == ["removed", "active", "active"]
        assert revision(service) == before + 1
        assert last_entry(session).sentence == "Took the disarming of P2, P3 back."
        assert services.restore_all(by=responder, environment=session.environment, act=done.act) == 0

    def test_the_switch_leaves_out_those_without_room(
        self,
        responder: Actor,
        place: Callable[..., Probe],
        session: InvestigationSession,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        place(), place()
        done = services.disarm_all(by=responder, environment=session.environment, reason="p99 rises")
        monkeypatch.setattr(room, "MOST_IN_SESSION", 1)

        assert services.restore_all(by=responder, environment=session.environment, act=done.act) == 1

    @pytest.mark.parametrize(("who", "error"), [("viewer", Forbidden), ("stranger", NotFound)])
    def test_is_a_responders(
        self, request: pytest.FixtureRequest, probe: Probe, who: str, error: type[Problem]
    ) -> None:
        someone = request.getfixturevalue(who)
        with pytest.raises(error):
            services.restore_probe(by=someone, probe=probe)
        with pytest.raises(error):
            services.restore_all(by=someone, environment=probe.environment, act=probe.id)


FROM_PAYLOAD = "trades.trade_request:TradeRequest.from_payload"


class TestPlacesOfKinds:
    def test_a_line_stands_for_the_call_it_is_in(self, place: Callable[..., Probe]) -> None:
        probe = place(kind="function", file=FILE, line=line_with("def from_payload"))

        assert probe.place == f"{FILE}:{line_with('def from_payload')}"
        assert probe.location["source_hash"] == "a" * 64

    def test_a_line_outside_any_function_is_answered_with_functions(
        self, viewer: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
    ) -> None:
        wish = spec(kind="path", file=FILE, line=line_with("log = "))

        (problem,) = services.check_probe(by=viewer, session=session, spec=wish).problems

        assert problem.slug == "line_outside_function"
        assert problem.alternatives == {"functions": [FROM_PAYLOAD]}

    def test_a_duration_runs_to_a_line_of_the_same_function(self, place: Callable[..., Probe]) -> None:
        probe = place(kind="duration", until=line_with("return request"), options={"slower_than_ms": 5})

        assert (probe.until, probe.options) == (line_with("return request"), {"slower_than_ms": 5})

    def test_a_duration_that_leaves_its_function_is_refused(
        self, viewer: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
    ) -> None:
        wish = spec(kind="duration", until=len(TEXT.splitlines()))

        (problem,) = services.check_probe(by=viewer, session=session, spec=wish).problems

        assert (problem.slug, problem.where) == ("until_not_reachable", "until")
        assert line_with("return request") in problem.alternatives["nearest"]

    def test_an_assignment_watches_an_attribute_of_a_known_class(self, place: Callable[..., Probe]) -> None:
        name = "trades.trade_request:TradeRequest.high_value"
        probe = place(kind="assignment", attribute=name)

        assert (probe.place, probe.location["attribute"]) == (name, name)

    def test_a_misspelt_class_is_answered_with_those_there_are(
        self, viewer: Actor, session: InvestigationSession, spec: Callable[..., ProbeSpec]
    ) -> None:
        wish = spec(kind="assignment", attribute="trades.trade_request:TradRequest.high_value")

        (problem,) = services.check_probe(by=viewer, session=session, spec=wish).problems

        assert problem.slug == "class_unknown"
        assert problem.alternatives == {"classes": ["trades.trade_request:TradeRequest"]}

    def test_calls_out_need_no_place(self, place: Callable[..., Probe]) -> None:
        probe = place(kind="dependency", file="", line=0)

        assert (probe.place, probe.location) == ("any call out", {})

    def test_every_field_of_a_kind_reaches_the_sensors(
        self, place: Callable[..., Probe], instance: Instance
    ) -> None:
        place(kind="duration", until=line_with("return request"), options={"slower_than_ms": 5})
        place(kind="expectation", value="amount > 0")
        place(kind="logpoint", template="paid", options={"level": "error", "pipe": True})

        lasting, expected, logged = selectors.desired_probes(instance)[1]

        assert lasting.until == wire.Location(
            file=FILE, line=line_with("return request"), source_hash="a" * 64
        )
        assert lasting.options == {"slower_than_ms": 5}
        assert expected.value is not None
        assert expected.value.text == "amount > 0"
        assert (logged.level, logged.pipe, logged.options) == ("error", True, {})


def test_the_line_of_a_write_can_hold_a_probe(place: Callable[..., Probe]) -> None:
    assert place(file=FILE, line=WRITE).place == f"{FILE}:{WRITE}"
