"""Chooses where this run's PostgreSQL and Valkey will be, before Django's settings are read.

pytest loads this first (`-p tests.plugin`). The servers start with the first test that needs one
(`tests/conftest.py`), are shared by xdist's workers, and are stopped by `tests.undertaker`, however this
process ends.
`DATABASE_URL` or `REDIS_URL` in the environment name other servers, and then none is started.
"""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.servers import RUN_FOLDER, Servers

_undertaker: subprocess.Popen[bytes] | None = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _choose_servers() -> None:
    """Make this run's folder, and put the servers' addresses into the environment unless others are given."""
    folder = Path(tempfile.mkdtemp(prefix="sightline-tests-"))
    (folder / "port").write_text(str(_free_port()))
    servers = Servers(folder)
    os.environ[RUN_FOLDER] = str(folder)
    os.environ.setdefault("DATABASE_URL", servers.postgres.url)
    os.environ.setdefault("REDIS_URL", servers.valkey.url)
    os.environ.setdefault("SIGHTLINE_SECRET_KEY", "only-for-tests")
    os.environ.setdefault("SIGHTLINE_TEST", "true")
    os.environ.setdefault("SIGHTLINE_HOME", str(folder / "home"))


def _call_undertaker(folder: str) -> subprocess.Popen[bytes]:
    """A process that waits for our end (its standard input closes), then clears servers and folder away."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.undertaker", folder],
        stdin=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        start_new_session=True,  # Ctrl-C is for pytest, not for it
    )


if RUN_FOLDER not in os.environ:  # in xdist's workers and in child processes it is there already
    _choose_servers()
    _undertaker = _call_undertaker(os.environ[RUN_FOLDER])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays to the end: never search it for garbage, now or in any test."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    if _undertaker is not None:
        _undertaker.communicate()
