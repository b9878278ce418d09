"""Who calls the API: a bearer of an access token, or a person signed in to the pages (with their CSRF token)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.errors import AuthenticationError
from ninja.security import APIKeyCookie, HttpBearer

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.lib.errors import Unauthorized


class Bearer(HttpBearer):
    """``Authorization: Bearer sla_…``"""

    def authenticate(self, request: HttpRequest, token: str) -> Actor:
        try:
            return accounts.authenticate_bearer(token, address=request.META.get("REMOTE_ADDR"))
        except Unauthorized as problem:
            raise problem from None


class SignedIn(APIKeyCookie):
    """The pages' own sign-in; ninja checks the CSRF token of every request that could change something."""

    param_name = "sightline_signin"

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:
        if not request.user.is_authenticated:
            return None
        return Actor.person(request.user, address=request.META.get("REMOTE_ADDR"))


def actor(request: Any) -> Actor:
    """The caller of an authenticated operation."""
    found = request.auth
    if not isinstance(found, Actor):
        raise AuthenticationError(401)
    return found
