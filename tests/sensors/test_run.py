"""The sensor comes in by `sightline-run` alone: under gunicorn, in children of every kind, beside a sitecustomize."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sightline import run
from tests.observed import forking_app, sleeper

ROOT = Path(__file__).parents[2]
OBSERVED = ROOT / "tests" / "observed"
LineOf = Callable[[ModuleType, str], int]


class Run:
    """What a program under `sightline-run` wrote, and how to start one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "captures.jsonl"

    def environ(self, probes: list[dict[str, Any]], **more: str) -> dict[str, str]:
        (self.folder / "probes.json").write_text(json.dumps(probes))
        return {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("SIGHTLINE_", "COV_"))
            },
            "PYTHONPATH": os.pathsep.join([str(ROOT / "sensors" / "python"), str(OBSERVED)]),
            "SIGHTLINE_SERVICE": "observed",
            "SIGHTLINE_ENVIRONMENT": "test",
            "SIGHTLINE_FILE": str(self.file),
            "SIGHTLINE_PROBES": str(self.folder / "probes.json"),
            **more,
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "sightline", "run", *arguments]

    def written(self, kind: str) -> list[dict[str, Any]]:
        if not self.file.exists():
            return []
        lines = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [line[kind] for line in lines if kind in line]

    def wait_for(self, enough: Callable[[], bool], within: float = 20.0) -> None:
        until = time.monotonic() + within
        while not enough():
            assert time.monotonic() < until, (self.written("status"), len(self.written("capture")))
            time.sleep(0.02)


@pytest.fixture
def program(tmp_path: Path) -> Run:
    return Run(tmp_path)


def answering(line: int, **more: Any) -> list[dict[str, Any]]:
    location = {"file": "observed/forking_app.py", "line": line}
    return [{"id": "p1", "kind": "logpoint", "location": location, "template": "{pid}", "rate": 1000, **more}]


@pytest.fixture(params=[[], ["--preload"]], ids=["loaded in the workers", "preloaded"])
def gunicorn(request: pytest.FixtureRequest, program: Run, line_of: LineOf) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    arguments = ["gunicorn", "--bind", address, "--workers", "2", *request.param, "forking_app:app"]
    process = subprocess.Popen(
        program.command(str(Path(sys.executable).with_name(arguments[0])), *arguments[1:]),
        env=program.environ(answering(line_of(forking_app, "answer"))),
        cwd=OBSERVED,
        stderr=subprocess.PIPE,
    )
    try:
        yield f"http://{address}/"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def asked(url: str) -> dict[str, Any]:
    until = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)  # type: ignore[no-any-return]
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def test_gunicorns_workers_are_instances_of_their_own(program: Run, gunicorn: str) -> None:
    instances: dict[int, str] = {}

    def both_have_captured() -> bool:
        answer = asked(gunicorn)
        instances[answer["pid"]] = answer["instance"]
        assert answer["dormant"] is False
        return (
            {int(capture["message"]) for capture in program.written("capture")}
            >= set(instances)
            > {answer["pid"]}
        )

    program.wait_for(both_have_captured)
    assert len(set(instances.values())) == 2


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_are_instances_too(program: Run, line_of: LineOf, method: str) -> None:
    probes = [
        {"id": "p1", "kind": "counter", "location": {"file": "sleeper.py", "line": line_of(sleeper, "work")}}
    ]
    report = program.folder / "report"
    subprocess.run(
        program.command(sys.executable, str(OBSERVED / "sleeper.py"), method, str(report)),
        env=program.environ(probes),
        check=True,
        timeout=60,
    )

    lines = [line.split() for line in report.read_text().splitlines()]
    assert len({pid for pid, _, _ in lines}) == 3
    assert len({instance for _, instance, _ in lines}) == 3
    assert {dormant for _, _, dormant in lines} == {"0"}


