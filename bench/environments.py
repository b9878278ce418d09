"""Environments that a measurement needs beside the project's own: one per lock and CPython, made when first wanted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".explore"


def environment_of(lock: str, interpreter: Path, version: str) -> Path:
    """The Python of an environment with what ``requirements/<lock>.txt`` pins, every hash checked.

    Raises `subprocess.CalledProcessError` when it cannot be had.
    """
    wanted = ROOT / "requirements" / f"{lock}.txt"
    folder = CACHE / f"{lock}-{version}"
    python, stamp = folder / "bin" / "python", folder / ".installed"
    if not (stamp.exists() and stamp.read_text() == wanted.read_text()):
        say(f"installing {wanted.name} for CPython {version}")
        subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([*pip(python), "install", "--require-hashes", "--no-deps", "-r", wanted], check=True)
        stamp.write_text(wanted.read_text())
    return python


def pip(python: Path) -> list[str | Path]:
    return [python, "-m", "pip", "--disable-pip-version-check", "-qq"]


def say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)
