"""A data directory, and small programs to supervise."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from investigations.supervise.home import Home
from investigations.supervise.parts import HOST, free_port
from investigations.supervise.programs import Program
from investigations.supervise.supervisor import Supervisor


@pytest.fixture
def home() -> Iterator[Home]:
    """A fresh data directory with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        made = Home(Path(folder))
        made.make()
        yield made


@pytest.fixture
def said() -> list[str]:
    """What the supervisor has told the person at the terminal."""
    return []


@pytest.fixture
def supervising(home: Home, said: list[str]) -> Callable[[], object]:
    """A supervisor on `home`; leaving it stops everything."""

    @asynccontextmanager
    async def supervisor() -> AsyncIterator[Supervisor]:
        async with Supervisor(home, said.append, HOST, free_port()) as running:
            yield running

    return supervisor


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Program]:
    """A program that runs the given Python text."""

    def make(text: str, name: str = "child", **options: object) -> Program:
        command = [sys.executable, "-c", text]
        return Program(name=name, command=command, folder=tmp_path, env=dict(os.environ), **options)

    return make
