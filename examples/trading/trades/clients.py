"""The two services a trade asks on its way: fraud-service for a decision, pricing-service for a quote."""

from dataclasses import dataclass
from decimal import Decimal

import httpx

from trades.trade_request import TradeRequest


class FraudDeclined(Exception):
    """fraud-service decided that this trade must not go on."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A price per unit and the desk's fee, both in the trade's currency."""

    price: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class FraudClient:
    """fraud-service over HTTP."""

    http: httpx.Client

    def screen(self, request: TradeRequest) -> str:
        """The reference of the decision that lets this trade go on; raises FraudDeclined if there is none."""
        screening = {"trade_id": request.trade_id, "account": request.account, "amount": str(request.amount)}
        answer = self.http.post("/screenings", json=screening).raise_for_status().json()
        if answer["decision"] != "approve":
            raise FraudDeclined(answer["reference"])
        return str(answer["reference"])


@dataclass(frozen=True, slots=True)
class PricingClient:
    """pricing-service over HTTP."""

    http: httpx.Client

    def quote(self, request: TradeRequest) -> Quote:
        """The quote for this trade: large ones get the preferred tier."""
        tier = "preferred" if request.high_value else "standard"
        question = {"amount": str(request.amount), "tier": tier}
        answer = self.http.get(f"/quotes/{request.symbol}", params=question).raise_for_status().json()
        fee = Decimal(0) if request.fee_waived else Decimal(answer["fee"])
        return Quote(price=Decimal(answer["price"]), fee=fee)
