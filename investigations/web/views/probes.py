"""Probes: the sheet that places one from a line's gutter, its dry run, and its end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from investigations.accounts.actors import Actor
from investigations.catalog import selectors as catalog
from investigations.lib.errors import Problem
from investigations.lib.ids import show
from investigations.probes import selectors
from investigations.probes import services as verbs
from investigations.probes.spec import ProbeSpec
from investigations.sessions import selectors as sessions
from investigations.sessions.models import InvestigationSession
from investigations.web import session_page
from investigations.web.actors import actor, id_in_address
from investigations.web.dry_run import dry_run

FIELD_OF = {"watches": "watches", "template": "template", "condition": "condition", "ttl_s": "minutes"}
MONO = {"class": "mono", "autocomplete": "off", "spellcheck": "false"}


class ProbeForm(forms.Form):
    """What to ask of a line. The names a condition may use are those the line sees."""

    kind = forms.ChoiceField(
        choices=[("snapshot", "Snapshot"), ("logpoint", "Log"), ("counter", "Count")],
        widget=forms.RadioSelect,
        initial="snapshot",
    )
    condition = forms.CharField(
        required=False, max_length=1000, label="When",
        widget=forms.TextInput(attrs=MONO | {"placeholder": "amount > 10000"}),
        help_text="Safe expression: no code of yours is ever run by it.",
    )  # fmt: skip
    watches = forms.CharField(
        required=False, max_length=2000, label="Watch",
        widget=forms.Textarea(attrs=MONO | {"rows": 2, "placeholder": "request.high_value"}),
        help_text="One expression a line, kept with its exact type.",
    )  # fmt: skip
    template = forms.CharField(
        required=False, max_length=2000, label="Message",
        widget=forms.TextInput(attrs=MONO | {"placeholder": "order {order.id} is {state}"}),
        help_text="For a log: text with {expressions}.",
    )  # fmt: skip
    hit_limit = forms.IntegerField(min_value=1, max_value=10_000, initial=100, label="At most (captures)")
    rate = forms.FloatField(min_value=0.1, max_value=1000, initial=10, label="At most a second")
    minutes = forms.IntegerField(min_value=1, max_value=1440, initial=30, label="Ends after (minutes)")
    purpose = forms.CharField(
        required=False, max_length=500, label="Decides", help_text="What the answer will settle."
    )

    def spec(self, target: ProbeSpec) -> ProbeSpec:
        """The wish as the domain takes it; fields that are not valid keep their defaults."""
        facts = self.cleaned_data
        lines = [line.strip() for line in facts.get("watches", "").splitlines() if line.strip()]
        kind = facts.get("kind", "snapshot")
        return replace(
            target,
            kind=kind,
            condition=facts.get("condition", ""),
            template=facts.get("template", "") if kind == "logpoint" else "",
            watches=[{"name": line[:80], "expression": line} for line in lines] if kind == "snapshot" else [],
            hit_limit=facts.get("hit_limit") or 100,
            rate=facts.get("rate") or 10,
            ttl_s=(facts.get("minutes") or 30) * 60,
        )


def _target(request: HttpRequest, by: Actor, session: InvestigationSession) -> ProbeSpec:
    """The place named in the address: service with path and line, or with a function."""
    service = catalog.service_by_ref(by, request.GET.get("service", ""), session.environment)
    line = request.GET.get("line", "0")
    return ProbeSpec(
        service=service,
        file=request.GET.get("path", ""),
        line=int(line) if line.isdigit() else 0,
        function=request.GET.get("function", ""),
    )


@login_required
@require_http_methods(["GET", "POST"])
def place(request: HttpRequest, session_id: str) -> HttpResponse:
    """The sheet for one line; posted, the probe is placed, or what is wrong with it stands beside its field."""
    by = actor(request)
    session = sessions.session(by, id_in_address("ses", session_id))
    target = _target(request, by, session)
    initial = {name: request.GET[name] for name in ("condition", "watches", "purpose") if name in request.GET}
    form = ProbeForm(request.POST or None, initial=initial or None)
    if request.method == "POST" and form.is_valid():
        try:
            probe = verbs.place_probe(
                by=by, session=session, spec=form.spec(target), purpose=form.cleaned_data["purpose"]
            )
            return _placed(request, session_id, session_page.source_url(probe))
        except Problem as problem:
            _show_on(form, problem)
    status = 422 if request.method == "POST" else 200
    return render(request, _template(request), _sheet(request, session_id, target, form), status=status)


def _placed(request: HttpRequest, session_id: str, url: str) -> HttpResponse:
    if getattr(request, "htmx", False):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return redirect(url)


def _show_on(form: ProbeForm, problem: Problem) -> None:
    """Put a verb's refusal beside the field it names; without one, at the top."""
    field = FIELD_OF.get(str(problem.alternatives.get("field", "")))
    near = problem.alternatives.get("nearest")
    words = " ".join(part for part in (problem.sentence, problem.fix) if part)
    form.add_error(field, f"{words} {', '.join(map(str, near))}" if near else words)


def _template(request: HttpRequest) -> str:
    return "probes/sheet.html" if getattr(request, "htmx", False) else "probes/place.html"


def _sheet(request: HttpRequest, session_id: str, target: ProbeSpec, form: ProbeForm) -> dict[str, Any]:
    query = request.GET.urlencode()
    return {
        "form": form,
        "location": target.place,
        "session_id": session_id,
        "place_url": f"{reverse('probe_place', args=[session_id])}?{query}",
        "check_url": f"{reverse('probe_check', args=[session_id])}?{query}",
        "sheet": True,
    }


@login_required
@require_POST
def check(request: HttpRequest, session_id: str) -> HttpResponse:
    """What placing would do: whom it reaches, how often it held on stored captures, what would be withheld."""
    by = actor(request)
    session = sessions.session(by, id_in_address("ses", session_id))
    form = ProbeForm(request.POST)
    form.is_valid()
    spec = form.spec(_target(request, by, session))
    found = verbs.check_probe(by=by, session=session, spec=spec)
    preview = dry_run(by, session, spec) | {
        "instances": len(found.instances),
        "rate": f"at most {spec.rate:g} a second",
        "cost": "under 2 % of a core",
        "note": " ".join(found.notes),
        "problem": found.problems[0] if found.problems else None,
    }
    return render(request, "probes/preview.html", {"preview": preview})


@login_required
@require_POST
def remove(request: HttpRequest, probe_id: str) -> HttpResponse:
    """Disarm a probe everywhere; what it captured stays."""
    by = actor(request)
    probe = verbs.remove_probe(by=by, probe=selectors.probe(by, id_in_address("prb", probe_id)))
    if getattr(request, "htmx", False):
        return render(request, "components/probe_slip.html", {"probe": session_page.slip(probe)})
    return redirect("session", session_id=show("ses", probe.session_id))


urlpatterns = [
    path("sessions/<str:session_id>/probes/place/", place, name="probe_place"),
    path("sessions/<str:session_id>/probes/check/", check, name="probe_check"),
    path("probes/<str:probe_id>/remove/", remove, name="probe_remove"),
]
