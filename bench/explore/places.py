"""Where explored libraries live: one environment per CPython from the lock, and their source distributions."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".explore"
LOCK = ROOT / "requirements" / "explore.txt"


def environment(interpreter: Path, version: str) -> Path:
    """The Python of an environment with every explored library and what their tests need, made when it is missing."""
    folder = CACHE / f"venv-{version}"
    python, stamp = folder / "bin" / "python", folder / ".installed"
    if not (stamp.exists() and stamp.read_text() == LOCK.read_text()):
        _say(f"installing {LOCK.name} for CPython {version}")
        subprocess.run([interpreter, "-m", "venv", folder], check=True)
        subprocess.run([*_pip(python), "install", "--require-hashes", "--no-deps", "-r", LOCK], check=True)
        stamp.write_text(LOCK.read_text())
    return python


def sources(python: Path, name: str) -> Path:
    """The folder of a library's source distribution, of the locked version; its hash is checked when it is fetched."""
    pinned = pins(LOCK.read_text())[name]
    folder = CACHE / pinned.split()[0].replace("==", "-")
    if not folder.exists():
        _say(f"fetching the sources of {folder.name}")
        with tempfile.TemporaryDirectory() as scratch:
            only = Path(scratch) / "only.txt"
            only.write_text(pinned)
            fetch = ["download", "--no-deps", "--no-binary=:all:", "--no-build-isolation", "--require-hashes"]
            subprocess.run([*_pip(python), *fetch, "-d", scratch, "-r", only], check=True)
            [archive] = Path(scratch).glob("*.tar.gz")
            with tarfile.open(archive) as opened:
                opened.extractall(scratch, filter="data")
            [unpacked] = [path for path in Path(scratch).iterdir() if path.is_dir()]
            unpacked.rename(folder)
    return folder


def pins(lock: str) -> dict[str, str]:
    """The lines of a lock by package, its hashes with them."""
    blocks = re.split(r"\n(?=[a-z0-9])", "\n" + lock)
    return {block.split("==")[0]: block for block in blocks if "==" in block}


def _pip(python: Path) -> list[str | Path]:
    return [python, "-m", "pip", "--disable-pip-version-check", "-qq"]


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)
