"""The settlement worker: pays each executed trade through the payment gateway and records how it ended."""

import logging
import os
import time
from functools import cache
from typing import Any

import httpx
from celery import Celery
from celery.signals import worker_init
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from prometheus_client import Counter, start_http_server

import telemetry
from ledger import Ledger
from settlement.payments import GatewayUnclear, Payments, Settlement

log = logging.getLogger(__name__)

PAUSES = (0.5, 1.0, 2.0, 4.0)  # seconds between two attempts at one payment

# A restarting broker is waited for, some seconds long, rather than turned into a failed trade.
PATIENCE = {"max_retries": 12, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 1.0}

app = Celery("settlement", broker=os.environ.get("TRADING_REDIS_URL"))
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"global_keyprefix": "trading:"},
    task_default_queue="settlements",
    task_ignore_result=True,
    task_publish_retry_policy=PATIENCE,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
)
# Threads other than this one look tasks up in the default app, and so does the trace instrumentation.
app.set_default()


@worker_init.connect
def prepare(**_: Any) -> None:
    """Set up telemetry in the worker only: trade-execution-service imports this module as well."""
    telemetry.start("settlement-worker")
    for chatty in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    CeleryInstrumentor().instrument()
    for outcome in ("settled", "rejected"):
        settlements().labels(outcome)  # A rate needs the zero it started from.
    start_http_server(int(os.environ["METRICS_PORT"]), addr="127.0.0.1")


@app.task(name="settle_trade")
def settle_trade(settlement: Settlement) -> None:
    """Pay for one trade; an unclear answer is asked for again, a decline is final."""
    finish(settlement, pay(settlement))


def pay(settlement: Settlement) -> str | None:
    """Pay, and ask again while the answer is unclear; the last attempt may raise.

    It waits here and not by Celery's retry, which holds the broker's message all the while: a broker that dies then
    takes the worker with it.
    """
    for pause in PAUSES:
        try:
            return payments().pay(settlement)
        except (httpx.HTTPError, GatewayUnclear) as error:
            log.warning(
                "settlement unclear", extra={"trade_id": settlement["trade_id"], "reason": str(error)}
            )
            time.sleep(pause)
    return payments().pay(settlement)


def finish(settlement: Settlement, decline: str | None) -> None:
    """Count and record how a settlement ended; `decline` is the gateway's reason, None if it paid."""
    outcome = "rejected" if decline else "settled"
    settlements().labels(outcome).inc()
    ledger().record(
        trade_id=settlement["trade_id"],
        trace_id=telemetry.current_trace_id(),
        outcome=outcome,
        reason=decline or "",
    )
    level = logging.WARNING if decline else logging.INFO
    log.log(level, "settlement %s", outcome, extra={"trade_id": settlement["trade_id"], "reason": decline})


# Made when the worker first needs them: trade-execution-service imports this module to queue tasks, no more.


@cache
def settlements() -> Counter:
    """How many settlements came to which end."""
    return Counter("trade_settlements", "Settlements that came to an end, by how", ["outcome"])


@cache
def payments() -> Payments:
    """The payment gateway at GATEWAY_URL; it may take its time."""
    return Payments(httpx.Client(base_url=os.environ["GATEWAY_URL"], timeout=10.0))


@cache
def ledger() -> Ledger:
    """The ledger this worker writes."""
    return Ledger.from_environment()
