"""`manage.py up` and `forget` as a person meets them: one clear sentence, an exit code, no traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from investigations.supervise.parts import HOST, free_port

ROOT = Path(__file__).parents[3]


@pytest.fixture
def manage(home):
    """Runs a command of manage.py on `home` to its end."""

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SIGHTLINE_HOME": str(home.folder), **env}
        del environment["SIGHTLINE_SECRET_KEY"]  # so that it is made, as for a person
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    return run


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """What a refused command said, when that is one line and no traceback."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


def test_a_taken_port_is_named_with_another_to_choose(manage):
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        sentence = refused(manage("up", "--port", str(port)))
    assert f"Port {port}, which the dashboard needs, is taken by another process." in sentence
    assert "choose another" in sentence


def test_a_second_start_on_the_same_folder_is_refused(manage, home):
    with home.only_here():
        sentence = refused(manage("up", "--port", str(free_port())))
    assert f"Sightline is already running on {home.folder} (process {os.getpid()})." in sentence


def test_a_folder_that_cannot_be_made_is_named(manage, tmp_path):
    (tmp_path / "file").touch()
    done = manage("up", SIGHTLINE_HOME=str(tmp_path / "file" / "home"))
    assert f"The data directory {tmp_path / 'file' / 'home'} cannot be written" in refused(done)


def test_forgetting_removes_the_folder_but_not_under_a_running_dashboard(manage, home):
    home.remember(password="gone")
    with home.only_here():
        assert "already running" in refused(manage("forget", "--yes"))
    assert home.credentials()
    assert manage("forget", "--yes").returncode == 0
    assert not home.folder.exists()
    home.folder.mkdir()  # for the fixture to remove
