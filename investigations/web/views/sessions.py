"""Sessions: the list, opening one, and the page on which the work is done."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from investigations.accounts import permissions
from investigations.accounts import selectors as accounts
from investigations.accounts.actors import Actor
from investigations.alerts import selectors as alerts
from investigations.catalog import selectors as catalog
from investigations.evidence.export import json as report_json
from investigations.evidence.export import markdown
from investigations.evidence.export.report import report
from investigations.lib.ids import show
from investigations.probes import selectors as probes
from investigations.sessions import selectors
from investigations.sessions import services as verbs
from investigations.sessions.models import InvestigationSession
from investigations.web import downloads, hits, session_page
from investigations.web.actors import actor, id_in_address
from investigations.web.form_page import form_page

PAGE = 50
OPENING_STEPS = 30


class SessionForm(forms.Form):
    """What an investigation without an alert is about."""

    title = forms.CharField(max_length=300, help_text="What seems wrong, in one sentence.")
    environment = forms.ChoiceField()
    service = forms.CharField(max_length=255, required=False, widget=forms.TextInput(attrs={"class": "mono"}))
    symptom = forms.CharField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 4}))

    def __init__(self, *args: Any, by: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        places = permissions.environments_where(by, "open_session", accounts.environments(by))
        cast(forms.ChoiceField, self.fields["environment"]).choices = [
            (place.name, place.name) for place in places
        ]

    def open(self) -> InvestigationSession:
        """Open the session. Raises the verb's `Problem`."""
        facts = self.cleaned_data
        environment = accounts.environment_named(self.by, facts["environment"])
        about = catalog.service_by_ref(self.by, facts["service"], environment) if facts["service"] else None
        return verbs.open_session(
            by=self.by, environment=environment, title=facts["title"], symptom=facts["symptom"],
            services=[about] if about else [],
        )  # fmt: skip


