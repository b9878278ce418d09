"""Where the sources of explored libraries come from: their source distributions, of the versions that are locked."""

from __future__ import annotations

import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

from bench.environments import CACHE, ROOT, pip, say

LOCK = ROOT / "requirements" / "explore.txt"


def sources(python: Path, name: str) -> Path:
    """The folder of a library's source distribution, of the locked version; its hash is checked when it is fetched."""
    pinned = pins(LOCK.read_text())[name]
    folder = CACHE / pinned.split()[0].replace("==", "-")
    if not folder.exists():
        say(f"fetching the sources of {folder.name}")
        with tempfile.TemporaryDirectory() as scratch:
            only = Path(scratch) / "only.txt"
            only.write_text(pinned)
            fetch = ["download", "--no-deps", "--no-binary=:all:", "--no-build-isolation", "--require-hashes"]
            subprocess.run([*pip(python), *fetch, "-d", scratch, "-r", only], check=True)
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
