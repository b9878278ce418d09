"""What is done with hypotheses: proposed with what would settle them, moved on only by what does."""

from __future__ import annotations

from django.db import transaction

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.evidence.facts import bearings_on
from investigations.evidence.models import Hypothesis, HypothesisState, Stance
from investigations.evidence.rows import LABEL_LENGTH, long_text, next_number
from investigations.evidence.weighing import move, weigh_and_tell
from investigations.lib.errors import Conflict, Invalid
from investigations.lib.ids import show
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession

MOST_HYPOTHESES = 100

_S = HypothesisState
TRANSITIONS: dict[str, frozenset[str]] = {
    _S.PROPOSED: frozenset({_S.TESTING, _S.SUPPORTED, _S.REFUTED, _S.UNTESTABLE}),
    _S.TESTING: frozenset({_S.SUPPORTED, _S.REFUTED, _S.UNTESTABLE}),
    _S.SUPPORTED: frozenset({_S.TESTING, _S.CONFIRMED, _S.REFUTED, _S.UNTESTABLE}),
    _S.REFUTED: frozenset({_S.TESTING}),
    _S.CONFIRMED: frozenset({_S.TESTING, _S.REFUTED}),
    _S.UNTESTABLE: frozenset({_S.TESTING}),
}
_NEEDS_STANCE = {_S.SUPPORTED: Stance.SUPPORTS, _S.CONFIRMED: Stance.SUPPORTS, _S.REFUTED: Stance.REFUTES}


@transaction.atomic
def propose_hypothesis(
    *,
    by: Actor,
    session: InvestigationSession,
    statement: str,
    confirms: str = "",
    weakens: str = "",
    idempotency_key: str = "",
    purpose: str = "",
) -> Hypothesis:
    """Add a claim about the cause, with what would confirm and what would weaken it.

    Raises `Invalid` for an empty statement, `Conflict` in a closed session.
    """
    permissions.require(by, "record_evidence", session.environment)
    session = sessions.locked(session)
    if idempotency_key and (known := session.hypotheses.filter(idempotency_key=idempotency_key).first()):
        return known
    sessions.require_open(session)
    statement = long_text(statement)
    if not statement:
        raise Invalid(
            "hypothesis_without_claim", "A hypothesis needs a statement.", fix="Say what the cause may be."
        )
    number = next_number(session.hypotheses)
    if number > MOST_HYPOTHESES:
        raise Conflict("too_many_hypotheses", f"A session holds at most {MOST_HYPOTHESES} hypotheses.")
    hypothesis = Hypothesis.objects.create(
        environment=session.environment,
        session=session,
        number=number,
        statement=statement,
        confirms=long_text(confirms),
        weakens=long_text(weakens),
        created_by=by.attribution[:LABEL_LENGTH],
        idempotency_key=idempotency_key,
    )
    sessions.record(
        session, by, "hypothesis_proposed", f"Proposed H{number}: {statement}",
        subject=show("hyp", hypothesis.id), purpose=purpose,
    )  # fmt: skip
    weigh_and_tell(session)
    return Hypothesis.objects.get(pk=hypothesis.pk)


@transaction.atomic
def set_hypothesis_state(
    *, by: Actor, hypothesis: Hypothesis, state: str, reason: str = "", purpose: str = ""
) -> Hypothesis:
    """Move a hypothesis on. Nobody can support, confirm or refute what no evidence supports or refutes.

    Raises `Conflict` for a move that is not allowed or lacks its evidence, `Invalid` for an unknown state or a
    missing reason.
    """
    permissions.require(by, "record_evidence", hypothesis.environment)
    session = sessions.locked(hypothesis.session)
    hypothesis = Hypothesis.objects.select_related("environment", "session").get(pk=hypothesis.pk)
    if state == hypothesis.state:
        return hypothesis
    sessions.require_open(session)
    _require_allowed(hypothesis, state, reason)
    move(session, by, hypothesis, state, long_text(reason), purpose)
    weigh_and_tell(session)
    return hypothesis


def _require_allowed(hypothesis: Hypothesis, state: str, reason: str) -> None:
    if state not in HypothesisState.values:
        raise Invalid(
            "unknown_state",
            f"There is no state {state[:30]!r}.",
            fix="Choose one.",
            known=HypothesisState.values,
        )
    allowed = TRANSITIONS[hypothesis.state]
    if state not in allowed:
        raise Conflict(
            "state_not_reachable",
            f"H{hypothesis.number} is {hypothesis.state} and cannot become {state} from there.",
            fix=f"From here it can become {', '.join(sorted(allowed))}.",
            allowed=sorted(allowed),
        )
    if state == HypothesisState.UNTESTABLE and not reason.strip():
        raise Invalid("reason_missing", "Untestable needs a reason.", fix="Say why no probe could decide it.")
    needed = _NEEDS_STANCE.get(HypothesisState(state))
    if needed is None:
        return
    settling = [b for b in bearings_on(hypothesis) if b.item.settles and b.stance == needed]
    if not settling:
        raise Conflict(
            "needs_evidence",
            f"Nothing that settles {needed} H{hypothesis.number}: an agent's inference alone does not.",
            fix=f"Record a capture or another observation that {needed} it first.",
        )
