"""The programs Sightline itself consists of: databases, the dashboard's processes, the worker and the clock."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import port_taken
from .home import Home
from .postgres import Cluster
from .programs import LISTEN, Program, Stop, answers
from .valkey import Valkey

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Parts:
    """How the parts of one data directory are run, and the address they serve."""

    home: Home
    port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def sensor_url(self) -> str:
        """Where sensors connect."""
        return f"ws://{HOST}:{self.port}/sensor/v1"

    @property
    def cluster(self) -> Cluster | None:
        """Our own PostgreSQL; None when DATABASE_URL names another."""
        return None if os.environ.get("DATABASE_URL") else Cluster(self.home.postgres)

    @property
    def valkey(self) -> Valkey | None:
        """Our own Valkey; None when REDIS_URL names another. Its port and password stay from start to start."""
        if os.environ.get("REDIS_URL"):
            return None
        known = self.home.credentials()
        if "valkey_port" not in known or not is_free(known["valkey_port"]):
            password = known.get("valkey_password") or secrets.token_urlsafe(24)
            known = self.home.remember(valkey_port=free_port(), valkey_password=password)
        return Valkey(self.home.valkey, known["valkey_port"], known["valkey_password"])

    def postgres_program(self, cluster: Cluster) -> Program:
        owner = cluster.owner
        return Program(
            name="postgres",
            command=cluster.command(),
            folder=cluster.folder,
            is_ready=cluster.is_ready,
            stop=Stop.DATABASES,
            stop_signal=signal.SIGINT,  # its fast shutdown: sessions are ended, the data is whole
            uid=owner.uid if owner.is_another else None,
            gid=owner.gid if owner.is_another else None,
        )

    def valkey_program(self, valkey: Valkey) -> Program:
        return Program(
            name="valkey",
            command=valkey.command(),
            folder=valkey.folder,
            is_ready=valkey.is_ready,
            stop=Stop.DATABASES,
        )

    def environment(self, database_url: str, redis_url: str) -> dict[str, str]:
        """What every process of ours finds in its environment."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "investigations.settings",
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SIGHTLINE_HOME": str(self.home.folder),
            "SIGHTLINE_PUBLIC_URL": os.environ.get("SIGHTLINE_PUBLIC_URL", self.url),
            "PYTHONUNBUFFERED": "1",
        }

    def prepare_program(self, env: Mapping[str, str], *arguments: str) -> Program:
        command = [sys.executable, str(ROOT / "manage.py"), "prepare", *arguments]
        return Program(name="prepare", command=command, folder=ROOT, env=env)

    def web_programs(self, env: Mapping[str, str], count: int) -> list[Program]:
        daphne = [sys.executable, "-m", "daphne", "--fd", LISTEN, "--verbosity", "0"]
        return [
            Program(
                name=f"web-{number}",
                command=[*daphne, "investigations.asgi:application"],
                folder=ROOT,
                env=env,
                is_ready=answers(f"{self.url}/readyz"),
            )
            for number in range(1, count + 1)
        ]

    def clock_programs(self, env: Mapping[str, str]) -> list[Program]:
        celery = [sys.executable, "-m", "celery", "--app", "investigations.celery"]
        worker = [
            "worker",
            "--concurrency",
            "2",
            "--without-gossip",
            "--without-mingle",
            "--loglevel",
            "INFO",
        ]
        beat = ["beat", "--schedule", str(self.home.folder / "beat-schedule"), "--pidfile", ""]
        return [
            Program(name="worker", command=[*celery, *worker], folder=ROOT, env=env),
            Program(name="beat", command=[*celery, *beat], folder=ROOT, env=env),
        ]


def require_free(port: int, who: str) -> None:
    """Raise `Unstartable` when another process listens on that port of the loopback."""
    if not is_free(port):
        raise port_taken(port, who)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
