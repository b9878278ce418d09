"""A service of one function with the sensor in it: on each line of standard input it calls the function once.

Answers each line with the milliseconds from the call to the capture's acknowledgement. Run by `bench.gateway`.
"""

from __future__ import annotations

import sys
import threading
import time

import sightline
from sightline import sensor, wire
from sightline.transport import Transport

ACKNOWLEDGED_WITHIN_S = 10


def hot(a: int, b: int) -> int:
    c = a * b
    return c + 1  # PROBE:looped


def main() -> None:
    sightline.start()
    running = sensor.current()
    assert running is not None
    assert isinstance(running._pump, Transport)
    acknowledged = _watch(running._pump)
    for _ in sys.stdin:
        acknowledged.clear()
        began = time.perf_counter()
        hot(3, 4)
        arrived = acknowledged.wait(ACKNOWLEDGED_WITHIN_S)
        print((time.perf_counter() - began) * 1000 if arrived else "none", flush=True)
    sightline.stop()


def _watch(transport: Transport) -> threading.Event:
    """Set whenever the transport has taken an acknowledgement."""
    acknowledged = threading.Event()
    take = transport._acknowledged

    def taken(ack: wire.Ack) -> None:
        take(ack)
        acknowledged.set()

    transport._acknowledged = taken  # type: ignore[method-assign]
    return acknowledged


if __name__ == "__main__":
    main()
