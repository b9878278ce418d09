"""One capture: its frames and values, and beside it the nearest one that turned out otherwise."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.catalog.models import Instance
from investigations.evidence import next_probe
from investigations.evidence import selectors as evidence
from investigations.lib.ids import show
from investigations.probes import comparing, invariants, selectors, silent_failures
from investigations.probes.models import Capture, Probe
from investigations.sessions import selectors as sessions
from investigations.sessions.models import InvestigationSession
from investigations.web import capture_details, differing, downloads, strips, values
from investigations.web.actors import actor, id_in_address
from sightline import wire

OPPOSITE = {"pass": "fail", "fail": "pass"}
MOST_LABEL_PATHS = 20


@login_required
@require_http_methods(["GET"])
def capture(request: HttpRequest, capture_id: str) -> HttpResponse:
    """A capture as a page; a session's page takes its ``#detail`` out of it."""
    by = actor(request)
    row = selectors.capture(by, id_in_address("cap", capture_id))
    session = sessions.session(by, row.session_id)
    body = selectors.decode(row)
    outcome = _outcome(row)
    context = _facts(row, body, outcome, session) | {
        "public_id": capture_id,
        "hypotheses": evidence.hypotheses(by, session),
        "may_record": permissions.may(by, "record_evidence", session.environment),
        "counterpart": _counterpart(by, session, row, outcome),
    }
    return render(request, "captures/capture.html", context)


@login_required
@require_http_methods(["GET"])
def compare(request: HttpRequest, capture_id: str, other_id: str) -> HttpResponse:
    """Two captures of one place side by side, and what tells all failing from all passing captures there."""
    by = actor(request)
    passing, failing = _both_sides(by, capture_id, other_id)
    session = sessions.session(by, failing.session_id)
    probe = Probe.objects.filter(pk=failing.probe_id).first()
    label_paths = _label_paths(request)
    compared = comparing.compare_captures(by, session, probe=probe, label_paths=label_paths)
    held = invariants.learn_invariants(by, session, probe=probe)
    context = {
        "pairs": values.pairs(_variables(selectors.decode(passing)), _variables(selectors.decode(failing))),
        "passing": _side(passing),
        "failing": _side(failing),
        "session": session,
        "panel": differing.panel(compared, request.path, request.GET.urlencode()),
        "label_paths": ", ".join(label_paths),
        "held": held,
        "broken": differing.broken(held.broken),
        "advice": differing.advice(next_probe.next_probes(by, session, probe=probe)),
        "may_raise": permissions.may(by, "label_executions", session.environment),
    }
    return render(request, "captures/compare.html", context)


@login_required
@require_http_methods(["GET"])
def compare_strip(request: HttpRequest, capture_id: str, other_id: str, form: str) -> HttpResponse:
    """What a ``path`` that differs looks like, as CSV or SVG."""
    by = actor(request)
    form = downloads.known_form(form)
    _, failing = _both_sides(by, capture_id, other_id)
    session = sessions.session(by, failing.session_id)
    probe = Probe.objects.filter(pk=failing.probe_id).first()
    compared = comparing.compare_captures(by, session, probe=probe, label_paths=_label_paths(request))
    return strips.strip(compared, request.GET.get("path", "")).file(form)


def _both_sides(by: Actor, capture_id: str, other_id: str) -> list[Capture]:
    """The passing one first."""
    sides = [selectors.capture(by, id_in_address("cap", text)) for text in (capture_id, other_id)]
    return sorted(sides, key=lambda side: _outcome(side) == "fail")


def _label_paths(request: HttpRequest) -> list[str]:
    return request.GET.get("label_paths", "").replace(",", " ").split()[:MOST_LABEL_PATHS]


@login_required
@require_POST
def raise_silent_failures(request: HttpRequest, capture_id: str) -> HttpResponse:
    """Put what captures of this capture's probe break into the inbox."""
    by = actor(request)
    row = selectors.capture(by, id_in_address("cap", capture_id))
    session = sessions.session(by, row.session_id)
    probe = Probe.objects.filter(pk=row.probe_id).first()
    _, burning = silent_failures.raise_silent_failures(by=by, session=session, probe=probe)
    messages.success(request, f"{burning} broken invariant{'s' * (burning != 1)} in the inbox.")
    return redirect("inbox")


def _outcome(row: Capture) -> str:
    return selectors.outcome_of(row.environment_id, [row.execution_id]).get(row.execution_id, "unknown")


def _side(row: Capture) -> dict[str, Any]:
    public_id = show("cap", row.id)
    return {"row": row, "public_id": public_id, "outcome": _outcome(row), "short": public_id[-6:]}


def _variables(body: wire.Capture) -> dict[str, wire.Value]:
    """Watches first, then the variables of the innermost frame."""
    innermost = body.frames[0].variables if body.frames else None
    return dict(body.watches or {}) | dict(innermost or {})


def _facts(row: Capture, body: wire.Capture, outcome: str, session: InvestigationSession) -> dict[str, Any]:
    instance = Instance.objects.filter(pk=row.instance_id).select_related("service").first()
    return {
        "capture": row,
        "body": body,
        "outcome": outcome,
        "session": session,
        "probe": Probe.objects.filter(pk=row.probe_id).first(),
        "instance": instance,
        "special": capture_details.shown(instance.service if instance else None, row, body),
        "watches": values.tree(body.watches or {}),
        "frames": [
            {
                "frame": frame,
                "file": "/".join(frame.file.split("/")[-2:]),
                "nodes": None if frame.variables is None else values.tree(frame.variables),
            }
            for frame in body.frames or []
        ],
        "short": show("cap", row.id)[-6:],
    }


def _counterpart(by: Actor, session: InvestigationSession, row: Capture, outcome: str) -> str:
    """The nearest earlier capture of the same probe that turned out otherwise, else the latest such."""
    if outcome not in OPPOSITE:
        return ""
    probe = Probe.objects.filter(pk=row.probe_id).first()
    for cursor in (row.cursor, None):
        found = selectors.captures_before(
            by, session, cursor, probe=probe, outcome=OPPOSITE[outcome], limit=1
        )
        if found:
            return show("cap", found[-1].id)
    return ""


urlpatterns = [
    path("captures/<str:capture_id>/", capture, name="capture"),
    path("captures/<str:capture_id>/silent-failures/", raise_silent_failures, name="capture_silent"),
    path("captures/<str:capture_id>/compare/<str:other_id>/", compare, name="capture_compare"),
    path(
        "captures/<str:capture_id>/compare/<str:other_id>/strip.<slug:form>",
        compare_strip,
        name="capture_compare_strip",
    ),
]
