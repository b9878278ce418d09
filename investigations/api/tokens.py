"""Access tokens of agents, programs and sensors."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field

from investigations.accounts import selectors as accounts
from investigations.accounts import services as account_verbs
from investigations.api.auth import actor
from investigations.api.paging import id_in_path
from investigations.lib.errors import Forbidden
from investigations.shapes import Shape, TokenShape

router = Router(tags=["tokens"])


class TokenIn(Shape):
    """A token for yourself, or for a sensor."""

    kind: Literal["agent", "program", "sensor"]
    name: str = Field(min_length=1, max_length=100)
    environment: str = ""
    service: str = ""
    scopes: list[Literal["read", "write", "admin"]] = ["read", "write"]
    expires_at: datetime | None = None


class NewToken(TokenShape):
    """A token just made; ``secret`` is shown this once."""

    secret: str


@router.get("/tokens", response=list[TokenShape], operation_id="list_tokens")
def list_tokens(request: HttpRequest) -> list[TokenShape]:
    """Your tokens, and those of environments where you manage tokens."""
    return [TokenShape.from_row(row) for row in accounts.tokens_visible(actor(request))]


@router.post("/tokens", response={201: NewToken}, operation_id="issue_token")
def issue_token(request: HttpRequest, body: TokenIn) -> Status[NewToken]:
    """Make a token that acts as you."""
    by = actor(request)
    if by.user is None:
        raise Forbidden("token_owner", "A token acts as a person, and this caller is none.")
    row, secret = account_verbs.issue_access_token(
        by=by,
        kind=body.kind,
        name=body.name,
        owner=by.user,
        environment=accounts.environment_named(by, body.environment) if body.environment else None,
        service=body.service,
        scopes=body.scopes,
        expires_at=body.expires_at,
    )
    return Status(201, NewToken(**TokenShape.from_row(row).model_dump(), secret=secret))


@router.delete("/tokens/{token_id}", response=TokenShape, operation_id="revoke_token")
def revoke_token(request: HttpRequest, token_id: str) -> TokenShape:
    """End a token at once."""
    by = actor(request)
    row = accounts.token(by, id_in_path("tok", token_id))
    return TokenShape.from_row(account_verbs.revoke_access_token(by=by, token=row))
