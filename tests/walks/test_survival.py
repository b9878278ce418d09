"""The sensor survives: Daphne, Valkey and PostgreSQL are killed (-9), each at 20 random moments of a load.

A real service under `sightline-run` serves a client that counts every request; next to it runs the same service without
the sensor. PostgreSQL runs as in production, fsync on. `WALK_SEED` repeats the moments and their order, `WALK_KILLS`
sets another number of them for each server.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from bench.interleaved import Load, Ratio, p99_ratio, served
from investigations.supervise.home import Home
from investigations.supervise.parts import HOST, ROOT, Parts, free_port
from investigations.supervise.postgres import Cluster
from investigations.supervise.valkey import Valkey
from tests.observed.notes import answers

pytestmark = [pytest.mark.walk, pytest.mark.timeout(3600)]  # sixty restarts, on however busy a machine

KILLS = int(os.environ.get("WALK_KILLS", "20"))
SEED = int(os.environ.get("WALK_SEED", random.SystemRandom().randrange(1 << 32)))
SERVERS = ("daphne", "valkey", "postgres")
LONGEST_PAUSE_S = 1.0
"""Between captures flowing again and the next kill, at random."""
PAIRS_PER_S = 30
SERVICE = "till"
MARKED = "PROBE:sold"
PATIENCE_S = 240.0  # a limit for a busy machine
SLOWER_AT_MOST = 1.5
"""The p99 with the sensor, kills included, on a machine whose cores restart servers all the while. The goal of 1.03 is
for a machine with room: `loop.service_p99_ratio` of `make bench`."""


class Kept:
    """One program that is started again whenever it ends, as the supervisor does, but at once."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]], is_ready: Callable[[], bool]) -> None:
        self._start, self._is_ready = start, is_ready
        self.process = start()
        self.until_ready()

    def until_ready(self) -> None:
        def ready() -> bool:
            if self.process.poll() is not None:  # PostgreSQL does not start while orphans hold its memory
                self.process = self._start()
            return self._is_ready()

        until(ready)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self._start()
        self.until_ready()

    def end(self) -> None:
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()


