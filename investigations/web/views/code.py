"""Source as deployed, with its gutter; and who can write an attribute."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_http_methods

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.catalog import selectors as catalog
from investigations.catalog import services as catalog_verbs
from investigations.catalog.models import Service, SourceFile
from investigations.codebase.highlight import highlight
from investigations.lib.errors import Problem
from investigations.lib.ids import show
from investigations.probes import selectors as probes
from investigations.probes.models import Capture, Probe, ProbeState
from investigations.sessions import selectors as sessions
from investigations.sessions.models import InvestigationSession
from investigations.web import session_page, values
from investigations.web.actors import actor, id_in_address

LAST_SEEN = 2
"""Values of the latest captures that stand beside their line."""


@login_required
@require_http_methods(["GET"])
def source(request: HttpRequest, session_id: str) -> HttpResponse:
    """The source pane of a session: services, then their files, then one file with its gutter."""
    by = actor(request)
    session = sessions.session(by, id_in_address("ses", session_id))
    context: dict[str, Any] = {
        "session": session,
        "session_id": session_id,
        "query": request.GET,
        "services": list(catalog.services(by, environment=session.environment)),
        "may_place": permissions.may(by, "place_probe", session.environment),
    }
    if request.GET.get("service"):
        context["service"] = service = catalog.service_by_ref(by, request.GET["service"], session.environment)
        context["service_id"] = show("svc", service.id)
        try:
            context |= _inside(by, session, service, request)
        except Problem as problem:
            context["problem"] = problem
    return render(request, "code/source_pane.html", context)


def _inside(
    by: Actor, session: InvestigationSession, service: Service, request: HttpRequest
) -> dict[str, Any]:
    """One file, or without a path the list of them."""
    wanted = request.GET.get("path", "")
    if not wanted:
        listing = catalog_verbs.fetch_files(by=by, service=service)
        return {"files": listing.files, "truncated": listing.truncated}
    line = request.GET.get("line", "")
    file = catalog_verbs.fetch_source(by=by, service=service, path=wanted)
    return _file(by, session, service, file, int(line) if line.isdigit() else 0)


def _file(
    by: Actor, session: InvestigationSession, service: Service, file: SourceFile, current: int
) -> dict[str, Any]:
    placed = _by_line(probes.probes_of(by, session).prefetch_related("deliveries"), file.path)
    all_here = [probe for here in placed.values() for probe in here]
    totals = probes.hit_totals_of(all_here)
    seen = _seen(by, session, all_here)
    slips = {
        slip["public_id"]: slip
        for slip in session_page.slips([probe for probe in all_here if probe.state == ProbeState.ACTIVE])
    }
    executable = set(file.lines)
    may_place = permissions.may(by, "place_probe", session.environment)
    where = {"service": show("svc", service.id), "path": file.path}
    place = reverse("probe_place", args=[show("ses", session.id)])
    scopes = {symbol["first_line"] for symbol in file.outline}
    lines = []
    for number, html in enumerate(highlight(file.text, file.path), 1):
        here = placed.get(number, [])
        lines.append(
            {
                "number": number,
                "html": mark_safe(html),  # noqa: S308  (highlight escapes every character of the source)
                "executable": number in executable,
                "why_not": "" if number in executable else "no code runs on this line",
                "place_url": f"{place}?{urlencode(where | {'line': number})}"
                if may_place and number in executable
                else "",
                "scope": number in scopes,
                "current": number == current,
                "heat": max((_heat(totals[probe.id]) for probe in here), default=0),
                "probes": [
                    {
                        "name": f"P{probe.number}",
                        "state": probe.state,
                        "url": reverse("probe", args=[show("prb", probe.id)]),
                    }
                    for probe in here[-1:]
                ],
                "slips": [slips[id] for probe in here if (id := show("prb", probe.id)) in slips],
                "seen": [value for probe in here for value in seen[probe.id]],
            }
        )
    live = list(catalog.instances(by, service=service, live=True))
    same = sum(instance.commit == file.commit for instance in live)
    return {
        "file": file.path.rpartition("/")[2],
        "folder": " / ".join([*file.path.split("/")[:-1], service.name]),
        "source": file,
        "lines": lines,
        "running": f"{same} of {len(live)}",
        "mismatch": None
        if same or not live
        else {"viewed": file.commit, "running": live[0].commit, "url": ""},
    }


def _by_line(rows: Iterable[Probe], path_of_file: str) -> dict[int, list[Probe]]:
    found: dict[int, list[Probe]] = {}
    for probe in rows:
        file, line = session_page.probe_line(probe)
        if file and (path_of_file.endswith(file) or file.endswith(path_of_file)):
            found.setdefault(line, []).append(probe)
    return found


def _heat(totals: probes.HitTotals) -> int:
    return max((heat for least, heat in ((1, 1), (100, 2), (1000, 3)) if totals.hits >= least), default=0)


def _seen(
    by: Actor, session: InvestigationSession, placed: list[Probe]
) -> dict[uuid.UUID, list[dict[str, str]]]:
    """The first watch of each probe's latest captures, one for each outcome: what the lines' values were."""
    latest = probes.latest_captures_of(by, placed)
    executions = [capture.execution_id for captures in latest.values() for capture in captures]
    outcomes = probes.outcome_of(session.environment_id, executions)
    return {id: _first_watches(captures, outcomes) for id, captures in latest.items()}


def _first_watches(captures: list[Capture], outcomes: Mapping[str, str]) -> list[dict[str, str]]:
    shown: dict[str, dict[str, str]] = {}
    for capture in captures:
        watched = list(probes.watches(capture).items())
        if watched:
            name, value = watched[0]
            outcome = outcomes.get(capture.execution_id, "unknown")
            shown[outcome] = {
                "outcome": outcome,
                "text": f"{name.rpartition('.')[2]} = {values.written(value) or value.type}",
                "type": value.type,
                "note": "",
            }
    return [shown[outcome] for outcome in ("fail", "pass", "unknown") if outcome in shown][:LAST_SEEN]


@login_required
@require_http_methods(["GET"])
def assignments(request: HttpRequest, session_id: str) -> HttpResponse:
    """Who can write ``Class.attribute``: ranked writers, each with the probe to place, and what cannot be seen."""
    by = actor(request)
    session = sessions.session(by, id_in_address("ses", session_id))
    target = request.GET.get("target", "").strip()
    context: dict[str, Any] = {
        "session": session,
        "session_id": session_id,
        "target": target,
        "services": list(catalog.services(by, environment=session.environment)),
        "query": request.GET,
        "may_place": permissions.may(by, "place_probe", session.environment),
    }
    if target and request.GET.get("service"):
        service = catalog.service_by_ref(by, request.GET["service"], session.environment)
        context |= {"service": service, "service_id": show("svc", service.id)}
        try:
            context["found"] = catalog_verbs.find_assignments(by=by, service=service, target=target)
            context["attribute"] = _attribute(service, target)
        except Problem as problem:
            context["problem"] = problem
    return render(request, "code/assignments.html", context)


def _attribute(service: Service, target: str) -> str:
    """``Class.attribute`` as ``module:Class.attribute``; empty where no stored file defines the class."""
    owner, _, name = target.rpartition(".")
    defines = [{"kind": "class", "name": owner}]
    stored = service.source_files.filter(outline__contains=defines).order_by("-seen_at").first()
    return f"{stored.module}:{owner}.{name}" if stored and stored.module else ""


urlpatterns = [
    path("sessions/<str:session_id>/source/", source, name="session_source"),
    path("sessions/<str:session_id>/assignments/", assignments, name="session_assignments"),
]
