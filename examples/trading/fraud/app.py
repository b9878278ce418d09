"""fraud-service: gives each trade it is asked about a decision and a reference to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Literal
from uuid import uuid4

from fastapi import FastAPI, Response
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest
from pydantic import BaseModel

import telemetry

SCREENINGS = Counter("fraud_screenings", "Trades screened, by decision", ["decision"])
WATCHED_ACCOUNTS = frozenset({"ACC-0666"})
REVIEW_ABOVE = Decimal("1000000")


class Screening(BaseModel):
    """A trade to decide about."""

    trade_id: str
    account: str
    amount: Decimal


class Decision(BaseModel):
    """What was decided, under a reference that the payment gateway asks for."""

    reference: str
    decision: Literal["approve", "decline"]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    telemetry.start("fraud-service")
    yield


app = FastAPI(title="fraud-service", lifespan=lifespan)


@app.post("/screenings")
async def screen(screening: Screening) -> Decision:
    decision = decide(screening)
    SCREENINGS.labels(decision).inc()
    return Decision(reference=f"FR-{uuid4().hex[:12]}", decision=decision)


def decide(screening: Screening) -> Literal["approve", "decline"]:
    """Decline what a watched account asks for, and amounts that a person has to look at."""
    suspicious = screening.account in WATCHED_ACCOUNTS or screening.amount > REVIEW_ABOVE
    return "decline" if suspicious else "approve"


@app.get("/metrics")
async def show_metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.get("/healthz")
async def show_health() -> dict[str, str]:
    return {"status": "ok"}


FastAPIInstrumentor.instrument_app(app)
