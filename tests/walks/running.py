"""`manage.py up --demo` as a person starts it from a terminal, for the walks that need everything at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from investigations.lib.processes import ProcessStatus, read_processes
from investigations.supervise.parts import HOST, free_port, is_free

ROOT = Path(__file__).parents[2]
WAIT = 180.0  # seconds; a limit for a busy machine


class Running:
    """`manage.py up --demo` on a folder, as started from a terminal."""

    def __init__(self, home: Path, port: int, *options: str) -> None:
        self.home, self.port, self.mark = home, port, uuid.uuid4().hex
        given = ("DATABASE_URL", "REDIS_URL", "SIGHTLINE_", "DJANGO_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(given)}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up", "--demo", *options, "--port", str(port)],
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

    def credentials(self) -> dict[str, Any]:
        """What the first start made: a sign-in, and tokens for sensors, agents and programs."""
        return dict(json.loads((self.home / "credentials.json").read_text()))

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


def room_for_the_demo() -> int:
    """A free port with as many free ones after it as the demo has processes."""
    while True:
        port = free_port()
        if port < 65000 and all(is_free(port + place) for place in range(1, 9)):
            return port
