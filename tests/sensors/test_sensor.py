"""The sensor of a process: started, forked, stopped; never noticed by the program it is in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from websockets.sync.server import serve

import sightline
from sightline import expressions, native, sensor, wire
from sightline.errors import ConfigError
from tests.observed import shop
from tests.sensors.test_transport import TOKEN, GatewaySide

ROOT = Path(__file__).parents[2]
OBSERVED = ROOT / "tests" / "observed"


class Program:
    """Runs one of the observed programs with a sensor that writes to a file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "captures.jsonl"
        self.probes = folder / "probes.json"

    def run(self, name: str, *arguments: str, line: int, **probe: Any) -> list[list[str]]:
        """What the program printed, with a probe from a file and captures to a file."""
        location = {"file": name, "line": line}
        self.probes.write_text(
            json.dumps([{"id": "p1", "location": location, "rate": 1e6, "hit_limit": 0, **probe}])
        )
        return self.run_with(
            {"SIGHTLINE_FILE": str(self.file), "SIGHTLINE_PROBES": str(self.probes)}, name, *arguments
        )

    def run_with(self, settings: dict[str, str], name: str, *arguments: str) -> list[list[str]]:
        done = subprocess.run(
            [sys.executable, str(OBSERVED / name), *arguments],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "sensors" / "python"),
                "SIGHTLINE_SERVICE": "observed",
                "SIGHTLINE_ENVIRONMENT": "test",
                **settings,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [line.split() for line in done.stdout.splitlines()]

    def messages(self) -> list[str]:
        lines = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [line["capture"]["message"] for line in lines if "capture" in line]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def marked(name: str, mark: str) -> int:
    lines = (OBSERVED / name).read_text().splitlines()
    return next(number for number, text in enumerate(lines, 1) if text.endswith(f"# P:{mark}"))


@pytest.fixture
def started(tmp_path: Path) -> Iterator[sensor.Sensor]:
    settings = {"service": "tested", "environment": "test", "file": str(tmp_path / "captures.jsonl")}
    before = native_threads()
    yield sightline.start(**settings)
    sightline.stop()
    await_the_end_of_threads(before)


class TestStarting:
    def test_importing_it_does_nothing(self):
        code = (
            "import sys, threading, os; before = set(sys.modules), list(sys.meta_path), threading.active_count()\n"
            "import sightline\n"
            "new = sorted(set(sys.modules) - before[0] - {'__future__', 'typing'})\n"
            "assert (list(sys.meta_path), threading.active_count()) == before[1:]\n"
            "assert [name for name in new if name.startswith('sightline')] == ['sightline'], new\n"
        )
        environ = {**os.environ, "PYTHONPATH": str(ROOT / "sensors" / "python")}
        subprocess.run([sys.executable, "-c", code], env=environ, check=True, timeout=30)

    def test_a_second_start_gives_the_running_sensor(self, started):
        assert sightline.start(service="other", environment="test", file="x") is started

    def test_nonsense_raises_and_starts_nothing(self):
        with pytest.raises(ConfigError):
            sightline.start(service="", environment="test")
        assert sensor.current() is None

    def test_a_disabled_sensor_watches_nothing(self):
        mine = sightline.start(service="s", environment="e", disabled="1")
        try:
            assert mine.engine.name == "none"
            assert threading.active_count() == 1 or native.get_ident()
        finally:
            sightline.stop()

    def test_hello_says_who_this_is(self, started):
        hello = started.hello()
        assert (hello.service, hello.environment, hello.pid) == ("tested", "test", os.getpid())
        assert (hello.runtime.name, hello.sensor_version) == ("cpython", sightline.__version__)
        assert hello.engine.reason

    def test_its_own_thread_is_busy_while_it_works_and_not_while_it_sleeps(self, started, monkeypatch):
        busy, tick, ticked = started.room.busy, started.tick, threading.Event()
        seen: list[tuple[int, set[int]]] = []

        def ticking() -> float:
            seen.append((native.get_ident(), set(busy)))
            ticked.set()
            return tick()

        monkeypatch.setattr(started, "tick", ticking)
        started.outbox.wake()
        assert ticked.wait(10)
        while busy:
            time.sleep(0.001)
        assert all(threads == {ident} for ident, threads in seen)


