"""`python -m sightline doctor` says what a sensor would do here; `python -m sightline run …` is `sightline-run`."""

from __future__ import annotations

import sys

from . import run


def main() -> int:
    """The exit code of the command."""
    match sys.argv[1:2]:
        case ["run"]:
            del sys.argv[1]
            run.main()
        case ["doctor"]:
            from . import doctor

            return doctor.main(sys.argv[2:])
    sys.stdout.write("usage: python -m sightline doctor [--import MODULE] [--sample JSON] | run COMMAND…\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
