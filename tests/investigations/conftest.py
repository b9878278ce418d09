"""Who stands in every test of the dashboard: admin, responder, viewer, stranger, and the places they act in."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from investigations.accounts import services as accounts
from investigations.accounts.actors import SYSTEM, Actor
from investigations.accounts.models import AccessToken, Environment, Role, TokenKind, User
from investigations.catalog import services as catalog
from investigations.catalog.models import Instance, Service
from investigations.lib.ids import uuid7
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession
from sightline import wire

PASSWORD = "correct horse battery"


@pytest.fixture
def environment(db: None) -> Environment:
    return accounts.ensure_environment(by=SYSTEM, name="production")


@pytest.fixture
def elsewhere(db: None) -> Environment:
    """Another environment, in which nobody of the cast has a role."""
    return accounts.ensure_environment(by=SYSTEM, name="elsewhere")


@pytest.fixture
def make_person(db: None) -> Callable[..., Actor]:
    """Make someone who signs in: ``make_person("ana", Role.VIEWER, environment)``."""

    def make(name: str, role: Role | None = None, environment: Environment | None = None) -> Actor:
        user = User.objects.create(username=name)  # no password: hashing one takes longer than most tests
        if role is not None and environment is not None:
            accounts.set_role(by=SYSTEM, user=user, environment=environment, role=role)
        return Actor.person(user)

    return make


@pytest.fixture
def admin(make_person: Callable[..., Actor], environment: Environment) -> Actor:
    return make_person("ada", Role.ADMIN, environment)


@pytest.fixture
def responder(make_person: Callable[..., Actor], environment: Environment) -> Actor:
    return make_person("rita", Role.RESPONDER, environment)


@pytest.fixture
def viewer(make_person: Callable[..., Actor], environment: Environment) -> Actor:
    return make_person("vera", Role.VIEWER, environment)


@pytest.fixture
def stranger(make_person: Callable[..., Actor], elsewhere: Environment) -> Actor:
    """An admin, but of somewhere else."""
    return make_person("sam", Role.ADMIN, elsewhere)


@pytest.fixture
def agent(responder: Actor, environment: Environment) -> Actor:
    """The responder's coding agent."""
    assert responder.user is not None
    token, _ = accounts.issue_access_token(
        by=responder, kind=TokenKind.AGENT, name="claude-1", owner=responder.user, environment=environment
    )
    return Actor.bearer(token)


@pytest.fixture
def sensor_token(admin: Actor, environment: Environment) -> AccessToken:
    assert admin.user is not None
    token, _ = accounts.issue_access_token(
        by=admin, kind=TokenKind.SENSOR, name="production sensors", owner=admin.user, environment=environment
    )
    return token


@pytest.fixture
def service(environment: Environment) -> Service:
    return catalog.ensure_service(environment=environment, name="trade-execution-service")


@pytest.fixture
def say_hello() -> Callable[..., wire.Hello]:
    """What a sensor says first; any field of `wire.Hello` may be given."""

    def make(**fields: Any) -> wire.Hello:
        usual: dict[str, Any] = {
            "versions": [wire.PROTOCOL_VERSION],
            "token_id": "0" * 16,
            "nonce": bytes(32),
            "service": "trade-execution-service",
            "environment": "production",
            "instance_id": str(uuid7()),
            "host": "trade-7d9f",
            "pid": 41,
            "started_at": 1_763_851_200_000_000_000,
            "runtime": wire.Runtime("cpython", "3.12.1"),
            "sensor_version": "0.1.0",
            "engine": wire.Engine("monitoring", "CPython 3.12 has sys.monitoring"),
            "commit": "9f2c1e7",
        }
        return wire.Hello(**(usual | fields))

    return make


@pytest.fixture
def connect(
    environment: Environment, sensor_token: AccessToken, say_hello: Callable[..., wire.Hello]
) -> Callable[..., Instance]:
    """Connect one more instance: ``connect(commit="9f2c1e7", tags={"zone": "a"})``."""

    def make(**fields: Any) -> Instance:
        hello = say_hello(**fields)
        return catalog.instance_connected(
            hello=hello, token=sensor_token, connection=uuid.uuid4(), channel="specific.test!channel"
        )

    return make


@pytest.fixture
def instance(connect: Callable[..., Instance]) -> Instance:
    return connect()


@pytest.fixture
def session(responder: Actor, environment: Environment) -> InvestigationSession:
    return sessions.open_session(by=responder, environment=environment, title="Settlements are rejected")
