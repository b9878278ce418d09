"""What the supervisor says of its processes: written by `manage.py up`, read by whoever shows it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

State = Literal["starting", "running", "restarting", "stopping", "stopped"]
FILE = "processes.json"


@dataclass(frozen=True)
class ProcessStatus:
    """Where one supervised process stands.

    `since` is when it came into this state (seconds, Unix time); `started` is when the operating system says that
    `pid` began, which tells it from a later process with the same number. `sentence` says why it is not running.
    """

    name: str
    state: State
    pid: int | None
    started: float | None
    restarts: int
    since: float
    sentence: str


def write_processes(folder: Path, statuses: list[ProcessStatus]) -> None:
    """Replace what `folder` says, in one step."""
    new = folder / f"{FILE}.new"
    new.write_text(json.dumps([asdict(status) for status in statuses], indent=2))
    new.replace(folder / FILE)


def read_processes(folder: Path) -> list[ProcessStatus]:
    """The processes as last written; empty when no supervisor runs on `folder`, as in a deployment of parts."""
    try:
        return [ProcessStatus(**status) for status in json.loads((folder / FILE).read_text())]
    except (FileNotFoundError, json.JSONDecodeError):
        return []
