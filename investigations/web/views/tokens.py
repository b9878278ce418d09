"""Access tokens: making one, shown once, and ending it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from investigations.accounts import selectors
from investigations.accounts import services as verbs
from investigations.accounts.actors import Actor
from investigations.accounts.models import AccessToken, User
from investigations.lib.errors import Problem
from investigations.shapes import link
from investigations.web.actors import actor, id_in_address

LIFETIMES = {
    "1": "a day",
    "7": "a week",
    "30": "30 days",
    "90": "90 days",
    "365": "a year",
    "": "until revoked",
}


class TokenForm(forms.Form):
    """Whom a token is for, where it acts and for how long."""

    kind = forms.ChoiceField(
        choices=[("agent", "Agent"), ("sensor", "Sensor"), ("program", "Program")],
        widget=forms.RadioSelect,
        label="For",
    )
    name = forms.CharField(max_length=100, help_text="Who will hold it, as claude-code on Ana's laptop.")
    environment = forms.ChoiceField(required=False, help_text="A sensor token always has one.")
    service = forms.CharField(
        max_length=255, required=False, help_text="Sensors only: the one service it may speak for.",
        widget=forms.TextInput(attrs={"class": "mono"}),
    )  # fmt: skip
    scopes = forms.ChoiceField(
        choices=[("read", "Read"), ("read write", "Read and act"), ("read write admin", "Administer")],
        initial="read write",
        label="May",
        required=False,
    )
    days = forms.ChoiceField(choices=list(LIFETIMES.items()), initial="90", label="Valid for", required=False)

    def __init__(self, *args: Any, by: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        names = [(environment.name, environment.name) for environment in selectors.environments(by)]
        cast(forms.ChoiceField, self.fields["environment"]).choices = [("", "Wherever I may act"), *names]

    def issue(self) -> tuple[AccessToken, str]:
        """Make the token. Raises the verb's `Problem`."""
        facts = self.cleaned_data
        name = facts["environment"]
        return verbs.issue_access_token(
            by=self.by,
            kind=facts["kind"],
            name=facts["name"],
            owner=cast(User, self.by.user),
            environment=selectors.environment_named(self.by, name) if name else None,
            service=facts["service"],
            scopes=(facts["scopes"] or "read").split(),
            expires_at=timezone.now() + timedelta(days=int(facts["days"])) if facts["days"] else None,
        )


@login_required
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The tokens one may see, and the form for another; its text is shown in the answer to the POST and never again."""
    by = actor(request)
    form = TokenForm(request.POST or None, by=by, initial={"kind": request.GET.get("kind", "agent")})
    context: dict[str, Any] = {"section": "tokens", "form": form, "mcp_url": link("/mcp")}
    status = 200
    if request.method == "POST":
        try:
            if form.is_valid():
                context["made"], context["secret"] = form.issue()
                context["form"] = TokenForm(by=by, initial={"kind": "agent"})
            else:
                status = 422
        except Problem as problem:
            context["problem"], status = problem, 422
    return render(request, "settings/tokens.html", context | {"tokens": _listed(by)}, status=status)


def _listed(by: Actor) -> list[dict[str, Any]]:
    now = timezone.now()
    return [{"row": row, "state": _state(row, now)} for row in selectors.tokens_visible(by)]


def _state(row: AccessToken, now: Any) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "active"


@login_required
@require_POST
def revoke(request: HttpRequest, token_id: str) -> HttpResponse:
    """End a token at once."""
    by = actor(request)
    verbs.revoke_access_token(by=by, token=selectors.token(by, id_in_address("tok", token_id)))
    return redirect("tokens")


urlpatterns = [
    path("settings/tokens/", tokens, name="tokens"),
    path("settings/tokens/<str:token_id>/revoke/", revoke, name="token_revoke"),
]
