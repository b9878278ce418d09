"""What is done with hypotheses and evidence; after each change the rules weigh the session again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import Environment
from investigations.alerts.grouping import note as note_on_incident
from investigations.alerts.models import Alert, Incident
from investigations.evidence import freezing, verdict
from investigations.evidence.facts import bearings_on, facts_of
from investigations.evidence.models import (
    Evidence,
    EvidenceKind,
    EvidenceLink,
    Hypothesis,
    HypothesisState,
    Stance,
)
from investigations.lib.errors import Conflict, Invalid
from investigations.lib.ids import show
from investigations.lib.text import one_line, storable, storable_text
from investigations.live import publish, topics
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession

TITLE_LENGTH = 300
LABEL_LENGTH = 200
LONGEST_TEXT = 10_000
LARGEST_CONTENT = 1024 * 1024
"""Characters of canonical JSON in one piece of evidence."""
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


# ---------------------------------------------------------------- hypotheses


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
    statement = _text(statement)
    if not statement:
        raise Invalid(
            "hypothesis_without_claim", "A hypothesis needs a statement.", fix="Say what the cause may be."
        )
    number = _next_number(session.hypotheses)
    if number > MOST_HYPOTHESES:
        raise Conflict("too_many_hypotheses", f"A session holds at most {MOST_HYPOTHESES} hypotheses.")
    hypothesis = Hypothesis.objects.create(
        environment=session.environment,
        session=session,
        number=number,
        statement=statement,
        confirms=_text(confirms),
        weakens=_text(weakens),
        created_by=by.attribution[:LABEL_LENGTH],
        idempotency_key=idempotency_key,
    )
    sessions.record(
        session, by, "hypothesis_proposed", f"Proposed H{number}: {statement}",
        subject=show("hyp", hypothesis.id), purpose=purpose,
    )  # fmt: skip
    _changed(session)
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
    _move(session, by, hypothesis, state, _text(reason), purpose)
    _changed(session)
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


def _move(
    session: InvestigationSession,
    by: Actor,
    hypothesis: Hypothesis,
    state: str,
    reason: str,
    purpose: str = "",
) -> None:
    before, hypothesis.state, hypothesis.state_reason = hypothesis.state, state, reason
    hypothesis.updated_at = timezone.now()
    hypothesis.save(update_fields=["state", "state_reason", "updated_at"])
    why = f": {reason}" if reason else "."
    sessions.record(
        session, by, "hypothesis_changed", f"H{hypothesis.number} is {state}{why}",
        subject=show("hyp", hypothesis.id), data={"before": before, "after": state}, purpose=purpose,
    )  # fmt: skip


# ---------------------------------------------------------------- evidence


@transaction.atomic
def record_evidence(
    *,
    by: Actor,
    session: InvestigationSession | None = None,
    incident: Incident | None = None,
    kind: str = "",
    title: str = "",
    note: str = "",
    of: str = "",
    path: str = "",
    content: Mapping[str, Any] | None = None,
    coverage: Mapping[str, Any] | None = None,
    hypotheses: Iterable[tuple[Hypothesis, str]] = (),
    explains: Iterable[Alert | Incident] = (),
    idempotency_key: str = "",
    purpose: str = "",
) -> Evidence:
    """Freeze an observation, in a session or straight on an incident, and say what it bears on.

    With ``of`` (the public id of a capture, an alert or a probe) the server copies it, and the kind follows from it;
    ``path`` names the value that decides. Without, ``content`` is what the actor says was seen.
    Raises `Invalid` for what cannot be evidence, `NotFound` for an ``of`` the actor cannot see, `Conflict` in a
    closed session.
    """
    environment = _environment(session, incident)
    permissions.require(by, "record_evidence", environment)
    _lock(session, environment)
    if (known := _recorded_before(environment, session, idempotency_key)) is not None:
        return known
    if session is not None:
        session = sessions.locked(session)
        sessions.require_open(session)
    frozen = _frozen(by, environment, kind, of, path, content, coverage)
    evidence = Evidence.objects.create(
        environment=environment,
        session=session,
        number=_next_number(Evidence.objects.filter(environment=environment, session=session)),
        kind=frozen.kind,
        title=one_line(title, TITLE_LENGTH) or one_line(frozen.title, TITLE_LENGTH),
        note=_text(note),
        content=frozen.content,
        content_hash=freezing.content_hash(frozen.content),
        provenance=frozen.provenance,
        coverage=frozen.coverage,
        of=of,
        created_by=by.attribution[:LABEL_LENGTH],
        created_by_kind=by.kind,
        idempotency_key=idempotency_key,
    )
    links = _first_links(by, evidence, incident, hypotheses, explains)
    _record_evidence(by, evidence, session, links, purpose)
    for touched in {link.hypothesis for link in links if link.hypothesis}:
        _weigh_hypothesis(touched)
    if session is not None:
        _changed(session)
    return Evidence.objects.select_related("environment", "session").get(pk=evidence.pk)


@transaction.atomic
def link(
    *,
    by: Actor,
    evidence: Evidence,
    hypothesis: Hypothesis | None = None,
    alert: Alert | None = None,
    incident: Incident | None = None,
    stance: str = Stance.NEUTRAL,
    purpose: str = "",
) -> EvidenceLink:
    """Say how evidence bears on one hypothesis, alert or incident; said again, it replaces what was said before."""
    permissions.require(by, "record_evidence", evidence.environment)
    if evidence.session is not None:
        sessions.require_open(sessions.locked(evidence.session))
    made = _link(by, evidence, hypothesis, alert, incident, stance)
    what = _named(made)
    _tell_link(by, evidence, "evidence_linked", f"E{evidence.number} {stance} {what}.", made, purpose)
    _after_link(evidence, hypothesis)
    return made


@transaction.atomic
def unlink(*, by: Actor, link: EvidenceLink, purpose: str = "") -> None:
    """Take back how evidence bears on something; the evidence stays."""
    evidence = link.evidence
    permissions.require(by, "record_evidence", evidence.environment)
    if evidence.session is not None:
        sessions.require_open(sessions.locked(evidence.session))
    hypothesis, sentence = link.hypothesis, f"E{evidence.number} no longer {link.stance} {_named(link)}."
    _tell_link(by, evidence, "evidence_unlinked", sentence, link, purpose)
    link.delete()
    _after_link(evidence, hypothesis)


def _after_link(evidence: Evidence, hypothesis: Hypothesis | None) -> None:
    if hypothesis is not None:
        _weigh_hypothesis(hypothesis)
    if evidence.session is not None:
        _changed(evidence.session)


def _environment(session: InvestigationSession | None, incident: Incident | None) -> Environment:
    place = session or incident
    if place is None:
        raise Invalid("evidence_of_nothing", "Evidence belongs to a session or an incident.", fix="Name one.")
    if session is not None and incident is not None and incident.environment_id != session.environment_id:
        raise Invalid("another_environment", "Session and incident belong to different environments.")
    return place.environment


def _lock(session: InvestigationSession | None, environment: Environment) -> None:
    """Numbers are given out one at a time: under the session's lock, without one under the environment's."""
    if session is not None:
        sessions.locked(session)
    else:
        Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)


def _recorded_before(
    environment: Environment, session: InvestigationSession | None, idempotency_key: str
) -> Evidence | None:
    if not idempotency_key:
        return None
    rows = Evidence.objects.select_related("environment", "session")
    return rows.filter(environment=environment, session=session, idempotency_key=idempotency_key).first()


def _frozen(
    by: Actor,
    environment: Environment,
    kind: str,
    of: str,
    path: str,
    content: Mapping[str, Any] | None,
    coverage: Mapping[str, Any] | None,
) -> freezing.Frozen:
    if of:
        frozen = freezing.freeze(by, of, path)
        if frozen.environment_id != environment.id:
            raise Invalid(
                "another_environment", "It was seen in another environment.", fix="Record it there."
            )
        return frozen
    if kind not in EvidenceKind.values:
        raise Invalid(
            "unknown_kind", f"There is no kind {kind[:30]!r}.", fix="Choose one.", known=EvidenceKind.values
        )
    if kind == EvidenceKind.CAPTURE:
        raise Invalid(
            "capture_not_named",
            "A capture is copied, never told.",
            fix="Give its id as of (cap_…), or record an observation or an inference.",
        )
    told = storable(dict(content or {}))
    if len(repr(told)) > LARGEST_CONTENT:
        raise Invalid(
            "evidence_too_large",
            f"Content is at most {LARGEST_CONTENT:,} characters.",
            fix="Keep what decides.",
        )
    return freezing.Frozen(
        kind=EvidenceKind(kind),
        title=EvidenceKind(kind).label,
        content=told,
        environment_id=environment.id,
        provenance={"told_by": by.attribution},
        coverage=storable(dict(coverage or {})),
    )


def _first_links(
    by: Actor,
    evidence: Evidence,
    incident: Incident | None,
    hypotheses: Iterable[tuple[Hypothesis, str]],
    explains: Iterable[Alert | Incident],
) -> list[EvidenceLink]:
    links = [_link(by, evidence, hypothesis, None, None, stance) for hypothesis, stance in hypotheses]
    explained: list[Alert | Incident] = [incident] if incident is not None else []
    explained += [thing for thing in explains if thing not in explained]
    for thing in explained:
        alert = thing if isinstance(thing, Alert) else None
        about = thing if isinstance(thing, Incident) else None
        links.append(_link(by, evidence, None, alert, about, Stance.SUPPORTS))
    return links


def _link(
    by: Actor,
    evidence: Evidence,
    hypothesis: Hypothesis | None,
    alert: Alert | None,
    incident: Incident | None,
    stance: str,
) -> EvidenceLink:
    targets = [thing for thing in (hypothesis, alert, incident) if thing is not None]
    if len(targets) != 1:
        raise Invalid("link_to_one", "Evidence is linked to one hypothesis, alert or incident at a time.")
    if targets[0].environment_id != evidence.environment_id:
        raise Invalid("another_environment", "That belongs to another environment.")
    if hypothesis is not None and hypothesis.session_id != evidence.session_id:
        raise Invalid(
            "another_session", f"H{hypothesis.number} belongs to another session.", fix="Link within one."
        )
    if stance not in Stance.values:
        raise Invalid(
            "unknown_stance", f"There is no stance {stance[:20]!r}.", fix="Choose one.", known=Stance.values
        )
    made, _ = EvidenceLink.objects.update_or_create(
        evidence=evidence,
        hypothesis=hypothesis,
        alert=alert,
        incident=incident,
        defaults={"stance": stance, "linked_by": by.attribution[:LABEL_LENGTH], "linked_at": timezone.now()},
    )
    return made


def _record_evidence(
    by: Actor,
    evidence: Evidence,
    session: InvestigationSession | None,
    links: list[EvidenceLink],
    purpose: str,
) -> None:
    bearing = ", ".join(f"{link.stance} {_named(link)}" for link in links)
    what = f"E{evidence.number} {evidence.title} ({evidence.get_kind_display().lower()})"
    sentence = f"Recorded {what}: {bearing}." if bearing else f"Recorded {what}."
    subject = show("evd", evidence.id)
    if session is not None:
        data = {"kind": evidence.kind, "of": evidence.of}
        sessions.record(
            session, by, "evidence_recorded", sentence, subject=subject, data=data, purpose=purpose
        )
    for incident in {link.incident for link in links if link.incident}:
        if session is None or session.incident_id != incident.id:
            note_on_incident(incident, by, "evidence_attached", sentence)
        _tell_incident(incident)


def _tell_link(
    by: Actor, evidence: Evidence, kind: str, sentence: str, link: EvidenceLink, purpose: str
) -> None:
    if evidence.session is not None:
        subject = show("evd", evidence.id)
        sessions.record(evidence.session, by, kind, sentence, subject=subject, purpose=purpose)
    elif link.incident is not None:
        note_on_incident(link.incident, by, kind, sentence)
    if link.incident is not None:
        _tell_incident(link.incident)


def _tell_incident(incident: Incident) -> None:
    hint: publish.Hint = {"what": "incident", "id": show("inc", incident.id)}
    publish.after_commit(topics.environment_topic(incident.environment_id), hint)


def _named(link: EvidenceLink) -> str:
    if link.hypothesis is not None:
        return f"H{link.hypothesis.number}"
    if link.alert is not None:
        return f"the alert {link.alert.name}"
    assert link.incident is not None
    return f"INC-{link.incident.number}"


# ---------------------------------------------------------------- the rules


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


def _weigh_hypothesis(hypothesis: Hypothesis) -> None:
    """Let the evidence move the hypothesis. What people called untestable stays; confirmed falls only to refutation."""
    hypothesis.refresh_from_db()
    weighed = verdict.weighed_state(bearings_on(hypothesis))
    if weighed is None or hypothesis.state == HypothesisState.UNTESTABLE:
        return
    state, why = weighed
    if hypothesis.state == HypothesisState.CONFIRMED and state == HypothesisState.SUPPORTED:
        return
    if hypothesis.state != state:
        _move(hypothesis.session, SYSTEM, hypothesis, state, why)


def _changed(session: InvestigationSession) -> None:
    """After anything that the rules look at: weigh, and tell who watches."""
    weighed = weigh(session)
    session.verdict, session.gates = weighed.verdict, weighed.gates
    publish.after_commit(
        topics.session_topic(session.id), {"what": "hypotheses", "id": show("ses", session.id)}
    )


def _next_number(rows: Any) -> int:
    return (rows.aggregate(n=Max("number"))["n"] or 0) + 1


def _text(text: str) -> str:
    return storable_text(text).strip()[:LONGEST_TEXT]
