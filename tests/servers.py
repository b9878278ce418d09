"""The real PostgreSQL and Valkey of one test run: started once, by whichever process needs them first."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from investigations.supervise.postgres import Cluster
from investigations.supervise.valkey import Valkey

RUN_FOLDER = "SIGHTLINE_TEST_RUN"  # the environment variable that names this run's folder
START_WITHIN = 60  # seconds; initdb on a busy machine is the slow part
UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Servers:
    """Both servers, in one folder that the whole run shares."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres = Cluster(folder / "pg")
        self.valkey = Valkey(folder / "valkey", port=int((folder / "port").read_text()), password="tests")

    def start_postgres(self) -> None:
        with self._once("postgres") as first:
            if first:
                self.postgres.prepare()
                child = self.postgres.start(self.folder / "postgres.log", **UNSAFE_AND_FAST)
                self._started("postgres", child.pid, self.postgres.is_ready)

    def start_valkey(self) -> None:
        with self._once("valkey") as first:
            if first:
                self.valkey.prepare()
                child = self.valkey.start(self.folder / "valkey.log")
                self._started("valkey", child.pid, self.valkey.is_ready)

    def kill_valkey(self) -> None:
        """End it as a crash would; `start_valkey` starts it again, with nothing in it."""
        mark = self.folder / "valkey.pid"
        process = psutil.Process(int(mark.read_text()))
        process.kill()
        _wait_for_its_end(process)
        mark.unlink()

    def stop(self) -> None:
        """Stop at once what was started: nobody wants the data, but shared memory must be given back."""
        for name, how in (("postgres", signal.SIGQUIT), ("valkey", signal.SIGKILL)):
            with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
                process = psutil.Process(int((self.folder / f"{name}.pid").read_text()))
                process.send_signal(how)
                _wait_for_its_end(process)

    @contextlib.contextmanager
    def _once(self, name: str) -> Iterator[bool]:
        """Whether the caller is the first to come; others wait here until the first has started it."""
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield not (self.folder / f"{name}.pid").exists()

    def _started(self, name: str, pid: int, is_ready: Callable[[], bool]) -> None:
        (self.folder / f"{name}.pid").write_text(str(pid))
        deadline = time.monotonic() + START_WITHIN
        while not is_ready():
            if time.monotonic() > deadline:
                log = (self.folder / f"{name}.log").read_text(errors="replace")
                raise RuntimeError(f"{name} did not start within {START_WITHIN} s:\n{log}")
            time.sleep(0.05)


def _wait_for_its_end(process: psutil.Process) -> None:
    """Wait 10 s at most; a zombie has ended, though its parent may be waiting for us before it looks."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for _ in range(200):
            if process.status() == psutil.STATUS_ZOMBIE:
                return
            time.sleep(0.05)


def of_this_run() -> Servers:
    return Servers(Path(os.environ[RUN_FOLDER]))
