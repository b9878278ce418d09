"""The session page's figures: how soon a hit is painted, and what the page costs as its session grows.

    loop.hit_to_painted     from the hit in the application's thread to its row painted in a browser, ms, p95, while
                            four instances bring 200 log captures a second
    page.session_growth     the server's time for a page whose session holds 100,000 captures, as a multiple of one
                            that holds 100
    page.snapshots          the server's time for a page of 100 snapshots with 242 values each, ms, median

PostgreSQL, Valkey, Daphne, the instances and headless Chromium are real processes of one machine, and so of one clock.
"""

from __future__ import annotations

import http.client
import os
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from bench.figures import figure, show
from bench.gateway import ROOT, Stage, daphne, is_wanted, line_of, log_body, servers, wait_for

INSTANCES = 4
RATE = 50.0
"""Hits a second in each instance."""
SECONDS = 20.0
WARM_UP_S = 5.0
FEW, MANY = 100, 100_000
GETS = 40
"""Of each page, taking turns."""
COOKIE = "sightline_signin"
FRAMES, VARIABLES_A_FRAME = 20, 48

NOTE_PAINTS = """() => {
  window.paints = [];
  const note = (rows) => requestAnimationFrame(() => setTimeout(() => {
    const now = (performance.timeOrigin + performance.now()) * 1000;
    for (const row of rows) window.paints.push([row, now]);
  }));
  new MutationObserver((records) => {
    const rows = records.flatMap(({ addedNodes }) => [...addedNodes]).filter((node) => node.dataset?.capture);
    if (rows.length) note(rows.map((row) => Number(row.querySelector(".row .cut").textContent.split(" ")[1])));
  }).observe(document.querySelector("#captures"), { childList: true });
}"""
"""Notes [hit, painted] in microseconds since 1970: a task queued by a frame runs once that frame is drawn."""


# ---------------------------------------------------------------- the browser


