"""The data directory: everything that one installation started by `manage.py up` remembers, in one folder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import Unstartable

ROOM_TO_START = 300 << 20  # bytes that must be free: PostgreSQL's first files, its log, and some captures


@dataclass(frozen=True)
class Home:
    """The folder and what stands where in it."""

    folder: Path

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def valkey(self) -> Path:
        return self.folder / "valkey"

    @property
    def demo(self) -> Path:
        return self.folder / "demo"

    @property
    def _credentials(self) -> Path:
        return self.folder / "credentials.json"

    def make(self) -> None:
        """Make the folder, for its owner alone, and refuse one that cannot be written or has no room."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.logs.mkdir(exist_ok=True)
            (self.folder / ".room").write_bytes(b"room")
        except OSError as reason:
            raise unusable(self.folder, reason) from reason
        if is_full(self.folder, ROOM_TO_START):
            raise disk_full(self.folder)

    @contextmanager
    def only_here(self) -> Iterator[None]:
        """Hold the folder for this process; a second start on it is refused with the pid of the first."""
        with (self.folder / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as reason:
                lock.seek(0)
                raise Unstartable(
                    "already_running",
                    f"Sightline is already running on {self.folder} (process {lock.read().strip() or '?'}).",
                    fix="Stop it first, or set SIGHTLINE_HOME to another folder.",
                ) from reason
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def credentials(self) -> dict[str, Any]:
        """What was made for this folder: passwords, tokens, ports. Empty before the first start."""
        try:
            return dict(json.loads(self._credentials.read_text()))
        except FileNotFoundError:
            return {}

    def remember(self, **made: Any) -> dict[str, Any]:
        """Add to the credentials, readable by the owner alone, and answer them all."""
        known = {**self.credentials(), **made}
        write_private(self._credentials, json.dumps(known, indent=2))
        return known

    def forget(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.folder)


def unusable(folder: Path, reason: OSError) -> Unstartable:
    """Why `folder` cannot be the data directory, for a person."""
    if reason.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(folder)
    return Unstartable(
        "home_not_writable",
        f"The data directory {folder} cannot be written: {reason.strerror}.",
        fix="Set SIGHTLINE_HOME to a folder of yours.",
    )


def is_full(folder: Path, needed: int = 1 << 20) -> bool:
    """Whether fewer than `needed` bytes are free where `folder` is."""
    return shutil.disk_usage(folder).free < needed


def disk_full(folder: Path) -> Unstartable:
    return Unstartable(
        "disk_full",
        f"The disk that holds {folder} is full: Sightline needs {ROOM_TO_START >> 20} MB free to start.",
        fix="Free some room, or set SIGHTLINE_HOME to a folder on another disk.",
    )


def secret_key(folder: Path) -> str:
    """Django's secret key of that folder; the first to ask makes it. Raises `Unstartable`."""
    file = folder / "secret-key"
    try:
        if not file.exists():
            _make_secret_key(file)
        return file.read_text()
    except OSError as reason:
        raise unusable(folder, reason) from reason


def _make_secret_key(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = file.with_name(f"secret-key.{secrets.token_hex(4)}")
    write_private(own, secrets.token_urlsafe(50))
    with suppress(FileExistsError):  # unlike a rename, a link fails when another process was first
        os.link(own, file)
    own.unlink()


def write_private(file: Path, text: str) -> None:
    """Replace `file` in one step by one that its owner alone can read."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    new.replace(file)
