"""The bounded queue between the application's threads and the sensor's own, and what had to be dropped, and why.

A record is taken in the application's thread by one append; everything dear (naming, redaction, encoding) happens later
on the sensor's thread. Both ends are bounded: records by count, encoded bodies by bytes, until the gateway has
acknowledged them. When both are full the newest record is refused, so what was accepted is never lost while the process
lives.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

from . import slices, wire

Record = Any
"""What the hot path hands over; only the writer given to `Outbox.encode` knows what is in it."""
Writer = Callable[[Record], "wire.Capture | wire.Outcome | None"]

MAX_BODY = wire.MAX_MESSAGE - 1024
"""Bytes of one body: a batch of one must still fit a message."""
ENCODE_SLICE_S = 0.020
"""How long encoding may keep the sensor's thread from its socket."""


def nobody_sleeps() -> None:
    """Until a transport listens there is nobody to wake."""


class _Large(NamedTuple):
    """A record of more than one value: only these are weighed, because the others are bounded by their number."""

    record: Record
    values: int


class Outbox:
    """Filled by any thread with `offer`; everything else belongs to the sensor's thread.

    ``capacity`` counts records not yet encoded, ``max_values`` the values in them (some 200 bytes each), ``max_bytes``
    the bytes of bodies not yet acknowledged.
    """

    def __init__(
        self, capacity: int = 10_000, max_bytes: int = 16 * 1024 * 1024, max_values: int = 30_000
    ) -> None:
        self.capacity = capacity
        self.max_values = max_values
        self.max_bytes = max_bytes
        self.wake: Callable[[], None] = nobody_sleeps
        self.asleep = False
        """Set by the sensor's thread before it waits: the next record wakes it, later ones cost nothing."""
        self.drops: Counter[str] = Counter()
        """Records lost since the process started, by reason; ``queue_full`` is counted in the hit's own ending."""
        self.bytes_held = 0
        self._ring: deque[Record | _Large] = deque()
        self._values = 0
        """In the large records of the ring. Threads that race may lose an update, so an empty ring sets it right."""
        self._captures: deque[bytes] = deque()
        self._outcomes: deque[wire.Outcome] = deque()

    def __len__(self) -> int:
        """Records and bodies that wait to be sent."""
        return len(self._ring) + len(self._captures) + len(self._outcomes)

    @property
    def full(self) -> bool:
        """Whether the next record is refused: what is dear to make need not be made.

        Reckoned each time: a mark that two threads set could stay when nothing waits any more.
        """
        waiting = len(self._ring)
        return waiting >= self.capacity or (self._values >= self.max_values and waiting > 0)

    def offer(self, record: Record, values: int = 1) -> bool:
        """Take a record with so many values from the hot path; False when there is no room. Never blocks, never
        raises.
        """
        if self.full:
            self.refuse()
            return False
        if values > 1:
            self._values += values
            record = _Large(record, values)
        self._ring.append(record)
        if self.asleep:
            self.asleep = False
            self.wake()
        return True

    def refuse(self) -> None:
        """Count a record for which there is no room, whether it was made or not."""
        self.drops["queue_full"] += 1

    @property
    def has_records(self) -> bool:
        """Whether there is something to encode and room for it."""
        return bool(self._ring) and self.bytes_held < self.max_bytes

    def encode(self, write: Writer, clock: Callable[[], float] = time.monotonic) -> None:
        """Turn records into bodies with ``write`` until none waits, the bytes are full or the slice is over."""
        until = clock() + ENCODE_SLICE_S
        while self.has_records and clock() < until:
            slices.give_way()
            record = self._ring.popleft()
            if type(record) is _Large:
                record, values = record
                self._values -= values
            if not self._ring:
                self._values = 0
            self._encode_one(record, write)

    def _encode_one(self, record: Record, write: Writer) -> None:
        try:
            written = write(record)
            body = b"" if written is None else wire.encode(written)
        except Exception:  # noqa: BLE001 (a record we cannot write is our fault, and must not end the thread)
            self.drops["sensor_error"] += 1
            return
        if len(body) > MAX_BODY:
            self.drops["too_large"] += 1
        elif isinstance(written, wire.Outcome):
            self._outcomes.append(written)
        elif written is not None:
            self._captures.append(body)
            self.bytes_held += len(body)

    def take_captures(self, room: int) -> list[bytes]:
        """The oldest bodies that fit ``room`` bytes together, framing included."""
        taken: list[bytes] = []
        while self._captures and (room := room - len(self._captures[0]) - _FRAMING) >= 0:
            taken.append(self._captures.popleft())
        return taken

    def take_outcomes(self, most: int) -> list[wire.Outcome]:
        """The oldest outcomes, ``most`` at the most."""
        return [self._outcomes.popleft() for _ in range(min(most, len(self._outcomes)))]

    def release(self, size: int) -> None:
        """Forget ``size`` bytes of bodies: they are stored, or will never be."""
        self.bytes_held -= size

    def count_refused(self, slug: str) -> None:
        """A body the gateway will never store."""
        self.drops[f"refused_{slug}"] += 1


_FRAMING = 5  # MessagePack's header of a bin of up to 4 GiB
