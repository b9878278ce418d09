"""Probes: the sheet that places one from a line's gutter, its dry run, what it brought, and its end."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from investigations.accounts.actors import Actor
from investigations.catalog import selectors as catalog
from investigations.lib.errors import NotFound, Problem
from investigations.lib.ids import show
from investigations.probes import figures, kinds, readings, selectors
from investigations.probes import services as verbs
from investigations.probes.models import Probe
from investigations.probes.spec import ProbeProblem, ProbeSpec
from investigations.sessions import selectors as sessions
from investigations.sessions.models import InvestigationSession
from investigations.web import downloads, figure_plots, hits, probe_results, session_page
from investigations.web.actors import actor, id_in_address
from investigations.web.dry_run import dry_run
from investigations.web.probe_form import WORDS, ProbeForm, kept
from investigations.web.undo import undone

PLACE = ("service", "path", "line", "function")
"""What an address names of the place; everything else in it was filled into the form."""


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
    form = _form(request, target)
    if request.method == "POST" and form.is_valid():
        try:
            probe = verbs.place_probe(
                by=by, session=session, spec=form.spec(target), purpose=form.cleaned_data["purpose"]
            )
            return _placed(request, probe)
        except Problem as problem:
            form.show(problem)
    status = 422 if request.method == "POST" else 200
    return render(request, _template(request), _sheet(request, session_id, target, form), status=status)


def _placed(request: HttpRequest, probe: Probe) -> HttpResponse:
    """On to where its answer appears: beside the line, or on the probe's own page."""
    beside = probe.kind in ("snapshot", "logpoint", "counter")
    url = session_page.source_url(probe) if beside else reverse("probe", args=[show("prb", probe.id)])
    if getattr(request, "htmx", False):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return redirect(url)


def _form(request: HttpRequest, target: ProbeSpec) -> ProbeForm:
    """The form of the kind that was chosen, with what was filled in before it was."""
    placed = bool(target.file or target.function)
    if request.method == "POST":
        return ProbeForm(request.POST, kind=request.POST.get("kind", ""), placed=placed)
    known = {"within": True, "attribute": _attribute_near(target)} | kept(request.GET)
    return ProbeForm(None, kind=request.GET.get("kind", "snapshot"), initial=known, placed=placed)


def _attribute_near(target: ProbeSpec) -> str:
    """``module:Class.`` of the class that holds the line, for its attribute to be written after it."""
    stored = target.service.source_files.filter(path=target.file).order_by("-seen_at").first()
    around = [
        symbol
        for symbol in (stored.outline if stored else ())
        if symbol["kind"] == "class" and symbol["first_line"] <= target.line <= symbol["last_line"]
    ]
    if stored is None or not around:
        return ""
    return f"{stored.module}:{max(around, key=lambda symbol: symbol['first_line'])['name']}."


def _template(request: HttpRequest) -> str:
    return "probes/sheet.html" if getattr(request, "htmx", False) else "probes/place.html"


