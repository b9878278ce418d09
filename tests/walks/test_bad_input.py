"""Bad input at every door of a running server: each is told what is wrong, nothing is half done, and all goes on.

The dashboard is one real Daphne. What is sent to pages, operations and tools is made from `tests.walks.doors`, so a
new door is knocked at as soon as it stands on those tables.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from django.test import Client as DjangoClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment, TokenKind
from investigations.alerts import sources
from investigations.alerts.models import RawPayload
from investigations.lib.ids import show
from investigations.probes.models import Probe
from sightline import wire
from tests.gateway import GatewayProcess
from tests.investigations.gateway.conftest import Client as SensorClient
from tests.investigations.gateway.conftest import capture as body_of
from tests.investigations.gateway.conftest import dial, gateway, gateway_process, join, token
from tests.walks.doors import OPERATIONS, PAGES, POSTED, SPOT, every_operation, every_page, of_tools, rows

__all__ = ["dial", "gateway", "gateway_process", "join", "token"]
pytestmark = pytest.mark.walk

ROOT = Path(__file__).parents[2]
BAD_IDS = ["nothing", "ses_zzzz", "a%00b", "9" * 3000]
BAD_TEXTS = ["", "\x00", "x" * 100_000, "-1", "9" * 30, "2026-13-45T99:00:00"]
BAD_VALUES: list[Any] = [None, [], {}, [[1]], -1, 2**70, 1e308, True, *BAD_TEXTS]
NOT_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b"[" * 50_000,
    b'{"a": NaN}',
    b'{"no_such_field": 1}',
]
HUGE = b'{"title": "' + b"x" * 8_000_000 + b'"}'
PATIENCE_S = 60


class Running:
    """The dashboard, asked over HTTP by a responder's browser, by an admin's program and by an agent."""

    def __init__(self, gateway: GatewayProcess, admin: Actor, things: dict[str, str]) -> None:
        self.process, self.things = gateway, things
        self._logged = len(gateway.log)
        self.origin = f"http://127.0.0.1:{gateway.port}"
        assert admin.user is not None
        browser = DjangoClient()
        browser.force_login(admin.user)
        self.cookie = browser.cookies["sightline_signin"].value
        self.page = httpx.Client(
            base_url=self.origin, timeout=PATIENCE_S, cookies={"sightline_signin": self.cookie}
        )
        self.page.get("/sessions/new/")
        self.csrf = self.page.cookies["sightline_csrf"]
        self.api = self._bearing(admin, TokenKind.PROGRAM, ("read", "write", "admin"))
        self.agent = self._bearing(admin, TokenKind.AGENT, ("read", "write"))

    def _bearing(self, by: Actor, kind: TokenKind, scopes: tuple[str, ...]) -> httpx.Client:
        _, text = accounts.issue_access_token(by=by, kind=kind, name=kind, owner=by.user, scopes=scopes)
        return httpx.Client(
            base_url=self.origin, timeout=PATIENCE_S, headers={"Authorization": f"Bearer {text}"}
        )

    def close(self) -> None:
        for client in (self.page, self.api, self.agent):
            client.close()

    def is_well(self) -> None:
        """It is ready, a good request of each kind works, and no fault was logged."""
        assert self.page.get("/readyz").json()["status"] == "ready"
        opened = {"title": "All is well", "environment": "production"}
        assert (
            self.page.post("/sessions/new/", data=opened | {"csrfmiddlewaretoken": self.csrf}).status_code
            == 302
        )
        assert self.api.post("/api/v1/sessions", json=opened).status_code == 201
        assert "result" in message_of(self.rpc("tools/call", {"name": "list_services", "arguments": {}}))
        logged = self.process.log[self._logged :]
        assert "Traceback" not in logged
        assert '"level": "error"' not in logged

    def rpc(self, method: str, params: dict[str, Any], **headers: str) -> httpx.Response:
        usual = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.agent.post("/mcp", json=call, headers=usual | headers)


@pytest.fixture
def running(gateway: GatewayProcess, admin: Actor, things: dict[str, str]) -> Iterator[Running]:
    dashboard = Running(gateway, admin, things)
    yield dashboard
    dashboard.is_well()
    dashboard.close()


def message_of(answer: httpx.Response) -> dict[str, Any]:
    """The JSON-RPC message of an answer; as an event stream, its last."""
    text = answer.text
    if answer.headers["Content-Type"].startswith("text/event-stream"):
        text = [line for line in text.splitlines() if line.startswith("data:")][-1].removeprefix("data:")
    return dict(json.loads(text))


def refused(told: str, client: httpx.Client, method: str, address: str, **sent: Any) -> httpx.Response:
    """An answer that is a refusal, with every table as it was."""
    answer = answered(told, client, method, address, **sent)
    assert 400 <= answer.status_code < 500, f"{told}: {answer.status_code} {answer.text[:300]}"
    return answer


def answered(told: str, client: httpx.Client, method: str, address: str, **sent: Any) -> httpx.Response:
    """An answer that is no fault of the server's; one that refuses has changed nothing."""
    before = rows()
    answer = client.request(method, address, **sent)
    unreachable = answer.status_code == 503 and answer.json()["code"] in ("no_answer", "no_instance")
    assert answer.status_code < 500 or unreachable, f"{told}: {answer.status_code} {answer.text[:300]}"
    assert "Traceback" not in answer.text, told
    if answer.status_code >= 400:
        assert rows() == before, f"{told}: {answer.status_code}, but something was done"
    return answer


