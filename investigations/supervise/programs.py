"""What the supervisor runs: a program, how to know that it is ready, and how it is asked to stop."""

from __future__ import annotations

import http.client
import os
import signal
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path


class Stop(IntEnum):
    """In which round a program is stopped: those that others need come last."""

    FIRST = 0
    DATABASES = 1


@dataclass(frozen=True)
class Program:
    """One process to keep alive.

    `is_ready` is asked, in a thread of its own, until it says so; without one a started program is a ready one.
    An `essential` program that dies before it is ready ends the start; others are tried again. In `command` the text
    `LISTEN` stands for the descriptor of the dashboard's listening socket, which several programs may share.
    """

    name: str
    command: Sequence[str]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    is_ready: Callable[[], bool] | None = None
    essential: bool = True
    stop: Stop = Stop.FIRST
    stop_signal: int = signal.SIGTERM
    uid: int | None = None
    gid: int | None = None


LISTEN = "$(circus.sockets.web)"


def answers(url: str) -> Callable[[], bool]:
    """A check that is true once `url` answers with 200."""

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  (an address of our own)
                return bool(response.status == 200)
        except (
            OSError,
            http.client.HTTPException,
        ):  # the latter: a socket that met itself on a port nobody holds yet
            return False

    return is_ready


def foreign_environment() -> dict[str, str]:
    """The environment of programs that are not ours: without our settings, which are none of their business."""
    ours = ("SIGHTLINE_", "DJANGO_", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