def _sheet(request: HttpRequest, session_id: str, target: ProbeSpec, form: ProbeForm) -> dict[str, Any]:
    place = {name: request.GET[name] for name in PLACE if name in request.GET}
    query = urlencode(place)
    of_call = form.of_kind in kinds.OF_FUNCTIONS and not target.function
    return {
        "form": form,
        "location": target.place if form.of_kind != "assignment" else "",
        "of_call": of_call and form.of_kind != "dependency",
        "kinds": WORDS,
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
    target = _target(request, by, session)
    form = _form(request, target)
    form.is_valid()
    spec = form.spec(target)
    found = verbs.check_probe(by=by, session=session, spec=spec)
    waiting = [problem for problem in found.problems if not _filled_in(problem, spec)]
    preview = dry_run(by, session, spec) | {
        "instances": len(found.instances),
        "rate": f"at most {spec.rate:g} a second",
        "cost": "under 2 % of a core",
        "note": waiting[0].fix if waiting else " ".join(found.notes),
        "problem": None if waiting or not found.problems else found.problems[0],
    }
    return render(request, "probes/preview.html", {"preview": preview})


def _filled_in(problem: ProbeProblem, spec: ProbeSpec) -> bool:
    """Whether there is something to complain of: what is still empty is asked for, not refused."""
    unfinished = problem.where == "attribute" and (not spec.attribute or spec.attribute.endswith("."))
    return not unfinished and not problem.slug.endswith("_missing")


@login_required
@require_http_methods(["GET"])
def probe(request: HttpRequest, probe_id: str) -> HttpResponse:
    """What a probe has brought, as its kind wants to be seen, live; beside it the captures it came from."""
    by = actor(request)
    row = selectors.probe(by, id_in_address("prb", probe_id))
    captures = selectors.captures_before(by, row.session, probe=row, limit=session_page.ROWS)
    rows = session_page.capture_rows(row.session, captures)
    context = probe_results.result(by, row) | {
        "session": row.session,
        "slip": session_page.slip(row),
        "brings_captures": kinds.captures(row.kind, row.options),
        "captures": rows.rows[::-1],
        "capture_cursor": captures[-1].cursor if captures else 0,
        "source_url": session_page.source_url(row),
        **session_page.headings_of(row),
        **({} if captures else session_page.why_empty([row])),
    }
    return render(request, "probes/probe.html", context)


@login_required
@require_http_methods(["GET"])
def plot(request: HttpRequest, probe_id: str, plot: str, form: str) -> HttpResponse:
    """A plot's figures as CSV or its drawing as SVG: ``course`` over time, ``values`` as they lay, ``hits``."""
    by = actor(request)
    row = selectors.probe(by, id_in_address("prb", probe_id))
    if plot not in _PLOTS or (row.kind not in figures.FORMS and plot != "hits"):
        raise NotFound("not_found", "There is nothing at this address.", fix="Check the link.")
    return _PLOTS[plot](by, row, downloads.known_form(form))


def _course_file(by: Actor, row: Probe, form: str) -> HttpResponse:
    stretches = readings.series(by, row, points=probe_results.POINTS)
    drawn = figure_plots.course(row.kind, probe_results.name_of(row.kind), stretches)
    name, title = f"P{row.number}-course", f"P{row.number} {row.kind} at {row.place}"
    if form == "csv":
        starts = [each.start.isoformat() for each in stretches]
        rows = [[at, *cells[1:]] for at, cells in zip(starts, drawn.table["rows"], strict=True)]
        return downloads.as_csv(name, drawn.table["columns"], rows)
    ends = [(0.0, stretches[0]), (1.0, stretches[-1])]
    ticks = [(share, f"{each.start:%H:%M:%S} UTC") for share, each in ends]
    return downloads.lines_svg(name, title, drawn.chart["x"], drawn.chart["series"], ticks)


def _values_file(by: Actor, row: Probe, form: str) -> HttpResponse:
    total = readings.totals_of([row])[row.id]
    name, title = f"P{row.number}-values", f"P{row.number} {row.kind} at {row.place}"
    if form == "csv":
        rows = probe_results.histogram_rows(total, row.kind)
        return downloads.as_csv(name, ["above", "at_most", "count"], rows)
    found = figures.histogram(row.kind, total)
    drawn = figure_plots.values(title, found) if found else None
    if drawn is None:
        return downloads.bars_svg(name, title, [], [])
    ticks = [(0.0, drawn.ends["low"]), (0.5, drawn.ends["middle"]), (1.0, drawn.ends["high"])]
    return downloads.bars_svg(name, title, [(bar.count, 0) for bar in drawn.raw], ticks)


def _hits_file(by: Actor, row: Probe, form: str) -> HttpResponse:
    return hits.file(by, row.session, form, name=f"P{row.number}-hits", start=row.placed_at, probes=[row])


_PLOTS = {"course": _course_file, "values": _values_file, "hits": _hits_file}


@login_required
@require_POST
def remove(request: HttpRequest, probe_id: str) -> HttpResponse:
    """Disarm a probe everywhere; what it captured stays, and for a while it can be taken back."""
    by = actor(request)
    row = verbs.remove_probe(by=by, probe=selectors.probe(by, id_in_address("prb", probe_id)))
    text, undo = f"P{row.number} is removed.", reverse("probe_restore", args=[probe_id])
    if getattr(request, "htmx", False):
        context = {"probe": session_page.slip(row), "text": text, "undo_url": undo}
        return render(request, "probes/removed.html", context)
    messages.success(request, text, extra_tags=undo)
    return redirect("probe", probe_id=probe_id)


@login_required
@require_POST
def restore(request: HttpRequest, probe_id: str) -> HttpResponse:
    """Take a removal back."""
    by = actor(request)
    row = verbs.restore_probe(by=by, probe=selectors.probe(by, id_in_address("prb", probe_id)))
    return undone(request, f"P{row.number} is armed again.", reverse("probe", args=[probe_id]))


urlpatterns = [
    path("sessions/<str:session_id>/probes/place/", place, name="probe_place"),
    path("sessions/<str:session_id>/probes/check/", check, name="probe_check"),
    path("probes/<str:probe_id>/", probe, name="probe"),
    path("probes/<str:probe_id>/remove/", remove, name="probe_remove"),
    path("probes/<str:probe_id>/restore/", restore, name="probe_restore"),
    path("probes/<str:probe_id>/<slug:plot>.<slug:form>", plot, name="probe_plot"),
]