# ---------------------------------------------------------------- pages


def page_addresses() -> list[tuple[str, str]]:
    """Name and pattern of each page that somebody signed in can ask for."""
    return [(str(page.name), "/" + str(page.pattern)) for page in every_page() if page.name in PAGES]


def filled(pattern: str, things: dict[str, str]) -> str:
    return re.sub(r"<\w+:(\w+)>", lambda part: things[part[1]], pattern)


def test_pages_refuse_ids_that_are_none(running: Running):
    sent = {"csrfmiddlewaretoken": running.csrf}
    for name, pattern in page_addresses():
        for bad in BAD_IDS if "<" in pattern else ():
            address = re.sub(r"<\w+:\w+>", bad, pattern)
            refused(f"GET {name} {bad[:20]}", running.page, "GET", address)
            refused(f"POST {name} {bad[:20]}", running.page, "POST", address, data=sent)


def test_pages_read_any_query(running: Running):
    names = [
        "q",
        "state",
        "status",
        "before",
        "alert",
        "environment",
        "service",
        "path",
        "line",
        "of",
        "target",
    ]
    for name, pattern in page_addresses():
        for text in BAD_TEXTS:
            query = urlencode(dict.fromkeys([*names, "format", "instance", "kind", "action"], text[:500]))
            address = f"{filled(pattern, running.things)}?{query}"
            answered(f"{name} {text[:20]!r}", running.page, "GET", address)


def test_forms_refuse_what_does_not_fit(running: Running):
    patterns = dict(page_addresses())
    for name, fields in POSTED.items():
        address = (
            f"{filled(patterns[name], running.things)}?{urlencode(SPOT if name.startswith('probe_') else {})}"
        )
        good = {key: str(text).format(**running.things) for key, text in fields.items()}
        for field in good:
            for text in BAD_TEXTS:
                sent = good | {field: text, "csrfmiddlewaretoken": running.csrf}
                answered(f"{name}.{field} = {text[:20]!r}", running.page, "POST", address, data=sent)


def test_nothing_is_changed_without_the_csrf_token(running: Running):
    for name, pattern in page_addresses():
        address = filled(pattern, running.things)
        for sent in ({}, {"csrfmiddlewaretoken": "x" * 64}):
            answer = refused(name, running.page, "POST", address, data=sent)
            assert answer.status_code in (403, 405), name


