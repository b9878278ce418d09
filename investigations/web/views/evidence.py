"""Hypotheses and evidence: proposing, pinning, linking, settling."""

from __future__ import annotations

import json
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
from investigations.alerts.models import Alert, Incident
from investigations.evidence import selectors
from investigations.evidence import services as verbs
from investigations.evidence.models import Evidence, EvidenceKind, Hypothesis, Stance
from investigations.evidence.services import TRANSITIONS
from investigations.lib.ids import show
from investigations.sessions import selectors as sessions
from investigations.sessions.models import InvestigationSession
from investigations.web.actors import actor, id_in_address
from investigations.web.form_page import form_page

STANCES = [(stance.value, stance.label) for stance in Stance]


class HypothesisForm(forms.Form):
    """A claim, and what would settle it."""

    statement = forms.CharField(max_length=1000, label="Claim", help_text="About the cause, in one sentence.")
    confirms = forms.CharField(max_length=1000, required=False, label="What would confirm it")
    weakens = forms.CharField(max_length=1000, required=False, label="What would weaken it")


class EvidenceForm(forms.Form):
    """An observation, and how it bears on one hypothesis and on what fired."""

    title = forms.CharField(max_length=300, label="What was observed", help_text="In one sentence.")
    of = forms.CharField(
        max_length=40, required=False, label="Copy of", widget=forms.TextInput(attrs={"class": "mono"}),
        help_text="A cap_… or alr_… id freezes it with its provenance.",
    )  # fmt: skip
    kind = forms.ChoiceField(
        choices=[(kind.value, kind.label) for kind in EvidenceKind if kind != EvidenceKind.INFERENCE],
        initial=EvidenceKind.OBSERVATION,
    )
    hypothesis = forms.ChoiceField(required=False)
    stance = forms.ChoiceField(choices=STANCES, initial=Stance.SUPPORTS, widget=forms.RadioSelect)
    explains = forms.BooleanField(
        required=False, initial=True, label="It explains the alert and the incident"
    )
    note = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, by: Actor, session: InvestigationSession, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by, self.session = by, session
        claims = [
            (show("hyp", row.id), f"H{row.number} {row.statement}")
            for row in selectors.hypotheses(by, session)
        ]
        hypothesis: Any = self.fields["hypothesis"]
        hypothesis.choices = [("", "None yet"), *claims]
        if not _explained(session):
            del self.fields["explains"]

    def record(self) -> Evidence:
        """Freeze and link. Raises the verb's `Problem`."""
        facts = self.cleaned_data
        hypotheses: list[tuple[Hypothesis, str]] = []
        if facts["hypothesis"]:
            row = selectors.hypothesis(self.by, id_in_address("hyp", facts["hypothesis"]))
            hypotheses.append((row, facts["stance"]))
        return verbs.record_evidence(
            by=self.by, session=self.session, title=facts["title"], note=facts["note"], of=facts["of"].strip(),
            kind=facts["kind"], hypotheses=hypotheses,
            explains=_explained(self.session) if facts.get("explains") else [],
        )  # fmt: skip


def _explained(session: InvestigationSession) -> list[Alert | Incident]:
    """What this session was opened on."""
    found: list[Alert | Incident] = []
    if session.episode is not None:
        found.append(session.episode.alert)
    if session.incident is not None:
        found.append(session.incident)
    return found


@login_required
@require_http_methods(["GET", "POST"])
def new_hypothesis(request: HttpRequest, session_id: str) -> HttpResponse:
    """The form for a claim about the cause."""
    by = actor(request)
    session = sessions.session(by, id_in_address("ses", session_id))
    form = HypothesisForm(request.POST or None)

    def propose() -> HttpResponse:
        verbs.propose_hypothesis(by=by, session=session, **form.cleaned_data)
        return redirect("session", session_id=session_id)

    context = {"session": session, "session_id": session_id}
    return form_page(request, "evidence/new_hypothesis.html", form, propose, context)


