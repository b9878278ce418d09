"""Two people change one thing: an ETag says which state was read, If-Match changes nothing but that state."""

from __future__ import annotations

import hashlib
from typing import TypeVar

from django.http import HttpRequest, HttpResponse
from django.utils.http import parse_etags

from investigations.lib.errors import Changed
from investigations.shapes import Shape

S = TypeVar("S", bound=Shape)


def etag_of(shape: Shape) -> str:
    """Differs whenever anything that the API shows of the thing differs."""
    return f'"{hashlib.sha256(shape.model_dump_json().encode()).hexdigest()[:32]}"'


def tagged(response: HttpResponse, shape: S) -> S:
    """The shape, with its tag on the response."""
    response["ETag"] = etag_of(shape)
    return shape


def require_match(request: HttpRequest, shape: Shape) -> None:
    """Raise `Changed` when the caller named a state and the thing is in another one. Lock its row before."""
    wanted = parse_etags(request.headers.get("If-Match", ""))
    if wanted and "*" not in wanted and etag_of(shape) not in wanted:
        raise Changed(
            "changed_meanwhile",
            "It was changed since you read it.",
            fix="Read it again, and repeat the change if it is still wanted.",
            etag=etag_of(shape),
        )