# ---------------------------------------------------------------- REST


def said_what_is_wrong(answer: httpx.Response, told: str) -> None:
    """A refusal in the one form of all problems."""
    assert answer.headers["Content-Type"] == "application/problem+json", f"{told}: {answer.text[:200]}"
    problem = answer.json()
    assert problem["code"], told
    assert problem["message"].strip(), told


def rest_address(path: str, things: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda part: things[part[1]], path)


def with_a_body() -> list[tuple[str, str, str]]:
    """Id, method and path of each operation that reads one."""
    return [
        (name, *where) for name, where in every_operation().items() if isinstance(OPERATIONS[name][1], dict)
    ]


def test_operations_refuse_bodies_that_are_none(running: Running):
    for name, method, path in with_a_body():
        address = rest_address(path, running.things)
        for body in (*NOT_BODIES, HUGE):
            told = f"{name} {body[:20]!r}"
            said_what_is_wrong(refused(told, running.api, method, address, content=body), told)


def test_operations_refuse_values_that_do_not_fit(running: Running):
    for name, method, path in with_a_body():
        good, address = OPERATIONS[name][1], rest_address(path, running.things)
        for field in good:
            for value in BAD_VALUES:
                told = f"{name}.{field} = {str(value)[:20]!r}"
                answer = answered(told, running.api, method, address, json=good | {field: value})
                if answer.status_code >= 400:
                    said_what_is_wrong(answer, told)


def test_operations_refuse_ids_that_are_none(running: Running):
    for name, (method, path) in every_operation().items():
        for bad in BAD_IDS if "{" in path else ():
            address, told = re.sub(r"\{\w+\}", bad, path), f"{name} {bad[:20]}"
            body = OPERATIONS[name][1] if isinstance(OPERATIONS[name][1], dict) else None
            said_what_is_wrong(refused(told, running.api, method, address, json=body), told)


def test_operations_refuse_methods_that_they_have_not(running: Running):
    for name, (_, path) in every_operation().items():
        for method in ("PUT", "TRACE", "NONSENSE"):
            refused(f"{method} {name}", running.api, method, rest_address(path, running.things))


def test_queries_refuse_what_is_no_cursor_number_or_time(running: Running):
    ses = running.things["session_id"]
    for path in (
        "/sessions?before={}", "/alerts?before={}", "/incidents?before={}", "/sessions?limit={}",
        f"/sessions/{ses}/captures?after={{}}", f"/sessions/{ses}/timeline?after={{}}",
        f"/sessions/{ses}/captures?limit={{}}", f"/captures/wait?probe_id={running.things['probe_id']}&after={{}}",
        "/captures/wait?timeout_s=0&probe_id={}", f"/sessions/{ses}/report?format={{}}",
    ):  # fmt: skip
        for text in BAD_TEXTS[1:]:
            told = path.format(text[:20])
            answer = answered(told, running.api, "GET", f"/api/v1{path.format(quote(text[:2000]))}")
            if answer.status_code >= 400:
                said_what_is_wrong(answer, told)


NO_PROBES: list[dict[str, Any]] = [
    {"line": 1},
    {"line": 10**6},
    {"file": "a\x00.py"},
    {"condition": "amount >"},
    {"condition": "__import__('os').system('true')"},
    {"condition": "(" * 5000},
    {"watches": ["open('/etc/passwd')"]},
    {"kind": "logpoint", "template": "{amount"},
    {"kind": "no such kind"},
    {"hit_limit": -1},
    {"rate": -1},
]


def test_a_probe_that_cannot_be_is_not_placed(running: Running):
    path = f"/api/v1/sessions/{running.things['session_id']}/probes"
    for fields in NO_PROBES:
        told, asked = str(fields)[:60], OPERATIONS["place_probe"][1] | fields
        said_what_is_wrong(answered(told, running.api, "POST", path, json=asked), told)
        checked = answered(told, running.api, "POST", f"{path}/check", json=asked)
        assert checked.status_code >= 400 or not checked.json()["ok"], told


