"""The forwarder hands every outcome over, in order, and loses none when an end fails."""

from __future__ import annotations

import json

import httpx
import pytest
from redis import Redis

from ledger import Ledger
from outcomes import Forwarder
from trades.app import create_app
from trades.execution import Desk


class Sightline:
    """The dashboard's end of the call: keeps what it was sent, answers what it is told to."""

    def __init__(self) -> None:
        self.status = 202
        self.taken: list[dict] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.status < 300:
            assert request.url.path == "/api/v1/outcomes"
            self.taken += json.loads(request.content)["outcomes"]
        return httpx.Response(self.status)


@pytest.fixture
def ledger(redis_server, monkeypatch, tmp_path) -> Ledger:
    monkeypatch.setattr("ledger.STREAM", f"trading:{tmp_path}")
    return Ledger(Redis.from_url(redis_server, decode_responses=True))


@pytest.fixture
def sightline() -> Sightline:
    return Sightline()


@pytest.fixture
def forwarder(ledger, sightline, tmp_path) -> Forwarder:
    desk = create_app(Desk(None, None, None), ledger)
    return Forwarder(
        desk=httpx.Client(transport=httpx.WSGITransport(desk), base_url="http://desk"),
        sightline=httpx.Client(transport=httpx.MockTransport(sightline), base_url="http://sightline"),
        cursor_file=tmp_path / "cursor",
    )


def record(ledger: Ledger, count: int, outcome: str = "settled", reason: str = "") -> None:
    for number in range(count):
        ledger.record(trade_id=f"T-{number}", trace_id=f"{number:032x}", outcome=outcome, reason=reason)


def test_a_settled_trade_passed_and_a_rejected_one_failed(forwarder, ledger, sightline):
    record(ledger, 1)
    record(ledger, 1, "rejected", "declined, code 57")
    assert forwarder.forward() == 2
    assert [(label["outcome"], label["reason"]) for label in sightline.taken] == [
        ("pass", ""),
        ("fail", "declined, code 57"),
    ]
    assert {label["source"] for label in sightline.taken} == {"settlement"}
    assert sightline.taken[0]["at"].endswith("+00:00")


def test_many_outcomes_arrive_in_order_and_once(forwarder, ledger, sightline):
    record(ledger, 1200)
    while forwarder.forward():
        pass
    assert [int(label["trace_id"], 16) for label in sightline.taken] == list(range(1200))


@pytest.mark.parametrize("status", [401, 429, 503])
def test_what_was_refused_is_sent_again(forwarder, ledger, sightline, status):
    record(ledger, 2)
    sightline.status = status
    with pytest.raises(httpx.HTTPStatusError):
        forwarder.forward()
    sightline.status = 202
    assert forwarder.forward() == 2
    assert len(sightline.taken) == 2


def test_a_restart_goes_on_where_it_stopped(forwarder, ledger, sightline):
    record(ledger, 2)
    forwarder.forward()
    restarted = Forwarder(forwarder.desk, forwarder.sightline, forwarder.cursor_file)
    assert restarted.forward() == 0
