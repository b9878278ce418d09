"""How each trade ended, as a Redis stream that the settlement worker writes and the desk serves."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

STREAM = "trading:outcomes"
KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Ledger:
    """An append-only list of outcomes; a reader follows it by cursor."""

    redis: Redis

    @classmethod
    def from_environment(cls) -> Self:
        """The ledger at TRADING_REDIS_URL, patient with a Redis that restarts."""
        patience = Retry(ExponentialBackoff(cap=1.0, base=0.05), retries=10)
        return cls(Redis.from_url(os.environ["TRADING_REDIS_URL"], decode_responses=True, retry=patience))

    def record(self, *, trade_id: str, trace_id: str, outcome: str, reason: str) -> None:
        """Add how one trade ended; `outcome` is settled or rejected."""
        entry = {
            "trade_id": trade_id,
            "trace_id": trace_id,
            "outcome": outcome,
            "reason": reason,
            "at": datetime.now(UTC).isoformat(),
        }
        self.redis.xadd(STREAM, entry, maxlen=KEPT, approximate=True)

    def since(self, cursor: str, *, limit: int) -> tuple[list[dict[str, Any]], str]:
        """At most `limit` outcomes after the cursor ("0": the start), oldest first, and the next cursor."""
        entries = self.redis.xrange(STREAM, min=f"({cursor}", count=limit)
        return [fields for _, fields in entries], entries[-1][0] if entries else cursor
