"""Runs the sensor's suite on every CPython it supports, one after another, and says which ones ran."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13")
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreter(version: str) -> Path:
    folder = ".venv" if version == OWN else f".venv-{version}"
    return ROOT / folder / "bin" / "python"


def run(version: str, options: list[str]) -> int:
    """The exit code of the suite on that CPython."""
    print(f"== the sensor's suite on CPython {version}", flush=True)
    command = [
        interpreter(version),
        "-m",
        "pytest",
        "-q",
        "-n",
        "auto",
        "--dist",
        "worksteal",
        "-m",
        "not slow",
        *options,
        "tests/sensors",
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def main(options: list[str]) -> int:
    present = [version for version in VERSIONS if interpreter(version).exists()]
    missing = [version for version in VERSIONS if version not in present]
    codes = {version: run(version, options) for version in present}
    print(
        f"Sensor suites that ran: {', '.join(present)}."
        + (f" Not found: {', '.join(missing)}." if missing else "")
    )
    if missing and os.environ.get("CI") == "true":
        print("In CI a missing CPython is a failure: install it on the PATH or with pyenv.")
        return 1
    return next((code for code in codes.values() if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
