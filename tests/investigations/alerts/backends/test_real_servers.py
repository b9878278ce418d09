"""One alert through a real Prometheus and a real Alertmanager: pulled, posted, silenced, resolved."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts import services
from investigations.alerts.models import Alert, AlertSource, Episode
from tests.investigations.alerts.backends import real

pytestmark = pytest.mark.skipif(bool(real.missing()), reason=f"not on the PATH: {real.missing()}")
WITHIN_S = 40.0


@pytest.fixture
def posts() -> Iterator[tuple[str, queue.Queue[bytes]]]:
    """An address Alertmanager can post to, and what it posted."""
    bodies: queue.Queue[bytes] = queue.Queue()

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", bodies
    server.shutdown()
    server.server_close()


@pytest.fixture
def pair(tmp_path: Path, posts: tuple[str, queue.Queue[bytes]]) -> Iterator[real.Pair]:
    with real.running(tmp_path, webhook=posts[0]) as found:
        yield found


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not look():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.3)


def test_one_alert_by_every_door(
    pair: real.Pair, posts: tuple[str, queue.Queue[bytes]], admin: Actor, environment: Environment
) -> None:
    rules = services.create_source(
        by=admin, environment=environment, name="rules", backend="prometheus", url=pair.prometheus
    )
    held = services.create_source(
        by=admin, environment=environment, name="held", backend="alertmanager", url=pair.alertmanager,
        options={"settles_in_s": 0},
    )  # fmt: skip
    secret = services.rotate_webhook_secret(by=admin, source=held)
    for source in (rules, held):
        assert {check.status for check in services.check_source(by=admin, source=source)} == {"ok"}

    def state_after_pulling(*sources: AlertSource) -> str | None:
        for source in sources:
            source.refresh_from_db()
            services.pull_source(source)
        return Alert.objects.values_list("state", flat=True).first()

    pair.set_value(0.2)
    until(lambda: state_after_pulling(rules) == "firing")
    until(lambda: (state_after_pulling(held), Alert.objects.get().sightings.count()) == ("firing", 2))
    taken = services.take_webhook(source_id=held.id, secret=secret, body=posts[1].get(timeout=WITHIN_S))
    assert (taken.readings, taken.rejected) == (1, 0)
    alert = Alert.objects.get()
    assert (alert.service_name, alert.severity, alert.threshold, alert.value) == (
        "checkout",
        "critical",
        0.05,
        0.2,
    )
    assert alert.labels["cluster"] == "dev"
    assert alert.summary == "errors are at 0.2"

    pair.silence("ErrorsHigh")
    until(lambda: state_after_pulling(held, rules) == "suppressed")

    now = datetime.now(UTC)
    window = services.metric_window(by=admin, alert=alert, start=now - timedelta(hours=240), end=now)
    assert (window.series.status, window.threshold, window.source) == ("ok", 0.05, "rules")
    assert window.series.query == "vector(0.2)"

    pair.set_value(0)
    until(lambda: state_after_pulling(rules, held) == "resolved")
    assert Episode.objects.get().incident.status == "resolved"  # type: ignore[union-attr]
