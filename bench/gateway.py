"""The gateway's figures: storing beside a plain COPY of the same rows, and the loop's latencies on loopback.

    gateway.ingest_vs_copy      captures a second through one Daphne process, each stored once and acknowledged,
                                as a share of COPYing the same rows into the same table
    loop.place_to_armed         from the verb that places a probe to "armed" in the table, ms, median
    loop.hit_to_acknowledged    from the hit in the application's thread to its acknowledgement, ms, median

PostgreSQL, Valkey and Daphne are real processes in a folder of their own, with fsync on. Gateway and COPY take turns.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.figures import figure, show

ROOT = Path(__file__).resolve().parent.parent

CAPTURES = 40_000
CONNECTIONS = 4
ROUNDS = 5
LOOPS = 60
BATCH_BYTES = 480 * 1024
WINDOW = 8
START_WITHIN_S = 60


# ---------------------------------------------------------------- the servers


@contextlib.contextmanager
def servers() -> Iterator[None]:
    """PostgreSQL and Valkey, named in the environment; must be entered before Django is set up."""
    from investigations.supervise.postgres import Cluster
    from investigations.supervise.valkey import Valkey

    with tempfile.TemporaryDirectory(prefix="sightline-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        postgres = Cluster(folder / "pg")
        valkey = Valkey(folder / "valkey", port=_free_port(), password="bench")
        for server in (postgres, valkey):
            server.prepare()
            stack.enter_context(_running(server.start(folder / "servers.log")))
            wait_for(server.is_ready)
        os.environ |= {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": valkey.url,
            "SIGHTLINE_HOME": str(folder / "home"),
            "SIGHTLINE_SECRET_KEY": "bench",
            "SIGHTLINE_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "investigations.settings",
        }
        yield


@contextlib.contextmanager
def daphne() -> Iterator[str]:
    """One Daphne process; the address of its sensors' door."""
    port = _free_port()
    command = [sys.executable, "-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen([*command, "investigations.asgi:application"], cwd=ROOT)
    with _running(process):
        wait_for(lambda: _answers(port))
        yield f"ws://127.0.0.1:{port}/sensor/v1"


@contextlib.contextmanager
def _running(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_for(condition: Callable[[], bool], pause: float = 0.05) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("something that was waited for did not happen")
        time.sleep(pause)


# ---------------------------------------------------------------- the cast


class Stage:
    """An environment with a service, a session, an active probe and a sensor token."""

    def __init__(self) -> None:
        from investigations.accounts import services as accounts
        from investigations.accounts.actors import SYSTEM, Actor
        from investigations.accounts.models import TokenKind, User
        from investigations.catalog.services import ensure_service
        from investigations.sessions.services import open_session

        user = User.objects.create(username="bench", is_superuser=True)
        self.by = Actor.person(user)
        self.environment = accounts.ensure_environment(by=SYSTEM, name="bench")
        self.service = ensure_service(environment=self.environment, name="bench-service")
        self.session = open_session(by=self.by, environment=self.environment, title="Bench")
        _, self.token_text = accounts.issue_access_token(
            by=self.by, kind=TokenKind.SENSOR, name="bench", owner=user, environment=self.environment
        )
        self.probe = self.place("bench/target.py", 1)

    def place(self, file: str, line: int, **fields: Any) -> Any:
        """A logpoint's row, without asking whether its line exists."""
        from django.utils import timezone

        from investigations.probes.models import Probe, ProbeState

        usual: dict[str, Any] = {"kind": "logpoint", "template": "a={a} b={b}", "hit_limit": 0, "rate": 1e6}
        return Probe.objects.create(
            environment=self.environment,
            session=self.session,
            service=self.service,
            number=self.session.probes.count() + 1,
            location={"file": file, "line": line},
            place=f"{file}:{line}",
            state=ProbeState.ACTIVE,
            placed_by="bench",
            expires_at=timezone.now() + timedelta(hours=1),
            **(usual | fields),
        )


# ---------------------------------------------------------------- ingest


def ingest_vs_copy(stage: Stage, url: str) -> dict[str, Any]:
    """Captures a second through the gateway and by COPY, the best of rounds that take turns."""
    through_gateway, copied = [], []
    for _ in range(ROUNDS):
        _truncate()
        through_gateway.append(CAPTURES / _send_all(stage, url))
        rows = _copied_out()
        _truncate()
        copied.append(CAPTURES / _copied_in(rows))
    return figure(
        "gateway.ingest_vs_copy",
        max(through_gateway) / max(copied),
        "share",
        goal=0.3,
        larger_is_better=True,
        baseline=1.0,
        captures_per_s=round(max(through_gateway)),
        copied_per_s=round(max(copied)),
        bytes_a_row=len(rows) // CAPTURES,
    )


def _send_all(stage: Stage, url: str) -> float:
    """Seconds from the first message to the last acknowledgement, over several connections at once."""
    connections = [_Connection(stage, url) for _ in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        began = time.perf_counter()
        list(threads.map(_Connection.send_all, connections))
        took = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return took


class _Connection:
    """One instance with its messages made beforehand, so that only the gateway's work is timed."""

    def __init__(self, stage: Stage, url: str) -> None:
        from websockets.sync.client import connect

        from sightline import handshake, wire
        from sightline.protocol import Token

        token = Token.parse(stage.token_text)
        hello = wire.encode(_hello(stage, token.public_id))
        self._open = contextlib.ExitStack()
        self._socket = self._open.enter_context(connect(url, proxy=None, max_size=None, compression=None))
        self._socket.send(hello)
        challenge = self._socket.recv()
        assert isinstance(challenge, bytes)
        said = handshake.transcript(hello, challenge)
        self._socket.send(wire.encode(wire.Proof(handshake.sensor_proof(token.secret, said))))
        assert isinstance(wire.from_gateway.decode(_binary(self._socket.recv())), wire.Welcome)
        self._messages = list(_messages(stage.probe, CAPTURES // CONNECTIONS))

    def send_all(self) -> None:
        """Send with as many messages under way as the window allows."""
        from sightline import wire

        under_way = 0
        for message in self._messages:
            self._socket.send(message)
            under_way += 1
            while under_way >= WINDOW:
                under_way -= self._acknowledged(wire)
        while under_way:
            under_way -= self._acknowledged(wire)

    def _acknowledged(self, wire: Any) -> int:
        message = wire.from_gateway.decode(_binary(self._socket.recv()))
        if isinstance(message, wire.Refusal):
            raise SystemExit(f"refused: {message}")
        if isinstance(message, wire.Ack):
            assert not message.refused, message.refused
        return isinstance(message, wire.Ack)

    def close(self) -> None:
        self._open.close()


def _binary(frame: str | bytes) -> bytes:
    assert isinstance(frame, bytes)
    return frame


def _hello(stage: Stage, token_id: str) -> Any:
    from sightline import wire

    return wire.Hello(
        versions=[1],
        token_id=token_id,
        nonce=os.urandom(32),
        service=stage.service.name,
        environment="bench",
        instance_id=str(uuid.uuid4()),
        host="bench",
        pid=1,
        started_at=time.time_ns(),
        runtime=wire.Runtime("cpython", "3.12"),
        sensor_version="bench",
        engine=wire.Engine("none", "bench"),
    )


def _messages(probe: Any, count: int) -> Iterator[bytes]:
    """Messages of log captures, each as full as a batch may be."""
    from sightline import wire

    bodies: list[bytes] = []
    sequence = size = 0
    for hit in range(count):
        bodies.append(log_body(probe, hit))
        size += len(bodies[-1]) + 5
        if size > BATCH_BYTES or hit == count - 1:
            sequence += 1
            yield wire.encode(wire.Captures(sequence, bodies))
            bodies, size = [], 0


def log_body(probe: Any, hit: int) -> bytes:
    """One encoded log capture: two variables, a message, a frame, a trace."""
    from investigations.lib.ids import show, uuid7
    from sightline import wire

    trace = uuid.uuid4().hex
    return wire.encode(
        wire.Capture(
            id=uuid7().bytes,
            probe_id=show("prb", probe.pk),
            kind="logpoint",
            hit=hit,
            at=time.time_ns(),
            mono=time.monotonic_ns(),
            thread="MainThread",
            trace_id=trace,
            span_id=trace[:16],
            execution_id=trace,
            message=f"amount {hit} high_value 'true'",
            level="info",
            watches={"amount": wire.Value("int", hit), "high_value": wire.Value("str", "true", size=4)},
            frames=[
                wire.Frame("TradeRequest.from_payload", "trades/trade_request.py", 31, "trades.trade_request")
            ],
            cost_us=1.9,
        )
    )


def _truncate() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE probes_capture")
        cursor.execute("CHECKPOINT")


def _copied_out() -> bytes:
    from django.db import connection

    with (
        connection.cursor() as cursor,
        cursor.copy("COPY (SELECT * FROM probes_capture) TO STDOUT (FORMAT binary)") as copy,
    ):
        return b"".join(copy)


def _copied_in(rows: bytes) -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        began = time.perf_counter()
        with cursor.copy("COPY probes_capture FROM STDIN (FORMAT binary)") as copy:
            copy.write(rows)
        took = time.perf_counter() - began
        cursor.execute("SELECT count(*) FROM probes_capture")
        assert cursor.fetchone() == (CAPTURES,)
    return took


# ---------------------------------------------------------------- the loop


class LoopedService:
    """A process with the sensor in it, connected: `bench.looped`."""

    FILE = "bench/looped.py"

    def __init__(self, stage: Stage, url: str) -> None:
        settings = {
            "SIGHTLINE_URL": url,
            "SIGHTLINE_TOKEN": stage.token_text,
            "SIGHTLINE_SERVICE": stage.service.name,
            "SIGHTLINE_ENVIRONMENT": stage.environment.name,
            "SIGHTLINE_ROOTS": str(ROOT),
            "SIGHTLINE_BUDGET": "1",  # the loop is measured, not what the budget lets through
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.looped"],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.line = line_of(ROOT / self.FILE, "PROBE:looped")
        wait_for(lambda: stage.service.instances.filter(connection__isnull=False).exists())

    def hit(self) -> float:
        """Call the function once; milliseconds to the acknowledgement."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def loop(stage: Stage, url: str) -> Iterator[dict[str, Any]]:
    """Place, hit, remove, again and again, each alone."""
    service = LoopedService(stage, url)
    placing, acknowledging, noting = [], [], []
    for _ in range(LOOPS):
        probe, took = _place_and_wait(stage, service)
        placing.append(took)
        acknowledging.append(service.hit())
        noting.append(_commit_alone())
        _remove(stage, probe)
    service.close()
    yield _latency("loop.place_to_armed", placing, goal=50.0, baseline=noting)
    yield _latency("loop.hit_to_acknowledged", acknowledging, goal=None, baseline=noting)


def _latency(name: str, took: list[float], *, goal: float | None, baseline: list[float]) -> dict[str, Any]:
    """The median, beside that of one small commit on the same server."""
    ordered = sorted(took[1:])  # the first asks the instance for its source
    p95 = round(ordered[int(len(ordered) * 0.95)], 2)
    middle = statistics.median(ordered)
    return figure(
        name, middle, "ms", goal=goal, baseline=statistics.median(baseline), p95=p95, first=round(took[0], 2)
    )


def _place_and_wait(stage: Stage, service: LoopedService) -> tuple[Any, float]:
    """Milliseconds from the verb's call until the table says armed."""
    from investigations.probes.models import ProbeDelivery
    from investigations.probes.services import place_probe
    from investigations.probes.spec import ProbeSpec

    spec = ProbeSpec(
        service=stage.service, kind="logpoint", file=service.FILE, line=service.line, template="a={a} c={c}"
    )
    began = time.perf_counter()
    probe = place_probe(by=stage.by, session=stage.session, spec=spec)
    wait_for(lambda: ProbeDelivery.objects.filter(probe=probe, state="armed").exists(), pause=0.002)
    return probe, (time.perf_counter() - began) * 1000


def _remove(stage: Stage, probe: Any) -> None:
    from investigations.probes.models import ProbeDelivery
    from investigations.probes.services import remove_probe

    remove_probe(by=stage.by, probe=probe)
    wait_for(lambda: ProbeDelivery.objects.filter(probe=probe, state="removed").exists())


def _commit_alone() -> float:
    """Milliseconds of one small durable write, for scale."""
    from django.db import connection

    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bench_commit (at timestamptz)")
        began = time.perf_counter()
        cursor.execute("INSERT INTO bench_commit VALUES (now())")
    return (time.perf_counter() - began) * 1000


def line_of(path: Path, marker: str) -> int:
    [number] = [number for number, line in enumerate(path.read_text().splitlines(), 1) if marker in line]
    return number


# ---------------------------------------------------------------- main


def main(wanted: list[str]) -> None:
    """Print the figures whose names begin as wanted, or all."""
    with servers():
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        stage = Stage()
        with daphne() as url:
            if is_wanted("gateway.ingest_vs_copy", wanted):
                show(ingest_vs_copy(stage, url))
            if is_wanted("loop.place_to_armed", wanted) or is_wanted("loop.hit_to_acknowledged", wanted):
                for line in loop(stage, url):
                    show(line)


def is_wanted(name: str, wanted: list[str]) -> bool:
    return not wanted or any(name.startswith(beginning) for beginning in wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
