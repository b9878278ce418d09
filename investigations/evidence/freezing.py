"""Frozen copies: what an id names, copied with where it was seen and how much of it there is.

What was copied from may be dropped later; the copy, its hash and its provenance stay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from investigations.accounts.actors import Actor
from investigations.alerts import selectors as alerts
from investigations.catalog.models import Instance
from investigations.evidence.models import EvidenceKind
from investigations.lib.errors import Invalid
from investigations.lib.ids import BadId, read, show
from investigations.lib.text import storable
from investigations.probes import selectors as probes
from investigations.probes.models import Capture, Probe
from investigations.probes.plain import Place, capture_json, places
from investigations.probes.readings import totals_of

MOST_MARKS = 200
"""Cut and withheld paths told one by one; beyond that the count says it."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A copy, and the environment it was seen in."""

    kind: EvidenceKind
    title: str
    content: dict[str, Any]
    environment_id: UUID
    provenance: dict[str, Any] = field(default_factory=dict)
    coverage: dict[str, Any] = field(default_factory=dict)


def freeze(by: Actor, of: str, path: str = "") -> Frozen:
    """A copy of the thing with this public id: a capture, an alert or a probe's figures.

    ``path`` names the value in a capture that decides. Raises `Invalid` for an id of another kind or a path that is
    not in it, `NotFound` for what the actor cannot see.
    """
    prefix = of.partition("_")[0]
    freezer = _FREEZERS.get(prefix)
    if freezer is None:
        raise Invalid(
            "cannot_freeze",
            f"{of[:40]!r} names nothing that can be copied as evidence.",
            fix="Give the id of a capture (cap_…), an alert (alr_…) or a probe (prb_…).",
        )
    try:
        found = read(prefix, of)
    except BadId as error:
        raise Invalid("bad_id", str(error), fix="Copy the id whole.") from error
    return freezer(by, found, path)


def content_hash(content: Any) -> str:
    """SHA-256 of the canonical JSON: sorted keys, no spaces, whole numbers without a fraction."""
    canonical = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """PostgreSQL gives 1e22 back as a whole number; so that the hash can be checked from the row, so does this."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _capture(by: Actor, capture_id: UUID, path: str) -> Frozen:
    row = probes.capture(by, capture_id)
    body = probes.decode(row)
    probe = Probe.objects.select_related("service").get(pk=row.probe_id)
    seen = list(places(body))
    if path and all(place.path != path for place in seen):
        raise Invalid(
            "no_such_path", f"The capture holds nothing at {path[:200]!r}.", fix="Choose one of its paths.",
            paths=[place.path for place in seen[:50]],
        )  # fmt: skip
    return Frozen(
        kind=EvidenceKind.CAPTURE,
        title=f"{probe.kind} at {probe.place}",
        content=storable(capture_json(body)),
        environment_id=row.environment_id,
        provenance=storable({**_seen_where(row, probe), **({"path": path} if path else {})}),
        coverage=_coverage(seen, path, row.cuts),
    )


def _seen_where(row: Capture, probe: Probe) -> dict[str, Any]:
    instance = Instance.objects.filter(pk=row.instance_id).first()
    return {
        "probe": show("prb", probe.id),
        "probe_number": probe.number,
        "place": probe.place,
        "condition": probe.condition,
        "service": probe.service.name,
        "instance": show("ins", row.instance_id),
        "host": instance.host if instance else "",
        "pid": instance.pid if instance else None,
        "runtime": instance.runtime if instance else "",
        "commit": row.commit,
        "at": row.at.isoformat(),
        "received_at": row.received_at.isoformat(),
        "hit": row.hit,
        "function": row.function,
        "trace_id": row.trace_id,
        "execution_id": row.execution_id,
    }


def _coverage(seen: list[Place], path: str, cuts: list[str]) -> dict[str, Any]:
    """What is not whole. The copy is partial when what decides is: the path, else the watches, else anything."""
    marked = [place for place in seen if place.cut or place.redacted]
    decisive = path or ("watches" if any(_lies_in(place.path, "watches") for place in seen) else "")
    partial = any(_lies_in(place.path, decisive) for place in marked) if decisive else bool(marked or cuts)
    coverage: dict[str, Any] = {"values": len(seen), "partial": partial}
    if cuts:
        coverage["cuts"] = cuts
    for mark in ("cut", "redacted"):
        found = [
            {"path": place.path, "why": getattr(place, mark)} for place in marked if getattr(place, mark)
        ]
        if found:
            coverage[mark] = found[:MOST_MARKS]
            coverage[f"{mark}_count"] = len(found)
    return dict(storable(coverage))


def _lies_in(path: str, within: str) -> bool:
    return path == within or path.startswith((f"{within}.", f"{within}["))


def _alert(by: Actor, alert_id: UUID, path: str) -> Frozen:
    alert = alerts.alert(by, alert_id)
    episode = alerts.current_episode(alert)
    content = {
        "name": alert.name,
        "summary": alert.summary,
        "severity": alert.severity,
        "state": alert.state,
        "state_since": alert.state_since.isoformat(),
        "labels": alert.labels,
        "annotations": alert.annotations,
        "expression": alert.expression,
        "threshold": alert.threshold,
        "value": alert.value,
        "firing_since": episode.started_at.isoformat() if episode else None,
        "ended_at": episode.ended_at.isoformat() if episode and episode.ended_at else None,
    }
    return Frozen(
        kind=EvidenceKind.ALERT,
        title=alert.summary or alert.name,
        content=storable(content),
        environment_id=alert.environment_id,
        provenance={
            "source": alert.source.name if alert.source else "",
            "fingerprint": alert.fingerprint,
            "last_seen_at": alert.last_seen_at.isoformat(),
            "link": alert.link,
        },
        coverage={"partial": alert.state == "stale"},
    )


def _probe(by: Actor, probe_id: UUID, path: str) -> Frozen:
    """What became of a probe's hits: also that there were none is an observation."""
    probe = probes.probe(by, probe_id)
    totals = probes.hit_totals(probe)
    content = {
        "place": probe.place,
        "kind": probe.kind,
        "condition": probe.condition,
        "state": probe.state,
        "captures": probe.captures,
        "endings": probes.endings(probe),
        "figures": totals_of([probe])[probe.id],
        "deliveries": probes.delivery_summary(probe),
        "placed_at": probe.placed_at.isoformat(),
        "ended_at": probe.ended_at.isoformat() if probe.ended_at else None,
    }
    unobserved = totals.unobserved_ms > 0
    return Frozen(
        kind=EvidenceKind.OBSERVATION,
        title=f"Hits of {probe.kind} at {probe.place}",
        content=storable(content),
        environment_id=probe.environment_id,
        provenance={
            "probe": show("prb", probe.id),
            "probe_number": probe.number,
            "service": probe.service.name,
        },
        coverage={"partial": unobserved, "unobserved_ms": totals.unobserved_ms},
    )


_FREEZERS: dict[str, Callable[[Actor, UUID, str], Frozen]] = {"cap": _capture, "alr": _alert, "prb": _probe}
