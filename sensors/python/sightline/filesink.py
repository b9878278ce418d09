"""Where captures go when there is no server: one JSON line each, in a file of bounded size."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from . import wire
from .outbox import Outbox
from .transport import FUNCTIONS_EVERY_S, Host, Pump

LONGEST_SLEEP_S = 60.0
BODIES_A_WRITE = 1024 * 1024


class FileSink(Pump):
    """The sensor's thread without a gateway. ``max_bytes`` bounds the file; what comes later is counted as dropped.

    A line is ``{"capture": …}``, ``{"outcome": …}``, ``{"status": …}`` or ``{"functions": …}`` with the fields of
    `sightline.wire`.
    """

    def __init__(self, host: Host, outbox: Outbox, *, path: Path, max_bytes: int = 256 * 1024 * 1024) -> None:
        super().__init__(host, outbox)
        self._path = path
        self._max_bytes = max_bytes
        self._encoder = msgspec.json.Encoder()
        self._next_functions = 0.0

    def _run(self) -> None:
        while self._may_go_on():
            self._tick()
            self._encode()
            self._write_captures()
            self._write_outcomes()
            self._ask(self._write_statuses)
            self._ask(self._write_functions)
            if not self._stopping:
                self._sleep(None, time.monotonic() + LONGEST_SLEEP_S)

    def _write_captures(self) -> None:
        while bodies := self._outbox.take_captures(BODIES_A_WRITE):
            captures = [wire.capture_body.decode(body) for body in bodies]
            self._append("capture", captures)
            self._outbox.release(sum(map(len, bodies)))

    def _write_outcomes(self) -> None:
        self._append("outcome", self._outbox.take_outcomes(len(self._outbox)))

    def _write_statuses(self) -> None:
        self._append("status", self._host.take_statuses())

    def _write_functions(self) -> None:
        if self._stopping or time.monotonic() >= self._next_functions:
            self._next_functions = time.monotonic() + FUNCTIONS_EVERY_S
            told = self._host.take_functions()
            self._append("functions", [told] if told is not None and told.functions else [])

    def _append(self, kind: str, things: Sequence[msgspec.Struct]) -> None:
        """Write lines, or count why they were lost: a full disk is no matter of the application's."""
        if not things:
            return
        lines = b"".join(self._encoder.encode({kind: thing}) + b"\n" for thing in things)
        try:
            with self._path.open("ab") as file:
                if file.tell() + len(lines) > self._max_bytes:
                    self._outbox.drops["sink_full"] += len(things)
                else:
                    file.write(lines)
        except OSError:
            self._outbox.drops["sink_failed"] += len(things)
