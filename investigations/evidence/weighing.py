"""The rules at work: evidence moves hypotheses, everything together gives the verdict, and the timeline tells."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from investigations.accounts.actors import SYSTEM, Actor
from investigations.evidence import verdict
from investigations.evidence.facts import bearings_on, facts_of
from investigations.evidence.models import Hypothesis, HypothesisState
from investigations.lib.ids import show
from investigations.live import publish, topics
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession


@transaction.atomic
def weigh(session: InvestigationSession) -> InvestigationSession:
    """Let the rules decide again, and write it on the timeline when their answer is another one."""
    session = sessions.locked(session)
    answer = verdict.decide(*facts_of(session))
    gates = [{"slug": gate.slug, "met": gate.met, "sentence": gate.sentence} for gate in answer.gates]
    if (session.verdict, session.gates) == (answer.verdict, gates):
        return session
    before = (session.verdict, _met(session.gates))
    session.verdict, session.gates = answer.verdict, gates
    session.save(update_fields=["verdict", "gates"])
    if before != (answer.verdict, _met(gates)):
        _record_verdict(session, before[0], answer)
    return session


def _record_verdict(session: InvestigationSession, before: str, answer: verdict.Answer) -> None:
    met = sum(gate.met for gate in answer.gates)
    word = answer.verdict.replace("_", " ")
    sentences = [f"The rules say {word}: {met} of {len(answer.gates)} gates are met."]
    sentences += [gate.sentence for gate in answer.gates if not gate.met][:1]
    sessions.record(
        session, SYSTEM, "verdict_changed", " ".join(sentences),
        data={"before": before, "after": answer.verdict, "met": [gate.slug for gate in answer.gates if gate.met]},
    )  # fmt: skip


def _met(gates: list[dict[str, Any]]) -> list[str]:
    return [gate["slug"] for gate in gates if gate["met"]]


def weigh_hypothesis(hypothesis: Hypothesis) -> None:
    """Let the evidence move the hypothesis. What people called untestable stays; confirmed falls only to refutation."""
    hypothesis.refresh_from_db()
    weighed = verdict.weighed_state(bearings_on(hypothesis))
    if weighed is None or hypothesis.state == HypothesisState.UNTESTABLE:
        return
    state, why = weighed
    if hypothesis.state == HypothesisState.CONFIRMED and state == HypothesisState.SUPPORTED:
        return
    if hypothesis.state != state:
        move(hypothesis.session, SYSTEM, hypothesis, state, why)


def weigh_and_tell(session: InvestigationSession) -> None:
    """After anything that the rules look at: weigh, and tell who watches."""
    weighed = weigh(session)
    session.verdict, session.gates = weighed.verdict, weighed.gates
    publish.after_commit(
        topics.session_topic(session.id), {"what": "hypotheses", "id": show("ses", session.id)}
    )


def move(
    session: InvestigationSession,
    by: Actor,
    hypothesis: Hypothesis,
    state: str,
    reason: str,
    purpose: str = "",
) -> None:
    """Put a hypothesis into another state, and say so on the timeline."""
    before, hypothesis.state, hypothesis.state_reason = hypothesis.state, state, reason
    hypothesis.updated_at = timezone.now()
    hypothesis.save(update_fields=["state", "state_reason", "updated_at"])
    why = f": {reason}" if reason else "."
    sessions.record(
        session, by, "hypothesis_changed", f"H{hypothesis.number} is {state}{why}",
        subject=show("hyp", hypothesis.id), data={"before": before, "after": state}, purpose=purpose,
    )  # fmt: skip
