"""A real gateway for tests: Daphne in a process of its own on a free port, with the test database behind it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

APPLICATION = "investigations.asgi:application"
READY_WITHIN_S = 90


class GatewayProcess:
    """Daphne, started and stopped as a test wishes; the port stays the same over restarts."""

    def __init__(self, log: Path, database: str, application: str = APPLICATION) -> None:
        self.port = free_port()
        self._log = log
        self._application = application
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}")
        self._environment = {**os.environ, "DATABASE_URL": url.geturl()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/sensor/v1"

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def ensure_started(self) -> None:
        """Start it unless it runs, as after a test that killed it."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port), self._application]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)
        deadline = time.monotonic() + READY_WITHIN_S
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise RuntimeError(f"the gateway did not start:\n{self.log}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, by default as a supervisor would; ``SIGKILL`` as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
