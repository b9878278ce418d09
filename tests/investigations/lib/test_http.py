"""The one HTTP client: patient with what may pass, strict with what may not, and never led astray."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from investigations.lib import http
from investigations.lib.addresses import RefusedAddress
from investigations.lib.http import Client, RequestFailed

Answer = Callable[[httpx.Request], httpx.Response]
GZIP = {"Content-Encoding": "gzip"}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_wait", lambda state: 0.0)


def client(answer: Answer, **options: object) -> Client:
    return Client("http://127.0.0.1:9090/prom/", transport=httpx.MockTransport(answer), **options)  # type: ignore[arg-type]


def in_turn(*answers: httpx.Response | Exception) -> tuple[Answer, list[httpx.Request]]:
    waiting, asked = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = waiting.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return answer, asked


def test_a_path_is_asked_below_the_base_with_our_name() -> None:
    answer, asked = in_turn(httpx.Response(200, json={"status": "success"}))
    with client(answer, headers={"Authorization": "Bearer t"}) as asking:
        assert asking.get("/api/v1/rules", {"type": "alert"}).json() == {"status": "success"}
    assert str(asked[0].url) == "http://127.0.0.1:9090/prom/api/v1/rules?type=alert"
    assert asked[0].headers["User-Agent"].startswith("sightline/")
    assert asked[0].headers["Authorization"] == "Bearer t"


def test_what_may_pass_is_asked_again() -> None:
    answer, asked = in_turn(
        httpx.Response(503), httpx.ConnectError("refused"), httpx.Response(200, content=b"{}")
    )
    assert client(answer).get("/x").json() == {}
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("answers", "status", "sentence", "asked_times"),
    [
        ([httpx.Response(400, content=b"bad query")], "error", "answered 400: bad query", 1),
        ([httpx.Response(401)], "denied", "refused the credentials", 1),
        ([httpx.Response(503)] * 3, "error", "answered 503", 3),
        ([httpx.ReadTimeout("slow")] * 3, "timeout", "did not answer within", 3),
        ([httpx.ConnectError("refused")] * 3, "error", "cannot be reached", 3),
        ([httpx.Response(302, headers={"Location": "http://169.254.169.254/"})], "error", "redirects to", 1),
        ([httpx.Response(200, headers=GZIP, stream=httpx.ByteStream(b"no"))], "error", "decoded", 1),
    ],
)  # fmt: skip
def test_a_failure_says_what_it_was(
    answers: list[httpx.Response | Exception], status: str, sentence: str, asked_times: int
) -> None:
    answer, asked = in_turn(*answers)
    with pytest.raises(RequestFailed, match=sentence) as failed:
        client(answer).get("/x")
    assert failed.value.status == status
    assert len(asked) == asked_times


def test_an_answer_that_is_too_long_is_not_read_to_its_end() -> None:
    answer, _ = in_turn(httpx.Response(200, content=b"x" * 1000))
    with pytest.raises(RequestFailed, match="longer than 100 bytes"):
        client(answer, max_bytes=100).get("/x")


def test_an_answer_that_is_no_json_is_a_failure() -> None:
    answer, _ = in_turn(httpx.Response(200, content=b"<html>"))
    with pytest.raises(RequestFailed, match="not JSON"):
        client(answer).get("/x").json()


def test_a_name_is_resolved_once_and_that_address_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, asked = in_turn(httpx.Response(200, content=b"{}"))
    with Client("https://localhost:9443", transport=httpx.MockTransport(answer)) as asking:
        asking.get("/x")
    assert asked[0].url.host in ("127.0.0.1", "::1")
    assert asked[0].headers["Host"] == "localhost:9443"
    assert asked[0].extensions["sni_hostname"] == "localhost"


def test_a_metadata_address_is_never_asked() -> None:
    answer, asked = in_turn()
    asking = Client("http://169.254.169.254", transport=httpx.MockTransport(answer))
    with pytest.raises(RequestFailed) as failed:
        asking.get("/latest/meta-data")
    assert (failed.value.status, asked) == ("denied", [])


def test_a_base_that_is_no_address_is_refused_at_once() -> None:
    with pytest.raises(RefusedAddress):
        Client("ftp://host")


def test_the_server_says_how_long_to_wait() -> None:
    assert http._retry_after("7") == 7.0
    assert http._retry_after("Mon, 01 Jan 2001 00:00:00 GMT") == 0.0
    assert http._retry_after("soon") == 0.0


def test_callers_of_one_host_are_let_through_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(http.time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(http.time, "sleep", slept.append)
    bucket = http._Bucket(rate=10.0)
    for _ in range(8):
        bucket.take()
    assert slept == pytest.approx([0.1, 0.2])


# ---------------------------------------------------------------- a real server


@contextmanager
def serving(handle: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            handle(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_it_speaks_to_a_real_server() -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(b'{"host": "%s"}' % request.headers["Host"].encode())

    with serving(handle) as url, Client(url) as asking:
        assert asking.get("/").json() == {"host": url.removeprefix("http://")}


def test_a_body_that_drips_runs_out_of_time() -> None:
    done = threading.Event()

    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not done.wait(0.02):
            try:
                request.wfile.write(b"x")
                request.wfile.flush()
            except OSError:
                return

    with serving(handle) as url:
        with Client(url, timeout_s=0.3, deadline_s=0.1) as asking, pytest.raises(RequestFailed) as failed:
            asking.get("/")
        done.set()
    assert failed.value.status == "timeout"