def test_a_sitecustomize_of_the_programs_own_still_runs(program: Run) -> None:
    (program.folder / "sitecustomize.py").write_text("import sys\nsys.own_sitecustomize = __name__\n")
    environ = program.environ([])
    environ["PYTHONPATH"] += os.pathsep + str(program.folder)
    said = subprocess.run(
        program.command(
            sys.executable,
            "-c",
            "import sys, sightline.sensor as s; print(sys.own_sitecustomize, s.current())",
        ),
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert said.stdout.startswith("sitecustomize <sightline.sensor.Sensor")


def test_a_setting_that_cannot_be_meant_is_said_and_the_program_runs(program: Run) -> None:
    said = subprocess.run(
        program.command(sys.executable, "-c", "print('ran')"),
        env=program.environ([], SIGHTLINE_BUDGET="much"),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert said.stdout == "ran\n"
    assert said.stderr.startswith("sightline: not started: The budget is a share of one core")


def test_exit_code_arguments_and_unknown_commands_are_as_without_us(program: Run) -> None:
    environ = program.environ([])
    code = "import sys; sys.exit(len(sys.argv))"
    ended = subprocess.run(
        program.command(sys.executable, "-c", code, "a", "--b"), env=environ, timeout=30, check=False
    )
    assert ended.returncode == 3
    missing = subprocess.run(
        program.command("no-such-program"),
        env=environ,
        timeout=30,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (missing.returncode, missing.stderr) == (
        127,
        "sightline-run: no-such-program: No such file or directory\n",
    )


PYTHON = "/usr/bin/python3"
PARTS = [
    ([PYTHON, "app.py"], "serves"),
    ([PYTHON, "-m", "http.server"], "serves"),
    ([PYTHON, "-X", "dev", "-u", "app.py", "gunicorn"], "serves"),
    ([PYTHON, "/opt/bin/gunicorn", "app:app"], "supervises"),
    ([PYTHON, "-m", "gunicorn", "app:app"], "supervises"),
    ([PYTHON, "/opt/bin/uvicorn", "app:app"], "serves"),
    ([PYTHON, "/opt/bin/uvicorn", "app:app", "--workers", "4"], "supervises"),
    ([PYTHON, "-m", "uvicorn", "app:app", "--workers=1"], "serves"),
    ([PYTHON, "-m", "uvicorn", "app:app", "--reload"], "supervises"),
    ([PYTHON, "/opt/bin/celery", "-A", "proj", "worker"], "supervises"),
    ([PYTHON, "/opt/bin/celery", "-A", "proj", "worker", "-P", "solo"], "serves"),
    ([PYTHON, "/opt/bin/celery", "-A", "proj", "worker", "--pool=threads"], "serves"),
    ([PYTHON, "/opt/bin/celery", "-A", "proj", "beat"], "serves"),
    ([PYTHON, "manage.py", "runserver"], "supervises"),
    ([PYTHON, "manage.py", "runserver", "--noreload"], "serves"),
    ([PYTHON, "manage.py", "migrate"], "serves"),
    ([PYTHON, "/opt/bin/flask", "run"], "serves"),
    ([PYTHON, "/opt/bin/flask", "run", "--debug"], "supervises"),
    ([PYTHON, "-m", "pip", "install", "x"], "helps"),
    ([PYTHON, "/opt/bin/pip", "install", "x"], "helps"),
    ([PYTHON, "-c", "from multiprocessing.resource_tracker import main;main(5)"], "helps"),
    ([PYTHON, "-c", "from multiprocessing.forkserver import main; main(3, 4, [])"], "supervises"),
    (
        [
            PYTHON,
            "-c",
            "from multiprocessing.spawn import spawn_main; spawn_main()",
            "--multiprocessing-fork",
        ],
        "serves",
    ),
    ([PYTHON], "serves"),
]


@pytest.mark.parametrize(("argv", "part"), PARTS, ids=[" ".join(argv[1:]) for argv, _ in PARTS])
def test_a_process_is_known_by_its_command_line(argv: list[str], part: str) -> None:
    assert run.part_of(argv, {}) == part


def test_the_child_of_a_reloader_serves() -> None:
    assert run.part_of([PYTHON, "manage.py", "runserver"], {"RUN_MAIN": "true"}) == "serves"
    assert (
        run.part_of([PYTHON, "/opt/bin/flask", "run", "--reload"], {"WERKZEUG_RUN_MAIN": "true"}) == "serves"
    )


def test_the_usage_names_every_setting() -> None:
    from sightline.config import SETTINGS

    assert all(f"--{name}" in run.usage() for name in SETTINGS)
