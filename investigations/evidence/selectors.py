"""Questions about hypotheses and evidence; every answer holds only what the asking actor may see."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.alerts.models import Alert, Incident
from investigations.evidence.models import Evidence, EvidenceLink, Hypothesis, Stance
from investigations.lib.errors import NotFound
from investigations.sessions.models import InvestigationSession

WEIGHTS = {Stance.SUPPORTS.value: 1, Stance.REFUTES.value: -1, Stance.NEUTRAL.value: 0}


def hypotheses(by: Actor, session: InvestigationSession) -> list[Hypothesis]:
    """A session's hypotheses by number."""
    permissions.require(by, "read", session.environment)
    return list(session.hypotheses.order_by("number"))


def hypothesis(by: Actor, hypothesis_id: UUID) -> Hypothesis:
    """One hypothesis. Raises `NotFound`."""
    rows = Hypothesis.objects.filter(environment__in=permissions.visible_environments(by))
    found = rows.select_related("environment", "session__environment").filter(pk=hypothesis_id).first()
    if found is None:
        raise NotFound("hypothesis_not_found", "There is no such hypothesis, or it is not yours to see.")
    return found


def evidence(by: Actor, evidence_id: UUID) -> Evidence:
    """One piece of evidence with its links. Raises `NotFound`."""
    rows = _with_links(Evidence.objects.filter(environment__in=permissions.visible_environments(by)))
    found = rows.filter(pk=evidence_id).first()
    if found is None:
        raise NotFound("evidence_not_found", "There is no such evidence, or it is not yours to see.")
    return found


def link(by: Actor, link_id: UUID) -> EvidenceLink:
    """One link, with what it links. Raises `NotFound`."""
    rows = EvidenceLink.objects.filter(evidence__environment__in=permissions.visible_environments(by))
    ends = ("evidence__environment", "evidence__session", "hypothesis__session", "alert", "incident")
    found = rows.select_related(*ends).filter(pk=link_id).first()
    if found is None:
        raise NotFound("link_not_found", "There is no such link, or it is not yours to see.")
    return found


def evidence_of(by: Actor, place: InvestigationSession | Incident | Alert) -> list[Evidence]:
    """The evidence recorded in a session, or that is said to explain an incident or an alert, oldest first."""
    permissions.require(by, "read", place.environment)
    if isinstance(place, InvestigationSession):
        rows = Evidence.objects.filter(session=place)
    elif isinstance(place, Incident):
        rows = Evidence.objects.filter(Q(links__incident=place) | Q(session__incident=place)).distinct()
    else:
        rows = Evidence.objects.filter(links__alert=place).distinct()
    return list(_with_links(rows).order_by("id"))


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One piece of evidence: its stance in each column (None: not linked), and how well it tells the columns apart."""

    evidence: Evidence
    stances: list[str | None]
    separates: float


@dataclass(frozen=True, slots=True)
class Matrix:
    """Evidence against hypotheses: what separates the hypotheses stands on top."""

    hypotheses: list[Hypothesis]
    rows: list[MatrixRow]


def matrix(by: Actor, session: InvestigationSession) -> Matrix:
    """A session's evidence × hypotheses."""
    columns = hypotheses(by, session)
    rows = [_row(piece, columns) for piece in evidence_of(by, session)]
    return Matrix(columns, sorted(rows, key=lambda row: (-row.separates, row.evidence.number)))


def _row(piece: Evidence, columns: list[Hypothesis]) -> MatrixRow:
    said = {found.hypothesis_id: found.stance for found in piece.links.all() if found.hypothesis_id}
    stances = [said.get(column.id) for column in columns]
    return MatrixRow(piece, stances, separation(stances))


def separation(stances: list[str | None]) -> float:
    """The variance of the stances: 0 where evidence says the same of every hypothesis, so that it decides nothing."""
    weights = [WEIGHTS[stance] if stance else 0 for stance in stances]
    if not weights:
        return 0.0
    mean = sum(weights) / len(weights)
    return sum((weight - mean) ** 2 for weight in weights) / len(weights)


def _with_links(rows: QuerySet[Evidence]) -> QuerySet[Evidence]:
    links = EvidenceLink.objects.select_related("hypothesis", "alert", "incident").order_by("id")
    return rows.select_related("environment", "session").prefetch_related(Prefetch("links", links))
