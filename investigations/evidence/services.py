"""What is done with evidence: frozen, linked with a stance; after each change the rules weigh again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts.grouping import note as note_on_incident
from investigations.alerts.models import Alert, Incident
from investigations.evidence import freezing
from investigations.evidence.hypotheses import TRANSITIONS, propose_hypothesis, set_hypothesis_state
from investigations.evidence.models import Evidence, EvidenceKind, EvidenceLink, Hypothesis, Stance
from investigations.evidence.rows import LABEL_LENGTH, long_text, next_number
from investigations.evidence.weighing import weigh, weigh_and_tell, weigh_hypothesis
from investigations.lib.errors import Invalid
from investigations.lib.ids import show
from investigations.lib.text import one_line, storable
from investigations.live import publish, topics
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession

__all__ = [
    "TRANSITIONS",
    "link",
    "propose_hypothesis",
    "record_evidence",
    "set_hypothesis_state",
    "unlink",
    "weigh",
]

TITLE_LENGTH = 300
LARGEST_CONTENT = 1024 * 1024
"""Characters of canonical JSON in one piece of evidence."""


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
        number=next_number(Evidence.objects.filter(environment=environment, session=session)),
        kind=frozen.kind,
        title=one_line(title, TITLE_LENGTH) or one_line(frozen.title, TITLE_LENGTH),
        note=long_text(note),
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
        weigh_hypothesis(touched)
    if session is not None:
        weigh_and_tell(session)
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
        weigh_hypothesis(hypothesis)
    if evidence.session is not None:
        weigh_and_tell(evidence.session)


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
