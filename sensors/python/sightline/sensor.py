"""The sensor of one process: started, forked, stopped; wires the parts together and answers the sensor's thread."""

from __future__ import annotations

import atexit
import json
import os
import platform
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from . import __version__, context, engines, foreign, native, neighbours, outbox, ownership, wire
from .config import SensorConfig
from .engines.base import COMPILED
from .errors import ConfigError
from .functions import FunctionRecord
from .hits import IDLE_HIT_NS, ProbeHits, Record, Room
from .ids import uuid7
from .limits import Breaker, Budget
from .outcomes import Outcomes
from .redaction import Redactor
from .registry import Registry
from .sources import Sources

FLUSH_AT_EXIT_S = 0.5
FLUSH_AT_STOP_S = 2.0
WAIT_AT_FORK_S = 0.5
"""How long a fork waits for the sensor's thread to finish what it is changing."""
TICK_S = 0.25
TICK_WHILE_RESTING_S = 0.1
"""The window for which a line is switched off once the process's budget is used up."""
FORGET_CLASSES_EVERY_S = 300.0


class Pump(Protocol):
    """The sensor's thread, whatever it is connected to."""

    def start(self) -> None: ...

    def wake(self) -> None: ...

    def stop(self, within: float = ...) -> None: ...

    def abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent, without a word on its socket."""


MakePump = Callable[["Sensor"], Pump]


class Sensor:
    """One process's sensor. ``dormant`` ones wait for a fork: the master of a pre-fork server serves nothing itself."""

    def __init__(self, config: SensorConfig, make_pump: MakePump, *, dormant: bool = False) -> None:
        self.config = config
        self.dormant = dormant
        self._make_pump = make_pump
        self._pump: Pump | None = None
        self._fork_lock_held = False
        self._init_identity()
        self._init_parts()

    def _init_identity(self) -> None:
        self.started_at = native.time_ns()
        self.instance_id = str(uuid7(self.started_at))

    def _init_parts(self) -> None:
        self.engine = (
            engines.NoEngine("The sensor is disabled.") if self.config.disabled else engines.choose()
        )
        self.outbox = outbox.Outbox()
        self.budget = Budget(self.config.budget)
        self.breaker = Breaker(self.budget)
        self.room = Room(self.outbox, self.budget, self._redactor(), guarded=self.engine.name == "rewriting")
        self.registry = Registry(self.engine, self.room, self.breaker)
        self.functions = FunctionRecord(self.config.functions, self.engine, self.budget)
        self.outcomes = Outcomes(self.engine, lambda: self.outbox)
        self.sources = Sources(self.config.roots, self.engine.original)
        self._terms: tuple[wire.RedactionRules, bytes] | None = None
        self._thread_time = 0
        self._beat_at, self._beat_total = native.monotonic(), 0
        self._forget_at = native.monotonic() + FORGET_CLASSES_EVERY_S

    # Life

    def start(self) -> None:
        """Begin, unless this process only makes others."""
        if not self.dormant:
            context.tenant_header = self.config.tenant
            ownership.own(self.config.roots)
            context.look_around()
            self._pump = self._make_pump(self)
            self._pump.start()

    def stop(self, within: float = FLUSH_AT_STOP_S) -> None:
        """Disarm, send what was captured within that many seconds, and end the thread."""
        with self.registry.lock:
            self.functions.close()
            self.outcomes.close()
        self.registry.close()
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.stop(within)

    def connected(self) -> bool:
        """Whether a gateway has welcomed this sensor, or a file stands in for one."""
        link = getattr(self._pump, "link", None)
        return bool(link.connected) if link is not None else bool(self.config.file)

    def before_fork(self) -> None:
        """Let no fork happen in the middle of arming."""
        self._fork_lock_held = self.registry.lock.acquire(timeout=WAIT_AT_FORK_S)

    def after_fork_in_parent(self) -> None:
        if self._fork_lock_held:
            self._fork_lock_held = False
            self.registry.lock.release()

    def after_fork_in_child(self) -> None:
        """A new instance with its own id, counts, thread and connection; what was armed stays so until it is told."""
        abandoned, self._pump = self._pump, None
        if abandoned is not None:
            abandoned.abandon()
        self._init_identity()
        self.room.busy.clear()
        if self._fork_lock_held:
            self._count_from_nothing()
        else:  # the parent was in the middle of a change: begin with nothing armed
            self.registry.abandon()
            self.functions.close()
            self.engine.close()
            self._init_parts()
        self._fork_lock_held = False
        self.dormant = False
        self.start()

    def _count_from_nothing(self) -> None:
        self.outbox = self.room.outbox = outbox.Outbox()
        self.budget.start_over()
        self.breaker = Breaker(self.budget)
        self.registry.start_over(self.breaker)
        self.functions.start_over()
        self._thread_time = 0
        self._beat_at, self._beat_total = native.monotonic(), 0

    # What the sensor's thread asks (transport.Host)

    def hello(self) -> wire.Hello:
        """Who this process is. Token id and nonce are the protocol's to fill in."""
        config = self.config
        return wire.Hello(
            versions=list(wire.SPOKEN_VERSIONS),
            token_id="",
            nonce=b"",
            service=config.service,
            environment=config.environment,
            instance_id=self.instance_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=self.started_at,
            runtime=wire.Runtime(
                sys.implementation.name, platform.python_version(), platform.platform(terse=True)
            ),
            sensor_version=__version__,
            engine=wire.Engine(self.engine.name, self.engine.reason),
            commit=config.commit,
            version=config.version,
            tags=config.tags,
            neighbours=neighbours.present(),
            roots=list(config.roots),
        )

    def on_welcome(self, welcome: wire.Welcome) -> None:
        """The rules of this environment; they can only withhold more."""
        self._take_terms(welcome.redaction, welcome.hash_key)
        self.registry.tell_everything_again()

    def on_terms(self, redaction: wire.RedactionRules) -> None:
        """New rules of this environment; what was captured and not yet written is written under them."""
        self._take_terms(redaction, self._terms[1] if self._terms else b"")

    def _take_terms(self, redaction: wire.RedactionRules, hash_key: bytes) -> None:
        if (redaction, hash_key) != self._terms:
            self._terms = redaction, hash_key
            self.room.redactor = self._redactor(redaction, hash_key)
            self.registry.arm_anew()

    def environment_rules(self) -> wire.RedactionRules:
        """What this environment withholds beside what the sensor does by itself, as last told."""
        return self._terms[0] if self._terms else wire.RedactionRules()

    def _redactor(self, redaction: wire.RedactionRules | None = None, hash_key: bytes = b"") -> Redactor:
        """The environment's rules with this process's own."""
        rules = redaction or wire.RedactionRules()
        own = msgspec.structs.replace(rules, names=[*rules.names, *self.config.redact])
        return Redactor(own, hash_key, self.config.allow)

    def on_probe_set(self, revision: int, probes: list[wire.Probe]) -> None:
        self.registry.reconcile(revision, probes)

    def on_request(self, request: wire.Request) -> wire.AnswerBody:
        if request.ask == "doctor":
            return wire.Doctor(self.doctor())
        return self.sources.answer(request)

    def heartbeat(self) -> wire.Heartbeat:
        """Counters since the process started; the share of a core since the last heartbeat."""
        now, total = native.monotonic(), self.budget.total
        elapsed = now - self._beat_at
        share = (total - self._beat_total) / 1e9 / elapsed if elapsed > 0 else 0.0
        self._beat_at, self._beat_total = now, total
        return wire.Heartbeat(
            at=native.time_ns(),
            mono=int(now * 1e9),
            counters=self.registry.counters(),
            drops=dict(self.outbox.drops),
            queued=len(self.outbox),
            cpu_share=round(share, 6),
            budget=self.budget.share,
            breaker=self.breaker.sentence,
            memory_bytes=self.outbox.bytes_held,
        )

    def take_functions(self) -> wire.Functions | None:
        return self.functions.take()

    def take_statuses(self) -> list[wire.ProbeStatus]:
        return self.registry.take_statuses()

    def write(self, record: Record) -> wire.Capture | wire.Outcome:
        """The capture of a record. What that takes is booked with this thread's time, and is the probe's doing."""
        if isinstance(record[0], Outcomes):
            return record[0].write(record)
        began = native.thread_time_ns()
        hits: ProbeHits = record[0]
        capture = hits.write(record)
        hits.cost_ns += native.thread_time_ns() - began
        return capture

    def tick(self) -> float:
        """Housekeeping on the sensor's thread; gives the seconds until it is wanted again."""
        if not isinstance(self._pump, Idle):
            self._book_own_thread()
        now = native.monotonic()
        self.budget.spend(self.engine.idle_hits() * IDLE_HIT_NS)
        self.budget.refill(now)
        self.registry.tick(now)
        with self.registry.lock:
            self.functions.tick(now)
            self.outcomes.tick(now, wanted=bool(self.registry.armed_hits()))
        self.breaker.check(now, self.registry.armed_hits())
        context.look_around()
        if now >= self._forget_at:
            self._forget_at = now + FORGET_CLASSES_EVERY_S
            foreign.forget()
        return TICK_WHILE_RESTING_S if self.registry.any_resting() else TICK_S

    def _book_own_thread(self) -> None:
        """The sensor's own thread works on the same budget."""
        used = native.thread_time_ns()
        self.budget.spend(max(0, used - self._thread_time))
        self._thread_time = used

    def rests(self, resting: bool) -> None:
        """Hits on the sensor's own thread are not observed; while it sleeps it has none, and `busy` is empty."""
        (self.room.busy.discard if resting else self.room.busy.add)(native.get_ident())

    def doctor(self) -> dict[str, str]:
        """What is in this process, in short sentences."""
        link = getattr(self._pump, "link", None)
        facts = {
            "service": f"{self.config.service} in {self.config.environment}, instance {self.instance_id}",
            "python": platform.python_version(),
            "sensor": f"{__version__}, compiled" if COMPILED else __version__,
            "engine": f"{self.engine.name}: {self.engine.reason}",
            "connection": link.sentence if link is not None else self.config.file or "none",
            "neighbours": ", ".join(neighbours.present()) or "none",
            "commit": self.config.commit or "unknown",
            "roots": ", ".join(self.config.roots),
            "budget": f"{self.budget.share:.1%} of a core; {self.breaker.share:.2%} used lately",
            "functions": self.functions.sentence(),
            "breaker": self.breaker.sentence or "closed",
            "probes": ", ".join(f"{entry.probe.id}: {entry.status.state}" for entry in self.registry)
            or "none",
        }
        return facts


