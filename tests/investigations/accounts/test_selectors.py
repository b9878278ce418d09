"""Lists show what the actor may see."""

from __future__ import annotations

import pytest

from investigations.accounts import selectors, services
from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import AccessToken, Environment
from investigations.lib.errors import Forbidden, NotFound


def test_an_environment_is_found_by_name_by_who_may_see_it(
    viewer: Actor, stranger: Actor, environment: Environment
) -> None:
    assert selectors.environment_named(viewer, "production") == environment
    with pytest.raises(NotFound) as caught:
        selectors.environment_named(stranger, "production")
    assert caught.value.alternatives == {"environments": ["elsewhere"]}


def test_members_are_named_with_their_roles(
    viewer: Actor, responder: Actor, environment: Environment
) -> None:
    found = [(row.user.username, row.role) for row in selectors.members(viewer, environment)]

    assert found == [("rita", "responder"), ("vera", "viewer")]


def test_tokens_are_the_owners_and_the_admins_to_see(
    admin: Actor, responder: Actor, viewer: Actor, stranger: Actor, agent: Actor, sensor_token: AccessToken
) -> None:
    seen = {
        name: {row.name for row in selectors.tokens_visible(actor)}
        for name, actor in {
            "admin": admin,
            "responder": responder,
            "viewer": viewer,
            "stranger": stranger,
        }.items()
    }

    assert seen == {
        "admin": {"claude-1", "production sensors"},
        "responder": {"claude-1"},
        "viewer": set(),
        "stranger": set(),
    }
    assert agent.token is not None
    assert selectors.token(responder, agent.token.id) == agent.token
    with pytest.raises(NotFound):
        selectors.token(viewer, agent.token.id)


def test_the_audit_log_is_an_admins_to_read(admin: Actor, responder: Actor, environment: Environment) -> None:
    assert [entry.action for entry in selectors.audit_entries(admin, environment)][
        -1
    ] == "environment_created"
    with pytest.raises(Forbidden):
        selectors.audit_entries(responder, environment)


def test_the_audit_log_is_read_page_by_page(admin: Actor, environment: Environment) -> None:
    for number in range(7):
        services.audit(by=SYSTEM, action="counted", target=str(number), environment=environment)

    first = selectors.audit_entries(admin, environment, limit=3, action="counted")
    second = selectors.audit_entries(admin, environment, limit=3, action="counted", before=first[-1].id)

    assert [entry.target for entry in first + second] == ["6", "5", "4", "3", "2", "1"]
