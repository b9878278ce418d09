"""A service with the sensor in it that runs one probed line at a steady rate: `python -m bench.ticking 50 20`.

Starts when standard input brings a line, goes on for so many hits a second and so many seconds, then waits until
standard input ends. Run by `bench.page`.
"""

from __future__ import annotations

import sys
import time

import sightline


def tick(at_us: int) -> int:
    due = at_us + 1
    return due  # PROBE:tick


def main(rate: float, seconds: float) -> None:
    sightline.start()
    sys.stdin.readline()
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        tick(time.time_ns() // 1000)
    sys.stdin.read()
    sightline.stop()


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]))
