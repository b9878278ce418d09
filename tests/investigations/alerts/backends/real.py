"""A real Prometheus and a real Alertmanager on free ports, with rules that fire when a file says so."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PROMETHEUS, ALERTMANAGER = "prometheus", "prometheus-alertmanager"
READY_WITHIN_S = 30.0
RULES = """
groups:
  - name: real
    interval: 1s
    rules:
      - alert: ErrorsHigh
        expr: vector({value}) > 0.05
        labels: {{severity: page, service: checkout}}
        annotations: {{summary: "errors are at {{{{ $value }}}}"}}
"""


def missing() -> str:
    """The programs that are not on the PATH; empty when both are."""
    return ", ".join(program for program in (PROMETHEUS, ALERTMANAGER) if shutil.which(program) is None)


@dataclass(frozen=True, slots=True)
class Pair:
    """Both servers' addresses, and the rules that Prometheus reloads."""

    prometheus: str
    alertmanager: str
    rules: Path

    def set_value(self, value: float) -> None:
        """Let the watched value be this from the next evaluation on."""
        self.rules.write_text(RULES.format(value=value))
        httpx.post(f"{self.prometheus}/-/reload").raise_for_status()

    def silence(self, name: str) -> None:
        """Silence an alert for an hour."""
        matcher = {"name": "alertname", "value": name, "isRegex": False, "isEqual": True}
        body = {
            "matchers": [matcher],
            "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60)),
            "endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600)),
            "createdBy": "test",
            "comment": "test",
        }
        httpx.post(f"{self.alertmanager}/api/v2/silences", json=body).raise_for_status()


@contextmanager
def running(folder: Path, webhook: str) -> Iterator[Pair]:
    """Start both; Alertmanager posts to ``webhook``. Both are stopped at the end, whatever happens."""
    ports = [_free_port() for _ in range(2)]
    prometheus, alertmanager = (f"http://127.0.0.1:{port}" for port in ports)
    pair = Pair(prometheus, alertmanager, folder / "rules.yml")
    pair.rules.write_text(RULES.format(value=0))
    (folder / "prometheus.yml").write_text(_prometheus_config(ports[1]))
    (folder / "alertmanager.yml").write_text(_alertmanager_config(webhook))
    with ExitStack() as stack:
        stack.enter_context(_process(folder, [
            ALERTMANAGER, "--config.file=alertmanager.yml", "--storage.path=am", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{ports[1]}",
        ]))  # fmt: skip
        stack.enter_context(_process(folder, [
            PROMETHEUS, "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", "--web.enable-lifecycle",
            "--rules.alert.resend-delay=1s",  # the first may come before it has found the Alertmanager
            f"--web.listen-address=127.0.0.1:{ports[0]}",
        ]))  # fmt: skip
        for url in (prometheus, alertmanager):
            _wait_until_ready(url)
        yield pair


def _prometheus_config(alertmanager_port: int) -> str:
    return json.dumps(
        {
            "global": {
                "scrape_interval": "1s",
                "evaluation_interval": "1s",
                "external_labels": {"cluster": "dev"},
            },
            "rule_files": ["rules.yml"],
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager_port}"]}]}]
            },
        }
    )


def _alertmanager_config(webhook: str) -> str:
    receiver = {"name": "hook", "webhook_configs": [{"url": webhook, "send_resolved": True}]}
    route = {"receiver": "hook", "group_wait": "1s", "group_interval": "1s", "group_by": ["alertname"]}
    return json.dumps({"route": route, "receivers": [receiver]})


@contextmanager
def _process(folder: Path, command: list[str]) -> Iterator[None]:
    with (folder / f"{command[0]}.log").open("wb") as log:
        child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/-/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{url} was not ready within {READY_WITHIN_S:g} s.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
