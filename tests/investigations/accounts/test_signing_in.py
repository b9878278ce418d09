"""Guessing passwords gets slow; signing in with the right one does not, even without Redis."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth import authenticate, login
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.test import RequestFactory
from redis.exceptions import ConnectionError as NoRedis

from investigations.accounts import signing_in
from investigations.accounts.models import AuditEntry, User
from investigations.lib.errors import Limited

RIGHT = "correct horse battery"


@pytest.fixture
def user(db: None, settings: object) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]
    return User.objects.create_user(f"guessed-{uuid.uuid4().hex[:8]}", password=RIGHT)


def attempt(user: User, password: str, address: str = "192.0.2.7") -> bool:
    request = RequestFactory().post("/sign-in", REMOTE_ADDR=address)
    return authenticate(request, username=user.username, password=password) is not None


@pytest.fixture
def address() -> str:
    """One nobody guessed from before: the counts outlive a test."""
    number = uuid.uuid4().int
    return f"2001:db8::{number >> 112:x}:{(number >> 96) & 0xFFFF:x}:{(number >> 80) & 0xFFFF:x}"


def test_the_right_password_signs_in_and_is_audited(user: User, address: str) -> None:
    request = RequestFactory().post("/sign-in", REMOTE_ADDR=address)
    request.session = SessionStore()
    found = authenticate(request, username=user.username, password=RIGHT)
    assert found == user
    login(request, user, backend="investigations.accounts.signing_in.ThrottledBackend")

    entry = AuditEntry.objects.get(action="signed_in", target=user.username)
    assert (entry.user, entry.address) == (user, address)


def test_a_wrong_one_is_audited(user: User, address: str) -> None:
    assert not attempt(user, "wrong", address)

    assert AuditEntry.objects.get(action="sign_in_failed", target=user.username).user is None


def test_after_many_wrong_ones_even_the_right_one_must_wait(user: User, address: str) -> None:
    for _ in range(signing_in.GUESSES_PER_PERSON):
        assert not attempt(user, "wrong", address)

    assert not attempt(user, RIGHT, address)
    with pytest.raises(Limited) as caught:
        signing_in.require_guess_left(user.username, None)
    assert "Wait 15 minutes" in caught.value.fix


def test_waiting_costs_no_more_audit_entries(user: User, address: str) -> None:
    for _ in range(signing_in.GUESSES_PER_PERSON + 5):
        attempt(user, "wrong", address)

    assert AuditEntry.objects.filter(action="sign_in_failed").count() == signing_in.GUESSES_PER_PERSON


def test_one_address_guessing_at_many_people_must_wait(
    user: User, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_in, "GUESSES_PER_ADDRESS", 3)
    for number in range(3):
        attempt(User(username=f"{user.username}-{number}"), "wrong", address)

    assert not attempt(user, RIGHT, address)
    assert attempt(user, RIGHT, "198.51.100.1")


def test_without_redis_people_can_still_sign_in(
    user: User, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> object:
        raise NoRedis("away")

    for verb in ("get_many", "add", "incr", "delete"):
        monkeypatch.setattr(cache, verb, away)

    assert not attempt(user, "wrong", address)
    assert attempt(user, RIGHT, address)
