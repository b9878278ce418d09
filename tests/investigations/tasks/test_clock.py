"""Beat and a worker as real processes: what is due is done."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts.models import AlertSource
from investigations.alerts.services import create_source
from investigations.celery import app
from investigations.tasks import SCHEDULE

ROOT = Path(__file__).parents[3]
WITHIN_S = 60.0


def test_the_schedule_names_only_tasks_that_exist() -> None:
    app.finalize()
    app.loader.import_default_modules()
    assert app.conf.beat_schedule == SCHEDULE
    assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)


@pytest.fixture
def clock(transactional_db: None, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """A worker with beat inside, on this test's database; gives what it has printed."""
    url = urlsplit(os.environ["DATABASE_URL"])
    here = urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))
    command = [sys.executable, "-m", "celery", "--app", "investigations.celery", "worker", "--beat"]
    command += [
        "--schedule",
        str(tmp_path / "beat"),
        "--concurrency",
        "2",
        "--without-gossip",
        "--without-mingle",
    ]
    log = tmp_path / "clock.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "DATABASE_URL": here}, stdout=output, stderr=output
        )
        yield log.read_text
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@pytest.mark.slow
def test_a_due_source_is_pulled(
    clock: Callable[[], str], admin: Actor, environment: Environment, unused_tcp_port: int
) -> None:
    source = create_source(
        by=admin,
        environment=environment,
        name="away",
        backend="prometheus",
        url=f"http://127.0.0.1:{unused_tcp_port}",
    )
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until and AlertSource.objects.get(pk=source.pk).last_pull_at is None:
        time.sleep(0.2)
    pulled = AlertSource.objects.get(pk=source.pk)
    assert pulled.last_pull_at is not None, clock()
    assert pulled.health["scopes"]["alerts"]["status"] == "error"
    assert "Traceback" not in clock()
