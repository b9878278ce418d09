"""An incident: what fired, what was done, which sessions work on it, what explains it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.alerts import incidents as verbs
from investigations.alerts import selectors
from investigations.alerts.models import Incident
from investigations.evidence import selectors as evidence
from investigations.evidence import services as evidence_verbs
from investigations.evidence.models import EvidenceKind
from investigations.lib.errors import Problem
from investigations.sessions import selectors as sessions
from investigations.web.actors import actor, id_in_address


class AttachForm(forms.Form):
    """One observation on an incident, in one step: no session and no hypothesis needed."""

    title = forms.CharField(max_length=300, label="What was observed", help_text="In one sentence.")
    kind = forms.ChoiceField(
        choices=[
            (EvidenceKind.OBSERVATION, "Observation"),
            (EvidenceKind.LINK, "Link"),
            (EvidenceKind.LOG_LINES, "Log lines"),
            (EvidenceKind.CHANGE, "Change"),
            (EvidenceKind.CAPTURE, "Capture"),
        ]
    )
    of = forms.CharField(
        required=False, label="Copy of", widget=forms.TextInput(attrs={"class": "mono"}),
        help_text="A cap_… id freezes that capture with its provenance.",
    )  # fmt: skip
    note = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 3}))


@login_required
@require_http_methods(["GET"])
def incident(request: HttpRequest, incident_id: str) -> HttpResponse:
    """The incident with everything that bears on it."""
    by = actor(request)
    row = selectors.incident(by, id_in_address("inc", incident_id))
    return render(request, "incidents/incident.html", _context(by, row, incident_id) | {"form": AttachForm()})


def _context(by: Actor, row: Incident, public_id: str) -> dict[str, Any]:
    return {
        "incident": row,
        "public_id": public_id,
        "episodes": list(row.episodes.all()),
        "happenings": sessions.incident_timeline(by, row)[::-1],
        "sessions": sessions.sessions(by, incident=row),
        "evidence": evidence.evidence_of(by, row),
        "may_edit": permissions.may(by, "edit_incident", row.environment),
        "may_attach": permissions.may(by, "record_evidence", row.environment),
    }


@login_required
@require_POST
def attach(request: HttpRequest, incident_id: str) -> HttpResponse:
    """Attach an observation; what is wrong with it comes back in the form."""
    by = actor(request)
    row = selectors.incident(by, id_in_address("inc", incident_id))
    form = AttachForm(request.POST)
    refusal: Problem | None = None
    if form.is_valid():
        try:
            evidence_verbs.record_evidence(by=by, incident=row, **form.cleaned_data)
            messages.success(request, "It is attached.")
            return redirect("incident", incident_id=incident_id)
        except Problem as problem:
            refusal = problem
    context = _context(by, row, incident_id) | {"form": form, "problem": refusal}
    return render(request, "incidents/incident.html", context, status=422)


@login_required
@require_POST
def note(request: HttpRequest, incident_id: str) -> HttpResponse:
    """Write a line into the incident's timeline."""
    by = actor(request)
    row = selectors.incident(by, id_in_address("inc", incident_id))
    verbs.note_incident(by=by, incident=row, text=request.POST.get("text", ""))
    return redirect("incident", incident_id=incident_id)


@login_required
@require_POST
def take(request: HttpRequest, incident_id: str) -> HttpResponse:
    """Lead this incident."""
    by = actor(request)
    row = selectors.incident(by, id_in_address("inc", incident_id))
    verbs.assign_incident(by=by, incident=row, lead=by.user)
    return redirect("incident", incident_id=incident_id)


@login_required
@require_POST
def change(request: HttpRequest, incident_id: str, verb: str) -> HttpResponse:
    """Resolve, close or reopen the incident."""
    by = actor(request)
    row = selectors.incident(by, id_in_address("inc", incident_id))
    _CHANGES[verb](by=by, incident=row, reason=request.POST.get("reason", ""))
    return redirect("incident", incident_id=incident_id)


_CHANGES: dict[str, Callable[..., Incident]] = {
    "resolve": verbs.resolve_incident,
    "close": verbs.close_incident,
    "reopen": verbs.reopen_incident,
}
urlpatterns = [
    path("incidents/<str:incident_id>/", incident, name="incident"),
    path("incidents/<str:incident_id>/evidence/", attach, name="incident_attach"),
    path("incidents/<str:incident_id>/note/", note, name="incident_note"),
    path("incidents/<str:incident_id>/lead/", take, name="incident_take"),
    *(
        path(f"incidents/<str:incident_id>/{verb}/", change, {"verb": verb}, name=f"incident_{verb}")
        for verb in _CHANGES
    ),
]
