"""Runs the sensor's suite, as `sensor_suites` does, on a copy of the project in which the sensor is compiled.

The copy stays in `build/compiled`, where `make bench` finds it: beside the sources, what was compiled would be
imported in their place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import sensor_suites

sys.path.insert(0, str(Path(__file__).parents[1] / "sensors" / "python"))

from hatch_build import copy_if_changed

ROOT = Path(__file__).parents[1]
COPY = ROOT / "build" / "compiled"
BUILDER = ROOT / "sensors" / "python" / "hatch_build.py"


def copy_project() -> None:
    """Bring the copy to what is here now; what was compiled from files that are the same stays."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    shutil.rmtree(COPY / "tests", ignore_errors=True)  # a test that was renamed is not run twice
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            copy_if_changed(ROOT / name, COPY / name)


def prepare(version: str) -> bool:
    """Compile the copy's sensor for that CPython and lend the copy its environment; whether that went well."""
    python = sensor_suites.interpreter(version)
    print(f"== compiling the sensor for CPython {version}", flush=True)
    command = [python, BUILDER, COPY / "sensors" / "python"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(done.stdout[-3000:], flush=True)
        return False
    environment = python.parents[1]
    (COPY / environment.name).unlink(missing_ok=True)
    (COPY / environment.name).symlink_to(environment)
    return True


def main(options: list[str]) -> int:
    copy_project()
    present = [version for version in sensor_suites.VERSIONS if sensor_suites.interpreter(version).exists()]
    if not all(map(prepare, present)):
        return 1
    here = os.environ | {"PYTHONPATH": str(COPY / "sensors" / "python")}
    suites = [sys.executable, COPY / "tests" / "sensor_suites.py", *options]
    return subprocess.run(suites, cwd=COPY, env=here, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
