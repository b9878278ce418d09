"""Keeps programs alive, on circus: starts them in order, restarts what dies with back-off, leaves no process behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from circus.arbiter import Arbiter
from circus.exc import ConflictError
from circus.sockets import CircusSocket
from circus.watcher import Watcher
from tornado.ioloop import IOLoop

from investigations.lib.processes import FILE, ProcessStatus, State, read_processes, write_processes

from .errors import Unstartable, port_taken
from .home import Home, is_full
from .programs import Program, Stop

READY_WITHIN = 120.0  # seconds; a first start on a busy machine
GRACE = 3.0  # seconds between the asking and the killing of one round: two rounds and the rest fit into ten
LOOK_EVERY = 0.1  # seconds
BACK_OFF = (
    0.5,
    1.0,
    2.0,
    4.0,
    8.0,
    15.0,
    30.0,
)  # seconds before each next start of a program that keeps dying
STEADY = 60.0  # seconds after which a death is the first again
LOG_BYTES = 10 << 20
PR_SET_CHILD_SUBREAPER = 36


class LogFile:
    """What one program writes, cut at 10 MB into this file and the one before."""

    def __init__(self, file: Path, program: Program) -> None:
        self.file = file
        file.touch()
        if program.uid is not None and program.gid is not None:
            os.chown(file, program.uid, program.gid)

    def receive(self, command: Sequence[str]) -> list[str]:
        """The command, writing here: the shell hands over to it once the file is open."""
        return ["/bin/sh", "-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "sh", str(self.file), *command]

    def cut(self) -> None:
        """Begin anew when it is too long. It is emptied in place, because its writers keep it open to append."""
        with contextlib.suppress(OSError):
            if self.file.stat().st_size > LOG_BYTES:
                shutil.copyfile(self.file, self.file.with_suffix(".log.1"))
                os.truncate(self.file, 0)

    def last_line(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            lines = self.file.read_bytes()[-4000:].decode(errors="replace").strip().splitlines()
            return _sentence(lines[-1])[:300] if lines else ""
        return ""


class Child:
    """One program under supervision: its watcher, and what became of its process so far."""

    def __init__(self, program: Program, logs: Path, on_end: Callable[[Child], None]) -> None:
        self.program = program
        self.log = LogFile(logs / f"{program.name}.log", program)
        self.restarts = 0
        self.deaths_in_a_row = 0
        self.state: State = "starting"
        self.since = time.time()
        self.sentence = ""
        self.exit_code: int | None = None
        self.next_start: float | None = None  # monotonic
        self.ended = asyncio.Event()
        self._on_end = on_end
        program_and_arguments = self.log.receive(program.command)
        self.watcher = Watcher(
            program.name,
            program_and_arguments[0],
            args=program_and_arguments[1:],
            working_dir=str(program.folder),
            env=dict(program.env),
            uid=program.uid,
            gid=program.gid,
            use_sockets=True,
            respawn=False,  # circus would restart at once and for ever; the pauses are ours
            autostart=False,
            graceful_timeout=GRACE,
            stop_signal=program.stop_signal,
            hooks={"after_reap": (self._ended, True)},
        )

    def _ended(self, *, exit_code: int | None = None, **_: Any) -> bool:
        self.exit_code = exit_code
        self.ended.set()
        self._on_end(self)
        return True

    @property
    def is_running(self) -> bool:
        return bool(self.watcher.processes) and not self.watcher.is_stopped()

    def enter(self, state: State, sentence: str = "") -> None:
        self.state, self.since, self.sentence = state, time.time(), sentence

    def status(self) -> ProcessStatus:
        process = next(iter(self.watcher.processes.values()), None)
        return ProcessStatus(
            name=self.program.name,
            state=self.state,
            pid=process.pid if process else None,
            started=_started(process.pid) if process else None,
            restarts=self.restarts,
            since=self.since,
            sentence=self.sentence,
        )

    def how_it_ended(self) -> str:
        """One sentence: how, and the last line it wrote."""
        if is_full(self.log.file.parent):
            return f"{self.program.name} ended, and the disk that holds {self.log.file.parent} is full."
        said = self.log.last_line()
        return f"{self.program.name} {_ending(self.exit_code)}" + (f": {said}" if said else ".")


class Supervisor:
    """All the programs of one data directory. Used as an async context manager: leaving it stops everything."""

    def __init__(self, home: Home, say: Callable[[str], None], host: str, port: int) -> None:
        self.home = home
        self.say = say
        self.port = port
        self.children: dict[str, Child] = {}
        self._stopping = False
        logging.getLogger("circus").setLevel(logging.ERROR)
        self._arbiter = Arbiter(
            [],
            f"inproc://{id(self)}-control",  # nobody may add programs from outside
            f"inproc://{id(self)}-events",
            check_delay=-1,  # its own look at the processes may miss an end that comes while it looks
            sockets=[CircusSocket("web", host=host, port=port, backlog=512)],
            loop=IOLoop.current(),
        )

    async def __aenter__(self) -> Self:
        _adopt_orphans()
        clear_leftovers(self.home.folder)
        self._not_ours = {child.pid for child in psutil.Process().children()}
        try:
            await self._arbiter.start()
        except OSError as reason:
            raise port_taken(self.port, "the dashboard") from reason
        self._tending = asyncio.create_task(self._tend())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._tending.cancel()
        for child in self.children.values():
            child.enter("stopping")
        for stop in Stop:
            await _when_idle(partial(self._arbiter.stop_watchers, partial(self._watchers, stop)))
        await _when_idle(self._arbiter.stop)
        await asyncio.sleep(0)  # circus closes its sockets in the loop's next round
        end_descendants(but=self._not_ours)
        (self.home.folder / FILE).unlink(missing_ok=True)

    async def start(self, program: Program) -> None:
        """Start `program` and wait until it is ready. Raises `Unstartable` when an essential one does not get there."""
        child = self._adopt(program)
        await _when_idle(child.watcher.start)
        deadline = time.monotonic() + READY_WITHIN
        while not await self._is_ready(child):
            if child.ended.is_set() and program.essential:
                raise Unstartable("child_died", child.how_it_ended(), fix=f"Read {child.log.file}.")
            if time.monotonic() > deadline:
                if program.essential:
                    raise Unstartable(
                        "child_not_ready",
                        f"{program.name} was not ready within {READY_WITHIN:.0f} s.",
                        fix=f"Read {child.log.file}.",
                    )
                return
            await asyncio.sleep(LOOK_EVERY)
        child.enter("running")
        self._publish()

    async def run(self, program: Program) -> None:
        """Run `program` to its end. Raises `Unstartable` unless that is a good one."""
        child = self._adopt(program)
        try:
            await _when_idle(child.watcher.start)
            await child.ended.wait()
        finally:
            await _when_idle(child.watcher.stop)
            del self.children[program.name]
        if child.exit_code:
            raise Unstartable("child_died", child.how_it_ended(), fix=f"Read {child.log.file}.")

    def _watchers(self, stop: Stop, *, reverse: bool) -> list[Watcher]:
        return [child.watcher for child in self.children.values() if child.program.stop is stop]

    def _adopt(self, program: Program) -> Child:
        child = self.children[program.name] = Child(program, self.home.logs, self._ended)
        child.watcher.initialize(self._arbiter.evpub_socket, self._arbiter.sockets, self._arbiter)
        self._arbiter.watchers.append(child.watcher)
        self._publish()
        return child

    async def _is_ready(self, child: Child) -> bool:
        if not child.is_running:
            return False
        return child.program.is_ready is None or await asyncio.to_thread(child.program.is_ready)

    def _ended(self, child: Child) -> None:
        """Decide, the moment a process has ended, when its program is started again."""
        if self._stopping or (child.state == "starting" and child.program.essential):
            return  # whoever starts it says so
        steady = child.state == "running" and time.time() - child.since > STEADY
        child.deaths_in_a_row = 1 if steady else child.deaths_in_a_row + 1
        pause = BACK_OFF[min(child.deaths_in_a_row, len(BACK_OFF)) - 1]
        child.next_start = time.monotonic() + pause
        was_up, ending = child.state in ("running", "restarting"), child.how_it_ended()
        child.enter("restarting", ending)
        self._publish()
        if was_up:
            self._tell(f"{ending} It is started again in {pause:g} s.")

    def _tell(self, sentence: str) -> None:
        """Say it to whoever watches; a terminal that is gone must not keep a program from being started again."""
        with contextlib.suppress(OSError, ValueError):
            self.say(sentence)

    async def _tend(self) -> None:
        """For as long as the whole runs: notice whatever ends, and start it again once it has waited."""
        while True:
            self._arbiter.reap_processes()
            for child in list(self.children.values()):
                due = child.next_start is not None and child.next_start <= time.monotonic()
                if due and not child.is_running:
                    await self._start_again(child)
                with contextlib.suppress(OSError):  # a full disk, or a log someone took away
                    child.log.cut()
            await asyncio.sleep(LOOK_EVERY)

    async def _start_again(self, child: Child) -> None:
        child.next_start = None
        child.restarts += 1
        child.exit_code = None
        child.ended.clear()
        await _when_idle(child.watcher.start)
        child.enter("running")
        self._publish()

    def _publish(self) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end what it can still run
            write_processes(self.home.folder, [child.status() for child in self.children.values()])


async def _when_idle(command: Callable[[], Awaitable[object]]) -> None:
    """Give circus a command as soon as it is not busy with another: it refuses rather than queues."""
    while True:
        try:
            await command()
        except ConflictError:
            await asyncio.sleep(0.01)
        else:
            return


def clear_leftovers(folder: Path) -> None:
    """End what a supervisor that was killed left running on this folder."""
    for status in read_processes(folder):
        if status.pid is None or _started(status.pid) != status.started:
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(status.pid)
            _end([process, *process.children(recursive=True)])


def end_descendants(*, but: set[int]) -> None:
    """End every process below this one, except those children and theirs; most have stopped as they were asked."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.pid not in but:
                _end([child, *child.children(recursive=True)])


def _end(processes: list[psutil.Process]) -> None:
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                ask(process)
        _, processes = psutil.wait_procs(processes, timeout=1)


def _started(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def _adopt_orphans() -> None:
    """On Linux, become the parent of grandchildren whose parent dies, so that none escapes the end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _sentence(line: str) -> str:
    """What a line of a log says: the event, where it is one of our structured ones."""
    try:
        return str(json.loads(line)["event"])
    except (ValueError, TypeError, KeyError):
        return line


def _ending(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"ended with code {exit_code}"
