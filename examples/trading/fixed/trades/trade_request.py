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
                setattr(request, name, coerced(value, cls.__annotations__[name]))
        log.debug("request %s built", request.trade_id)
        return request

    @property
    def must_clear_fraud(self) -> bool:
        """High-value trades settle only after a fraud decision."""
        return self.high_value is True


def coerced(value: Any, kind: Any) -> Any:
    """The value as the field's own type: promotions send booleans and amounts as text.

    Raises ValueError for a text that is no boolean, decimal.InvalidOperation for one that is no number.
    """
    if kind is bool and isinstance(value, str):
        return boolean(value)
    if kind is Decimal:
        return Decimal(str(value))
    return value


def boolean(text: str) -> bool:
    """The boolean that a JSON client wrote as text."""
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"
