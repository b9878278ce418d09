"""A trade through the real applications: Flask, FastAPI, Starlette and Redis, no sockets between."""

from __future__ import annotations

import socket
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis import Redis
from starlette.testclient import TestClient

from fraud.app import app as fraud_app
from ledger import Ledger
from payments import gateway
from settlement.payments import GatewayUnclear, Payments
from trades.app import create_app
from trades.clients import FraudClient, Quote
from trades.execution import Desk
from trades.trade_request import TradeRequest

PREFERRED_RATE = {"promotion": "PREFERRED-RATE", "flags": {"high_value": "true"}}


class FlatFee:
    """Prices every trade alike: what pricing-service quotes is tested with its own code."""

    def quote(self, request: TradeRequest) -> Quote:
        return Quote(price=Decimal("12.34"), fee=Decimal("1.00"))


@pytest.fixture
def ledger(redis_server, monkeypatch) -> Ledger:
    monkeypatch.setattr("ledger.STREAM", f"trading:{uuid.uuid4()}")
    return Ledger(Redis.from_url(redis_server, decode_responses=True))


@pytest.fixture
def queued() -> list[dict[str, Any]]:
    """The settlements that were handed to the worker."""
    return []


@pytest.fixture
def desk(queued) -> Desk:
    return Desk(fraud=FraudClient(TestClient(fraud_app)), pricing=FlatFee(), submit=queued.append)


@pytest.fixture
def clients(desk, ledger):
    return create_app(desk, ledger).test_client()


@pytest.fixture
def payments() -> Payments:
    gateway.decided.clear()
    return Payments(TestClient(gateway.app))


@pytest.fixture
def spans(monkeypatch) -> InMemorySpanExporter:
    """The spans of the desk's own steps."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("trades.execution.tracer", provider.get_tracer("test"))
    return exporter


def trade(amount: str, **more: Any) -> dict[str, Any]:
    return {"id": plain_reference(), "account": "ACC-0001", "symbol": "ACME", "amount": amount} | more


def plain_reference(manner: str = "plain") -> str:
    """A trade id that the gateway answers in the given manner."""
    return next(
        i for i in (f"T-{uuid.uuid4().hex[:12]}" for _ in range(100_000)) if gateway.oddity(i) == manner
    )


def test_a_small_trade_settles_without_a_fraud_decision(clients, queued, payments):
    assert clients.post("/trades", json=trade("450.00")).status_code == 202
    assert queued[0]["fraud_reference"] is None
    assert payments.pay(queued[0]) is None


def test_a_large_trade_settles_with_the_reference_of_its_fraud_decision(clients, queued, payments):
    assert clients.post("/trades", json=trade("48200.00")).status_code == 202
    assert queued[0]["fraud_reference"].startswith("FR-")
    assert payments.pay(queued[0]) is None


def test_a_large_trade_on_the_promotion_is_accepted_and_later_declined(clients, queued, payments):
    assert clients.post("/trades", json=trade("48200.00", **PREFERRED_RATE)).status_code == 202
    assert queued[0]["fraud_reference"] is None
    assert payments.pay(queued[0]) == "declined, code 57"


def test_a_small_trade_on_the_promotion_settles(clients, queued, payments):
    clients.post("/trades", json=trade("450.00", **PREFERRED_RATE))
    assert payments.pay(queued[0]) is None


def test_the_trace_of_a_failing_trade_looks_like_that_of_a_passing_one(clients, spans):
    shown = []
    for payload in (trade("48200.00"), trade("48200.00", **PREFERRED_RATE)):
        spans.clear()
        clients.post("/trades", json=payload)
        shown.append([(span.name, span.status.status_code) for span in spans.get_finished_spans()])
    assert shown[0] == shown[1]
    assert [name for name, _ in shown[0]] == ["high_value_check", "fraud_validation"]


def test_a_failing_trade_leaves_no_word_of_it_in_the_log(clients, caplog):
    with caplog.at_level("DEBUG", logger="trades"):
        clients.post("/trades", json=trade("48200.00", **PREFERRED_RATE))
    said = [(record.levelname, record.getMessage().split()[0]) for record in caplog.records]
    assert said == [("DEBUG", "request"), ("INFO", "trade")]
    assert "high_value" not in caplog.text


def test_fraud_service_declines_a_watched_account(clients, queued):
    answer = clients.post("/trades", json=trade("48200.00", account="ACC-0666"))
    assert answer.status_code == 422
    assert queued == []


@pytest.mark.parametrize("payload", [{}, {"id": 1}, trade("much"), trade("NaN"), trade("1", flags="x"), [1]])
def test_what_is_not_a_trade_is_refused(clients, queued, payload):
    assert clients.post("/trades", json=payload).status_code == 400
    assert queued == []


def test_a_service_that_does_not_answer_turns_the_trade_away(desk, ledger, queued):
    with socket.socket() as bound:  # bound and not listening: a connection is refused
        bound.bind(("127.0.0.1", 0))
        nobody = FraudClient(httpx.Client(base_url=f"http://127.0.0.1:{bound.getsockname()[1]}"))
        clients = create_app(replace(desk, fraud=nobody), ledger).test_client()
        assert clients.post("/trades", json=trade("48200.00")).status_code == 503
    assert queued == []


def test_a_pending_payment_is_asked_for_until_it_is_decided(payments, monkeypatch):
    monkeypatch.setattr("settlement.payments.POLL_SECONDS", 0)
    assert payments.pay(settlement(plain_reference("pending"))) is None


def test_a_malformed_answer_is_unclear_at_first_and_clear_when_asked_again(payments):
    payment = settlement(plain_reference("malformed"))
    with pytest.raises(GatewayUnclear):
        payments.pay(payment)
    assert payments.pay(payment) is None
    assert len(gateway.decided) == 1


def test_an_id_that_the_gateway_hands_out_twice_confuses_nobody(payments):
    payments.pay(settlement(plain_reference()))
    declined = settlement(plain_reference("repeated_id"), amount="20000.00")
    assert payments.pay(declined) == "declined, code 57"
    assert len({decision["id"] for decision in gateway.decided.values()}) == 1


def settlement(trade_id: str, amount: str = "450.00") -> dict[str, Any]:
    return {"trade_id": trade_id, "account": "ACC-1", "amount": amount, "fee": "1", "fraud_reference": None}


def test_outcomes_are_followed_by_cursor(clients, ledger):
    for number in range(3):
        ledger.record(trade_id=f"T-{number}", trace_id="ab" * 16, outcome="settled", reason="")
    first = clients.get("/outcomes").json
    assert [outcome["trade_id"] for outcome in first["outcomes"]] == ["T-0", "T-1", "T-2"]
    ledger.record(trade_id="T-3", trace_id="cd" * 16, outcome="rejected", reason="declined, code 57")
    second = clients.get("/outcomes", query_string={"since": first["cursor"]}).json
    assert [(outcome["trade_id"], outcome["outcome"]) for outcome in second["outcomes"]] == [
        ("T-3", "rejected")
    ]
    assert clients.get("/outcomes", query_string={"since": second["cursor"]}).json == {
        "outcomes": [],
        "cursor": second["cursor"],
    }
