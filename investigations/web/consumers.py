"""The pages' sockets: a session's, a probe's, the inbox's, the fleet's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.template.loader import render_to_string
from django.urls import path

from investigations.accounts.actors import Actor
from investigations.accounts.permissions import visible_environments
from investigations.alerts import selectors as alerts
from investigations.catalog import selectors as catalog
from investigations.catalog.models import Service
from investigations.lib.ids import show
from investigations.live import topics
from investigations.probes import selectors as probes
from investigations.probes.models import Capture, Probe
from investigations.sessions import selectors as sessions
from investigations.sessions.models import InvestigationSession
from investigations.web import probe_results, session_page
from investigations.web.actors import id_in_address
from investigations.web.sockets import LiveConsumer, out_of_band
from investigations.web.views.fleet import figures

MOST_ROWS = 200
"""What a list holds; who is further behind is told how many, and shown the newest when asked for."""


class SessionConsumer(LiveConsumer):
    """Captures and steps as rows; verdict, hypotheses and probes as whole elements."""

    def open(self, by: Actor) -> Sequence[str]:
        self.unlabelled: dict[str, Capture] = {}
        self.types: session_page.Types = {}
        self.overrun = False
        session = self._session(by)
        return [topics.session_topic(session.id), topics.environment_topic(session.environment_id)]

    def resumed(self) -> None:
        self.unlabelled = {}

    def _session(self, by: Actor) -> InvestigationSession:
        return sessions.session(by, id_in_address("ses", self.scope["url_route"]["kwargs"]["session_id"]))

    def paint(self, by: Actor, changed: set[str], whole: bool) -> list[str]:
        session = self._session(by)
        frames = [self._captures(by, session, whole), self._steps(by, session)]
        if not self.paused:
            frames += self._relabelled(session, changed, whole)
            frames += self._elements(by, session, changed, whole)
        return [frame for frame in frames if frame]

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _captures(self, by: Actor, session: InvestigationSession, whole: bool) -> str:
        seen = self.cursors.get("captures", 0)
        behind = session.capture_cursor - seen
        if behind <= 0:
            return ""
        facts: dict[str, Any] = {
            "list": "captures",
            "from": seen,
            "cursor": session.capture_cursor,
            "newer": behind,
        }
        if self.paused or (behind > MOST_ROWS and not self._may_replace(whole)):
            self.cursors["captures"] = session.capture_cursor
            return render_to_string("sessions/live_rows.html", facts)
        rows = self._missing(by, session, seen, behind)
        if not rows:
            return ""
        found = session_page.capture_rows(session, rows, types=self.types)
        self._remember(found.unlabelled)
        self.cursors["captures"] = rows[-1].cursor
        facts |= {
            "cursor": rows[-1].cursor,
            "newer": len(rows),
            "failing": found.failing,
            "captures": found.rows[::-1],
            "replace": behind > MOST_ROWS,
        }
        return render_to_string("sessions/live_rows.html", facts)

    def _may_replace(self, whole: bool) -> bool:
        """The first time too many are missing they are only counted; a resume after that shows the newest."""
        if whole and self.overrun:
            self.overrun = False
            return True
        self.overrun = True
        return False

    def _missing(self, by: Actor, session: InvestigationSession, seen: int, behind: int) -> list[Capture]:
        if behind > MOST_ROWS:
            return probes.captures_before(by, session, limit=MOST_ROWS)
        return probes.captures_after(by, session, seen, limit=MOST_ROWS)

    def _remember(self, unlabelled: dict[str, Capture]) -> None:
        """The last rows whose outcome nobody told yet: labels come later than captures."""
        self.unlabelled |= unlabelled
        for public_id in list(self.unlabelled)[:-MOST_ROWS]:
            del self.unlabelled[public_id]

    def _relabelled(self, session: InvestigationSession, changed: set[str], whole: bool) -> list[str]:
        """Painted rows whose outcome is known now, each in place of itself."""
        if whole:
            shown = Capture.objects.filter(session_id=session.id, cursor__lte=self.cursors.get("captures", 0))
            self._remember({show("cap", row.id): row for row in shown.order_by("-cursor")[:MOST_ROWS]})
        elif "outcomes" not in changed:
            return []
        found = session_page.capture_rows(session, list(self.unlabelled.values()), types=self.types)
        self.unlabelled = found.unlabelled
        told = [row for row in found.rows if row["public_id"] not in found.unlabelled]
        return ["".join(out_of_band(_row(row)) for row in told)] if told else []

    def _steps(self, by: Actor, session: InvestigationSession) -> str:
        seen = self.cursors.get("timeline", 0)
        if session.timeline_cursor <= seen:
            return ""
        facts: dict[str, Any] = {"list": "timeline", "from": seen}
        if self.paused:
            self.cursors["timeline"] = session.timeline_cursor
            newer = session.timeline_cursor - seen
            return render_to_string(
                "sessions/live_steps.html", facts | {"cursor": session.timeline_cursor, "newer": newer}
            )
        entries = sessions.timeline_after(by, session, seen, limit=MOST_ROWS)
        if not entries:
            return ""
        self.cursors["timeline"] = entries[-1].cursor
        steps = [session_page.step(entry) for entry in reversed(entries)]
        return render_to_string(
            "sessions/live_steps.html", facts | {"cursor": entries[-1].cursor, "steps": steps}
        )

    # -- elements -----------------------------------------------------------------------------------------------------

    def _elements(
        self, by: Actor, session: InvestigationSession, changed: set[str], whole: bool
    ) -> list[str]:
        found = []
        if whole or changed & {"timeline", "hypotheses", "evidence", "verdict", "sessions"}:
            found.append(
                render_to_string("components/verdict_bar.html", {"verdict": session_page.verdict(session)})
            )
            context = session_page.hypotheses(by, session) | {"session": session}
            found.append(render_to_string("sessions/hypotheses.html", context))
        if whole or changed & {"timeline", "probes", "deliveries"}:
            slips = session_page.slips(list(probes.probes_of(by, session).prefetch_related("deliveries")))
            found.append(render_to_string("sessions/probes.html", {"probes": slips}))
            found += [render_to_string("components/probe_slip.html", {"probe": slip}) for slip in slips]
        return [self.unsent(html) for html in found]


def _row(row: dict[str, Any]) -> str:
    return render_to_string(
        "components/capture_row.html", {"capture": row, "current": row["current"]}
    ).strip()


class ProbeConsumer(LiveConsumer):
    """A probe's captures as rows; where it stands, and what it brought, as whole elements."""

    def open(self, by: Actor) -> Sequence[str]:
        self.types: session_page.Types = {}
        return [topics.session_topic(self._probe(by).session_id)]

    def _probe(self, by: Actor) -> Probe:
        return probes.probe(by, id_in_address("prb", self.scope["url_route"]["kwargs"]["probe_id"]))

    def paint(self, by: Actor, changed: set[str], whole: bool) -> list[str]:
        probe = self._probe(by)
        rows = self._captures(by, probe)
        frames = [rows]
        if not self.paused and (whole or rows or changed & {"probes", "deliveries"}):
            slip = {"probe": session_page.slip(probe)}
            frames.append(self.unsent(render_to_string("components/probe_slip.html", slip)))
            result = probe_results.result(by, probe)
            frames.append(self.unsent(render_to_string("probes/result.html", result)))
        return [frame for frame in frames if frame]

    def _captures(self, by: Actor, probe: Probe) -> str:
        """What is missing; when that is more than a list holds, its newest in place of all that is painted."""
        seen = self.cursors.get("captures", 0)
        if probe.session.capture_cursor <= seen:
            return ""
        rows = probes.captures_after(by, probe.session, seen, probe=probe, limit=MOST_ROWS + 1)
        if not rows:
            self.cursors["captures"] = probe.session.capture_cursor
            return ""
        facts: dict[str, Any] = {"list": "captures", "from": seen, "newer": len(rows)}
        replace = len(rows) > MOST_ROWS
        if replace:
            rows = probes.captures_before(by, probe.session, probe=probe, limit=MOST_ROWS)
        self.cursors["captures"] = rows[-1].cursor
        facts["cursor"] = rows[-1].cursor
        if not self.paused:
            found = session_page.capture_rows(probe.session, rows, types=self.types)
            facts |= {"failing": found.failing, "captures": found.rows[::-1], "replace": replace}
        return render_to_string("sessions/live_rows.html", facts)


