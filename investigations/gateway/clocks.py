"""How far an instance's wall clock is from ours, estimated from heartbeats and their round trips."""

from __future__ import annotations

from collections import deque

SAMPLES = 8


class ClockOffset:
    """Trusts the sample with the shortest round trip, and corrects nothing within that sample's own uncertainty."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES)

    def note(self, *, sent_ns: int, received_ns: int, round_trip_ns: int) -> None:
        """A message sent at ``sent_ns`` by their clock came at ``received_ns`` by ours."""
        round_trip_ns = max(0, round_trip_ns)
        self._samples.append((round_trip_ns, sent_ns + round_trip_ns // 2 - received_ns))

    @property
    def ns(self) -> int:
        """Their clock minus ours; 0 while it cannot be told from 0."""
        if not self._samples:
            return 0
        round_trip_ns, offset_ns = min(self._samples)
        return offset_ns if abs(offset_ns) > round_trip_ns + _NOISE_NS else 0


_NOISE_NS = 20_000_000
"""What scheduling on a busy machine adds to a round trip without being seen in it."""