# ---------------------------------------------------------------- the sensor of this process

_current: Sensor | None = None
_fork_hooks_registered = False


def start(settings: Mapping[str, Any], *, dormant: bool = False) -> Sensor:
    """See `sightline.start`."""
    global _current
    if _current is not None:
        return _current
    config = SensorConfig.read(settings)
    sensor = Sensor(config, _pump_for(config), dormant=dormant)
    _register_fork_hooks()
    sensor.start()
    _current = sensor
    return sensor


def stop(within: float = FLUSH_AT_STOP_S) -> None:
    """See `sightline.stop`."""
    global _current
    sensor, _current = _current, None
    if sensor is not None:
        sensor.stop(within)


def current() -> Sensor | None:
    """The sensor of this process, if one was started."""
    return _current


def _pump_for(config: SensorConfig) -> MakePump:
    """How the sensor's thread is made. Imports now, on the caller's thread, what that thread will need.

    An import on the sensor's thread while the application imports could show it a half-made module.
    """
    if config.disabled:
        return lambda sensor: Idle()
    if config.file:
        from .filesink import FileSink

        probes = read_probes(Path(config.probes)) if config.probes else []

        def to_file(sensor: Sensor) -> Pump:
            sensor.registry.reconcile(1, probes)
            return FileSink(sensor, sensor.outbox, path=Path(config.file))

        return to_file
    from .protocol import Token
    from .transport import Transport

    token = Token.parse(config.token)
    return lambda sensor: Transport(sensor, sensor.outbox, url=config.url, token=token)


