"""A stand-in for a payment gateway: it pays, declines, and now and then answers oddly.

What it does is decided by the payment itself, so that a run can be repeated.
"""

import asyncio
from collections import OrderedDict
from decimal import Decimal
from itertools import count
from typing import Any
from zlib import crc32

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

SCREENED_ABOVE = Decimal("10000")
NOT_PERMITTED = "57"  # ISO 8583: transaction not permitted.
SLOW_SECONDS = 1.5
REMEMBERED = 10_000

ids = count(1)
decided: OrderedDict[str, dict[str, Any]] = OrderedDict()


def oddity(reference: str) -> str:
    """How the first answer to this payment is given: plain, slow, pending, malformed or repeated_id."""
    share = crc32(reference.encode()) % 100
    odd = ["slow"] * 2 + ["pending"] * 5 + ["malformed"] * 2 + ["repeated_id"] * 3
    return odd[share] if share < len(odd) else "plain"


def decide(payment: dict[str, Any]) -> dict[str, Any]:
    """Whether the payment goes through: a large one needs a reference to its screening."""
    if Decimal(payment["amount"]) > SCREENED_ABOVE and not payment.get("screening"):
        return {"status": "declined", "code": NOT_PERMITTED}
    return {"status": "paid", "code": None}


async def create_payment(request: Request) -> Response:
    """Take a payment; the same reference is decided once and answered alike ever after."""
    payment = await request.json()
    reference = payment["reference"]
    if reference in decided:
        return answer(reference)
    manner = oddity(reference)
    remember(reference, decide(payment), repeat_id=manner == "repeated_id")
    if manner == "malformed":
        return Response('{"status": "pai', media_type="application/json")
    if manner == "pending":
        return JSONResponse({"status": "pending", "id": decided[reference]["id"]}, status_code=202)
    if manner == "slow":
        await asyncio.sleep(SLOW_SECONDS)
    return answer(reference)


async def show_payment(request: Request) -> Response:
    """What became of one payment."""
    reference = request.path_params["reference"]
    return answer(reference) if reference in decided else JSONResponse({"error": "unknown"}, status_code=404)


async def show_health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def remember(reference: str, decision: dict[str, Any], *, repeat_id: bool) -> None:
    """Keep a decision under its reference, with a new id or, oddly, the one handed out last."""
    last = next(reversed(decided.values()), None)
    payment_id = last["id"] if repeat_id and last else f"pay_{next(ids)}"
    decided[reference] = {"id": payment_id, **decision}
    if len(decided) > REMEMBERED:
        decided.popitem(last=False)


def answer(reference: str) -> JSONResponse:
    """The decided payment: 201 when paid, 402 when declined."""
    decision = decided[reference]
    return JSONResponse(decision, status_code=201 if decision["status"] == "paid" else 402)


app = Starlette(
    routes=[
        Route("/payments", create_payment, methods=["POST"]),
        Route("/payments/{reference}", show_payment),
        Route("/healthz", show_health),
    ]
)