@login_required
@require_http_methods(["GET"])
def hypothesis(request: HttpRequest, hypothesis_id: str) -> HttpResponse:
    """One hypothesis with what bears on it, and the moves that are open to it."""
    by = actor(request)
    row = selectors.hypothesis(by, id_in_address("hyp", hypothesis_id))
    links = row.links.select_related("evidence").order_by("evidence__number")
    context = {
        "hypothesis": row,
        "public_id": hypothesis_id,
        "session": row.session,
        "session_id": show("ses", row.session_id),
        "links": links,
        "moves": sorted(TRANSITIONS[row.state]),
        "may_record": permissions.may(by, "record_evidence", row.environment),
    }
    return render(request, "evidence/hypothesis.html", context)


@login_required
@require_POST
def set_state(request: HttpRequest, hypothesis_id: str) -> HttpResponse:
    """Move a hypothesis on, with the reason."""
    by = actor(request)
    row = selectors.hypothesis(by, id_in_address("hyp", hypothesis_id))
    verbs.set_hypothesis_state(
        by=by, hypothesis=row, state=request.POST.get("state", ""), reason=request.POST.get("reason", "")
    )
    return redirect("hypothesis", hypothesis_id=hypothesis_id)


@login_required
@require_http_methods(["GET", "POST"])
def record(request: HttpRequest, session_id: str) -> HttpResponse:
    """The form that freezes an observation; ``of`` in the address names what to copy."""
    by = actor(request)
    session = sessions.session(by, id_in_address("ses", session_id))
    of = request.GET.get("of", "")
    kind = {"cap_": "capture", "alr_": "alert"}.get(of[:4], "observation")
    form = EvidenceForm(request.POST or None, by=by, session=session, initial={"of": of, "kind": kind})

    def freeze() -> HttpResponse:
        made = form.record()
        messages.success(request, f"E{made.number} is recorded.")
        return redirect("session", session_id=session_id)

    context = {"session": session, "session_id": session_id}
    return form_page(request, "evidence/record.html", form, freeze, context)


@login_required
@require_http_methods(["GET"])
def evidence(request: HttpRequest, evidence_id: str) -> HttpResponse:
    """One piece of evidence: the frozen copy, where it was seen, and what it bears on."""
    by = actor(request)
    row = selectors.evidence(by, id_in_address("evd", evidence_id))
    session = row.session
    context = {
        "evidence": row,
        "public_id": evidence_id,
        "session": session,
        "session_id": show("ses", session.id) if session else "",
        "content": json.dumps(row.content, indent=2, ensure_ascii=False),
        "hypotheses": selectors.hypotheses(by, session) if session else [],
        "stances": STANCES,
        "may_record": permissions.may(by, "record_evidence", row.environment),
    }
    return render(request, "evidence/evidence.html", context)


@login_required
@require_POST
def link(request: HttpRequest, evidence_id: str) -> HttpResponse:
    """Say how evidence bears on a hypothesis."""
    by = actor(request)
    row = selectors.evidence(by, id_in_address("evd", evidence_id))
    target = selectors.hypothesis(by, id_in_address("hyp", request.POST.get("hypothesis", "")))
    verbs.link(by=by, evidence=row, hypothesis=target, stance=request.POST.get("stance", ""))
    return redirect("evidence", evidence_id=evidence_id)


urlpatterns = [
    path("sessions/<str:session_id>/hypotheses/new/", new_hypothesis, name="hypothesis_new"),
    path("hypotheses/<str:hypothesis_id>/", hypothesis, name="hypothesis"),
    path("hypotheses/<str:hypothesis_id>/state/", set_state, name="hypothesis_state"),
    path("sessions/<str:session_id>/evidence/record/", record, name="evidence_record"),
    path("evidence/<str:evidence_id>/", evidence, name="evidence"),
    path("evidence/<str:evidence_id>/link/", link, name="evidence_link"),
]
