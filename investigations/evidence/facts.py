"""A session's rows as the plain facts that the rules of `verdict` weigh."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from investigations.evidence.models import Evidence, EvidenceLink, Hypothesis
from investigations.evidence.verdict import Bearing, Claim, Item, StanceName, Watch
from investigations.probes.models import DeliveryState, Probe
from investigations.sessions.models import InvestigationSession


def facts_of(session: InvestigationSession) -> tuple[list[Claim], list[Bearing], list[Watch]]:
    """Everything that is weighed for one session, in an order that does not change."""
    claims = [
        Claim(row.id, row.number, row.state, row.weakens, row.state_reason)
        for row in session.hypotheses.order_by("number")
    ]
    links = EvidenceLink.objects.filter(evidence__session=session).select_related("evidence")
    alert_id = session.episode.alert_id if session.episode else None
    about = [
        link for link in links.order_by("id") if link.hypothesis_id or link.alert_id == alert_id is not None
    ]
    return claims, _bearings(about), [_watch(probe) for probe in _probes(session)]


def bearings_on(hypothesis: Hypothesis) -> list[Bearing]:
    """How each piece of evidence bears on one hypothesis."""
    return _bearings(hypothesis.links.select_related("evidence").order_by("id"))


def _bearings(links: Iterable[EvidenceLink]) -> list[Bearing]:
    return [
        Bearing(_item(link.evidence), cast("StanceName", link.stance), link.hypothesis_id) for link in links
    ]


def _item(row: Evidence) -> Item:
    return Item(
        id=row.id,
        kind=row.kind,
        by_agent=row.created_by_kind in ("agent", "program"),
        copied=bool(row.of),
        partial=bool(row.coverage.get("partial")),
        probe=row.provenance.get("probe", ""),
    )


def _probes(session: InvestigationSession) -> Iterable[Probe]:
    return Probe.objects.filter(session=session).prefetch_related("deliveries").order_by("number")


def _watch(probe: Probe) -> Watch:
    deliveries = list(probe.deliveries.all())
    rejected = [row for row in deliveries if row.state == DeliveryState.REJECTED]
    return Watch(
        number=probe.number,
        state=probe.state,
        asked=len(deliveries),
        armed=sum(row.armed_at is not None for row in deliveries),
        captures=probe.captures,
        refused=rejected[0].sentence or rejected[0].slug if rejected else "",
    )
