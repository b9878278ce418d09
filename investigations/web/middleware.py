"""A `Problem` raised by any verb becomes the page or partial that says what to do about it."""

from __future__ import annotations

from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django_htmx.http import reswap, retarget

from investigations.lib.errors import Problem, text_not_storable


class ProblemMiddleware:
    """Turns a `Problem` from a page's view, or text that cannot be stored, into its sentence; others stay as they are.

    To htmx it is a toast, so that nothing one was reading is replaced; a full request gets a page.
    """

    def __init__(self, get_response):  # type: ignore[no-untyped-def]  # Django's own signature
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, DataError):
            exception = text_not_storable()
        if not isinstance(exception, Problem):
            return None
        context = {"problem": exception}
        if not getattr(request, "htmx", False):
            return render(request, "problem.html", context, status=exception.status)
        toast = render(request, "components/problem.html", context, status=exception.status)
        return reswap(retarget(toast, "#toasts"), "beforeend")