class Pace:
    """Instances that hit one logpoint at a steady rate, once they are told to."""

    FILE = "bench/ticking.py"

    def __init__(self, stage: Stage, url: str, rate: float, seconds: float) -> None:
        self.probe = stage.place(
            self.FILE, line_of(ROOT / self.FILE, "# PROBE:tick"), template="tick {at_us}"
        )
        settings = {
            "SIGHTLINE_URL": url,
            "SIGHTLINE_TOKEN": stage.token_text,
            "SIGHTLINE_SERVICE": stage.service.name,
            "SIGHTLINE_ENVIRONMENT": stage.environment.name,
            "SIGHTLINE_ROOTS": str(ROOT),
            "SIGHTLINE_BUDGET": "1",  # the way is measured, not what the budget lets through
        }
        command = [sys.executable, "-m", "bench.ticking", str(rate), str(seconds)]
        self._processes = [
            subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **settings}, stdin=subprocess.PIPE, text=True
            )
            for _ in range(INSTANCES)
        ]
        wait_for(lambda: self.probe.deliveries.filter(state="armed").count() == INSTANCES)

    def begin(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

    def end(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes:
            process.wait(30)


def hit_to_painted(stage: Stage, url: str) -> dict[str, Any]:
    """The 95th percentile at full rate, beside that of one hit a second in each instance.

    A hit that never got a row counts as if it had taken the whole run: leaving it out would flatter a late page.
    """
    from investigations.probes.services import remove_probe

    found = {}
    for rate in (1.0, RATE):
        pace = Pace(stage, url, rate, SECONDS)
        found[rate] = _latencies(stage, url, pace)
        pace.end()
        stored, received_p95 = _arrived(pace.probe)
        remove_probe(by=stage.by, probe=pace.probe)
    expected = round(INSTANCES * RATE * (SECONDS - WARM_UP_S))
    painted = found[RATE]
    of_all = painted + [SECONDS * 1000] * (expected - len(painted))
    return figure(
        "loop.hit_to_painted",
        _percentile(of_all, 0.95),
        "ms",
        goal=500.0,
        baseline=_percentile(found[1.0], 0.95),
        p50=round(statistics.median(of_all), 1),
        p95_of_painted=round(_percentile(painted, 0.95), 1),
        painted=round(len(painted) / expected, 4),
        stored=round(stored / (INSTANCES * RATE * SECONDS), 4),
        received_p95=round(received_p95, 1),
        load=_load(),
    )


def _latencies(stage: Stage, url: str, pace: Pace) -> list[float]:
    """Milliseconds from each hit after the warm-up to its painted row."""
    from playwright.sync_api import sync_playwright

    address, cookie = _session_address(stage, url), _signed_in(stage)
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=executable, args=flags)
        context = browser.new_context(viewport={"width": 1600, "height": 1000})
        context.add_cookies([{"name": COOKIE, "value": cookie, "domain": "127.0.0.1", "path": "/"}])
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("live-connection[data-state=live]")
        page.evaluate(NOTE_PAINTS)
        began_us = time.time_ns() // 1000
        pace.begin()
        page.wait_for_timeout((SECONDS + 2) * 1000)
        paints: list[tuple[int, float]] = page.evaluate("window.paints")
        browser.close()
    first_of = dict(reversed(paints))
    counts_from = began_us + WARM_UP_S * 1e6
    return [(painted - hit) / 1000 for hit, painted in first_of.items() if hit >= counts_from]


def _arrived(probe: Any) -> tuple[int, float]:
    """How many of a probe's captures are stored, and the p95 of the way from the hit to the gateway, ms."""
    from investigations.probes.models import Capture

    moments = Capture.objects.filter(probe_id=probe.id).values_list("at", "received_at")
    took = [(received - hit).total_seconds() * 1000 for hit, received in moments]
    return len(took), _percentile(took, 0.95)


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


# ---------------------------------------------------------------- the server's time


def session_growth(stage: Stage, url: str) -> dict[str, Any]:
    """The page with many captures beside the one with few, in turns."""
    few, many = _with_captures(stage, FEW, log_body), _with_captures(stage, MANY, log_body)
    times = _times(stage, url, [few, many])
    (few_ms, many_ms) = (statistics.median(each) for each in times)
    return figure(
        "page.session_growth",
        many_ms / few_ms,
        "times",
        goal=1.5,
        baseline=1.0,
        few_ms=round(few_ms, 1),
        many_ms=round(many_ms, 1),
        load=_load(),
    )


def snapshots(stage: Stage, url: str) -> dict[str, Any]:
    """The page of snapshots beside that of a session without a capture."""
    empty, full = _with_captures(stage, 0, _snapshot_body), _with_captures(stage, FEW, _snapshot_body)
    empty_ms, full_ms = (statistics.median(each) for each in _times(stage, url, [empty, full]))
    return figure("page.snapshots", full_ms, "ms", goal=None, baseline=empty_ms, load=_load())


def _times(stage: Stage, url: str, sessions: Sequence[Any]) -> list[list[float]]:
    """Milliseconds of each GET after the first few, which fill the caches, for each session."""
    cookie = _signed_in(stage)
    addresses = [_session_address(stage, url, session) for session in sessions]
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    rounds = [[_get(connection, address, cookie) for address in addresses] for _ in range(GETS + 5)]
    connection.close()
    return [list(times) for times in zip(*rounds[5:], strict=True)]


def _get(connection: http.client.HTTPConnection, address: str, cookie: str) -> float:
    began = time.perf_counter()
    connection.request("GET", urlsplit(address).path, headers={"Cookie": f"{COOKIE}={cookie}"})
    response = connection.getresponse()
    response.read()
    assert response.status == 200, response.status
    return (time.perf_counter() - began) * 1000


def _with_captures(stage: Stage, count: int, body: Callable[[Any, int], bytes]) -> Any:
    """A new session with one probe and so many captures, stored as the gateway stores them."""
    from django.utils import timezone

    from investigations.probes import ingest
    from investigations.sessions.services import open_session

    stage.session = open_session(by=stage.by, environment=stage.environment, title=f"{count} captures")
    probe = stage.place("bench/target.py", 1)
    for start in range(0, count, 1000):
        bodies = [body(probe, hit) for hit in range(start, min(start + 1000, count))]
        batch = ingest.Batch(
            instance_id=uuid.uuid4(),
            service_id=stage.service.id,
            environment_id=stage.environment.id,
            bodies=bodies,
            received_at=timezone.now(),
        )
        assert ingest.store([batch]) == [[]]
    return stage.session


def _snapshot_body(probe: Any, hit: int) -> bytes:
    """One encoded snapshot: twenty frames, five of them with variables, 242 values in all, two of them watched."""
    from investigations.lib.ids import show as public
    from investigations.lib.ids import uuid7
    from sightline import wire

    inner = {f"field_{number}": wire.Value("int", number) for number in range(VARIABLES_A_FRAME - 1)}
    trade = wire.Value("trades.models.TradeRequest", fields=inner, size=len(inner))
    variables = [{"self": trade}] * 5 + [None] * (FRAMES - 5)
    frames = [
        wire.Frame(f"level_{depth}", "trades/models.py", depth + 1, "trades.models", held)
        for depth, held in enumerate(variables)
    ]
    watches = {"high_value": wire.Value("str", "true", size=4), "amount": wire.Value("int", hit)}
    return wire.encode(
        wire.Capture(
            id=uuid7().bytes,
            probe_id=public("prb", probe.pk),
            kind="snapshot",
            hit=hit,
            at=time.time_ns(),
            mono=time.monotonic_ns(),
            execution_id=uuid.uuid4().hex,
            watches=watches,
            frames=frames,
        )
    )


# ---------------------------------------------------------------- who looks


def _session_address(stage: Stage, url: str, session: Any = None) -> str:
    from investigations.lib.ids import show as public

    return f"http://{urlsplit(url).netloc}/sessions/{public('ses', (session or stage.session).id)}/"


def _signed_in(stage: Stage) -> str:
    """The cookie of a new sign-in, without the form."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    user = stage.by.user
    assert user is not None
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return str(store.session_key)


def _load() -> float:
    """Processes that wanted a core during the last minute, on average: what else the machine did."""
    return round(os.getloadavg()[0], 1)


# ---------------------------------------------------------------- main


FIGURES = {
    "loop.hit_to_painted": hit_to_painted,
    "page.session_growth": session_growth,
    "page.snapshots": snapshots,
}


def main(wanted: list[str]) -> None:
    """Print the figures whose names begin as wanted, or all."""
    with servers():
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        stage = Stage()
        with daphne() as url:
            for name, measure in FIGURES.items():
                if is_wanted(name, wanted):
                    show(measure(stage, url))


if __name__ == "__main__":
    main(sys.argv[1:])
