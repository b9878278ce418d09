"""Makes a virtual environment from the locks, and does nothing when it is already as the locks say.

    python3 requirements/install.py .venv dev            the dashboard, and what its checks and tests need
    python3 requirements/install.py .venv app example    what `make demo` runs
    python3 requirements/install.py --sensor-suites      .venv-3.12, .venv-3.13: one per other CPython found

It needs CPython 3.11 or later and nothing else: pip installs uv, and uv all the rest, from the locks with every hash
checked, in a tenth of the time pip takes. Where uv cannot (an index that only pip is told how to reach), pip does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
MAIN = ROOT / ".venv"
UV = MAIN / "bin" / "uv"
OLDEST = (3, 11)
SENSOR_PYTHONS = ("3.11", "3.12", "3.13")
OURS = {
    "app": ["sensors/python", "."],
    "dev": ["sensors/python", "."],
    "sensor": ["sensors/python"],
    "example": [],
    "fuzz": [],
    "compile": [],
}
UVS_WORDS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


def main(arguments: list[str]) -> int:
    if sys.version_info < OLDEST:
        print(
            f"Sightline needs CPython {'.'.join(map(str, OLDEST))} or later; this is {sys.version.split()[0]}."
        )
        return 1
    try:
        if arguments == ["--sensor-suites"]:
            for version, python in other_pythons().items():
                install(ROOT / f".venv-{version}", ["sensor"], python)
        else:
            install(ROOT / arguments[0], arguments[1:], sys.executable)
    except subprocess.CalledProcessError as failure:
        print(f"Could not install: {' '.join(map(str, failure.cmd))} ended with {failure.returncode}.")
        return 1
    return 0


def install(environment: Path, locks: list[str], python: str) -> None:
    """Bring `environment` to the state of `locks`, unless its stamp says that it is there already."""
    stamp = environment / f".installed-{'-'.join(locks)}"
    wanted = fingerprint(locks)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if not (environment / "bin" / "python").exists():
        # Unpacking pip takes longer than all the rest, and the dashboard's environment has one that serves the others.
        bare = ["--without-pip"] if (MAIN / "bin" / "python").exists() else []
        subprocess.run([python, "-m", "venv", *bare, environment], check=True)
    fetch_uv()
    print(f"Installing {' and '.join(locks)} into {environment.name} ...", flush=True)
    files = [part for lock in locks for part in ("--requirement", FOLDER / f"{lock}.txt")]
    ours = dict.fromkeys(project for lock in locks for project in OURS[lock])
    editable = [part for project in ours for part in ("--editable", ROOT / project)]
    wishes = [["--require-hashes", "--no-deps", *files]]
    if editable:
        wishes.append(["--no-deps", "--no-build-isolation", *editable])
    for wish in wishes:
        if not install_with_uv(environment, wish):
            install_with_pip(environment, wish)
    stamp.write_text(wanted)


def fetch_uv() -> None:
    """Put uv into the dashboard's environment, by pip and from its own lock; what it cannot have it does without."""
    if (MAIN / "bin" / "python").exists() and not UV.exists():
        wish = ["--require-hashes", "--no-deps", "--requirement", FOLDER / "installer.txt"]
        with suppress(subprocess.CalledProcessError):
            install_with_pip(MAIN, wish)


def install_with_uv(environment: Path, wish: list[str | Path]) -> bool:
    """Whether uv is here and has done it."""
    if not UV.exists():
        return False
    command = [UV, "pip", "install", "--quiet", "--python", environment / "bin" / "python", *wish]
    return (
        subprocess.run(command, env=os.environ | settings_of_pip(), stderr=subprocess.DEVNULL).returncode == 0
    )


def settings_of_pip() -> dict[str, str]:
    """Where pip is told to look, in uv's words: the two read different settings."""
    told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    settings = {}
    for line in told.stdout.splitlines():
        name, _, value = line.partition("=")
        if known := UVS_WORDS.get(name.rpartition(".")[2]):
            settings[known] = ",".join(value.strip("'").split())
    return settings


def install_with_pip(environment: Path, wish: list[str | Path]) -> None:
    # Not compiled here: that doubles the work, and Python compiles what is imported when it is.
    python = environment / "bin" / "python"
    runner = MAIN / "bin" / "python" if (MAIN / "bin" / "python").exists() else python
    pip: list[str | Path] = [runner, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-qq", "--no-compile", *wish], check=True)


def fingerprint(locks: list[str]) -> str:
    """What the environment was made from: its locks, and the metadata of our own two distributions."""
    digest = hashlib.sha256(str(ROOT).encode())
    metadata = [ROOT / "pyproject.toml", ROOT / "sensors" / "python" / "pyproject.toml"]
    for file in [*(FOLDER / f"{lock}.txt" for lock in locks), *metadata]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def other_pythons() -> dict[str, str]:
    """The CPythons the sensor supports beside this one, by version: on the PATH, or among pyenv's."""
    own = ".".join(map(str, sys.version_info[:2]))
    found = {version: find_python(version) for version in SENSOR_PYTHONS if version != own}
    return {version: python for version, python in found.items() if python}


def find_python(version: str) -> str | None:
    """An interpreter of that version that really starts (a pyenv shim may stand on the PATH and not)."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python{version}")
    candidates = [on_path] if on_path else []
    candidates += [str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)]
    return next((python for python in candidates if is_version(python, version)), None)


def is_version(python: str, version: str) -> bool:
    asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(asked, capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.strip() == version


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
