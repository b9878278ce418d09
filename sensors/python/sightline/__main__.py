"""`python -m sightline doctor` says what a sensor would do here; `python -m sightline run …` is `sightline-run`."""

from __future__ import annotations

import sys
import time

from . import run
from .errors import SightlineError

CONNECT_WITHIN_S = 10.0


def main() -> int:
    """The exit code of the command."""
    match sys.argv[1:2]:
        case ["run"]:
            del sys.argv[1]
            run.main()
        case ["doctor"]:
            return doctor()
    sys.stdout.write("usage: python -m sightline doctor | run COMMAND…\n")
    return 2


def doctor() -> int:
    """Start a sensor with the environment's settings, see whether it connects, and say what it finds."""
    from . import sensor

    try:
        mine = sensor.start({})
    except SightlineError as error:
        sys.stdout.write(f"not started: {error.sentence}\n")
        return 1
    until = time.monotonic() + CONNECT_WITHIN_S
    while time.monotonic() < until and not mine.connected():
        time.sleep(0.1)
    for name, sentence in mine.doctor().items():
        sys.stdout.write(f"{name:<12}{sentence}\n")
    sensor.stop()
    return 0 if mine.connected() else 1


if __name__ == "__main__":
    sys.exit(main())
