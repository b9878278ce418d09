"""Errors as problem+json (RFC 9457), with the slug, what to do, and the alternatives."""

from __future__ import annotations

from django.http import HttpResponse, JsonResponse
from ninja.errors import ValidationError

from investigations.lib.errors import Invalid, Problem, Unauthorized
from investigations.shapes import ProblemShape


def problem_response(problem: Problem) -> HttpResponse:
    """The answer that carries a problem."""
    shape = ProblemShape(
        code=problem.slug,
        message=problem.sentence,
        retryable=problem.retryable,
        fix=problem.fix,
        alternatives=problem.alternatives,
    )
    body = {
        "type": f"about:blank#{problem.slug}",
        "title": problem.slug.replace("_", " "),
        "status": problem.status,
        "detail": problem.sentence,
        **shape.model_dump(mode="json"),
    }
    response = JsonResponse(body, status=problem.status, content_type="application/problem+json")
    if isinstance(problem, Unauthorized):
        response["WWW-Authenticate"] = "Bearer"
    return response


def validation_problem(error: ValidationError) -> Problem:
    """What was wrong with each field, in one problem."""
    fields = {
        ".".join(str(part) for part in found["loc"][1:]) or "body": found["msg"] for found in error.errors
    }
    named = "; ".join(f"{field}: {message}" for field, message in list(fields.items())[:5])
    return Invalid(
        "bad_request", f"The request does not fit: {named}.", fix="See openapi.json.", fields=fields
    )
