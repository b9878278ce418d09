"""Writes the locks: every version pinned with its hashes, for every platform, and no address in any."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
# The first holds everything; the others are resolved within it, so that they may share one environment with it.
LOCKS = {
    "dev": ["pyproject.toml", "--group", "test", "--group", "check", "--group", "example"],
    "installer": ["--group", "installer"],
    "app": ["pyproject.toml", "--group", "build"],
    "example": ["--group", "example"],
    "sensor": ["--group", "sensor"],
    "peers": ["--group", "peers"],
    "fuzz": ["--group", "fuzz"],
    "compile": ["--group", "compile"],
    "explore": ["--group", "explore"],
}
ALONE = {"explore"}
"""In an environment of its own on every CPython, because a library's own tests may refuse what we use."""
OPTIONS = [
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-emit-package=sightline-sensor",
    "--no-annotate",
    "--no-strip-markers",
    "--custom-compile-command=make lock",
    "--quiet",
]


def main(arguments: list[str]) -> int:
    """Write every lock; with `--upgrade` to the newest versions the ranges in pyproject.toml allow."""
    constraints: list[str] = []  # to what is locked already
    for name, sources in LOCKS.items():
        output = FOLDER / f"{name}.txt"
        within = [] if name in ALONE else constraints
        command = [sys.executable, "-m", "uv", "pip", "compile", *sources, *OPTIONS, *within, *arguments]
        subprocess.run([*command, f"--output-file={output}"], cwd=ROOT, check=True)
        constraints = constraints or ["--constraint", str(output.relative_to(ROOT))]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