class Installation:
    """Every part of Sightline, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.home.make()
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._cluster = Cluster(self.home.postgres)
        self._valkey = Valkey(self.home.valkey, port=free_port(), password="walk")
        self.kept: dict[str, Kept] = {}
        self.ended: Counter[str] = Counter()
        """How often a program that nobody killed ended by itself."""
        self._closing = threading.Event()
        parts = Parts(self.home, self.port)
        with own_environment():
            self.env = parts.environment(self._cluster.url, self._valkey.url)
        self._clock = {program.name: list(program.command) for program in parts.clock_programs(self.env)}

    def start(self) -> None:
        self._cluster.prepare()
        self._valkey.prepare()
        logs = self.home.logs
        self.kept["postgres"] = Kept(
            lambda: self._cluster.start(logs / "postgres.log", fsync="on", synchronous_commit="on"),
            self._cluster.is_ready,
        )
        self.kept["valkey"] = Kept(lambda: self._valkey.start(logs / "valkey.log"), self._valkey.is_ready)
        prepare = [sys.executable, "manage.py", "prepare", "--environment", "production"]
        subprocess.run(prepare, cwd=ROOT, env=self.env, check=True)
        daphne = [sys.executable, "-m", "daphne", "-v", "0", "-b", HOST, "-p", str(self.port)]
        self._keep("daphne", [*daphne, "investigations.asgi:application"], self._answers)
        for name, command in self._clock.items():
            self._keep(name, command, lambda: True)
        self._tending = threading.Thread(target=self._tend)
        self._tending.start()

    def _keep(self, name: str, command: list[str], is_ready: Callable[[], bool]) -> None:
        self.kept[name] = Kept(lambda: self._run(name, command), is_ready)

    def _run(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.home.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)

    def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/livez", timeout=5).status_code == 200
        return False

    def _tend(self) -> None:
        """Start worker and clock again when they end: a Celery worker may, when its broker dies."""
        while not self._closing.wait(0.5):
            for name in self._clock:
                if self.kept[name].process.poll() is not None:
                    self.ended[name] += 1
                    self.kept[name].until_ready()

    def stop(self) -> None:
        self._closing.set()
        if "beat" in self.kept:
            self._tending.join()
        for kept in reversed(self.kept.values()):
            kept.end()

    def sensor_environment(self, acknowledged: Path) -> dict[str, str]:
        with own_environment():
            return {
                **os.environ,
                "SIGHTLINE_URL": f"ws://{HOST}:{self.port}/sensor/v1",
                "SIGHTLINE_TOKEN": self.home.credentials()["sensor_token"],
                "SIGHTLINE_SERVICE": SERVICE,
                "SIGHTLINE_ENVIRONMENT": "production",
                "SIGHTLINE_ROOTS": str(ROOT / "bench"),
                "ACKNOWLEDGED": str(acknowledged),
            }

    def api(self, method: str, path: str, **options: Any) -> Any:
        """Ask the REST API as a program would, again while it is away."""
        bearer = {"Authorization": f"Bearer {self.home.credentials()['program_token']}"}

        def asked() -> httpx.Response | None:
            with suppress(httpx.TransportError):
                answer = httpx.request(
                    method, f"{self.url}/api/v1{path}", headers=bearer, timeout=60, **options
                )
                return None if answer.status_code == 503 else answer
            return None

        answer = until(asked)
        assert answer.is_success, answer.text
        return answer.json()

    def rows(self, query: str, *parameters: Any) -> list[Any]:
        """Ask PostgreSQL itself, again while it is away."""

        def asked() -> list[Any] | None:
            with suppress(psycopg.OperationalError), psycopg.connect(self._cluster.url) as connection:
                return connection.execute(query, parameters).fetchall()
            return None

        return until(asked, accept=lambda answer: answer is not None)


@dataclass
class Aftermath:
    """What is left once the load has stopped and everything was sent."""

    installation: Installation
    session: str
    probes: list[str]
    load: Load
    acknowledged: dict[str, str]
    """The slug of each capture id that the sensors had an answer for; ``stored`` when it is a good one."""
    after_last_kill: list[Any]
    kills: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def aftermath() -> Iterator[Aftermath]:
    sys.stderr.write(f"WALK_SEED={SEED}\n")
    with tempfile.TemporaryDirectory(prefix="sl-") as folder, ExitStack() as running:
        installation = Installation(Path(folder) / "home")
        running.callback(installation.stop)
        installation.start()
        acknowledged = Path(folder) / "acknowledged"
        acknowledged.mkdir()
        watched, plain = free_port(), free_port()
        with own_environment():
            bare = dict(os.environ)
        log = installation.home.logs / "till.log"
        env = installation.sensor_environment(acknowledged)
        running.enter_context(served("tests.observed.noting_till:app", watched, log, env=env, watched=True))
        running.enter_context(served("bench.till:app", plain, log, env=bare, watched=False))
        session, probes = place_probes(installation)
        load = Load(watched, plain, pairs_per_s=PAIRS_PER_S, seed=SEED)
        running.callback(load.stop)
        load.start()
        kills = kill_everything(installation)
        after = captures_from_everywhere(installation)
        load.stop()
        until(lambda: is_settled(installation))
        yield Aftermath(installation, session, probes, load, read_notes(acknowledged), after, kills)


def place_probes(installation: Installation) -> tuple[str, list[str]]:
    """A logpoint on each sale and a snapshot of every tenth, armed in both workers."""
    until(lambda: installation.rows("SELECT count(*) FROM catalog_instance")[0][0] == 2)
    session = installation.api("POST", "/sessions", json={"environment": "production", "title": "Survival"})[
        "id"
    ]
    source = (ROOT / "bench" / "till.py").read_text().splitlines()
    line = next(number for number, text in enumerate(source, 1) if MARKED in text)
    usual = {"service": SERVICE, "file": "till.py", "line": line, "hit_limit": 0, "rate": 500, "ttl_s": 7200}
    wanted: list[dict[str, Any]] = [
        {"kind": "logpoint", "template": "sold {basket.number} for {receipt['total']}"},
        {"kind": "snapshot", "condition": "basket.number % 10 == 0"},
    ]
    probes = [
        installation.api("POST", f"/sessions/{session}/probes", json={**usual, **each})["id"]
        for each in wanted
    ]
    until(lambda: armed_everywhere(installation))
    return session, probes


def armed_everywhere(installation: Installation) -> bool:
    return standing(installation) == [("armed", "armed")] * 4


def standing(installation: Installation) -> list[Any]:
    """State and slug of every delivery; a slug says why it is not as wished."""
    return installation.rows("SELECT state, slug FROM probes_probedelivery")


def kill_everything(installation: Installation) -> list[str]:
    """Each server `KILLS` times, in random order, each time at a random moment after captures flow again."""
    chance = random.Random(SEED)
    order = [name for name in SERVERS for _ in range(KILLS)]
    chance.shuffle(order)
    for name in order:
        captures_flow(installation)
        time.sleep(chance.uniform(0, LONGEST_PAUSE_S))
        installation.kept[name].kill()
    return order


def captures_flow(installation: Installation) -> None:
    before = stored(installation)
    until(lambda: stored(installation) > before)


def stored(installation: Installation) -> int:
    return int(installation.rows("SELECT count(*) FROM probes_capture")[0][0])


def captures_from_everywhere(installation: Installation) -> list[Any]:
    """What was hit from now on, once each instance has sent something of it."""
    [(now,)] = installation.rows("SELECT now()")
    query = "SELECT DISTINCT instance_id FROM probes_capture WHERE at > %s"
    return until(lambda: installation.rows(query, now), accept=lambda instances: len(instances) == 2)


COUNTED = """
    SELECT instance.pid, instance.queued, instance.drops,
        (SELECT json_object_agg(probe_id, endings) FROM probes_probedelivery WHERE instance_id = instance.id),
        (SELECT sum(unobserved_ms) FROM probes_probedelivery WHERE instance_id = instance.id),
        (SELECT json_object_agg(probe_id, n) FROM
            (SELECT probe_id, count(*) AS n FROM probes_capture WHERE instance_id = instance.id GROUP BY 1) AS rows)
    FROM catalog_instance AS instance
