"""trade-execution-service: takes trades over HTTP and reports how each of them ended."""

import logging
import os
from decimal import DecimalException
from typing import Any

import httpx
from flask import Flask, Response, jsonify, request
from kombu.exceptions import OperationalError
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from prometheus_client import CONTENT_TYPE_LATEST

import telemetry
from ledger import Ledger
from settlement.worker import settle_trade
from trades import metrics
from trades.clients import FraudClient, FraudDeclined, PricingClient
from trades.execution import Desk
from trades.trade_request import TradeRequest

log = logging.getLogger(__name__)

OUTCOMES_PER_PAGE = 500
TIMEOUT_SECONDS = 5.0


def create_app(desk: Desk | None = None, ledger: Ledger | None = None) -> Flask:
    """The WSGI application; without arguments it is wired from the environment."""
    app = Flask(__name__)
    desk = desk or desk_from_environment()
    ledger = ledger or Ledger.from_environment()

    @app.post("/trades")
    def submit_trade() -> tuple[Response, int]:
        with metrics.SECONDS.time():
            answer, status, result = take_trade(desk, request.get_json())
        metrics.REQUESTS.labels(result).inc()
        return jsonify(answer), status

    @app.get("/outcomes")
    def list_outcomes() -> Response:
        outcomes, cursor = ledger.since(request.args.get("since", "0"), limit=OUTCOMES_PER_PAGE)
        return jsonify(outcomes=outcomes, cursor=cursor)

    @app.get("/metrics")
    def show_metrics() -> Response:
        return Response(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz")
    def show_health() -> Response:
        return jsonify(status="ok")

    FlaskInstrumentor().instrument_app(app)
    return app


def take_trade(desk: Desk, payload: dict[str, Any]) -> tuple[dict[str, Any], int, str]:
    """Execute one trade; answers with the JSON body, the HTTP status and the result to count."""
    try:
        trade = TradeRequest.from_payload(payload)
    except (AttributeError, KeyError, TypeError, ValueError, DecimalException) as error:
        return {"error": f"not a trade: {error!r}"}, 400, "malformed"
    try:
        quote = desk.execute(trade)
    except FraudDeclined as declined:
        return {"trade_id": trade.trade_id, "error": "declined", "reference": str(declined)}, 422, "declined"
    except (httpx.HTTPError, OperationalError):
        log.exception("trade not executed", extra={"trade_id": trade.trade_id})
        return {"trade_id": trade.trade_id, "error": "try again later"}, 503, "unavailable"
    answer = {
        "trade_id": trade.trade_id,
        "status": "settling",
        "price": str(quote.price),
        "fee": str(quote.fee),
    }
    return answer, 202, "accepted"


def desk_from_environment() -> Desk:
    """The desk as deployed: FRAUD_URL, PRICING_URL and the broker of the settlement worker."""
    telemetry.start("trade-execution-service")
    CeleryInstrumentor().instrument()
    return Desk(
        fraud=FraudClient(httpx.Client(base_url=os.environ["FRAUD_URL"], timeout=TIMEOUT_SECONDS)),
        pricing=PricingClient(httpx.Client(base_url=os.environ["PRICING_URL"], timeout=TIMEOUT_SECONDS)),
        submit=settle_trade.delay,
    )