class Idle:
    """Stands for the thread of a sensor that is disabled."""

    def start(self) -> None:
        """There is nothing to do."""

    def wake(self) -> None:
        """Nobody listens."""

    def stop(self, within: float = 0.0) -> None:
        """Nothing runs."""

    def abandon(self) -> None:
        """Nothing is held."""


def read_probes(path: Path) -> list[wire.Probe]:
    """Probes from a JSON file, their expressions as plain text. Raises `ConfigError`.

    ``[{"id": "p1", "kind": "logpoint", "location": {"file": "app.py", "line": 9}, "template": "amount {amount}"}]``
    """
    from . import expressions

    try:
        described = json.loads(path.read_text())
        for probe in described:
            probe.setdefault("valid_for", 1e9)
            for name in ("condition", "value"):
                if isinstance(probe.get(name), str):
                    probe[name] = msgspec.to_builtins(expressions.parse(probe[name]))
            if isinstance(probe.get("template"), str):
                probe["template"] = msgspec.to_builtins(expressions.parse_template(probe["template"]))
            for watch in probe.get("watches") or ():
                if isinstance(watch.get("expression"), str):
                    watch["expression"] = msgspec.to_builtins(expressions.parse(watch["expression"]))
        return msgspec.convert(described, list[wire.Probe])
    except Exception as error:
        raise ConfigError("probes_unreadable", f"{path} does not hold a list of probes: {error}") from error


def _register_fork_hooks() -> None:
    """Once a process: they cannot be taken back, and do nothing while no sensor runs."""
    global _fork_hooks_registered
    if _fork_hooks_registered:
        return
    _fork_hooks_registered = True
    os.register_at_fork(
        before=lambda: _safely(Sensor.before_fork),
        after_in_parent=lambda: _safely(Sensor.after_fork_in_parent),
        after_in_child=lambda: _safely(Sensor.after_fork_in_child),
    )
    atexit.register(stop, FLUSH_AT_EXIT_S)


def _safely(step: Callable[[Sensor], None]) -> None:
    """A fork of the application's goes on whatever happens here."""
    try:
        if _current is not None:
            step(_current)
    except Exception:  # noqa: BLE001 (nothing may reach the host)
        _disable_after_failure()


def _disable_after_failure() -> None:
    global _current
    _current = None
