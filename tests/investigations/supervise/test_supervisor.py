from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import psutil
import pytest

from investigations.lib.processes import ProcessStatus, read_processes, write_processes
from investigations.supervise import supervisor as supervisor_module
from investigations.supervise.errors import Unstartable
from investigations.supervise.home import Home
from investigations.supervise.parts import HOST
from investigations.supervise.programs import LISTEN, Program
from investigations.supervise.supervisor import Supervisor, clear_leftovers

WAIT = 20.0  # seconds; a limit for a busy machine, not an expectation


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110  (a file or another process has no event to wait for)
            await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def status_of(home: Home, name: str) -> ProcessStatus:
    return next(status for status in read_processes(home.folder) if status.name == name)


async def test_a_program_is_started_once_it_says_that_it_is_ready(supervising, program, tmp_path, home):
    ready = tmp_path / "ready"
    text = f"import pathlib, time; time.sleep(0.3); pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    async with supervising() as supervisor:
        await supervisor.start(program(text, is_ready=ready.exists))
        assert ready.exists()
        assert status_of(home, "child").state == "running"


async def test_an_essential_program_that_dies_ends_the_start_with_its_last_words(supervising, program):
    async with supervising() as supervisor:
        with pytest.raises(Unstartable) as raised:
            await supervisor.start(program("raise SystemExit('no room left')", is_ready=lambda: False))
    assert raised.value.slug == "child_died"
    assert raised.value.sentence == "child ended with code 1: no room left"


async def test_an_essential_program_that_dies_while_it_is_asked_is_not_tried_again(
    supervising, program, said
):
    async with supervising() as supervisor:
        with pytest.raises(Unstartable, match="child ended with code 4"):
            await supervisor.start(program("raise SystemExit(4)", is_ready=partial(time.sleep, 1)))
    assert said == []


async def test_a_program_that_dies_is_started_again_and_shown(supervising, program, home, said):
    async with supervising() as supervisor:
        await supervisor.start(program("import time; time.sleep(60)"))
        first = status_of(home, "child").pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: status_of(home, "child").restarts == 1 and status_of(home, "child").pid)
        assert status_of(home, "child").pid != first
    assert said == ["child was ended by SIGKILL. It is started again in 0.5 s."]


async def test_the_pauses_grow_while_a_program_keeps_dying(supervising, program, home, said, monkeypatch):
    monkeypatch.setattr(supervisor_module, "BACK_OFF", (0.01, 0.02, 0.03))
    async with supervising() as supervisor:
        await supervisor.start(program("raise SystemExit(3)", essential=False))
        await until(lambda: len(said) >= 4)
    pauses = [sentence.rsplit("in ", 1)[1] for sentence in said]
    assert pauses[:4] == ["0.01 s.", "0.02 s.", "0.03 s.", "0.03 s."]


async def test_what_runs_to_its_end_is_waited_for(supervising, program, tmp_path):
    async with supervising() as supervisor:
        await supervisor.run(program(f"open({str(tmp_path / 'made')!r}, 'w')"))
        assert (tmp_path / "made").exists()
        with pytest.raises(Unstartable, match="child ended with code 2"):
            await supervisor.run(program("raise SystemExit(2)"))


async def test_several_programs_share_the_listening_socket(supervising, program):
    text = "import socket, sys, time; s = socket.socket(fileno=int(sys.argv[1])); c, _ = s.accept(); c.send(b'hi')"
    async with supervising() as supervisor:
        port = supervisor.port
        for name in ("one", "two"):
            child = program(text, name=name, essential=False)
            await supervisor.start(Program(name, [*child.command, LISTEN], child.folder, child.env))
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b"hi"
            writer.close()


async def test_the_end_leaves_no_process_not_even_a_grandchild_that_went_its_own_way(
    supervising, program, tmp_path
):
    text = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n"
        "raise SystemExit(0)"
    )
    async with supervising() as supervisor:
        await supervisor.start(program(text, essential=False))
        await until((tmp_path / "pid").exists)
        await until((tmp_path / "pid").read_text)
        grandchild = int((tmp_path / "pid").read_text())
    assert not is_alive(grandchild)


async def test_what_its_process_started_before_is_not_its_to_end(supervising, program):
    before = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        async with supervising() as supervisor:
            await supervisor.start(program("import time; time.sleep(60)"))
        assert is_alive(before.pid)
    finally:
        before.kill()


async def test_a_program_that_ignores_the_asking_is_killed(supervising, program, home, monkeypatch):
    monkeypatch.setattr(supervisor_module, "GRACE", 0.3)
    text = "from signal import *; import time; signal(SIGTERM, SIG_IGN); print(1, flush=True); time.sleep(60)"
    async with supervising() as supervisor:
        await supervisor.start(program(text))
        await until((home.logs / "child.log").exists)
        pid = status_of(home, "child").pid
    assert not is_alive(pid)


def test_what_a_killed_supervisor_left_running_is_ended_by_the_next(home):
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = psutil.Process(left.pid).create_time()
    write_processes(home.folder, [ProcessStatus("web-1", "running", left.pid, started, 0, 0.0, "")])
    clear_leftovers(home.folder)
    assert not is_alive(left.pid)


def test_a_process_that_only_has_the_same_number_is_left_alone(home):
    write_processes(home.folder, [ProcessStatus("web-1", "running", os.getpid(), 1.0, 0, 0.0, "")])
    clear_leftovers(home.folder)


async def test_a_log_that_grew_too_long_is_cut_and_written_on(supervising, program, home, monkeypatch):
    monkeypatch.setattr(supervisor_module, "LOG_BYTES", 1000)
    text = "import time\nwhile True: print('x' * 99, flush=True); time.sleep(0.01)"
    log = home.logs / "child.log"
    async with supervising() as supervisor:
        await supervisor.start(program(text))
        await until((home.logs / "child.log.1").exists)
        await until(lambda: log.read_text().startswith("xxx"))  # not a hole of zeros: it appends
        assert log.stat().st_size < 100_000


async def test_on_a_full_disk_that_is_the_reason_given(supervising, program, monkeypatch):
    monkeypatch.setattr(supervisor_module, "is_full", lambda folder: True)
    async with supervising() as supervisor:
        with pytest.raises(Unstartable, match=r"child ended, and the disk that holds .* is full"):
            await supervisor.run(program("raise SystemExit(1)"))


async def test_the_last_words_of_a_structured_log_are_its_event(supervising, program):
    async with supervising() as supervisor:
        with pytest.raises(Unstartable) as raised:
            await supervisor.run(
                program("""raise SystemExit('{"event": "no such table", "level": "error"}')""")
            )
    assert raised.value.sentence == "child ended with code 1: no such table"


async def test_a_port_taken_at_the_last_moment_is_one_sentence(home, said):
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Unstartable, match=f"Port {port}, which the dashboard needs, is taken"):
            async with Supervisor(home, said.append, HOST, port):
                pytest.fail("it started without its port")


async def test_a_program_is_started_again_though_nobody_can_be_told(program, home, monkeypatch):
    def gone(sentence: str) -> None:
        raise BrokenPipeError("the terminal is gone")

    monkeypatch.setattr(supervisor_module, "BACK_OFF", [0.1])
    async with Supervisor(home, gone, HOST, 0) as supervisor:
        await supervisor.start(program("import time; print('up', flush=True); time.sleep(60)"))
        child = supervisor.children["child"]
        os.kill(child.status().pid, signal.SIGTERM)
        await until(lambda: child.restarts == 1 and child.is_running)