# ---------------------------------------------------------------- MCP

JSON = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


def test_agents_calls_that_are_none(running: Running):
    calls: list[Any] = [
        {"jsonrpc": "1.0", "id": 1, "method": "tools/list"}, {"jsonrpc": "2.0", "id": {}, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 1, "method": 7},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": "none"},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": None}},
    ]  # fmt: skip
    for body in (
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 50_000,
        *(json.dumps(call).encode() for call in calls),
    ):
        before = rows()
        answer = answered(f"{body[:60]!r}", running.agent, "POST", "/mcp", content=body, headers=JSON)
        assert answer.status_code >= 400 or "error" in answer.text or not answer.text, body[:60]
        assert rows() == before, body[:60]
    refused("8 MB", running.agent, "POST", "/mcp", content=HUGE, headers=JSON)
    refused("text", running.agent, "POST", "/mcp", content=b"x", headers={"Content-Type": "text/plain"})
    refused("PUT", running.agent, "PUT", "/mcp")
    for method in ("no/such", "resources/read"):
        assert "error" in running.rpc(method, {"uri": "session://x", "name": "x"}).text, method


def test_a_strangers_token_opens_nothing(running: Running):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for text in ("", "Bearer", "Bearer x", f"Bearer {'x' * 8_000}", "Basic eDp4", "Bearer sla_\x7f"):
        headers = JSON | {"Authorization": text}
        answer = refused(text[:20], running.agent, "POST", "/mcp", json=call, headers=headers)
        assert answer.status_code in (400, 401, 431), text[:20]


def wrong_arguments(good: dict[str, Any]) -> Iterator[Any]:
    yield from ({"no_such_argument": 1}, [], good | {"no_such_argument": 1})
    for field in good:
        yield from (good | {field: value} for value in ([[1]], {"a": {}}, "\x00", "x" * 50_000, -1))


def test_tools_refuse_arguments_that_do_not_fit(running: Running):
    assert "error" in running.rpc("tools/call", {"name": "no_such_tool", "arguments": {}}).text.lower()
    for tool, good in of_tools(running.things).items():
        for arguments in wrong_arguments(good):
            told = f"{tool} {str(arguments)[:60]}"
            before = rows()
            answer = running.rpc("tools/call", {"name": tool, "arguments": arguments})
            assert answer.status_code < 500, told
            message = message_of(answer)
            if "error" in message:
                assert rows() == before, told
            elif message["result"].get("isError"):
                assert rows() == before, told
                problem = json.loads(message["result"]["content"][0]["text"])
                assert problem["code"] != "unexpected", told
                assert problem["message"].strip(), told


# ---------------------------------------------------------------- Alertmanager


def test_the_webhook_keeps_what_it_cannot_read_and_nothing_else(
    running: Running, admin: Actor, environment: Environment
):
    source = sources.create_source(
        by=admin, environment=environment, name="am", backend="alertmanager", url="http://127.0.0.1:9"
    )
    secret = sources.rotate_webhook_secret(by=admin, source=source)
    path = f"/api/v1/webhooks/{show('src', source.pk)}"
    for wrong in ("", "Bearer wrong", f"Basic {secret}", "Bearer \x7f"):
        answer = refused(wrong, running.api, "POST", path, json={}, headers={"Authorization": wrong})
        assert answer.status_code == 401
    bearer = {"Authorization": f"Bearer {secret}"}
    letters = RawPayload.objects.exclude(error="")
    for body in (
        b"", b"not json", b"[]", b"\xff\xfe", b"null", b'{"alerts": 7}', b"[" * 50_000,
        b'{"version": "4", "alerts": [{"labels": 7}]}',
        b'{"version": "4", "alerts": [{"labels": {"alertname": "A"}, "startsAt": "noon"}]}',
    ):  # fmt: skip
        before, kept = rows(), letters.count()
        answer = running.api.post(path, content=body, headers=bearer)
        assert answer.status_code < 500, f"{body[:40]!r}: {answer.text[:200]}"
        assert letters.count() > kept, body[:40]
        assert {name for name, count in rows().items() if count != before[name]} == {"alerts.RawPayload"}
    refused("20 MB", running.api, "POST", path, content=bytes(20_000_000), headers=bearer)


