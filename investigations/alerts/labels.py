"""What an alert's labels say: which condition it is, how bad, and which service it is about. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Literal

SeverityName = Literal["critical", "error", "warning", "info"]

NOT_IDENTITY = frozenset({"cluster", "monitor", "prometheus", "prometheus_replica", "replica", "__replica__"})
"""Labels that say which server told of an alert, not which alert it is. Alertmanager shows them, Prometheus does
not, and two replicas differ in them. A source's option ``external_labels`` names more."""
RECIPE = "1"
"""Changes with what goes into a fingerprint, so that old ones are never taken for new ones."""

_SEVERITY_LABELS = ("severity", "priority", "level")
_SEVERITIES: dict[str, SeverityName] = {
    **dict.fromkeys(("critical", "crit", "page", "emergency", "fatal", "disaster", "p1", "sev1"), "critical"),
    **dict.fromkeys(("error", "err", "major", "high", "p2", "sev2"), "error"),
    **dict.fromkeys(("warning", "warn", "minor", "medium", "ticket", "p3", "sev3"), "warning"),
    **dict.fromkeys(("info", "informational", "notice", "low", "none", "debug", "p4", "p5"), "info"),
}
_SERVICE_LABELS = (
    "service",
    "service_name",
    "app",
    "app_kubernetes_io_name",
    "application",
    "component",
    "deployment",
    "job",
)


def fingerprint(labels: Mapping[str, str], external: Collection[str] = ()) -> str:
    """One text per condition, the same whichever source, door or replica tells of it.

    An empty label is an absent one, as in Prometheus; order and surrounding space mean nothing.
    """
    skipped = NOT_IDENTITY.union(external)
    identity = {
        name.strip(): value.strip()
        for name, value in labels.items()
        if value.strip() and name.strip() not in skipped
    }
    canonical = json.dumps(identity, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"{RECIPE}-{hashlib.sha256(canonical.encode(errors='surrogatepass')).hexdigest()[:40]}"


def severity(labels: Mapping[str, str]) -> SeverityName:
    """The labels' severity in our four words; a warning when they say nothing we know."""
    for name in _SEVERITY_LABELS:
        if (found := _SEVERITIES.get(labels.get(name, "").strip().lower())) is not None:
            return found
    return "warning"


def service_names(labels: Mapping[str, str]) -> list[str]:
    """The services the labels may mean, the likeliest first."""
    named = (labels.get(name, "").strip() for name in _SERVICE_LABELS)
    return list(dict.fromkeys(name for name in named if name))


def summary(annotations: Mapping[str, str]) -> str:
    """What the alert says of itself in a sentence."""
    for name in ("summary", "title", "message", "description"):
        if text := annotations.get(name, "").strip():
            return text
    return ""
