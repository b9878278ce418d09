"""Hypotheses and evidence: frozen, linked, weighed; and nobody settles anything by saying so."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts.models import Alert, Incident
from investigations.evidence import selectors, services
from investigations.evidence.freezing import content_hash
from investigations.evidence.models import Evidence, EvidenceLink, Hypothesis
from investigations.lib.errors import Conflict, Forbidden, Invalid, NotFound
from investigations.lib.ids import show
from investigations.probes.models import Capture, Probe
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession
from sightline import wire

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Make = Callable[..., Any]


@pytest.fixture
def hypothesis(responder: Actor, session: InvestigationSession) -> Hypothesis:
    return services.propose_hypothesis(
        by=responder,
        session=session,
        statement="high_value is text, so `is True` never holds",
        confirms="Its type is str.",
        weakens="Its type is bool in a failing trade.",
    )


@pytest.fixture
def rival(responder: Actor, session: InvestigationSession, hypothesis: Hypothesis) -> Hypothesis:
    return services.propose_hypothesis(
        by=responder, session=session, statement="fraud-service answers too late"
    )


@pytest.fixture
def incident(environment: Environment) -> Incident:
    return Incident.objects.create(environment=environment, number=1, title="Settlements", opened_at=NOON)


@pytest.fixture
def alert(environment: Environment) -> Alert:
    return Alert.objects.create(
        environment=environment, fingerprint="1-a", name="SettlementRejectionsHigh", state="firing",
        state_since=NOON, first_seen_at=NOON, last_seen_at=NOON,
    )  # fmt: skip


def kinds(session: InvestigationSession) -> list[str]:
    return list(session.timeline.order_by("cursor").values_list("kind", flat=True))


# ---------------------------------------------------------------- hypotheses


def test_hypotheses_are_numbered_and_written_on_the_timeline(
    session: InvestigationSession, hypothesis: Hypothesis, rival: Hypothesis
) -> None:
    assert (hypothesis.number, rival.number) == (1, 2)
    assert kinds(session).count("hypothesis_proposed") == 2


def test_the_same_key_proposes_once(responder: Actor, session: InvestigationSession) -> None:
    first, second = (
        services.propose_hypothesis(by=responder, session=session, statement=text, idempotency_key="k")
        for text in ("It is late", "It is late again")
    )
    assert first == second


def test_an_empty_claim_is_refused(responder: Actor, session: InvestigationSession) -> None:
    with pytest.raises(Invalid, match="needs a statement"):
        services.propose_hypothesis(by=responder, session=session, statement=" \x00 ".replace("\x00", ""))


def test_a_viewer_may_not_propose_and_a_stranger_learns_nothing(
    viewer: Actor, stranger: Actor, session: InvestigationSession
) -> None:
    with pytest.raises(Forbidden):
        services.propose_hypothesis(by=viewer, session=session, statement="It is late")
    with pytest.raises(NotFound):
        services.propose_hypothesis(by=stranger, session=session, statement="It is late")


def test_a_closed_session_takes_no_more_claims(responder: Actor, session: InvestigationSession) -> None:
    sessions.close_session(by=responder, session=session)
    with pytest.raises(Conflict, match="closed"):
        services.propose_hypothesis(by=responder, session=session, statement="It is late")


@pytest.mark.parametrize("state", ["supported", "refuted"])
def test_nothing_is_settled_by_saying_so(responder: Actor, hypothesis: Hypothesis, state: str) -> None:
    with pytest.raises(Conflict) as refusal:
        services.set_hypothesis_state(by=responder, hypothesis=hypothesis, state=state)
    assert refusal.value.slug == "needs_evidence"


def test_a_move_that_is_not_allowed_names_those_that_are(responder: Actor, hypothesis: Hypothesis) -> None:
    with pytest.raises(Conflict) as refusal:
        services.set_hypothesis_state(by=responder, hypothesis=hypothesis, state="confirmed")
    assert "testing" in refusal.value.alternatives["allowed"]


def test_untestable_needs_a_reason(responder: Actor, hypothesis: Hypothesis) -> None:
    with pytest.raises(Invalid, match="needs a reason"):
        services.set_hypothesis_state(by=responder, hypothesis=hypothesis, state="untestable")
    services.set_hypothesis_state(
        by=responder, hypothesis=hypothesis, state="untestable", reason="No such traffic."
    )
    assert Hypothesis.objects.get(pk=hypothesis.pk).state == "untestable"


# ---------------------------------------------------------------- evidence


def test_a_capture_is_frozen_with_its_provenance_and_its_gaps(
    responder: Actor, session: InvestigationSession, hypothesis: Hypothesis, probe: Probe, capture: Capture
) -> None:
    evidence = services.record_evidence(
        by=responder, session=session, title="It is text", of=show("cap", capture.id),
        hypotheses=[(hypothesis, "supports")],
    )  # fmt: skip
    assert evidence.kind == "capture"
    assert evidence.content["watches"]["high_value"] == {"type": "str", "value": "true", "size": 4}
    seen = evidence.provenance
    assert (seen["probe"], seen["commit"], seen["place"]) == (
        show("prb", probe.id),
        "9f2c1e7",
        "trades/models.py:88",
    )
    assert evidence.coverage["cut"] == [{"path": "frames.0.variables.note", "why": "length"}]
    assert evidence.coverage["partial"] is False, "what was watched is whole"


def test_the_copy_outlives_the_capture_and_its_hash_can_be_checked(
    responder: Actor, session: InvestigationSession, capture: Capture
) -> None:
    evidence = services.record_evidence(by=responder, session=session, of=show("cap", capture.id))
    Capture.objects.filter(id=capture.id).delete()
    kept = Evidence.objects.get(pk=evidence.pk)
    assert content_hash(kept.content) == kept.content_hash


def test_a_hash_survives_what_the_database_does_to_numbers(
    responder: Actor, session: InvestigationSession
) -> None:
    odd = {"a": 1e22, "b": 1.0, "c": -0.0, "d": 1e-7, "e": float("nan"), "f": 2**70, "\x00": "a\x00\ud800"}
    evidence = services.record_evidence(
        by=responder, session=session, kind="observation", title="Odd", content=odd
    )
    kept = Evidence.objects.get(pk=evidence.pk)
    assert content_hash(kept.content) == kept.content_hash


def test_a_path_that_decides_and_was_withheld_makes_the_copy_partial(
    responder: Actor, session: InvestigationSession, probe: Probe, make_capture: Make
) -> None:
    secret = wire.Value("str", redacted="name: password", hash=b"\x01")
    capture = make_capture(probe, watches={"password": secret, "high_value": wire.Value("str", "true")})
    of = show("cap", capture.id)
    whole = services.record_evidence(by=responder, session=session, of=of, path="watches.high_value")
    withheld = services.record_evidence(by=responder, session=session, of=of, path="watches.password")
    assert (whole.coverage["partial"], withheld.coverage["partial"]) == (False, True)
    with pytest.raises(Invalid, match="holds nothing at"):
        services.record_evidence(by=responder, session=session, of=of, path="watches.other")


def test_a_capture_is_copied_never_told(responder: Actor, session: InvestigationSession) -> None:
    with pytest.raises(Invalid, match="copied, never told"):
        services.record_evidence(
            by=responder, session=session, kind="capture", content={"high_value": "true"}
        )


def test_a_capture_of_elsewhere_is_not_found(
    stranger: Actor, elsewhere: Environment, capture: Capture
) -> None:
    theirs = sessions.open_session(by=stranger, environment=elsewhere, title="Ours?")
    with pytest.raises(NotFound):
        services.record_evidence(by=stranger, session=theirs, of=show("cap", capture.id))


def test_evidence_may_explain_the_alert_and_the_incident(
    responder: Actor, session: InvestigationSession, capture: Capture, alert: Alert, incident: Incident
) -> None:
    evidence = services.record_evidence(
        by=responder, session=session, of=show("cap", capture.id), explains=[alert, incident]
    )
    linked = {(found.alert, found.incident) for found in evidence.links.all()}
    assert linked == {(alert, None), (None, incident)}
    assert selectors.evidence_of(responder, incident) == [evidence]
    assert selectors.evidence_of(responder, alert) == [evidence]


def test_on_call_attaches_evidence_to_an_incident_in_one_step(responder: Actor, incident: Incident) -> None:
    evidence = services.record_evidence(
        by=responder, incident=incident, kind="observation", title="The queue is full"
    )
    assert (evidence.session, evidence.number) == (None, 1)
    assert evidence.links.get().incident == incident
    assert incident.entries.get().kind == "evidence_attached"


def test_the_same_key_records_once(responder: Actor, incident: Incident) -> None:
    for _ in range(2):
        services.record_evidence(
            by=responder, incident=incident, kind="link", title="Runbook", idempotency_key="runbook"
        )
    assert Evidence.objects.count() == 1


def test_a_link_goes_to_one_thing_of_the_same_session(
    responder: Actor, session: InvestigationSession, hypothesis: Hypothesis, environment: Environment
) -> None:
    other = sessions.open_session(by=responder, environment=environment, title="Another")
    evidence = services.record_evidence(by=responder, session=other, kind="observation", title="Seen")
    with pytest.raises(Invalid, match="another session"):
        services.link(by=responder, evidence=evidence, hypothesis=hypothesis, stance="supports")
    with pytest.raises(Invalid, match="one hypothesis, alert or incident"):
        services.link(by=responder, evidence=evidence)


# ---------------------------------------------------------------- the rules


def test_evidence_moves_the_hypothesis_it_bears_on(
    responder: Actor, session: InvestigationSession, hypothesis: Hypothesis, capture: Capture
) -> None:
    evidence = services.record_evidence(
        by=responder, session=session, of=show("cap", capture.id), hypotheses=[(hypothesis, "supports")]
    )
    assert Hypothesis.objects.get(pk=hypothesis.pk).state == "supported"
    services.link(by=responder, evidence=evidence, hypothesis=hypothesis, stance="refutes")
    assert Hypothesis.objects.get(pk=hypothesis.pk).state == "refuted"
    assert EvidenceLink.objects.count() == 1


def test_what_an_agent_says_moves_nothing_what_it_has_copied_does(
    agent: Actor, session: InvestigationSession, hypothesis: Hypothesis, capture: Capture
) -> None:
    bears = {"hypotheses": [(hypothesis, "supports")]}
    services.record_evidence(by=agent, session=session, kind="inference", title="It must be", **bears)
    services.record_evidence(by=agent, session=session, kind="observation", title="I saw it", **bears)
    assert Hypothesis.objects.get(pk=hypothesis.pk).state == "proposed"
    services.record_evidence(by=agent, session=session, of=show("cap", capture.id), **bears)
    assert Hypothesis.objects.get(pk=hypothesis.pk).state == "supported"


def test_a_session_is_diagnosed_when_every_gate_is_met(
    responder: Actor,
    session: InvestigationSession,
    hypothesis: Hypothesis,
    rival: Hypothesis,
    probe: Probe,
    make_capture: Make,
) -> None:
    failing, passing = show("cap", make_capture(probe).id), show("cap", make_capture(probe).id)
    services.record_evidence(
        by=responder, session=session, of=failing, hypotheses=[(hypothesis, "supports"), (rival, "refutes")]
    )
    session.refresh_from_db()
    assert session.verdict == "likely"
    assert [gate["slug"] for gate in session.gates if not gate["met"]] == ["disconfirming"]
    services.record_evidence(by=responder, session=session, of=passing, hypotheses=[(hypothesis, "neutral")])
    session.refresh_from_db()
    assert session.verdict == "diagnosed"
    services.set_hypothesis_state(by=responder, hypothesis=hypothesis, state="confirmed")
    assert Hypothesis.objects.get(pk=hypothesis.pk).state == "confirmed"


def test_the_timeline_tells_of_the_verdict_only_when_it_is_another(
    responder: Actor, session: InvestigationSession, hypothesis: Hypothesis, capture: Capture
) -> None:
    bears = {"hypotheses": [(hypothesis, "supports")], "of": show("cap", capture.id)}
    services.record_evidence(by=responder, session=session, **bears)
    told = kinds(session).count("verdict_changed")
    services.record_evidence(by=responder, session=session, **bears)
    assert kinds(session).count("verdict_changed") == told
    weighed = session.timeline.filter(kind="verdict_changed").last()
    assert weighed is not None
    assert weighed.actor_kind == "system"


def test_weighing_twice_writes_nothing(session: InvestigationSession, hypothesis: Hypothesis) -> None:
    before = kinds(session)
    services.weigh(session)
    services.weigh(session)
    assert kinds(session) == before


def test_taking_a_link_back_weighs_again(
    responder: Actor, session: InvestigationSession, hypothesis: Hypothesis, capture: Capture
) -> None:
    evidence = services.record_evidence(
        by=responder, session=session, of=show("cap", capture.id), hypotheses=[(hypothesis, "supports")]
    )
    services.unlink(by=responder, link=selectors.link(responder, evidence.links.get().id))
    session.refresh_from_db()
    assert session.verdict == "inconclusive"
    with pytest.raises(NotFound):
        selectors.link(responder, uuid.uuid4())
