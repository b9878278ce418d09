"""Signing in by password, slowed down for who keeps guessing.

Django's own backend checks the password; the counts live in Django's cache, which is the Redis-compatible server, so
that every web process counts the same guesses. Without that server signing in still works, unthrottled: an incident is
no time to lock people out.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from redis.exceptions import RedisError

from investigations.accounts import services
from investigations.accounts.actors import Actor
from investigations.accounts.models import User
from investigations.lib.errors import Limited

log = logging.getLogger(__name__)

WINDOW_S = 15 * 60
GUESSES_PER_PERSON = 10
GUESSES_PER_ADDRESS = 50


class ThrottledBackend(ModelBackend):
    """Refuses to look at a password while too many wrong ones came for this name or from this address."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        try:
            require_guess_left(username or "", address_of(request))
        except Limited as limit:
            raise PermissionDenied(limit.sentence) from limit
        return super().authenticate(request, username, password, **kwargs)


def require_guess_left(username: str, address: str | None) -> None:
    """Raise `Limited` (sign_in_throttled) when who signs in as this, or from there, must wait."""
    limits = _limits(username, address)
    try:
        counts = cache.get_many(limits)
    except RedisError:
        log.warning("sign-ins are not throttled: the counts cannot be read", exc_info=True)
        return
    if any(count >= limits[key] for key, count in counts.items()):
        raise Limited(
            "sign_in_throttled",
            "Too many wrong passwords were tried.",
            fix=f"Wait {WINDOW_S // 60} minutes, or ask an admin to set a new password.",
        )


def address_of(request: HttpRequest | None) -> str | None:
    """Where a request came from, as the server saw it."""
    return request.META.get("REMOTE_ADDR") if request is not None else None


def note_failure(*, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Count and audit a wrong password (Django's signal ``user_login_failed``)."""
    username, address = str(credentials.get("username", ""))[:150], address_of(request)
    try:
        require_guess_left(username, address)
    except Limited:
        return  # already refused unseen: counting or auditing it would let a guesser fill both
    _count(username, address)
    services.audit(by=Actor("person", "unknown", address=address), action="sign_in_failed", target=username)


def note_success(*, user: User, request: HttpRequest | None = None, **_: Any) -> None:
    """Forget this person's wrong guesses and audit the sign-in (Django's signal ``user_logged_in``)."""
    try:
        cache.delete(_key("name", user.get_username()))
    except RedisError:
        log.warning("a sign-in's wrong guesses could not be forgotten", exc_info=True)
    services.audit(
        by=Actor.person(user, address=address_of(request)), action="signed_in", target=user.get_username()
    )


def _count(username: str, address: str | None) -> None:
    try:
        for key in _limits(username, address):
            cache.add(key, 0, WINDOW_S)
            cache.incr(key)
    except (RedisError, ValueError):  # ValueError: it expired between the two
        log.warning("a wrong password could not be counted", exc_info=True)


def _limits(username: str, address: str | None) -> dict[str, int]:
    limits = {_key("name", username): GUESSES_PER_PERSON}
    if address:
        limits[_key("address", address)] = GUESSES_PER_ADDRESS
    return limits


def _key(what: str, value: str) -> str:
    return f"sign-in:{what}:{hashlib.sha256(value.casefold().encode()).hexdigest()}"
