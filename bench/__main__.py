"""`python -m bench [figure ...]`: every figure, or those whose names begin so, one JSON line each.

Each subject is a program of its own, because some need other interpreters, servers or settings than others.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
SUBJECTS = {
    "sensor": ("sensor",),
    "recording": ("sensor",),
    "gateway": ("gateway", "loop"),
    "agents": ("loop",),
    "page": ("page", "loop"),
    "service": ("loop",),
}
"""Programs of this folder, and how the names of their figures begin."""


def main(wanted: list[str]) -> int:
    """1 when a goal was missed or a subject could not be measured."""
    codes = [
        _run(subject, [] if subject in wanted else wanted)
        for subject, begins in SUBJECTS.items()
        if subject in wanted or _concerns(begins, wanted)
    ]
    return max(codes, default=0)


def _concerns(begins: tuple[str, ...], wanted: list[str]) -> bool:
    return not wanted or any(name.partition(".")[0] in begins for name in wanted)


def _run(subject: str, wanted: list[str]) -> int:
    if not (FOLDER / f"{subject}.py").exists():
        return 0
    command = [sys.executable, "-m", f"bench.{subject}", *wanted]
    missed = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=FOLDER.parent) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            missed |= _missed(line)
    return missed or int(process.returncode != 0)


def _missed(line: str) -> bool:
    try:
        return json.loads(line).get("met") is False
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
