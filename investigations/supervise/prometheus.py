"""A real Prometheus and Alertmanager: from the PATH, else unpacked from the distribution's packages, as any user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {
    "prometheus": ["prometheus"],
    "prometheus-alertmanager": ["prometheus-alertmanager", "alertmanager"],
}
# Debian builds into its Alertmanager where the templates are, without which it does not start.
TEMPLATES = b"/usr/share/prometheus/alertmanager"
TEMPLATES_FROM_HERE = b"usr/share/prometheus/alertmanager/"  # as long as the other, and relative


@dataclass(frozen=True)
class Binaries:
    """Where the two programs are, and the folder to run them in: an unpacked one finds its templates from there."""

    prometheus: str
    alertmanager: str
    folder: Path = Path("/")


def find(unpacked: Path) -> Binaries | None:
    """Both programs, from the PATH or from packages unpacked in that folder; None when one is missing."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(unpacked / "usr" / "bin")])
    found = [
        next(filter(None, (shutil.which(n, path=path) for n in names)), None) for names in PACKAGES.values()
    ]
    prometheus, alertmanager = found
    if not prometheus or not alertmanager:
        return None
    is_unpacked = Path(alertmanager).is_relative_to(unpacked)
    return Binaries(prometheus, alertmanager, unpacked if is_unpacked else Path("/"))


def unpack(folder: Path) -> None:
    """Download both packages and unpack them into `folder`: nothing is installed, no service is started.

    apt's lists and cache are kept in the folder, so neither root nor the system's own lists are needed.
    Raises `subprocess.CalledProcessError`, or `FileNotFoundError` on a system without apt.
    """
    for name in ("lists/partial", "cache/archives/partial", "packages"):
        (folder / "apt" / name).mkdir(parents=True, exist_ok=True)
    apt = folder / "apt"
    options = {
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    command = [
        "apt-get",
        "--quiet",
        *(part for pair in options.items() for part in ("-o", "=".join(map(str, pair)))),
    ]
    subprocess.run([*command, "update"], check=True)
    subprocess.run([*command, "download", *PACKAGES], cwd=apt / "packages", check=True)
    for package in sorted((apt / "packages").glob("*.deb")):
        subprocess.run(["dpkg", "-x", package, folder], check=True)
    use_unpacked_templates(folder / "usr" / "bin" / "prometheus-alertmanager")
    shutil.rmtree(apt)


def use_unpacked_templates(alertmanager: Path) -> None:
    """Make an unpacked Alertmanager look for its templates from the folder it runs in, not in the system's."""
    alertmanager.write_bytes(alertmanager.read_bytes().replace(TEMPLATES, TEMPLATES_FROM_HERE))


def main(folder: Path) -> int:
    try:
        unpack(folder)
    except (subprocess.CalledProcessError, FileNotFoundError) as reason:
        print(f"Prometheus could not be unpacked: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
