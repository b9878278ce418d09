"""Admin, responder, viewer, stranger, and three tokens that are none: who may not, cannot, at any door.

Every address, operation, tool and socket is taken from the code itself; one that is not on the tables here fails.
Each is really asked for by each of the cast, from whoever may least to whoever may most.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from channels.testing import WebsocketCommunicator
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import AccessToken, TokenKind
from investigations.mcp.tools import TOOLS
from investigations.web.consumers import urlpatterns as sockets
from tests.investigations.mcp.conftest import AgentClient, Refused
from tests.walks.doors import (
    ADMIN_SOMEWHERE,
    OPERATIONS,
    PAGES,
    POSTED,
    PUBLIC,
    READ,
    SIGNED_IN,
    SOCKETS,
    SPOT,
    TOOL_RIGHTS,
    every_operation,
    every_page,
    of_tools,
    rows,
)

pytestmark = pytest.mark.walk

RANKS = ["stranger", "viewer", "responder", "admin"]


def allowed(least: str, who: str) -> bool:
    if least == ADMIN_SOMEWHERE:
        return who in ("stranger", "admin")
    return least == SIGNED_IN or RANKS.index(who) >= RANKS.index(least)


# ---------------------------------------------------------------- what the code has


def test_every_page_is_on_the_table():
    assert {page.name for page in every_page()} == set(PAGES)


def test_every_operation_is_on_the_table():
    assert set(every_operation()) == set(OPERATIONS)


def test_every_tool_is_on_the_table():
    assert set(TOOLS) == set(TOOL_RIGHTS)


def test_every_socket_is_on_the_table():
    assert {str(socket.pattern) for socket in sockets} == set(SOCKETS)


# ---------------------------------------------------------------- asking


@pytest.fixture
def people(stranger: Actor, viewer: Actor, responder: Actor, admin: Actor) -> dict[str, Actor]:
    """From whoever may least to whoever may most."""
    return {"stranger": stranger, "viewer": viewer, "responder": responder, "admin": admin}


@pytest.fixture
def bad_tokens(responder: Actor) -> dict[str, str]:
    """Texts that were tokens once, or never."""
    texts = {}
    for name in ("token_expired", "token_revoked"):
        row, texts[name] = accounts.issue_access_token(
            by=responder, kind=TokenKind.AGENT, name=name, owner=responder.user
        )
        ended = (
            {"expires_at": timezone.now() - timedelta(days=1)}
            if name == "token_expired"
            else {"revoked_at": timezone.now()}
        )
        AccessToken.objects.filter(pk=row.pk).update(**ended)
    return texts


class Undone(Exception):
    """Ends a try without a trace."""


def tried(work: Callable[[], Any]) -> tuple[Any, bool]:
    """What ``work`` answered, and whether it left anything; whatever it did is rolled back."""
    before = rows()
    answer, changed = None, False
    try:
        with transaction.atomic():
            answer = work()
            changed = rows() != before
            raise Undone
    except Undone:
        pass
    return answer, changed


@pytest.mark.parametrize("name", sorted(PAGES))
def test_pages(
    name: str, people: dict[str, Actor], things: dict[str, str], django_capture_on_commit_callbacks
):
    least = PAGES[name]
    page = next(page for page in every_page() if page.name == name)
    address = "/" + re.sub(r"<\w+:(\w+)>", lambda part: things[part[1]], str(page.pattern))
    nobody = Client().get(address)
    if least == PUBLIC:
        assert nobody.status_code in (200, 405, 503), nobody.status_code
        return
    assert nobody.status_code == 302
    assert nobody["Location"].startswith(("/sign-in/", "/settings/"))
    posts = (least in ("responder", "admin") and name not in READ) or name in POSTED
    body = {key: str(text).format(**things) for key, text in POSTED.get(name, {}).items()}
    if name in ("probe_place", "probe_check"):
        address += f"?{urlencode(SPOT)}"
    for who, actor in people.items():
        browser = Client(raise_request_exception=False)
        browser.force_login(actor.user)
        answer, changed = tried(
            partial(browser.post, address, body) if posts else partial(browser.get, address)
        )
        assert answer.status_code < 500, f"{who}: {answer.status_code}"
        if who == "stranger" and least not in (SIGNED_IN, ADMIN_SOMEWHERE):
            assert answer.status_code == 404, f"{who}: {answer.status_code}"
        if allowed(least, who):
            assert answer.status_code not in (403, 404), f"{who}: {answer.status_code}"
        else:
            assert answer.status_code in (403, 404, 422), f"{who}: {answer.status_code}"
            assert not changed


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"wait_for_captures"}))
def test_operations(
    name: str,
    people: dict[str, Actor],
    bad_tokens: dict[str, str],
    things: dict[str, str],
    caller: Callable[..., Any],
):
    least, sent = OPERATIONS[name]
    method, path = every_operation()[name]
    path = path.removeprefix("/api/v1").format(**things)
    path = f"{path}?{sent.format(**things)}" if isinstance(sent, str) else path
    body = sent if isinstance(sent, dict) else None
    from tests.investigations.api.conftest import Caller

    nobody = Caller("")(method, path, body)
    assert nobody.status_code == 401
    assert nobody["Content-Type"] == "application/problem+json"
    if least == PUBLIC:
        return
    for slug, text in bad_tokens.items():
        refused = Caller(text)(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (401, slug)
    for who, actor in people.items():
        call = caller(actor)
        answer, changed = tried(partial(call, method, path, body))
        assert answer.status_code < 500 or answer.json()["code"] in ("no_answer", "no_instance"), (
            answer.content
        )
        if allowed(least, who):
            assert answer.status_code not in (401, 403), f"{who}: {answer.content!r}"
            assert answer.status_code != 404 or answer.json()["code"] in ("source_unknown",), (
                f"{who}: {answer.content!r}"
            )
        else:
            assert answer.status_code == (404 if who == "stranger" else 403) or name == "revoke_token", (
                answer.content
            )
            assert not changed, who
        if who != "stranger" and least in ("responder", "admin"):
            reader = caller(actor, scopes=("read",))
            answer, changed = tried(partial(reader, method, path, body))
            assert answer.status_code in (403, 404), f"{who} with a reader's token: {answer.content!r}"
            assert not changed


def test_waiting_over_rest(
    clean_captures: None, people: dict[str, Actor], things: dict[str, str], caller: Callable[..., Any]
):
    for who, actor in people.items():
        answer = caller(actor)("GET", f"/captures/wait?probe_id={things['probe_id']}&timeout_s=0")
        assert answer.status_code == (404 if who == "stranger" else 200)


@pytest.fixture
def clean_captures(transactional_db: None) -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE probes_capture")  # an unmanaged table, which Django's own flush leaves alone


def test_tools(clean_captures: None, people: dict[str, Actor], things: dict[str, str]):
    arguments = of_tools(things)
    for who, actor in people.items():
        token, _ = accounts.issue_access_token(by=actor, kind=TokenKind.AGENT, name=who, owner=actor.user)
        client = AgentClient(Actor.bearer(token))
        for tool, least in TOOL_RIGHTS.items():
            before = rows()
            try:
                client.call(tool, **arguments[tool])
                code = ""
            except Refused as refused:
                code = refused.problem["code"]
            if allowed(least, who):
                assert code in ("", "no_answer", "no_instance", "source_unknown"), f"{who} {tool}: {code}"
            else:
                assert code == "forbidden" or code.endswith(("_unknown", "not_found")), (
                    f"{who} {tool}: {code}"
                )
                assert rows() == before, f"{who} {tool}"


@pytest.mark.django_db(transaction=True)
def test_no_tool_without_a_living_token(bad_tokens: dict[str, str]):
    from investigations.asgi import application

    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}

    async def ask(token: str) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=application)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            bearer = {"Authorization": f"Bearer {token}"} if token else {}
            return await client.post("/mcp", json=call, headers=headers | bearer)

    for token in ("", "sla_0123456789abcdef_" + "x" * 43, *bad_tokens.values()):
        answer = asyncio.run(ask(token))
        assert answer.status_code == 401
        assert "/.well-known/oauth-protected-resource/mcp" in answer.headers["WWW-Authenticate"]
        assert "xxxx" not in answer.text


@pytest.mark.parametrize("pattern", sorted(SOCKETS))
def test_sockets(pattern: str, clean_captures: None, people: dict[str, Actor], things: dict[str, str]):
    least = SOCKETS[pattern]
    path = "/" + re.sub(r"<\w+:(\w+)>", lambda part: things[part[1]], pattern)
    assert asyncio.run(_ending(path, "")) == 4401
    for who, actor in people.items():
        browser = Client()
        browser.force_login(actor.user)
        ending = asyncio.run(_ending(path, browser.cookies["sightline_signin"].value))
        assert ending == (None if allowed(least, who) else 4404), who


def test_a_page_elsewhere_opens_no_socket(clean_captures: None, responder: Actor):
    browser = Client()
    browser.force_login(responder.user)
    assert asyncio.run(
        _ending("/live/inbox/", browser.cookies["sightline_signin"].value, b"http://evil.example")
    )


async def _ending(path: str, cookie: str, origin: bytes = b"http://127.0.0.1") -> int | None:
    """The code a socket was closed with after a resume, or None when it stays open."""
    from investigations.asgi import application

    headers = [
        (b"origin", origin),
        (b"host", b"127.0.0.1"),
        (b"cookie", f"sightline_signin={cookie}".encode()),
    ]
    socket = WebsocketCommunicator(application, path, headers=headers)
    opened, code = await socket.connect(timeout=20)
    if not opened:
        return code or 1000
    await socket.send_to(text_data=json.dumps({"resume": {}}))
    try:
        while True:
            if await socket.receive_nothing(timeout=3, interval=0.1):
                return None
            message = await socket.receive_output()
            if message["type"] == "websocket.close":
                return int(message["code"])
    finally:
        await socket.disconnect()
