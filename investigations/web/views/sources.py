"""Alert sources: their health, their webhook, and what of theirs could not be read."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST
from django.views.generic import RedirectView

from investigations.accounts import permissions
from investigations.accounts import selectors as accounts
from investigations.accounts.actors import Actor
from investigations.alerts import selectors
from investigations.alerts import services as verbs
from investigations.alerts.backends import BACKENDS
from investigations.alerts.models import AlertSource
from investigations.shapes import link
from investigations.web.actors import actor, id_in_address
from investigations.web.form_page import form_page


class SourceForm(forms.Form):
    """A place alerts come from. A secret left empty on a change stays what it was."""

    environment = forms.ChoiceField()
    name = forms.CharField(max_length=100, help_text="As alertmanager-eu.")
    backend = forms.ChoiceField(label="System")
    url = forms.CharField(
        max_length=500, required=False, label="Address", widget=forms.TextInput(attrs={"class": "mono"}),
        help_text="As http://prometheus:9090. May stay empty where the system posts to us.",
    )  # fmt: skip
    every_s = forms.IntegerField(min_value=1, max_value=3600, initial=15, label="Ask every (seconds)")
    token = forms.CharField(
        required=False, label="Bearer token", widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Sent as Authorization; never shown again.",
    )  # fmt: skip
    enabled = forms.BooleanField(required=False, initial=True, label="Ask this source")

    def __init__(self, *args: Any, by: Actor, source: AlertSource | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by, self.source = by, source
        places = permissions.environments_where(by, "manage_sources", accounts.environments(by))
        self._choose("environment", [(place.name, place.name) for place in places])
        self._choose("backend", [(name, backend.title) for name, backend in BACKENDS.items()])
        if source is not None:
            del self.fields["environment"]

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        cast(forms.ChoiceField, self.fields[name]).choices = choices

    def save(self) -> AlertSource:
        """Create or change the source. Raises the verb's `Problem`."""
        facts = {name: self.cleaned_data[name] for name in ("name", "backend", "url", "every_s", "enabled")}
        if self.cleaned_data["token"]:
            facts["credentials"] = {
                "header": {"name": "Authorization", "value": f"Bearer {self.cleaned_data['token']}"}
            }
        if self.source is not None:
            return verbs.update_source(by=self.by, source=self.source, **facts)
        environment = accounts.environment_named(self.by, self.cleaned_data["environment"])
        return verbs.create_source(by=self.by, environment=environment, **facts)


@login_required
@require_http_methods(["GET"])
def sources(request: HttpRequest) -> HttpResponse:
    """Every source with its health, scope by scope."""
    by = actor(request)
    rows = [{"row": row, "state": _state(row), "scopes": _scopes(row)} for row in selectors.sources(by)]
    may_add = bool(permissions.environments_where(by, "manage_sources", accounts.environments(by)))
    return render(
        request, "settings/sources.html", {"section": "sources", "sources": rows, "may_add": may_add}
    )


def _scopes(row: AlertSource) -> list[dict[str, Any]]:
    return list(row.health.get("scopes", {}).values())


def _state(row: AlertSource) -> str:
    """The worst of its scopes; what was never asked says so."""
    if not row.enabled:
        return "paused"
    statuses = {scope["status"] for scope in _scopes(row)}
    worst_first = ("denied", "timeout", "error", "partial", "no_data", "ok")
    return next((status for status in worst_first if status in statuses), "unchecked")


@login_required
@require_http_methods(["GET", "POST"])
def new_source(request: HttpRequest) -> HttpResponse:
    """The form for another source."""
    by = actor(request)
    form = SourceForm(request.POST or None, by=by)
    return _answer_form(request, form, {"section": "sources"})


@login_required
@require_http_methods(["GET", "POST"])
def source(request: HttpRequest, source_id: str) -> HttpResponse:
    """One source: change it, make its webhook, and look at what could not be read."""
    by = actor(request)
    row = selectors.source(by, id_in_address("src", source_id))
    permissions.require(by, "manage_sources", row.environment)
    facts = {
        "name": row.name,
        "backend": row.backend,
        "url": row.url,
        "every_s": row.every_s,
        "enabled": row.enabled,
    }
    form = SourceForm(request.POST or None, by=by, source=row, initial=facts)
    context = {
        "section": "sources",
        "source": row,
        "state": _state(row),
        "scopes": _scopes(row),
        "dead_letters": selectors.dead_letters(by, row, limit=50),
        "webhook_url": link(f"/api/v1/webhooks/{source_id}"),
    }
    return _answer_form(request, form, context)


def _answer_form(request: HttpRequest, form: SourceForm, context: dict[str, Any]) -> HttpResponse:
    def save() -> HttpResponse:
        form.save()
        return redirect("sources")

    return form_page(request, "settings/source.html", form, save, context)


@login_required
@require_POST
def check(request: HttpRequest, source_id: str) -> HttpResponse:
    """Ask the source now, and remember how it went."""
    by = actor(request)
    verbs.check_source(by=by, source=selectors.source(by, id_in_address("src", source_id)))
    return redirect("source", source_id=source_id)


@login_required
@require_POST
def remove(request: HttpRequest, source_id: str) -> HttpResponse:
    """Forget the source; alerts only it told of become stale."""
    by = actor(request)
    row = selectors.source(by, id_in_address("src", source_id))
    verbs.delete_source(by=by, source=row)
    messages.success(request, f"{row.name} is removed.")
    return redirect("sources")


@login_required
@require_POST
def webhook(request: HttpRequest, source_id: str) -> HttpResponse:
    """Make a new secret for the source's webhook, shown in this answer only."""
    by = actor(request)
    row = selectors.source(by, id_in_address("src", source_id))
    secret = verbs.rotate_webhook_secret(by=by, source=row)
    context = {
        "section": "sources",
        "source": row,
        "secret": secret,
        "webhook_url": link(f"/api/v1/webhooks/{source_id}"),
    }
    return render(request, "settings/webhook.html", context)


@login_required
@require_POST
def replay(request: HttpRequest, source_id: str, payload_id: str) -> HttpResponse:
    """Read a dead letter again."""
    by = actor(request)
    verbs.replay(by=by, payload=selectors.payload(by, id_in_address("pay", payload_id)))
    messages.success(request, "It was read, and taken in.")
    return redirect("source", source_id=source_id)


urlpatterns = [
    path("settings/", RedirectView.as_view(pattern_name="sources"), name="settings"),
    path("settings/sources/", sources, name="sources"),
    path("settings/sources/new/", new_source, name="source_new"),
    path("settings/sources/<str:source_id>/", source, name="source"),
    path("settings/sources/<str:source_id>/check/", check, name="source_check"),
    path("settings/sources/<str:source_id>/remove/", remove, name="source_remove"),
    path("settings/sources/<str:source_id>/webhook/", webhook, name="source_webhook"),
    path("settings/sources/<str:source_id>/replay/<str:payload_id>/", replay, name="source_replay"),
]
