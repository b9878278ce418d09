"""Clients of the desk: a steady stream of trades, most of them small, some large, some on a promotion."""

import argparse
import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

SYMBOLS = ("ACME", "BOLT", "CRUX", "DYNE", "EBON")
ACCOUNTS = 400
LARGE_SHARE = 0.30
PROMOTIONS = (
    # name, share of trades, the flags it sends
    ("PREFERRED-RATE", 0.20, {"high_value": "true"}),
    ("NO-FEE-WEEK", 0.15, {"fee_waived": "true"}),
)
REPORT_SECONDS = 10.0
IN_FLIGHT = 64


def trades(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Trades as clients send them, without end; only their ids differ between two runs with the same seed."""
    while True:
        trade: dict[str, Any] = {
            "id": f"T-{uuid4().hex[:12]}",
            "account": f"ACC-{chance.randint(1, ACCOUNTS):04d}",
            "symbol": chance.choice(SYMBOLS),
            "amount": amount(chance),
        }
        yield trade | promotion(chance)


def amount(chance: random.Random) -> str:
    """An amount with two decimals: 20 to 9,000 for most trades, 10,500 to 95,000 for large ones."""
    low, high = (10_500, 95_000) if chance.random() < LARGE_SHARE else (20, 9_000)
    return f"{chance.uniform(low, high):.2f}"


def promotion(chance: random.Random) -> dict[str, Any]:
    """What a promotion adds to a trade: its name and its flags, or nothing."""
    draw = chance.random()
    for name, share, flags in PROMOTIONS:
        if draw < share:
            return {"promotion": name, "flags": flags}
        draw -= share
    return {}


@dataclass
class Tally:
    """What became of the trades sent since the last report."""

    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def add(self, answer: str, seconds: float) -> None:
        self.answers[answer] += 1
        self.seconds.append(seconds)

    def report(self) -> str:
        """One JSON line, times in milliseconds; the tally starts anew."""
        ordered = sorted(self.seconds)
        line: dict[str, Any] = {"sent": len(ordered), "answers": dict(self.answers)}
        if ordered:
            line["p50_ms"] = round(1000 * ordered[len(ordered) // 2], 1)
            line["p99_ms"] = round(1000 * ordered[int(len(ordered) * 0.99)], 1)
        self.answers.clear()
        self.seconds.clear()
        return json.dumps(line)


async def send(http: httpx.AsyncClient, trade: dict[str, Any], tally: Tally) -> None:
    """Ask for one trade and note the HTTP status, or the name of the error."""
    started = time.perf_counter()
    try:
        answer = str((await http.post("/trades", json=trade)).status_code)
    except httpx.HTTPError as error:
        answer = type(error).__name__
    tally.add(answer, time.perf_counter() - started)


async def run(url: str, rate: float, seconds: float, seed: int) -> None:
    """Send `rate` trades a second, whether or not earlier ones were answered, and report now and then."""
    tally, sending = Tally(), set()
    begun = time.monotonic()
    reported = begun
    limits = httpx.Limits(max_connections=IN_FLIGHT)
    async with httpx.AsyncClient(base_url=url, timeout=15.0, limits=limits) as http:
        for number, trade in enumerate(trades(random.Random(seed))):
            due = begun + number / rate
            if due - begun >= seconds:
                break
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(send(http, trade, tally))
            sending.add(task)
            task.add_done_callback(sending.discard)
            if time.monotonic() - reported >= REPORT_SECONDS:
                reported = time.monotonic()
                print(tally.report(), flush=True)
        await asyncio.gather(*sending)
    print(tally.report(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="trade-execution-service, e.g. http://127.0.0.1:8001")
    parser.add_argument("--rate", type=float, default=6.0, help="trades a second")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="default: until stopped")
    parser.add_argument("--seed", type=int, default=1, help="the same seed sends the same trades, ids apart")
    arguments = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(run(arguments.url, arguments.rate, arguments.seconds, arguments.seed))


if __name__ == "__main__":
    main()
