"""Errors as problem+json (RFC 9457), with the slug, what to do, and the alternatives."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import ValidationError
from ninja.openapi.schema import OpenAPISchema

from investigations.lib.errors import Invalid, Problem, Unauthorized
from investigations.shapes import ProblemShape

MEDIA_TYPE = "application/problem+json"


class ProblemBody(ProblemShape):
    """What any operation answers when it does not do what was asked; `code` is explained in the messages reference."""

    type: str
    title: str
    status: int
    detail: str


class DescribedAPI(NinjaAPI):
    """Tells in its OpenAPI document that each operation may answer with a problem."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        described = super().get_openapi_schema(**options)
        schemas = described.setdefault("components", {}).setdefault("schemas", {})
        schemas["ProblemBody"] = ProblemBody.model_json_schema()
        problem = {
            "description": "A problem: what is wrong, and what to do.",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
        }
        for methods in described["paths"].values():
            for operation in methods.values():
                operation["responses"] |= {"4XX": problem, "5XX": problem}
        return described


def problem_response(problem: Problem) -> HttpResponse:
    """The answer that carries a problem."""
    body = ProblemBody(
        type=f"about:blank#{problem.slug}",
        title=problem.slug.replace("_", " "),
        status=problem.status,
        detail=problem.sentence,
        code=problem.slug,
        message=problem.sentence,
        retryable=problem.retryable,
        fix=problem.fix,
        alternatives=problem.alternatives,
    ).model_dump(mode="json")
    response = JsonResponse(body, status=problem.status, content_type=MEDIA_TYPE)
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
