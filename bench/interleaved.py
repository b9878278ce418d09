"""Two runs of one service under one load, request by request in turns, and what that says about their p99s.

One is the service with the sensor in it, the other the same without. Each basket is sent to both, one right after the
other, in an order drawn by lot: a slow moment of a shared machine meets both. A p99 of a few thousand requests still
varies by more than a sensor costs, so none is taken alone: requests are cut into blocks of `BLOCK` pairs, each block
gives one ratio of its two p99s, and the answer is the median of these ratios with the 95 % interval that resampling the
blocks gives.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = 200
LINES = 400
"""Of a basket: some milliseconds of work, as services do."""
GIVE_UP_S = 30.0
RESAMPLED = 2000


@contextlib.contextmanager
def served(
    application: str, port: int, log: Path, *, env: Mapping[str, str], watched: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """The service on gunicorn, two workers, under `sightline-run` if ``watched``; entered once it answers."""
    options = ["--workers", "2", "--no-control-socket", "--bind", f"127.0.0.1:{port}"]
    gunicorn = [sys.executable, "-m", "gunicorn", *options, application]
    command = [str(Path(sys.executable).with_name("sightline-run")), *gunicorn] if watched else gunicorn
    with (
        log.open("ab") as output,
        subprocess.Popen(command, cwd=ROOT, env=dict(env), stdout=output, stderr=output) as process,
    ):
        try:
            _wait_until_healthy(port, process)
            yield process
        finally:
            process.terminate()


def _wait_until_healthy(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5),
        ):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the service did not start")
        time.sleep(0.1)


@dataclass
class Tally:
    """What became of the requests to one of the two."""

    seconds: list[float] = field(default_factory=list)
    sales: Counter[int] = field(default_factory=Counter)
    """Baskets sold, by the process that did it."""
    failures: list[str] = field(default_factory=list)


class Load:
    """Sends baskets to both services in turns, ``pairs_per_s`` at the most, between `start` and `stop`."""

    def __init__(self, watched: int, plain: int, *, pairs_per_s: float, seed: int) -> None:
        self.watched, self.plain = Tally(), Tally()
        self._targets = [(watched, self.watched), (plain, self.plain)]
        self._pause = 1 / pairs_per_s
        self._chance = random.Random(seed)
        self._body = _lines(self._chance)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    @property
    def failures(self) -> list[str]:
        return self.watched.failures + self.plain.failures

    def _run(self) -> None:
        number = 0
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._pause, time.monotonic())
            number += 1
            self._chance.shuffle(self._targets)
            for port, tally in self._targets:
                _buy(port, f'{{"number": {number}, "lines": {self._body}}}', tally)


def _lines(chance: random.Random) -> str:
    groups = ("books", "tools", "seeds")
    lines = [
        {
            "group": chance.choice(groups),
            "price": f"{chance.uniform(1, 99):.2f}",
            "count": chance.randint(1, 9),
        }
        for _ in range(LINES)
    ]
    return json.dumps(lines)


def _buy(port: int, body: str, tally: Tally) -> None:
    """One request on a connection of its own, as load balancers send them."""
    began = time.perf_counter()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
        with contextlib.closing(connection):
            connection.request("POST", "/sales", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            told = answer.read()
    except (OSError, http.client.HTTPException) as problem:
        tally.failures.append(repr(problem))
        return
    tally.seconds.append(time.perf_counter() - began)
    if answer.status == http.HTTPStatus.OK:
        tally.sales[json.loads(told)["pid"]] += 1
    else:
        tally.failures.append(f"HTTP {answer.status}")


@dataclass(frozen=True)
class Ratio:
    """How many times as long the p99 with the sensor is, and the 95 % interval; both p99s in milliseconds."""

    value: float
    low: float
    high: float
    blocks: int
    p99_ms: float
    plain_p99_ms: float


def p99_ratio(watched: Sequence[float], plain: Sequence[float], seed: int = 0) -> Ratio:
    """Compare block by block. Both need the same requests in the same order, two blocks at least."""
    pairs = [
        (_p99(watched[start : start + BLOCK]), _p99(plain[start : start + BLOCK]))
        for start in range(0, min(len(watched), len(plain)) - BLOCK + 1, BLOCK)
    ]
    ratios = [with_sensor / without for with_sensor, without in pairs]
    chance = random.Random(seed)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLED))
    return Ratio(
        value=statistics.median(ratios),
        low=medians[int(RESAMPLED * 0.025)],
        high=medians[int(RESAMPLED * 0.975)],
        blocks=len(ratios),
        p99_ms=1000 * statistics.median(pair[0] for pair in pairs),
        plain_p99_ms=1000 * statistics.median(pair[1] for pair in pairs),
    )


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]
