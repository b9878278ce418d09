"""A token proves its holder, and only while it lives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.utils import timezone

from investigations.accounts import services
from investigations.accounts.actors import Actor
from investigations.accounts.models import AccessToken, Environment, TokenKind, User
from investigations.lib.errors import Unauthorized
from sightline import handshake


@pytest.fixture
def issue(responder: Actor, environment: Environment) -> Callable[..., tuple[AccessToken, str]]:
    def make(**fields: object) -> tuple[AccessToken, str]:
        usual = {
            "kind": TokenKind.AGENT,
            "name": "claude-1",
            "owner": responder.user,
            "environment": environment,
        }
        return services.issue_access_token(by=responder, **(usual | fields))  # type: ignore[arg-type]

    return make


def refusal(text: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        services.authenticate_bearer(text)
    return caught.value.slug


def test_its_holder_acts_for_its_owner(
    issue: Callable[..., tuple[AccessToken, str]], responder: Actor
) -> None:
    token, text = issue()

    actor = services.authenticate_bearer(text, address="192.0.2.7")

    assert (actor.kind, actor.user, actor.token, actor.address) == (
        "agent",
        responder.user,
        token,
        "192.0.2.7",
    )


def test_the_secret_is_not_kept(issue: Callable[..., tuple[AccessToken, str]]) -> None:
    token, text = issue()
    secret = text.split("_", 2)[2]

    row = AccessToken.objects.filter(pk=token.pk).values().get()

    assert secret not in repr(
        {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text.replace("sla_", "slp_"),
        lambda text: text.replace("sla_", "sls_"),
        lambda text: "sla_" + "0" * 16 + text[20:],
        lambda text: "",
        lambda text: "Bearer nonsense",
        lambda text: text + "\x00",
        lambda text: text * 1000,
    ],
)
def test_anything_else_is_unknown(
    issue: Callable[..., tuple[AccessToken, str]], spoil: Callable[[str], str]
) -> None:
    _, text = issue()

    assert refusal(spoil(text)) == "token_unknown"


def test_one_that_has_expired_says_so(issue: Callable[..., tuple[AccessToken, str]]) -> None:
    _, text = issue(expires_at=timezone.now() + timedelta(days=1))
    AccessToken.objects.update(expires_at=timezone.now())

    assert refusal(text) == "token_expired"


def test_one_that_was_revoked_says_so_only_to_its_holder(
    issue: Callable[..., tuple[AccessToken, str]], responder: Actor
) -> None:
    token, text = issue()
    services.revoke_access_token(by=responder, token=token)

    assert refusal(text) == "token_revoked"
    assert refusal(text[:-3] + "abc") == "token_unknown"


def test_it_ends_with_its_owner(issue: Callable[..., tuple[AccessToken, str]], responder: Actor) -> None:
    _, text = issue()
    User.objects.filter(pk=responder.user.pk).update(is_active=False)  # type: ignore[union-attr]

    assert refusal(text) == "token_revoked"


def test_its_use_is_noted_at_most_once_a_minute(
    issue: Callable[..., tuple[AccessToken, str]],
    django_assert_num_queries: Callable[..., AbstractContextManager[object]],
) -> None:
    token, text = issue()
    services.authenticate_bearer(text)
    token.refresh_from_db()
    first = token.last_used_at

    with django_assert_num_queries(1):
        services.authenticate_bearer(text)
    token.refresh_from_db()

    assert first is not None
    assert token.last_used_at == first


def test_a_sensor_proves_its_token_without_showing_it(admin: Actor, environment: Environment) -> None:
    assert admin.user is not None
    token, text = services.issue_access_token(
        by=admin,
        kind=TokenKind.SENSOR,
        name="sensors",
        owner=admin.user,
        environment=environment,
        service="pricing",
    )
    prefix, public_id, secret = text.split("_", 2)
    said = handshake.transcript(b"hello", b"challenge")

    found, keys = services.sensor_keys(public_id)

    assert (prefix, found) == ("sls", token)
    assert handshake.sensor_proof_holds(keys, said, handshake.sensor_proof(secret, said))
    assert not handshake.sensor_proof_holds(keys, said, handshake.sensor_proof("guess", said))
    assert refusal(text) == "token_unknown"  # it opens no other door


def test_a_sensor_token_that_ended_has_no_keys(admin: Actor, sensor_token: AccessToken) -> None:
    services.revoke_access_token(by=admin, token=sensor_token)

    with pytest.raises(Unauthorized, match="revoked"):
        services.sensor_keys(sensor_token.public_id)


def test_an_agents_token_gives_no_keys(issue: Callable[..., tuple[AccessToken, str]]) -> None:
    token, _ = issue()

    with pytest.raises(Unauthorized):
        services.sensor_keys(token.public_id)
