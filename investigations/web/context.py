"""What every page shows beside its own matter."""

from __future__ import annotations

from django.http import HttpRequest

from investigations.alerts import selectors as alerts
from investigations.web.actors import actor


def page(request: HttpRequest) -> dict[str, object]:
    """The number on the inbox: alerts that fire now, among those this person may see."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {}
    if getattr(request, "htmx", False):
        return {}  # a partial has no rail to write it on
    counts = alerts.counts(actor(request))
    return {"firing_count": counts["firing"] + counts["flapping"]}