class TestStopping:
    def test_nothing_is_left(self, tmp_path: Path, line_of: Callable[[ModuleType, str], int]):
        code, finders, before = shop.check.__code__, list(sys.meta_path), native_threads()
        probes = tmp_path / "probes.json"
        location = {"file": "observed/shop.py", "line": line_of(shop, "check")}
        probes.write_text(json.dumps([{"id": "p", "kind": "counter", "location": location}]))
        settings = {"file": str(tmp_path / "captures.jsonl"), "probes": str(probes)}
        sightline.start(service="tested", environment="test", **settings)
        assert native_threads() == before + 1
        sightline.stop()
        assert (shop.check.__code__, list(sys.meta_path)) == (code, finders)
        await_the_end_of_threads(before)
        assert sensor.current() is None

    def test_stopping_twice_or_without_a_start_is_nothing(self):
        sightline.stop()
        sightline.stop()


def native_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def await_the_end_of_threads(before: int) -> None:
    """The system takes a moment to bury a thread: whoever counts next must not count it."""
    while native_threads() > before:
        time.sleep(0.001)


class TestForking:
    def test_a_child_is_an_instance_of_its_own_with_the_probes_armed(self, program):
        said = program.run(
            "forking_program.py",
            line=marked("forking_program.py", "work"),
            kind="logpoint",
            template="{number}",
        )
        answers = {line[0]: line[1:] for line in said}
        assert answers["child"][0] != answers["parent"][0]
        assert answers["child"][1:] == ["0", "1"]
        assert answers["parent"][1] == "0"
        assert answers["threads"] == ["1"]
        assert sorted(program.messages()) == ["0", "1", "2", "4", "9"]

    @pytest.mark.parametrize("attempt", range(3))
    def test_a_fork_in_the_middle_of_hits(self, program, attempt):
        said = program.run(
            "forking_program.py",
            "busy",
            line=marked("forking_program.py", "work"),
            kind="logpoint",
            template="{number}",
        )
        assert [line[0] for line in said] == ["child", "parent", "threads"]
        assert "9" in program.messages()


def test_parent_and_child_each_speak_to_the_gateway_on_a_connection_of_their_own(program):
    """The whole way: probe set in, status and captures out, over real sockets, through a fork."""
    side = GatewaySide()
    place = wire.Location("forking_program.py", marked("forking_program.py", "work"))
    template = expressions.parse_template("{number}")
    side.probes = [wire.Probe("p1", "logpoint", place, 60.0, template=template, rate=1e6, hit_limit=0)]
    with serve(side.handle, "127.0.0.1", 0, compression=None, max_size=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        token = f"sls_{TOKEN.public_id}_{TOKEN.secret}"
        settings = {"SIGHTLINE_URL": f"ws://127.0.0.1:{port}/sensor/v1", "SIGHTLINE_TOKEN": token}
        said = program.run_with(settings, "forking_program.py")
        server.shutdown()

    assert [line[0] for line in said] == ["child", "parent", "threads"]
    assert side.connections == 2
    captures = [wire.capture_body.decode(body) for batch in side.of(wire.Captures) for body in batch.bodies]
    assert sorted(capture.message for capture in captures) == ["0", "1", "2", "4", "9"]
    assert "armed" in [status.state for told in side.of(wire.ProbeStatuses) for status in told.statuses]


@pytest.mark.parametrize("when", ["before", "after"])
def test_gevents_patches_do_not_make_a_greenlet_of_the_sensors_thread(program, when):
    said = program.run(
        "gevent_program.py",
        when,
        line=marked("gevent_program.py", "greet"),
        kind="logpoint",
        template="{text}",
    )
    assert said == [["0"]]
    assert sorted(program.messages()) == ["hello ada", "hello grace", "hello joan"]
