"""What the desk asks for a trade: a price per unit that drifts through the day, and a fee by tier."""

import math
import time
from dataclasses import dataclass
from decimal import Decimal
from zlib import crc32

FEES = {"standard": Decimal("0.0020"), "preferred": Decimal("0.0008")}
CENT = Decimal("0.01")
DRIFT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Rate:
    """A price per unit and a fee, both in the trade's currency."""

    price: Decimal
    fee: Decimal


def rate(symbol: str, amount: Decimal, tier: str, *, at: float | None = None) -> Rate:
    """The rate for a trade at a time (Unix seconds, default now); raises KeyError for an unknown tier."""
    base = 20 + crc32(symbol.encode()) % 400
    drift = math.sin((time.time() if at is None else at) / DRIFT_SECONDS * math.tau)
    price = Decimal(base * (1 + 0.01 * drift)).quantize(CENT)
    return Rate(price=price, fee=(amount * FEES[tier]).quantize(CENT))
