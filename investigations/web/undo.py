"""What is taken back: the word after it, as a toast to htmx and as a message to a page without it."""

from __future__ import annotations

import json

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


def undone(request: HttpRequest, sentence: str, page: str) -> HttpResponse:
    """The answer to an undo. An open page is painted by its socket; one without scripts is opened again."""
    if getattr(request, "htmx", False):
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps({"toast": {"text": sentence}})})
    messages.success(request, sentence)
    return redirect(page)
