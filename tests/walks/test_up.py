"""One command runs it: what a person sees of `manage.py up --demo`, from an empty folder to the last process gone."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from investigations.supervise.parts import HOST, free_port
from tests.walks.running import WAIT, Running, room_for_the_demo

pytestmark = pytest.mark.walk

END_WITHIN = 10.0  # seconds; promised in the docs


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[Running]:
    started = Running(home, room_for_the_demo(), "--web", "2")
    try:
        started.until_said("Sightline is ready")
        yield started
    finally:
        started.process.send_signal(signal.SIGTERM)
        started.process.wait(timeout=30)


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
