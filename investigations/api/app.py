"""The REST API under /api/v1: its OpenAPI document is /api/v1/openapi.json."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Router
from ninja.errors import AuthenticationError, ValidationError

from investigations.api import alerts, captures, code, evidence, probes, services, sessions, sources, tokens
from investigations.api.auth import Bearer, SignedIn
from investigations.api.problems import problem_response, validation_problem
from investigations.lib.errors import NotFound, Problem, Unauthorized

api = NinjaAPI(
    title="Sightline",
    version="1",
    description="Ask a running line of code a question, and keep the answer as evidence.",
    docs_url=None,  # the usual viewer loads scripts from elsewhere
    auth=[Bearer(), SignedIn()],
    urls_namespace="api",
)
for room in (services, code, alerts, sessions, probes, captures, evidence, sources, tokens):
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
