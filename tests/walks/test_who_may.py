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
from django.apps import apps
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import AccessToken, TokenKind
from investigations.api.app import api
from investigations.mcp.tools import TOOLS
from investigations.web.consumers import urlpatterns as sockets
from tests.investigations.mcp.conftest import AgentClient, Refused

pytestmark = pytest.mark.walk

RANKS = ["stranger", "viewer", "responder", "admin"]
PUBLIC, SIGNED_IN, ADMIN_SOMEWHERE = "public", "signed in", "admin somewhere"

# ---------------------------------------------------------------- the tables

PAGES = {
    "livez": PUBLIC, "readyz": PUBLIC, "sign_in": PUBLIC, "sign_out": PUBLIC,
    "inbox": SIGNED_IN, "sessions": SIGNED_IN, "fleet": SIGNED_IN, "settings": SIGNED_IN, "sources": SIGNED_IN,
    "tokens": SIGNED_IN, "audit": ADMIN_SOMEWHERE, "session_new": SIGNED_IN, "source_new": SIGNED_IN,
    "alert": "viewer", "alert_metric": "viewer", "incident": "viewer", "session": "viewer",
    "session_timeline": "viewer", "session_report": "viewer", "session_source": "viewer",
    "session_assignments": "viewer", "capture": "viewer", "capture_compare": "viewer", "hypothesis": "viewer",
    "evidence": "viewer", "service": "viewer", "instance": "viewer", "probe_check": "viewer", "source": "admin",
    "hypothesis_new": "responder", "evidence_record": "responder", "evidence_link": "responder",
    "hypothesis_state": "responder", "incident_attach": "responder", "incident_note": "responder",
    "incident_take": "responder", "incident_resolve": "responder", "incident_close": "responder",
    "incident_reopen": "responder", "session_open_on_alert": "responder", "session_open_on_incident": "responder",
    "session_close": "responder", "session_reopen": "responder", "probe_place": "responder",
    "probe_remove": "responder", "fleet_disarm": "responder",
    "source_check": "admin", "source_remove": "admin", "source_webhook": "admin", "source_replay": "admin",
    "token_revoke": "admin",
}  # fmt: skip
"""The least that opens a page and does what it is for. A page for whoever is signed in shows each their own."""

SPOT = {
    "path": "trades/trade_request.py",
    "service": "trade-execution-service",
    "file": "trades/trade_request.py",
    "line": "41",
    "kind": "snapshot",
}
POSTED = {
    "session_new": {"title": "New", "environment": "production"},
    "hypothesis_new": {"statement": "It holds text"},
    "evidence_record": {"title": "Seen", "kind": "observation", "note": "n"},
    "evidence_link": {"hypothesis": "{hypothesis_id}", "stance": "supports"},
    "hypothesis_state": {"state": "testing", "reason": "r"},
    "incident_attach": {"title": "Seen", "note": "n"},
    "incident_note": {"text": "n", "note": "n"},
    "session_close": {"conclusion": "Done"},
    "probe_place": SPOT | {"hit_limit": "10", "rate": "5", "ttl": "600", "purpose": "p"},
    "probe_check": SPOT | {"hit_limit": "10", "rate": "5", "ttl": "600", "purpose": "p"},
    "fleet_disarm": {"reason": "Load"},
}
"""What is sent where the page's verb asks for something; every other page of a responder or admin is posted bare."""

READ = {"source"}
"""Pages that one needs such a role even to read."""

