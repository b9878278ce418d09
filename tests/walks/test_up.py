"""One command runs it: what a person sees of `manage.py up --demo`, from an empty folder to the last process gone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from investigations.lib.processes import ProcessStatus, read_processes
from investigations.supervise.parts import HOST, free_port, is_free

pytestmark = pytest.mark.walk

ROOT = Path(__file__).parents[2]
WAIT = 180.0  # seconds; a limit for a busy machine
END_WITHIN = 10.0  # seconds; promised in the docs


class Running:
    """`manage.py up --demo` on a folder, as started from a terminal."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port, self.mark = home, port, uuid.uuid4().hex
        given = ("DATABASE_URL", "REDIS_URL", "SIGHTLINE_", "DJANGO_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(given)}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up", "--demo", "--web", "2", "--port", str(port)],
            env={**env, "SIGHTLINE_HOME": str(home), "WALK": self.mark, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(line.rstrip() for line in self.process.stdout)

    def until_said(self, text: str) -> str:
        """The first line that holds the text."""
        self.until(lambda: any(text in line for line in self.said))
        return next(line for line in self.said if text in line)

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + WAIT
        while not condition():
            assert self.process.poll() is None, "\n".join(self.said)
            assert time.monotonic() < deadline, "\n".join(self.said)
            time.sleep(0.1)

    def status(self, name: str) -> ProcessStatus:
        return next(status for status in read_processes(self.home) if status.name == name)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://{HOST}:{self.port}{path}", timeout=WAIT)

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def processes(self) -> list[psutil.Process]:
        """Every process that this run started, however far below it."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.environ().get("WALK") == self.mark or str(self.home) in " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[Running]:
    started = Running(home, _room_for_the_demo())
    try:
        started.until_said("Sightline is ready")
        yield started
    finally:
        started.process.send_signal(signal.SIGTERM)
        started.process.wait(timeout=30)


def _room_for_the_demo() -> int:
    """A free port with as many free ones after it as the demo has processes."""
    while True:
        port = free_port()
        if port < 65000 and all(is_free(port + place) for place in range(1, 9)):
            return port


def test_it_says_what_a_person_needs(running: Running) -> None:
    sign_in = running.until_said("Sign in")
    token = running.until_said("Agent token").split()[-1]
    line = running.until_said("claude mcp add")
    known = json.loads((running.home / "credentials.json").read_text())
    assert sign_in.split()[2:] == [known["username"], "/", known["password"]]
    assert token == known["agent_token"]
    assert line.endswith(
        f"claude mcp add --transport http sightline http://{HOST}:{running.port}/mcp "
        f'--header "Authorization: Bearer {token}"'
    )


def test_it_is_ready_when_it_says_so(running: Running) -> None:
    assert running.get("/livez").json() == {"status": "alive"}
    assert running.get("/readyz").json()["status"] == "ready"


def test_the_sign_in_opens_the_inbox(running: Running) -> None:
    known = json.loads((running.home / "credentials.json").read_text())
    with httpx.Client(
        base_url=f"http://{HOST}:{running.port}", follow_redirects=True, timeout=WAIT
    ) as browser:
        page = browser.get("/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token is not None, page.text[:500]
        form = {"username": known["username"], "password": known["password"], "csrfmiddlewaretoken": token[1]}
        answer = browser.post(page.url, data=form, headers={"Referer": str(page.url)})
        assert answer.status_code == 200
        assert "sightline_signin" in browser.cookies


def test_a_real_alert_arrives_from_a_real_prometheus(running: Running) -> None:
    running.until_said("SettlementRejectionsHigh fires within a minute.")
    known = json.loads((running.home / "credentials.json").read_text())
    bearer = {"Authorization": f"Bearer {known['agent_token']}"}

    def firing() -> bool:
        alerts = httpx.get(f"http://{HOST}:{running.port}/api/v1/alerts", headers=bearer, timeout=WAIT)
        return "SettlementRejectionsHigh" in alerts.text

    running.until(firing)


@pytest.mark.parametrize("name", ["web-1", "worker", "valkey", "postgres"])
def test_whatever_is_killed_comes_back_by_itself(running: Running, name: str) -> None:
    before = running.status(name)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    running.until(lambda: running.status(name).restarts > before.restarts)
    running.until(running.is_ready)
    assert f"{name} was ended by SIGKILL" in running.until_said(f"{name} was ended")


def test_a_second_start_on_the_folder_is_refused_in_one_sentence(running: Running) -> None:
    second = Running(running.home, free_port())
    assert second.process.wait(timeout=60) == 1
    assert len(second.said) == 1
    assert f"is already running on {running.home} (process {running.process.pid})" in second.said[0]


def test_the_end_comes_in_time_and_leaves_no_process(running: Running) -> None:
    assert len(running.processes()) > 10
    began = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=30) == 0
    assert time.monotonic() - began < END_WITHIN
    assert running.processes() == []


def test_the_next_start_goes_on_where_this_one_ended(running: Running) -> None:
    before = json.loads((running.home / "credentials.json").read_text())
    again = Running(running.home, running.port)
    try:
        again.until_said("Sightline is ready")
        assert json.loads((running.home / "credentials.json").read_text()) == before
    finally:
        again.process.send_signal(signal.SIGTERM)
        again.process.wait(timeout=30)
    assert again.processes() == []
