"""Runs the sensor's suite on every CPython it supports, side by side, and says which ones ran."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13")
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreter(version: str) -> Path:
    folder = ".venv" if version == OWN else f".venv-{version}"
    return ROOT / folder / "bin" / "python"


def run(version: str, options: list[str]) -> int:
    """The exit code of the suite on that CPython; what it says is told when it has ended."""
    command = [
        str(interpreter(version)),
        "-m",
        "pytest",
        "-q",
        "-n",
        "auto",
        "-m",
        "not slow",
        *options,
        "tests/sensors",
    ]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(f"== the sensor's suite on CPython {version}\n{done.stdout}", flush=True)
    return done.returncode


def main(options: list[str]) -> int:
    present = [version for version in VERSIONS if interpreter(version).exists()]
    missing = [version for version in VERSIONS if version not in present]
    with ThreadPoolExecutor(len(VERSIONS)) as pool:
        codes = list(pool.map(partial(run, options=options), present))
    print(
        f"Sensor suites that ran: {', '.join(present)}."
        + (f" Not found: {', '.join(missing)}." if missing else "")
    )
    if missing and os.environ.get("CI") == "true":
        print("In CI a missing CPython is a failure: install it on the PATH or with pyenv.")
        return 1
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