# ---------------------------------------------------------------- sockets


def test_sensors_that_send_nonsense_disturb_nobody(
    running: Running, dial: Callable[[], SensorClient], join: Callable[..., SensorClient], probe: Probe
):
    bystander = join()
    frames = [b"", b"\xc1", os.urandom(4096), "text", bytes(600 * 1024), wire.encode(wire.Proof(bytes(32)))]
    for frame in frames:
        for client in (dial(), join()):
            client.send(frame)
            assert client.refusal().slug in ("malformed", "out_of_order", "too_large")
    bodies = [
        b"\xc1",
        b"",
        os.urandom(200),
        wire.encode(body_of(None)),
        wire.encode(body_of(probe, at=2**62)),
    ]
    good = wire.encode(body_of(probe))
    before = rows()
    bystander.send(wire.Captures(1, [*bodies, good]))
    ack = bystander.read_until(wire.Ack)
    assert sorted(each.index for each in ack.refused) == list(range(len(bodies)))
    grown = {name: count - before[name] for name, count in rows().items() if count != before[name]}
    assert grown == {"probes.Capture": 1}


def test_pages_sockets_answer_nonsense_like_a_beat(running: Running):
    address = f"ws://127.0.0.1:{running.process.port}/live/sessions/{running.things['session_id']}/"
    cookie = {"Cookie": f"sightline_signin={running.cookie}"}
    before = rows()
    with pytest.raises(InvalidStatus) as elsewhere:
        connect(address, origin="http://evil.example", additional_headers=cookie, proxy=None)
    assert elsewhere.value.response.status_code == 403
    with connect(address, origin=running.origin, additional_headers=cookie, proxy=None) as socket:
        for text in (
            "",
            "nonsense",
            "[]",
            "7",
            '{"resume": 7}',
            '{"resume": {"captures": "x"}}',
            "x" * 100_000,
        ):
            socket.send(text)
            assert socket.recv(timeout=10)
        for odd in (-5, 10**30, True):
            socket.send(json.dumps({"resume": {"captures": odd, "timeline": odd}}))
            assert socket.recv(timeout=10)
        socket.send(os.urandom(500))
        socket.send('{"resume": {}}')
        while "captures" not in str(socket.recv(timeout=20)):
            pass
    assert rows() == before


# ---------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, ["--port", "abc"]),
        ({}, ["--port", "70000"]),
        ({}, ["--port", "-1"]),
        ({}, ["--web", "0"]),
        ({}, ["--web", "many"]),
        ({}, ["--demo", "--port", "65530"]),
        ({"SIGHTLINE_HOME": "/dev/null/home"}, []),
        ({"SIGHTLINE_HOME": __file__}, []),
        ({"SIGHTLINE_DB_POOL": "many"}, []),
        ({"SIGHTLINE_LOG_LEVEL": "LOUD"}, []),
        ({"DATABASE_URL": "nonsense"}, []),
        ({"REDIS_URL": "nonsense"}, []),
    ],
    ids=str,
)
def test_a_command_that_cannot_start_says_why(given: dict[str, str], options: list[str], tmp_path: Path):
    names = ("DATABASE_URL", "REDIS_URL", "SIGHTLINE_", "DJANGO_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "up", *options],
        env={**environment, "SIGHTLINE_HOME": str(tmp_path / "home"), **given},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr, done.stderr[-2000:]
    last = done.stderr.strip().splitlines()[-1]
    assert re.search(r"[a-z]{3,}", last), done.stderr
    for value in [*given.values(), *options[1::2]]:
        assert value in done.stderr, done.stderr
