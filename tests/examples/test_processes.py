"""The whole desk as real processes: trades fail, the fixed release is deployed, and none fails."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from examples.trading.variant import write_variant
from ledger import STREAM

PATIENCE_SECONDS = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Trading:
    """The processes of one copy of the example, each on a free port."""

    def __init__(self, copy: Path, state: Path, redis_url: str) -> None:
        self.copy = copy
        declared = tomllib.loads((copy / "services.toml").read_text())["process"]
        self.declared = {process["name"]: process for process in declared}
        self.ports = {name: free_port() for name in self.declared}
        self.state = state
        self.values = {"python": sys.executable, "ports": self.ports, "state": state, "redis_url": redis_url}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, **env: str) -> None:
        declared = self.declared[name]
        values = self.values | {"port": self.ports[name]}
        own = {key: value.format(**values) for key, value in declared.get("env", {}).items()}
        with (self.state / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [part.format(**values) for part in declared["command"]],
                cwd=self.copy,
                env=inherited() | own | env,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def await_ready(self, name: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(self.url(name) + self.declared[name]["health"]):
            alive = self.running[name].poll() is None
            assert alive, (self.state / f"{name}.log").read_text()
            assert time.monotonic() < deadline, f"{name} is not ready after {PATIENCE_SECONDS} s"
            time.sleep(0.05)

    def stop(self, name: str) -> None:
        process = self.running.pop(name)
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def load(self) -> None:
        """Send 240 trades, as fast as a busy machine takes them, and see all of them accepted."""
        url = self.url("trade-execution-service")
        command = [sys.executable, "load.py", "--url", url, "--rate", "40", "--seconds", "6"]
        said = subprocess.run(
            command, cwd=self.copy, env=inherited(), capture_output=True, check=True, text=True
        )
        answers = Counter[str]()
        for line in said.stdout.splitlines():
            answers.update(json.loads(line)["answers"])
        assert answers == {"202": 240}

    def outcomes_of(self, count: int, *, since: str) -> tuple[list[dict], str]:
        """The next `count` outcomes after the cursor, when they are all there, and the cursor after them."""
        found: list[dict] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} outcomes"
            url = self.url("trade-execution-service") + "/outcomes"
            page = httpx.get(url, params={"since": since}).raise_for_status().json()
            found, since = found + page["outcomes"], page["cursor"]
            time.sleep(0.1)
        return found, since


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def inherited() -> dict[str, str]:
    """What a process of the example inherits: nothing of Sightline's own settings."""
    ours = ("SIGHTLINE_", "DJANGO_", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def trading(tmp_path, redis_server) -> Iterator[Trading]:
    copy = tmp_path / "copy"
    write_variant(copy, attribute="large_ticket", module="order", padding=17)
    Redis.from_url(redis_server).delete(STREAM)
    desk = Trading(copy, tmp_path, redis_server)
    try:
        services = [name for name, process in desk.declared.items() if "health" in process]
        for name in services:
            desk.start(name)
        for name in services:
            desk.await_ready(name)
        yield desk
    finally:
        for name in list(desk.running):
            desk.stop(name)


def test_trades_fail_until_the_fixed_release_is_deployed(trading):
    trading.load()
    outcomes, cursor = trading.outcomes_of(240, since="0")
    rejected = [outcome for outcome in outcomes if outcome["outcome"] == "rejected"]
    assert {outcome["reason"] for outcome in rejected} == {"declined, code 57"}
    assert 0.01 < len(rejected) / len(outcomes) < 0.15
    assert len({outcome["trace_id"] for outcome in outcomes}) == 240

    desk_log = (trading.state / "trade-execution-service.log").read_text()
    assert all(outcome["trace_id"] in desk_log for outcome in outcomes)
    figures = httpx.get(trading.url("trade-execution-service") + "/metrics").text
    assert 'trade_requests_total{result="accepted"} 240.0' in figures

    trading.stop("trade-execution-service")
    trading.start("trade-execution-service", TRADING_FIXED="1")
    trading.await_ready("trade-execution-service")
    trading.load()
    outcomes, _ = trading.outcomes_of(240, since=cursor)
    assert {outcome["outcome"] for outcome in outcomes} == {"settled"}
