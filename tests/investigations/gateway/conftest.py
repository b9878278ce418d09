"""A real Daphne on the test database, a token, a probe, and a bare client that says what a test wants said."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker
from websockets.sync.client import ClientConnection, connect

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment, TokenKind
from investigations.catalog.models import Service
from investigations.lib.ids import show, uuid7
from investigations.probes.models import Probe
from investigations.sessions.models import InvestigationSession
from sightline import handshake, wire
from sightline.protocol import Token
from tests.gateway import GatewayProcess
from tests.investigations.probes.samples import make_probe


@pytest.fixture(scope="session")
def gateway_process(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with django_db_blocker.unblock():
        database = connection.settings_dict["NAME"]
    process = GatewayProcess(tmp_path_factory.mktemp("gateway") / "log", database)
    process.start()
    yield process
    process.stop()


@pytest.fixture
def gateway(gateway_process: GatewayProcess, transactional_db: None) -> Iterator[GatewayProcess]:
    """One Daphne for all tests, on tables that each test finds empty."""
    gateway_process.ensure_started()
    yield gateway_process
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE probes_capture")  # an unmanaged table, which Django's own flush leaves alone


@pytest.fixture
def token(admin: Actor, environment: Environment) -> Token:
    """A sensor token as the sensor holds it."""
    assert admin.user is not None
    _, text = accounts.issue_access_token(
        by=admin, kind=TokenKind.SENSOR, name="sensors", owner=admin.user, environment=environment
    )
    return Token.parse(text)


@pytest.fixture
def probe(session: InvestigationSession, service: Service) -> Probe:
    """An active counter, placed without asking whether its line exists."""
    return make_probe(session, service)


def capture(probe: Probe | None, **fields: Any) -> wire.Capture:
    """One capture of that probe, just now."""
    now = timezone.now()
    usual: dict[str, Any] = {
        "id": uuid7().bytes,
        "probe_id": show("prb", probe.pk if probe else uuid.uuid4()),
        "kind": "logpoint",
        "hit": 1,
        "at": int(now.timestamp() * 1e9),
        "mono": 1,
        "message": "amount 12000",
    }
    return wire.Capture(**(usual | fields))


class Client:
    """A connection that sends what it is told and reads one message at a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def send(self, message: Any) -> None:
        self.socket.send(message if isinstance(message, bytes | str) else wire.encode(message))

    def read(self) -> wire.FromGateway:
        frame = self.socket.recv(timeout=10)
        assert isinstance(frame, bytes)
        return wire.from_gateway.decode(frame)

    def read_until(self, kind: type[Any]) -> Any:
        while not isinstance(message := self.read(), kind):
            assert not isinstance(message, wire.Refusal), message
        return message

    def refusal(self) -> wire.Refusal:
        """The refusal that ends this connection; other messages may come before it."""
        while not isinstance(message := self.read(), wire.Refusal):
            pass
        return message

    def shake_hands(self, token: Token, hello: wire.Hello) -> wire.FromGateway:
        """Prove the token; answers the welcome, or the refusal that came instead."""
        frame = wire.encode(hello)
        self.send(frame)
        challenge = self.socket.recv(timeout=10)
        assert isinstance(challenge, bytes)
        if isinstance(refusal := wire.from_gateway.decode(challenge), wire.Refusal):
            return refusal
        self.said = handshake.transcript(frame, challenge)
        self.send(wire.Proof(handshake.sensor_proof(token.secret, self.said)))
        return self.read()


@pytest.fixture
def dial(gateway: GatewayProcess) -> Iterator[Callable[[], Client]]:
    """Open a bare connection."""
    with ExitStack() as sockets:
        yield lambda: Client(sockets.enter_context(connect(gateway.url, proxy=None, max_size=None)))


@pytest.fixture
def join(
    dial: Callable[[], Client], token: Token, say_hello: Callable[..., wire.Hello]
) -> Callable[..., Client]:
    """Open a connection and shake hands: ``join(instance_id=…)``."""

    def make(**fields: Any) -> Client:
        client = dial()
        welcome = client.shake_hands(token, say_hello(**{"token_id": token.public_id, **fields}))
        assert isinstance(welcome, wire.Welcome), welcome
        return client

    return make


@pytest.fixture
def instance_id() -> str:
    return str(uuid7())