@login_required
@require_http_methods(["GET"])
def sessions(request: HttpRequest) -> HttpResponse:
    """Sessions by ``status`` and ``q``, newest first; ``before`` turns the page."""
    by = actor(request)
    status, query, before = (request.GET.get(name, "") for name in ("status", "q", "before"))
    rows = selectors.sessions(
        by,
        status=status,
        query=query,
        limit=PAGE + 1,
        before=id_in_address("ses", before) if before else None,
    )
    context = {
        "sessions": rows[:PAGE],
        "older": show("ses", rows[PAGE - 1].id) if len(rows) > PAGE else "",
        "status": status,
        "query": query,
    }
    return render(request, "sessions/sessions.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def new_session(request: HttpRequest) -> HttpResponse:
    """The form for a session that no alert asks for."""
    form = SessionForm(
        request.POST or None, by=actor(request), initial={"service": request.GET.get("service", "")}
    )
    return form_page(request, "sessions/new.html", form, lambda: _to(form.open()), {})


@login_required
@require_POST
def open_on_alert(request: HttpRequest, alert_id: str) -> HttpResponse:
    """From a firing alert to a session that is already filled, or to the one already open on it."""
    by = actor(request)
    alert = alerts.alert(by, id_in_address("alr", alert_id))
    return _to(verbs.open_session(by=by, environment=alert.environment, alert=alert, reuse=True))


@login_required
@require_POST
def open_on_incident(request: HttpRequest, incident_id: str) -> HttpResponse:
    """A session on an incident, or the one already open on it."""
    by = actor(request)
    incident = alerts.incident(by, id_in_address("inc", incident_id))
    return _to(verbs.open_session(by=by, environment=incident.environment, incident=incident, reuse=True))


def _to(session: InvestigationSession) -> HttpResponse:
    return redirect("session", session_id=show("ses", session.id))


@login_required
@require_http_methods(["GET"])
def session(request: HttpRequest, session_id: str) -> HttpResponse:
    """The session's page. Its slow parts (source, timeline) are asked for by the page itself."""
    by = actor(request)
    row = selectors.session(by, id_in_address("ses", session_id))
    session_probes = list(probes.probes_of(by, row).prefetch_related("deliveries"))
    captures = probes.captures_before(by, row, limit=session_page.ROWS)
    rows = session_page.capture_rows(row, captures)
    entries = selectors.timeline_before(by, row, limit=OPENING_STEPS)
    away = selectors.since_you_left(by, row)
    if entries:
        verbs.saw(by=by, session=row, cursor=entries[-1].cursor)
    context = {
        "session": row,
        "public_id": session_id,
        "away": away,
        "verdict": session_page.verdict(row),
        "probes": session_page.slips(session_probes),
        "captures": rows.rows[::-1],
        "capture_cursor": captures[-1].cursor if captures else 0,
        "steps": [session_page.step(entry) for entry in reversed(entries)],
        "timeline_cursor": entries[-1].cursor if entries else 0,
        "participants": selectors.participants(by, row),
        "source_query": _source_query(request, row, session_probes),
        "may_write": permissions.may(by, "edit_session", row.environment),
        **session_page.hypotheses(by, row),
        **session_page.headings(session_probes),
        **({} if captures else session_page.why_empty(session_probes)),
    }
    return render(request, "sessions/session.html", context)


def _source_query(request: HttpRequest, row: InvestigationSession, session_probes: list[Any]) -> str:
    """What the source pane opens with: what the address says, else the newest probe's line, else the first service."""
    query = request.GET.copy()
    if "service" not in query:
        if session_probes:
            file, line = session_page.probe_line(session_probes[-1])
            query.update(
                {"service": show("svc", session_probes[-1].service_id), "path": file, "line": str(line)}
            )
        elif (first := row.services.first()) is not None:
            query["service"] = show("svc", first.id)
    return query.urlencode()


@login_required
@require_http_methods(["GET"])
def timeline(request: HttpRequest, session_id: str) -> HttpResponse:
    """The timeline, asked for by the page after it is there, and again from time to time."""
    by = actor(request)
    row = selectors.session(by, id_in_address("ses", session_id))
    return render(
        request, "sessions/timeline.html", session_page.timeline(by, row) | {"public_id": session_id}
    )


@login_required
@require_http_methods(["GET"])
def hits_file(request: HttpRequest, session_id: str, form: str) -> HttpResponse:
    """The captures behind the timeline's bars, as CSV or SVG."""
    by = actor(request)
    row = selectors.session(by, id_in_address("ses", session_id))
    start = max(row.window_start, row.opened_at - session_page.BEFORE)
    return hits.file(by, row, downloads.known_form(form), name=f"SES-{row.number}-hits", start=start)


@login_required
@require_POST
def close(request: HttpRequest, session_id: str) -> HttpResponse:
    """Close the session with what was concluded; its probes end by themselves."""
    by = actor(request)
    row = selectors.session(by, id_in_address("ses", session_id))
    verbs.close_session(by=by, session=row, conclusion=request.POST.get("conclusion", ""))
    messages.success(request, "The session is closed.")
    return _to(row)


@login_required
@require_POST
def reopen(request: HttpRequest, session_id: str) -> HttpResponse:
    """Go on with a closed session."""
    by = actor(request)
    row = selectors.session(by, id_in_address("ses", session_id))
    verbs.reopen_session(by=by, session=row)
    return _to(row)


@login_required
@require_http_methods(["GET"])
def session_report(request: HttpRequest, session_id: str) -> HttpResponse:
    """The report: to read here, or with ``format`` as Markdown or JSON to keep."""
    by = actor(request)
    row = selectors.session(by, id_in_address("ses", session_id))
    plain = report(by, row)
    wanted = request.GET.get("format", "")
    if wanted in ("markdown", "json"):
        text = markdown.write(plain) if wanted == "markdown" else report_json.write(plain)
        ending, kind = (
            ("md", "text/markdown; charset=utf-8") if wanted == "markdown" else ("json", "application/json")
        )
        response = HttpResponse(text, content_type=kind)
        response["Content-Disposition"] = f'attachment; filename="SES-{row.number}.{ending}"'
        return response
    context = {"session": row, "public_id": session_id, "text": markdown.write(plain)}
    return render(request, "sessions/report.html", context)


urlpatterns = [
    path("sessions/", sessions, name="sessions"),
    path("sessions/new/", new_session, name="session_new"),
    path("alerts/<str:alert_id>/investigate/", open_on_alert, name="session_open_on_alert"),
    path("incidents/<str:incident_id>/investigate/", open_on_incident, name="session_open_on_incident"),
    path("sessions/<str:session_id>/", session, name="session"),
    path("sessions/<str:session_id>/timeline/", timeline, name="session_timeline"),
    path("sessions/<str:session_id>/hits.<slug:form>", hits_file, name="session_hits"),
    path("sessions/<str:session_id>/close/", close, name="session_close"),
    path("sessions/<str:session_id>/reopen/", reopen, name="session_reopen"),
    path("sessions/<str:session_id>/report/", session_report, name="session_report"),
]
