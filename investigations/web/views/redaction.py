"""What an environment's sensors withhold beside their own rules; a rule is tried before it is saved."""

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
from investigations.accounts import redaction as verbs
from investigations.accounts import selectors as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment, RuleKind
from investigations.lib.errors import Problem
from investigations.probes import selectors as probes
from investigations.probes import withholding
from investigations.web.actors import actor, id_in_address


class RuleForm(forms.Form):
    """A rule, and what to try it on."""

    environment = forms.ChoiceField()
    kind = forms.ChoiceField(choices=RuleKind.choices, label="By")
    pattern = forms.CharField(
        max_length=verbs.LONGEST_PATTERN,
        help_text="A name, type or path, * for any part, as customer_ref; for a value a pattern of matches().",
        widget=forms.TextInput(attrs={"class": "mono", "autocomplete": "off"}),
    )
    note = forms.CharField(max_length=200, required=False, help_text="Why.")
    capture = forms.CharField(
        max_length=200, required=False, label="Try on a capture", help_text="Its id or address.",
        widget=forms.TextInput(attrs={"class": "mono"}),
    )  # fmt: skip
    sample = forms.CharField(
        max_length=withholding.LONGEST_SAMPLE, required=False, label="Or on a sample",
        help_text="A JSON object of names and values, or any text. It is not kept.",
        widget=forms.Textarea(attrs={"class": "mono", "rows": 4}),
    )  # fmt: skip

    def __init__(self, *args: Any, by: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        places = [(each.name, each.name) for each in accounts.environments(by)]
        cast(forms.ChoiceField, self.fields["environment"]).choices = places

    def place(self) -> Environment:
        return accounts.environment_named(self.by, self.cleaned_data["environment"])

    def dry_run(self) -> withholding.DryRun:
        """What the rule would withhold. Raises `Problem`."""
        facts = self.cleaned_data
        rules = verbs.rules_of(self.place())
        tried = verbs.wire_rules({facts["kind"]: [verbs.check_rule(facts["kind"], facts["pattern"])]})
        if facts["capture"]:
            row = probes.capture(
                self.by, id_in_address("cap", facts["capture"].rstrip("/").rpartition("/")[2])
            )
            return withholding.try_on_capture(probes.decode(row), rules, tried)
        return withholding.try_on_sample(facts["sample"], rules, tried)

    def save(self) -> None:
        """Add the rule. Raises `Problem`."""
        facts = self.cleaned_data
        verbs.add_redaction_rule(
            by=self.by,
            environment=self.place(),
            kind=facts["kind"],
            pattern=facts["pattern"],
            note=facts["note"],
        )


@login_required
@require_http_methods(["GET", "POST"])
def redaction(request: HttpRequest) -> HttpResponse:
    """The rules of every environment one sees; the form tries a rule or adds it."""
    by = actor(request)
    form = RuleForm(request.POST or None, by=by)
    context: dict[str, Any] = {"section": "redaction", "form": form}
    status = 200
    if request.method == "POST":
        try:
            if not form.is_valid():
                status = 422
            elif "try" in request.POST:
                context["run"] = form.dry_run()
            else:
                form.save()
                messages.success(request, "The rule holds; connected sensors follow at once.")
                return redirect("redaction")
        except Problem as problem:
            context["problem"], status = problem, 403 if problem.status == 403 else 422
    return render(request, "settings/redaction.html", context | _rules(by), status=status)


def _rules(by: Actor) -> dict[str, Any]:
    places = list(accounts.environments(by))
    managed = permissions.environments_where(by, "manage_redaction", places)
    return {
        "places": [
            {
                "environment": each,
                "rules": list(verbs.redaction_rules(by, each)),
                "may_change": each in managed,
            }
            for each in places
        ],
        "may_add": bool(managed),
    }


@login_required
@require_POST
def remove(request: HttpRequest, rule_id: str) -> HttpResponse:
    """Let go of a rule."""
    by = actor(request)
    verbs.remove_redaction_rule(by=by, rule=verbs.redaction_rule(by, id_in_address("rul", rule_id)))
    messages.success(request, "The rule is gone.")
    return redirect("redaction")


urlpatterns = [
    path("settings/redaction/", redaction, name="redaction"),
    path("settings/redaction/<str:rule_id>/remove/", remove, name="redaction_remove"),
]