"""


@dataclass(frozen=True)
class Counted:
    """What one instance has told of its hits, and what the table holds of them, by probe."""

    pid: int
    queued: int
    drops: dict[str, int]
    endings: dict[str, dict[str, int]]
    unobserved_ms: float
    stored: dict[str, int]

    @property
    def missing(self) -> int:
        captured = sum(endings.get("captured", 0) for endings in self.endings.values())
        return captured - sum(self.stored.values()) - sum(self.drops.values())


def counted(installation: Installation) -> list[Counted]:
    return [Counted(*row) for row in installation.rows(COUNTED)]


def is_settled(installation: Installation) -> bool:
    """Whether heartbeats from after the load say that nothing waits, and all that was captured has come."""
    [(silent,)] = installation.rows("SELECT now() - max(at) > interval '12 seconds' FROM probes_capture")
    return bool(silent) and all(each.queued == 0 and each.missing <= 0 for each in counted(installation))


def read_notes(folder: Path) -> dict[str, str]:
    notes: dict[str, str] = {}
    for file in folder.iterdir():
        notes |= dict(answers(file))
    return notes


@contextmanager
def own_environment() -> Iterator[None]:
    """Without what the suite itself was given: this walk starts its own servers."""
    given = ("DATABASE_URL", "REDIS_URL", "SIGHTLINE_", "DJANGO_")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(given)]:
            patch.delenv(name)
        yield


def until(look: Callable[[], Any], accept: Callable[[Any], bool] = bool) -> Any:
    """What ``look`` answers once that is accepted."""
    deadline = time.monotonic() + PATIENCE_S
    while not accept(answer := look()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)
    return answer


def test_every_server_was_killed_often_enough(aftermath: Aftermath) -> None:
    assert Counter(aftermath.kills) == dict.fromkeys(SERVERS, KILLS)


def test_no_request_of_the_service_failed(aftermath: Aftermath) -> None:
    assert aftermath.load.failures == []
    assert sum(aftermath.load.watched.sales.values()) > KILLS


def test_no_acknowledged_capture_is_lost(aftermath: Aftermath) -> None:
    held = {id.hex for (id,) in aftermath.installation.rows("SELECT id FROM probes_capture")}
    acknowledged = {id for id, slug in aftermath.acknowledged.items() if slug == "stored"}
    assert len(acknowledged) > KILLS
    assert acknowledged - held == set()
    assert held - acknowledged == set()  # in the end every one was
    assert Counter(aftermath.acknowledged.values()) == {"stored": len(acknowledged)}


def test_none_is_there_twice(aftermath: Aftermath) -> None:
    [(rows, hits, cursors, last)] = aftermath.installation.rows(
        "SELECT count(*), count(DISTINCT (instance_id, probe_id, hit)), count(DISTINCT cursor), max(cursor)"
        " FROM probes_capture"
    )
    assert rows == hits == cursors
    assert last >= rows
    assert aftermath.installation.rows("SELECT sum(captures) FROM probes_probe")[0][0] == rows


def test_whatever_did_not_come_was_counted(aftermath: Aftermath) -> None:
    for instance in counted(aftermath.installation):
        assert instance.missing == 0, instance
        for probe_id, endings in instance.endings.items():
            sold = aftermath.load.watched.sales[instance.pid]
            assert sum(endings.values()) == sold or instance.unobserved_ms > 0, (probe_id, sold, instance)


def test_captures_arrive_again_from_every_instance(aftermath: Aftermath) -> None:
    assert len(aftermath.after_last_kill) == 2


def test_a_probe_is_armed_as_ever(aftermath: Aftermath) -> None:
    installation = aftermath.installation
    assert standing(installation) == [("armed", "armed")] * 4
    placed = installation.api(
        "POST",
        f"/sessions/{aftermath.session}/probes",
        json={"service": SERVICE, "kind": "counter", "function": "bench.till:sell", "ttl_s": 10},
    )

    def states() -> list[str]:
        deliveries = installation.api("GET", f"/probes/{placed['id']}")["deliveries"]
        return [delivery["state"] for delivery in deliveries]

    until(states, accept=lambda found: found == ["armed", "armed"])
    # and the clock goes on: a task of Celery's ends it
    until(lambda: installation.api("GET", f"/probes/{placed['id']}")["state"] == "expired")


def test_the_dashboard_is_healthy(aftermath: Aftermath) -> None:
    installation = aftermath.installation
    assert httpx.get(f"{installation.url}/readyz", timeout=60).json()["status"] == "ready"
    page = installation.api("GET", f"/sessions/{aftermath.session}/captures", params={"limit": 10})
    assert len(page["captures"]) == 10
    [before] = installation.rows("SELECT max(cursor) FROM probes_capture")[0]
    assert page["next_after"] <= before


def test_the_service_is_as_fast_as_without_the_sensor(aftermath: Aftermath) -> None:
    """Over the whole load, kills included; `bench.interleaved` says how it is measured.

    It fails when the requests show that the sensor costs more: when the whole 95 % interval lies above the bound.
    """
    load = aftermath.load
    ratio: Ratio = p99_ratio(load.watched.seconds, load.plain.seconds)
    sys.stderr.write(f"\nsurvival: {ratio}, ended by themselves: {dict(aftermath.installation.ended)}\n")
    assert ratio.low <= SLOWER_AT_MOST
