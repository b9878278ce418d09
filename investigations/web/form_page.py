"""A page that is one form: shown, sent, and shown again with what was wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from investigations.lib.errors import Problem


def form_page(
    request: HttpRequest,
    template: str,
    form: BaseForm,
    act: Callable[[], HttpResponse],
    context: dict[str, Any],
) -> HttpResponse:
    """The answer of ``act`` once a valid form was sent; else the page, with status 422 where something is wrong."""
    context = context | {"form": form}
    if request.method != "POST":
        return render(request, template, context)
    if form.is_valid():
        try:
            return act()
        except Problem as problem:
            context["problem"] = problem
    return render(request, template, context, status=422)
