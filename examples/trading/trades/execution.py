"""A trade from request to settlement: clear fraud, price it, hand it to the settlement worker."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry import trace

from settlement.payments import Settlement
from trades.clients import FraudClient, PricingClient, Quote
from trades.trade_request import TradeRequest

log = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a trade needs on its way; `submit` queues one settlement."""

    fraud: FraudClient
    pricing: PricingClient
    submit: Callable[[Settlement], object]

    def execute(self, request: TradeRequest) -> Quote:
        """Take one trade to settlement and answer with its quote.

        Raises FraudDeclined, and httpx.HTTPError when a service it needs does not answer.
        """
        fraud_reference = self.clear_fraud(request)
        quote = self.pricing.quote(request)
        self.settle(request, quote, fraud_reference)
        log.info("trade executed", extra={"trade_id": request.trade_id, "amount": request.amount})
        return quote

    def clear_fraud(self, request: TradeRequest) -> str | None:
        """The reference of the fraud decision, or None for a trade that needs none."""
        with tracer.start_as_current_span("high_value_check") as span:
            span.set_attribute("trade.high_value", request.high_value)
            must_clear = request.must_clear_fraud
        with tracer.start_as_current_span("fraud_validation"):
            return self.fraud.screen(request) if must_clear else None

    def settle(self, request: TradeRequest, quote: Quote, fraud_reference: str | None) -> None:
        """Queue the settlement of a trade that is cleared and priced."""
        settlement = Settlement(
            trade_id=request.trade_id,
            account=request.account,
            amount=str(request.amount),
            fee=str(quote.fee),
            fraud_reference=fraud_reference,
        )
        self.submit(settlement)
