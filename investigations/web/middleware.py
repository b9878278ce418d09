"""A `Problem` raised by any verb becomes the page or partial that says what to do about it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from investigations.lib.errors import Problem


class ProblemMiddleware:
    """Turns a `Problem` from a page's view into its sentence; other exceptions stay what they are.

    htmx swaps the partial where the request came from (base.html lets 4xx answers swap); a full request gets a page.
    """

    def __init__(self, get_response):  # type: ignore[no-untyped-def]  # Django's own signature
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Problem):
            return None
        template = "components/problem.html" if getattr(request, "htmx", False) else "problem.html"
        return render(request, template, {"problem": exception}, status=exception.status)