OUTCOME = {"trace_id": "a", "outcome": "fail"}
NEW_SOURCE = {"environment": "production", "name": "n", "backend": "prometheus", "url": "http://127.0.0.1:9"}
OPERATIONS: dict[str, tuple[str, Any]] = {
    "list_environments": (SIGNED_IN, None), "list_services": (SIGNED_IN, None), "list_alerts": (SIGNED_IN, None),
    "list_incidents": (SIGNED_IN, None), "list_sessions": (SIGNED_IN, None), "list_sources": (SIGNED_IN, None),
    "list_tokens": (SIGNED_IN, None),
    "list_instances": ("viewer", None), "list_files": ("viewer", None), "read_code": ("viewer", "path=a.py"),
    "search_code": ("viewer", "text=setattr"), "find_assignments": ("viewer", "target=A.b"),
    "get_alert": ("viewer", None), "get_incident": ("viewer", None), "get_session": ("viewer", None),
    "read_timeline": ("viewer", None), "export_report": ("viewer", None), "list_probes": ("viewer", None),
    "get_probe": ("viewer", None), "list_captures": ("viewer", None), "get_capture": ("viewer", None),
    "compare_captures": ("viewer", None),
    "wait_for_captures": ("viewer", "probe_id={probe_id}&timeout_s=0"), "list_hypotheses": ("viewer", None),
    "get_hypothesis": ("viewer", None), "list_evidence": ("viewer", None), "get_evidence": ("viewer", None),
    "list_incident_evidence": ("viewer", None), "get_source": ("viewer", None),
    "check_probe": ("viewer", {"service": "trade-execution-service", "file": "trades/trade_request.py", "line": 41}),
    "open_session": ("responder", {"title": "New", "environment": "production"}),
    "change_session": ("responder", {"title": "Renamed"}),
    "place_probe": ("responder", {"service": "trade-execution-service", "file": "trades/trade_request.py", "line": 41}),
    "remove_probe": ("responder", None), "disarm_all": ("responder", {"reason": "Load"}),
    "label_executions": ("responder", {"environment": "production", "outcomes": [OUTCOME]}),
    "propose_hypothesis": ("responder", {"statement": "Another"}),
    "set_hypothesis_state": ("responder", {"state": "testing"}),
    "record_evidence": ("responder", {"title": "Seen", "content": {"n": 1}}),
    "attach_evidence": ("responder", {"title": "Seen", "content": {"n": 1}}),
    "create_source": ("admin", NEW_SOURCE),
    "change_source": ("admin", {"every_s": 60}), "delete_source": ("admin", None),
    "rotate_webhook_secret": ("admin", None),
    "issue_token": ("viewer", {"kind": "agent", "name": "n", "environment": "production", "scopes": ["read"]}),
    "revoke_token": ("admin", None),
    "take_webhook": (PUBLIC, None),  # it has a secret of its own: tests/investigations/api/test_catalog.py
}  # fmt: skip

TOOL_RIGHTS = {
    "list_alerts": SIGNED_IN, "list_services": SIGNED_IN, "get_session": "viewer", "find_assignments": "viewer",
    "search_code": "viewer", "read_code": "viewer", "check_probe": "viewer", "wait_for_captures": "viewer",
    "get_capture": "viewer", "compare_captures": "viewer", "export_report": "viewer", "open_session": "responder",
    "place_probe": "responder",
    "remove_probe": "responder", "record_hypothesis": "responder", "record_evidence": "responder",
}  # fmt: skip

SOCKETS = {"live/sessions/<str:session_id>/": "viewer", "live/inbox/": SIGNED_IN, "live/fleet/": SIGNED_IN}


def allowed(least: str, who: str) -> bool:
    if least == ADMIN_SOMEWHERE:
        return who in ("stranger", "admin")
    return least == SIGNED_IN or RANKS.index(who) >= RANKS.index(least)


# ---------------------------------------------------------------- what the code has


def every_page(patterns: Any = None) -> Iterator[URLPattern]:
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        if isinstance(pattern, URLResolver):
            if str(pattern.pattern) not in ("admin/", "api/v1/"):
                yield from every_page(pattern.url_patterns)
        else:
            yield pattern


def every_operation() -> dict[str, tuple[str, str]]:
    """Method and path of each, by its id."""
    paths = api.get_openapi_schema()["paths"]
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


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


def rows() -> dict[str, int]:
    """How many rows every table of ours holds."""
    return {
        model._meta.label: model.objects.count()
        for model in apps.get_models()
        if model.__module__.startswith("investigations")
    }


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


def of_tools(things: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Arguments that are right."""
    about = {"session_id": things["session_id"], "service": things["service"]}
    where = about | {"file": "trades/trade_request.py", "line": 41}
    return {
        "list_alerts": {}, "list_services": {}, "get_session": {"session_id": things["session_id"]},
        "find_assignments": about | {"target": "A.b"}, "search_code": about | {"text": "setattr"}, "read_code": about,
        "check_probe": where, "wait_for_captures": {"probe_ids": [things["probe_id"]], "timeout_s": 0},
        "compare_captures": {"session_id": things["session_id"]},
        "get_capture": {"capture_id": things["capture_id"]}, "export_report": {"session_id": things["session_id"]},
        "open_session": {"purpose": "p", "service": things["service"], "title": "New"},
        "place_probe": where | {"purpose": "p"}, "remove_probe": {"probe_id": things["probe_id"]},
        "record_hypothesis": {"session_id": things["session_id"], "statement": "Another"},
        "record_evidence": {"session_id": things["session_id"], "title": "Seen", "content": {"n": 1}}
        | {"kind": "observation"},
    }  # fmt: skip


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
