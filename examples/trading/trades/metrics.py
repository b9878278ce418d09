"""What trade-execution-service counts; gunicorn's workers share it through PROMETHEUS_MULTIPROC_DIR."""

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REQUESTS = Counter("trade_requests", "Trades asked for, by how the request ended", ["result"])
SECONDS = Histogram("trade_request_seconds", "Time from request to queued settlement, in seconds")


def exposition() -> bytes:
    """The figures of all workers in Prometheus's text format."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)
