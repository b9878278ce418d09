"""Runs the sensor's suite on every CPython it supports, side by side, and says which ones ran."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13")
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreter(version: str) -> Path:
    folder = ".venv" if version == OWN else f".venv-{version}"
    return ROOT / folder / "bin" / "python"


def workers(suites: int) -> list[str]:
    """The cores left to each suite; one core needs no worker beside pytest itself, which would import all again."""
    cores = (os.cpu_count() or 1) // suites
    return ["-n", str(cores), "--dist", "worksteal"] if cores > 1 else []


def run(version: str, options: list[str]) -> int:
    """The exit code of the suite on that CPython; what it said is shown in one piece when it has ended."""
    command = [interpreter(version), "-m", "pytest", "-q", "-m", "not slow", *options, "tests/sensors"]
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        code = subprocess.run(
            command, cwd=ROOT, check=False, stdout=said, stderr=subprocess.STDOUT
        ).returncode
        said.seek(0)
        print(f"== the sensor's suite on CPython {version}\n{said.read()}", flush=True)
    return code


def run_all(versions: Iterable[str], options: list[str]) -> list[int]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda version: run(version, options), versions))


def main(options: list[str]) -> int:
    present = [version for version in VERSIONS if interpreter(version).exists()]
    missing = [version for version in VERSIONS if version not in present]
    codes = run_all(present, [*workers(len(present)), *options])
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