class InboxConsumer(LiveConsumer):
    """Tells an open inbox that alerts changed; the page then asks for its list again."""

    def open(self, by: Actor) -> Sequence[str]:
        self.shown = self._stamp(by)
        return [topics.environment_topic(environment.id) for environment in visible_environments(by)]

    def paint(self, by: Actor, changed: set[str], whole: bool) -> list[str]:
        before, self.shown = self.shown, self._stamp(by)
        return [render_to_string("inbox_changed.html")] if self.shown != before else []

    def _stamp(self, by: Actor) -> object:
        """Differs when the list does."""
        return [(alert.id, alert.state, alert.state_since) for alert in alerts.inbox(by)]


class FleetConsumer(LiveConsumer):
    """Figures of the fleet in place; the order of its rows does not change."""

    def open(self, by: Actor) -> Sequence[str]:
        only = self._only(by)
        if only is not None:
            return [topics.environment_topic(only.environment_id)]
        return [topics.environment_topic(environment.id) for environment in visible_environments(by)]

    def paint(self, by: Actor, changed: set[str], whole: bool) -> list[str]:
        context = figures(by, self._only(by))
        painted = [render_to_string(f"fleet/{part}.html", context) for part in ("totals", "instances")]
        return [frame for frame in map(self.unsent, painted) if frame]

    def _only(self, by: Actor) -> Service | None:
        """The one service that the page is about, if it is not about all of them."""
        reference = self.scope["url_route"]["kwargs"].get("service_id")
        return catalog.service_by_ref(by, reference) if reference else None


urlpatterns = [
    path("live/sessions/<str:session_id>/", SessionConsumer.as_asgi()),
    path("live/probes/<str:probe_id>/", ProbeConsumer.as_asgi()),
    path("live/inbox/", InboxConsumer.as_asgi()),
    path("live/fleet/", FleetConsumer.as_asgi()),
    path("live/fleet/<str:service_id>/", FleetConsumer.as_asgi()),
]
