"""The REST API under /api/v1: its OpenAPI document is /api/v1/openapi.json."""

from __future__ import annotations

import logging

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, OperationalError
from django.http import HttpRequest, HttpResponse
from ninja import Router
from ninja.errors import AuthenticationError, HttpError, ValidationError

from investigations.api import (
    alerts,
    captures,
    code,
    evidence,
    probes,
    reasoning,
    redaction,
    services,
    sessions,
    sources,
    tokens,
)
from investigations.api.auth import Bearer, SignedIn
from investigations.api.problems import DescribedAPI, problem_response, validation_problem
from investigations.lib.errors import (
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    Unauthorized,
    Unavailable,
    Unexpected,
    text_not_storable,
)

logger = logging.getLogger(__name__)
api = DescribedAPI(
    title="Sightline",
    version="1",
    description="Ask a running line of code a question, and keep the answer as evidence.",
    docs_url=None,  # the usual viewer loads scripts from elsewhere
    auth=[Bearer(), SignedIn()],
    urls_namespace="api",
)
for room in (
    services,
    code,
    alerts,
    sessions,
    probes,
    captures,
    reasoning,
    evidence,
    sources,
    tokens,
    redaction,
):
    api.add_router("", room.router)


@api.exception_handler(Problem)
def on_problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    return problem_response(problem)


@api.exception_handler(AuthenticationError)
def on_unauthorized(request: HttpRequest, error: Exception) -> HttpResponse:
    return problem_response(
        Unauthorized(
            "token_required", "This needs a valid access token.", fix="Send Authorization: Bearer <token>."
        )
    )


@api.exception_handler(HttpError)
def on_refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    """What ninja itself refuses: a body that is no JSON, or a page's call without its CSRF token."""
    if error.status_code == 403:
        return problem_response(
            Forbidden(
                "csrf",
                "This call came without its CSRF token.",
                fix="Send X-CSRFToken, or use an access token.",
            )
        )
    return problem_response(Invalid("bad_request", f"{error}.", fix="Send JSON as openapi.json says."))


@api.exception_handler(RequestDataTooBig)
def on_too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem_response(
        Invalid("body_too_large", "The body of this request is too large.", fix="Send at most 2.5 MB.")
    )


@api.exception_handler(DataError)
def on_not_storable(request: HttpRequest, error: DataError) -> HttpResponse:
    return problem_response(text_not_storable())


@api.exception_handler(OperationalError)
def on_database_away(request: HttpRequest, error: OperationalError) -> HttpResponse:
    logger.error("database_away", exc_info=error)
    return problem_response(
        Unavailable("database_away", "The database cannot be reached.", fix="Try again in a moment.")
    )


@api.exception_handler(Exception)
def on_unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("unexpected", exc_info=error, extra={"path": request.path})
    return problem_response(Unexpected())


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return problem_response(validation_problem(error))


nowhere = Router()
"""Last of all: the routes of the API's own router would come before every room's."""


@nowhere.api_operation(
    ["GET", "POST", "PUT", "PATCH", "DELETE"], "/{path:rest}", include_in_schema=False, auth=None
)
def nothing_here(request: HttpRequest, rest: str) -> HttpResponse:
    return problem_response(
        NotFound("no_such_operation", "There is no such operation.", fix="See openapi.json.")
    )


api.add_router("", nowhere)
