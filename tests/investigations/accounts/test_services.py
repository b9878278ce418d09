"""People, roles, environments and tokens are managed by who may, and the audit log remembers it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from investigations.accounts import permissions, services
from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import AuditEntry, Environment, Role, TokenKind, User
from investigations.lib.errors import Forbidden, Invalid, NotFound, Problem

GOOD_PASSWORD = "correct horse battery"


def last_audit() -> AuditEntry:
    return AuditEntry.objects.latest("at")


class TestEnsureEnvironment:
    def test_makes_it_once_with_a_key_of_its_own(self, db: None) -> None:
        first = services.ensure_environment(by=SYSTEM, name="production")
        again = services.ensure_environment(by=SYSTEM, name="production")
        other = services.ensure_environment(by=SYSTEM, name="staging")

        assert first == again
        assert len(first.hash_key) == 32
        assert bytes(first.hash_key) != bytes(other.hash_key)
        assert AuditEntry.objects.filter(action="environment_created", target="production").count() == 1

    def test_an_admin_of_one_environment_makes_no_other(self, admin: Actor) -> None:
        with pytest.raises(Forbidden):
            services.ensure_environment(by=admin, name="mine")

    @pytest.mark.parametrize("name", ["", "with space", "semi;colon", "å"])
    def test_refuses_a_name_that_fits_no_address(self, db: None, name: str) -> None:
        with pytest.raises(Invalid, match="cannot name an environment"):
            services.ensure_environment(by=SYSTEM, name=name)


class TestCreateUser:
    def test_makes_someone_who_sees_nothing_yet(self, admin: Actor) -> None:
        user = services.create_user(by=admin, username="new", password=GOOD_PASSWORD, email="new@example.com")

        assert user.check_password(GOOD_PASSWORD)
        assert not permissions.visible_environments(Actor.person(user)).exists()
        assert (last_audit().action, last_audit().user) == ("user_created", admin.user)

    @pytest.mark.parametrize("who", ["viewer", "responder"])
    def test_is_an_admins(self, request: pytest.FixtureRequest, who: str) -> None:
        with pytest.raises(Forbidden):
            services.create_user(by=request.getfixturevalue(who), username="new", password=GOOD_PASSWORD)

    def test_only_a_superuser_makes_a_superuser(self, admin: Actor) -> None:
        with pytest.raises(Forbidden):
            services.create_user(by=admin, username="new", password=GOOD_PASSWORD, is_superuser=True)

        root = services.create_user(by=SYSTEM, username="root", password=GOOD_PASSWORD, is_superuser=True)
        assert services.create_user(
            by=Actor.person(root), username="new", password=GOOD_PASSWORD, is_superuser=True
        ).is_superuser

    @pytest.mark.parametrize(
        ("username", "password", "slug"),
        [
            ("ada", GOOD_PASSWORD, "username_taken"),
            ("new", "short", "password_weak"),
            ("new", "password1234", "password_weak"),
            ("no spaces please", GOOD_PASSWORD, "user_malformed"),
            ("", GOOD_PASSWORD, "user_malformed"),
        ],
    )
    def test_says_what_is_wrong(self, admin: Actor, username: str, password: str, slug: str) -> None:
        with pytest.raises(Problem) as caught:
            services.create_user(by=admin, username=username, password=password)
        assert caught.value.slug == slug
        assert caught.value.fix


class TestSetRole:
    def test_gives_changes_and_takes_a_role(self, admin: Actor, environment: Environment) -> None:
        user = User.objects.create(username="new")
        steps = []
        for role in (Role.VIEWER, Role.RESPONDER, None):
            services.set_role(by=admin, user=user, environment=environment, role=role)
            steps.append((permissions.role_in(Actor.person(user), environment), last_audit().detail))

        assert steps == [
            (Role.VIEWER, {"from": None, "to": "viewer"}),
            (Role.RESPONDER, {"from": "viewer", "to": "responder"}),
            (None, {"from": "responder", "to": None}),
        ]

    def test_is_an_admins_of_that_environment(
        self, responder: Actor, stranger: Actor, environment: Environment
    ) -> None:
        user = User.objects.create(username="new")

        with pytest.raises(Forbidden):
            services.set_role(by=responder, user=user, environment=environment, role=Role.ADMIN)
        with pytest.raises(NotFound):
            services.set_role(by=stranger, user=user, environment=environment, role=Role.ADMIN)

    def test_refuses_a_role_there_is_not(self, admin: Actor, environment: Environment) -> None:
        with pytest.raises(Invalid, match="no role 'owner'"):
            services.set_role(
                by=admin, user=User.objects.create(username="new"), environment=environment, role="owner"
            )


class TestIssueAccessToken:
    def test_of_a_sensor_is_an_admins_and_belongs_to_an_environment(
        self, admin: Actor, responder: Actor, environment: Environment
    ) -> None:
        assert admin.user is not None
        assert responder.user is not None
        token, _ = services.issue_access_token(
            by=admin,
            kind="sensor",
            name="pricing",
            owner=admin.user,
            environment=environment,
            service="pricing",
        )

        assert (token.service, token.scopes, bytes(token.digest)) == ("pricing", [], b"")
        with pytest.raises(Forbidden):
            services.issue_access_token(
                by=responder, kind="sensor", name="x", owner=responder.user, environment=environment
            )
        with pytest.raises(Invalid, match="belongs to one environment"):
            services.issue_access_token(by=admin, kind="sensor", name="x", owner=admin.user)

    def test_is_made_by_its_owner_alone(self, admin: Actor, viewer: Actor, environment: Environment) -> None:
        assert viewer.user is not None
        with pytest.raises(Forbidden) as caught:
            services.issue_access_token(
                by=admin, kind=TokenKind.AGENT, name="x", owner=viewer.user, environment=environment
            )
        assert caught.value.slug == "token_owner"

    def test_by_a_token_needs_the_scope_admin(self, agent: Actor, environment: Environment) -> None:
        assert agent.user is not None
        with pytest.raises(Forbidden):
            services.issue_access_token(
                by=agent, kind="agent", name="x", owner=agent.user, environment=environment
            )

    @pytest.mark.parametrize("beyond", ["place", "expiry"])
    def test_by_a_token_reaches_no_further(self, admin: Actor, environment: Environment, beyond: str) -> None:
        assert admin.user is not None
        soon = timezone.now() + timedelta(hours=1)
        maker, _ = services.issue_access_token(
            by=admin,
            kind=TokenKind.PROGRAM,
            name="ci",
            owner=admin.user,
            environment=environment,
            scopes=("read", "admin"),
            expires_at=soon,
        )
        wish = {"environment": environment, "expires_at": soon, "scopes": ("read",)}
        services.issue_access_token(by=Actor.bearer(maker), kind="agent", name="ok", owner=admin.user, **wish)

        wish[{"place": "environment", "expiry": "expires_at"}[beyond]] = None
        with pytest.raises(Forbidden) as caught:
            services.issue_access_token(
                by=Actor.bearer(maker), kind="agent", name="x", owner=admin.user, **wish
            )
        assert caught.value.slug == "token_exceeds_maker"

    @pytest.mark.parametrize(
        ("wish", "slug"),
        [
            ({"kind": "robot"}, "token_kind"),
            ({"name": " "}, "token_name"),
            ({"scopes": ("everything",)}, "token_scopes"),
            ({"scopes": ()}, "token_scopes"),
            ({"expires_at": timezone.now() - timedelta(days=1)}, "token_expiry"),
        ],
    )
    def test_says_what_is_wrong(
        self, responder: Actor, environment: Environment, wish: dict[str, object], slug: str
    ) -> None:
        usual = {"kind": "agent", "name": "claude-1", "owner": responder.user, "environment": environment}
        with pytest.raises(Invalid) as caught:
            services.issue_access_token(by=responder, **(usual | wish))  # type: ignore[arg-type]
        assert caught.value.slug == slug


class TestRevokeAccessToken:
    def test_ends_it_for_good_and_is_audited_once(self, responder: Actor, agent: Actor) -> None:
        assert agent.token is not None
        ended = services.revoke_access_token(by=responder, token=agent.token).revoked_at
        again = services.revoke_access_token(by=responder, token=agent.token).revoked_at

        assert ended is not None
        assert again == ended
        assert AuditEntry.objects.filter(action="token_revoked").count() == 1

    def test_is_also_an_admins_of_its_environment(self, admin: Actor, agent: Actor) -> None:
        assert agent.token is not None
        assert services.revoke_access_token(by=admin, token=agent.token).revoked_at is not None

    @pytest.mark.parametrize(
        ("who", "error"), [("viewer", Forbidden), ("stranger", NotFound), ("agent", Forbidden)]
    )
    def test_is_nobody_elses(
        self, request: pytest.FixtureRequest, agent: Actor, who: str, error: type[Problem]
    ) -> None:
        assert agent.token is not None
        with pytest.raises(error):
            services.revoke_access_token(by=request.getfixturevalue(who), token=agent.token)
