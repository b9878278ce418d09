"""What a client asks the desk to trade, built from the JSON they sent."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

log = logging.getLogger(__name__)

HIGH_VALUE_LIMIT = Decimal("10000")


@dataclass(slots=True)
class TradeRequest:
    """One trade as it was asked for; promotions may set its flags."""

    trade_id: str
    account: str
    symbol: str
    amount: Decimal
    high_value: bool = False
    fee_waived: bool = False
    promotion: str | None = None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Build the request; a promotion's flags override what we worked out ourselves."""
        amount = Decimal(payload["amount"])
        request = cls(
            trade_id=payload["id"],
            account=payload["account"],
            symbol=payload["symbol"],
            amount=amount,
            high_value=amount > HIGH_VALUE_LIMIT,
            promotion=payload.get("promotion"),
        )
        for name, value in payload.get("flags", {}).items():
            if name in cls.__slots__:
                setattr(request, name, value)
        log.debug("request %s built", request.trade_id)
        return request

    @property
    def must_clear_fraud(self) -> bool:
        """High-value trades settle only after a fraud decision."""
        return self.high_value is True
