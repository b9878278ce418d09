"""How the sensor's thread shares the interpreter: it works in slices, and sleeps a moment between two of them.

Whoever wants the interpreter waits `sys.getswitchinterval()`, 5 ms, before it is taken from a thread that keeps
computing. A request must not wait that long for the writing of a capture.
"""

from __future__ import annotations

from typing import Final

from . import native

WORK_S: Final = 0.0004
REST_S: Final = 0.0002
"""Long enough for a thread that waits to wake up: one that only yields takes the interpreter back before that."""


class Slices:
    """One thread's turns."""

    def __init__(self) -> None:
        self._until = 0.0

    def begin(self) -> None:
        """A slice begins now: the thread has just slept."""
        self._until = native.monotonic() + WORK_S

    def give_way(self) -> None:
        """Sleep if the slice is over. Cheap enough for a loop."""
        if native.monotonic() > self._until:
            native.sleep(REST_S)
            self.begin()


of_the_sensor: Final = Slices()
"""There is one thread that writes, in each process."""
begin, give_way = of_the_sensor.begin, of_the_sensor.give_way
