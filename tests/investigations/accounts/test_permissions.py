"""A role in an environment decides, and a token never reaches further than its owner."""

from __future__ import annotations

import pytest

from investigations.accounts import permissions, services
from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import AccessToken, Environment, Role, User
from investigations.lib.errors import Forbidden, NotFound

MAY = {
    "read": {"viewer", "responder", "admin"},
    "open_session": {"responder", "admin"},
    "edit_session": {"responder", "admin"},
    "place_probe": {"responder", "admin"},
    "remove_probe": {"responder", "admin"},
    "record_evidence": {"responder", "admin"},
    "edit_incident": {"responder", "admin"},
    "label_executions": {"responder", "admin"},
    "disarm_all": {"responder", "admin"},
    "manage_own_tokens": {"viewer", "responder", "admin"},
    "manage_sources": {"admin"},
    "manage_tokens": {"admin"},
    "manage_people": {"admin"},
    "manage_redaction": {"admin"},
    "read_audit": {"admin"},
}


def test_every_action_is_on_the_table() -> None:
    assert set(MAY) == set(permissions.ACTIONS)


@pytest.mark.parametrize("action", MAY)
@pytest.mark.parametrize("who", ["viewer", "responder", "admin", "stranger"])
def test_a_role_may_what_the_table_says(
    request: pytest.FixtureRequest, environment: Environment, who: str, action: str
) -> None:
    assert permissions.may(request.getfixturevalue(who), action, environment) == (who in MAY[action])


def test_a_member_is_told_what_is_missing(viewer: Actor, environment: Environment) -> None:
    with pytest.raises(Forbidden, match="role responder in production"):
        permissions.require(viewer, "place_probe", environment)


def test_a_stranger_learns_nothing(stranger: Actor, environment: Environment) -> None:
    with pytest.raises(NotFound, match="no such thing"):
        permissions.require(stranger, "place_probe", environment)


def test_who_may_no_longer_act_is_a_stranger(admin: Actor, environment: Environment) -> None:
    assert admin.user is not None
    admin.user.is_active = False

    assert not permissions.may(admin, "read", environment)
    assert not permissions.visible_environments(admin).exists()


def test_the_system_may_everything(environment: Environment) -> None:
    assert all(permissions.may(SYSTEM, action, environment) for action in permissions.ACTIONS)


class TestToken:
    def bearer(self, owner: Actor, environment: Environment | None, *scopes: str) -> Actor:
        assert owner.user is not None
        token = AccessToken(
            kind="agent", name="claude-1", owner=owner.user, environment=environment, scopes=list(scopes)
        )
        return Actor.bearer(token)

    def test_acts_in_its_own_environment_only(
        self, responder: Actor, environment: Environment, elsewhere: Environment
    ) -> None:
        assert responder.user is not None
        services.set_role(by=SYSTEM, user=responder.user, environment=elsewhere, role=Role.ADMIN)
        agent = self.bearer(responder, environment, "read", "write")

        assert permissions.may(agent, "place_probe", environment)
        assert not permissions.may(agent, "read", elsewhere)
        assert list(permissions.visible_environments(agent)) == [environment]

    def test_without_an_environment_acts_where_its_owner_may(
        self, responder: Actor, environment: Environment, elsewhere: Environment
    ) -> None:
        agent = self.bearer(responder, None, "read", "write")

        assert permissions.may(agent, "place_probe", environment)
        assert not permissions.may(agent, "read", elsewhere)

    def test_never_exceeds_its_owner(self, viewer: Actor, environment: Environment) -> None:
        agent = self.bearer(viewer, environment, "read", "write", "admin")

        assert permissions.may(agent, "read", environment)
        assert not permissions.may(agent, "place_probe", environment)
        assert not permissions.may(agent, "manage_people", environment)

    def test_loses_what_its_owner_loses(self, responder: Actor, environment: Environment) -> None:
        agent = self.bearer(responder, environment, "read", "write")
        assert responder.user is not None
        services.set_role(by=SYSTEM, user=responder.user, environment=environment, role=None)

        assert not permissions.may(agent, "read", environment)

    def test_needs_the_scope_as_well(self, admin: Actor, environment: Environment) -> None:
        reader = self.bearer(admin, environment, "read")

        with pytest.raises(Forbidden, match="scope write"):
            permissions.require(reader, "place_probe", environment)

    def test_without_the_scope_to_read_sees_nothing(self, admin: Actor, environment: Environment) -> None:
        writer = self.bearer(admin, environment, "write")

        assert not permissions.visible_environments(writer).exists()
        with pytest.raises(NotFound):
            permissions.require(writer, "read", environment)

    def test_of_a_superuser_stays_in_its_environment(
        self, environment: Environment, elsewhere: Environment
    ) -> None:
        root = Actor.person(User.objects.create(username="root", is_superuser=True))
        agent = self.bearer(root, environment, "read", "write", "admin")

        assert permissions.may(agent, "manage_people", environment)
        assert not permissions.may(agent, "read", elsewhere)
