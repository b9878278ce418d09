"""Waits for the test run's end, whatever its end is, then stops its servers and removes its folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def main(folder: Path) -> None:
    sys.stdin.buffer.read()  # ends when the test run does, even by SIGKILL
    from tests.servers import Servers

    Servers(folder).stop()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
