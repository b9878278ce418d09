"""The fleet page's own parts: what the supervisor says of its processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from investigations.accounts.actors import Actor
from investigations.lib.processes import ProcessStatus, write_processes


@pytest.fixture
def home(tmp_path: Path, settings) -> Path:
    settings.HOME = tmp_path
    return tmp_path


def test_the_parts_of_the_dashboard_are_shown_with_why_one_does_not_run(
    home: Path, browse: Callable[[Actor], Client], viewer: Actor
) -> None:
    now = time.time()
    statuses = [
        ProcessStatus("web", "running", 41, now, 0, now - 60, ""),
        ProcessStatus("worker", "restarting", None, None, 3, now, "It ended with code 1; <again> in 4 s."),
    ]
    write_processes(home, statuses)
    page = browse(viewer).get("/fleet/").content.decode()
    assert 'id="processes"' in page
    assert "restarting" in page
    assert "It ended with code 1; &lt;again&gt; in 4 s." in page


def test_where_no_supervisor_runs_there_is_nothing_to_show(
    home: Path, browse: Callable[[Actor], Client], viewer: Actor
) -> None:
    assert 'id="processes"' not in browse(viewer).get("/fleet/").content.decode()
