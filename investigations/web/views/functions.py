"""A service's source as it runs, without a session around it: where a row of its function record leads."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_http_methods

from investigations.catalog import selectors as catalog
from investigations.catalog import services as catalog_verbs
from investigations.catalog.models import SourceFile
from investigations.codebase.highlight import highlight
from investigations.lib.errors import Problem
from investigations.lib.ids import show
from investigations.web.actors import actor


@login_required
@require_http_methods(["GET"])
def source(request: HttpRequest, service_id: str) -> HttpResponse:
    """One file of a service, to be read; a probe is placed from a session."""
    by = actor(request)
    service = catalog.service_by_ref(by, service_id)
    line = request.GET.get("line", "")
    context: dict[str, Any] = {"service": service, "service_id": show("svc", service.id)}
    try:
        file = catalog_verbs.fetch_source(by=by, service=service, path=request.GET.get("path", ""))
        context |= _file(file, int(line) if line.isdecimal() else 0)
    except Problem as problem:
        context["problem"] = problem
    return render(request, "fleet/source.html", context)


def _file(file: SourceFile, current: int) -> dict[str, Any]:
    executable = set(file.lines)
    scopes = {symbol["first_line"] for symbol in file.outline}
    lines = [
        {
            "number": number,
            "html": mark_safe(html),  # noqa: S308  (highlight escapes every character of the source)
            "executable": number in executable,
            "why_not": "" if number in executable else "no code runs on this line",
            "scope": number in scopes,
            "current": number == current,
        }
        for number, html in enumerate(highlight(file.text, file.path), 1)
    ]
    return {
        "file": file.path.rpartition("/")[2],
        "path": file.path,
        "commit": file.commit,
        "lines": lines,
    }


urlpatterns = [path("fleet/<str:service_id>/source/", source, name="service_source")]
