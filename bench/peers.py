"""Measures what a hit costs with another live debugger, in this interpreter: `peers.py ddtrace|debugpy [scenario ...]`.

Run by `bench.sensor` with the Python of an environment of its own. The probed functions, the rounds and the clock are
those of `bench.hits`; a scenario the peer does not offer is left out. Prints one JSON object a scenario.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parents[1])

from bench import workload  # noqa: E402

FOLDER = Path(__file__).parent
ROUNDS = 5
Probed = Callable[[workload.Scenario], AbstractContextManager[None]]


# ---------------------------------------------------------------- Datadog's live debugger, without its agent

_UNLIMITED = {"sampling": {"snapshotsPerSecond": 1e12}}
_LOG = {"type": "LOG_PROBE", "template": "a={a} b={b}", "segments": [
    {"str": "a="}, {"dsl": "a", "json": {"ref": "a"}}, {"str": " b="}, {"dsl": "b", "json": {"ref": "b"}},
]}  # fmt: skip
_SNAPSHOT = {"type": "LOG_PROBE", "template": "x", "segments": [{"str": "x"}], "captureSnapshot": True}
DDTRACE: dict[str, dict[str, Any]] = {
    "idle_elsewhere": {**_LOG, **_UNLIMITED},
    "idle_same_function": {**_LOG, **_UNLIMITED},
    "throttled": _SNAPSHOT,
    "counter": {"type": "METRIC_PROBE", "metricName": "hits", "kind": "COUNT"},
    "condition_false": {
        **_LOG, **_UNLIMITED, "when": {"dsl": "b == -1", "json": {"eq": [{"ref": "b"}, -1]}},
    },
    "log": {**_LOG, **_UNLIMITED},
    "snapshot": {**_SNAPSHOT, **_UNLIMITED},
    "function": {**_SNAPSHOT, **_UNLIMITED, "where": {"typeName": workload.NAME, "methodName": "hot"}},
}  # fmt: skip
"""What is asked of it, in the form its backend sends."""


def ddtrace() -> Probed:
    """Its real debugger, encoder and queue; what would be sent is discarded."""
    os.environ.update(
        dict.fromkeys(
            (
                "DD_TRACE_ENABLED",
                "DD_REMOTE_CONFIGURATION_ENABLED",
                "DD_INSTRUMENTATION_TELEMETRY_ENABLED",
                "DD_CRASHTRACKING_ENABLED",
                "DD_SYMBOL_DATABASE_UPLOAD_ENABLED",
            ),
            "false",
        )
    )
    logging.disable(logging.CRITICAL)  # it says at length that no agent listens
    from ddtrace.debugging._debugger import Debugger
    from ddtrace.debugging._probe.remoteconfig import ProbePollerEvent, build_probe
    from ddtrace.debugging._uploader import SignalUploader
    from ddtrace.internal.module import ModuleWatchdog
    from ddtrace.internal.rate_limiter import BudgetRateLimiterWithJitter

    def silent(self: Any, *_: Any, **__: Any) -> None:
        SignalUploader.__init__(self, 0.05)
        self._state = self._online
        self._write = self._write_with_backoff = lambda *_: None

    uploader = type("Uploader", (SignalUploader,), {"__init__": silent})
    if not ModuleWatchdog.is_installed():
        ModuleWatchdog.install()
    silenced: Any = type("Silent", (Debugger,), {"__uploader__": uploader})
    silenced.enable()
    debugger: Any = silenced._instance

    @contextlib.contextmanager
    def probed(scenario: workload.Scenario) -> Iterator[None]:
        line = {
            "sourceFile": workload.target.__file__,
            "lines": [str(workload.target.line_of(scenario.marker))],
        }
        described = {"id": scenario.name, "version": 1, "where": line, "tags": [], **DDTRACE[scenario.name]}
        probe = build_probe(described)
        if scenario.name != "throttled":
            debugger._global_rate_limiter = BudgetRateLimiterWithJitter(limit_rate=float("inf"))
        debugger._on_configuration(ProbePollerEvent.NEW_PROBES, [probe])
        try:
            yield
        finally:
            debugger._on_configuration(ProbePollerEvent.DELETED_PROBES, [probe])

    return probed


# ---------------------------------------------------------------- debugpy, with a debugger that is attached

DEBUGPY = {
    "idle_elsewhere": ("a={a} b={b}", "", ""),
    "idle_same_function": ("{t}", "", ""),
    "counter": ("", "", ">=1000000000"),
    "condition_false": ("a={a} b={b}", "b == -1", ""),
    "log": ("a={a} b={b}", "", ""),
    "snapshot": ("{locals()}", "", ""),
}
"""Message, condition and hit condition of a breakpoint that never stops."""


def debugpy() -> Probed:
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # a warning for each breakpoint
    import debugpy as peer

    _, port = peer.listen(("127.0.0.1", 0))  # once a process; debuggers come and go

    @contextlib.contextmanager
    def probed(scenario: workload.Scenario) -> Iterator[None]:
        asked = [str(port), workload.target.__file__, str(workload.target.line_of(scenario.marker))]
        command = [sys.executable, "-u", str(FOLDER / "dap.py"), *asked, *DEBUGPY[scenario.name]]
        with tempfile.TemporaryFile("w+") as told:
            client = subprocess.Popen(command, stdout=told, text=True)
            try:
                _wait_until_ready(told)
                yield
            finally:
                client.kill()
                client.wait()

    return probed


def _wait_until_ready(told: Any) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        told.seek(0)
        if told.readline() == "ready\n":
            return
        time.sleep(0.05)
    raise TimeoutError("the debugger did not attach")


PEERS: dict[str, tuple[Callable[[], Probed], dict[str, Any]]] = {
    "ddtrace": (ddtrace, DDTRACE),
    "debugpy": (debugpy, DEBUGPY),
}


def measure(scenario: workload.Scenario, probed: Probed) -> dict[str, Any]:
    """Microseconds a hit adds: the best round with the probe less the best before it was there."""
    without = min(workload.timed(scenario) for _ in range(ROUNDS))
    with probed(scenario):
        scenario.drive(5)
        value = min(workload.timed(scenario) for _ in range(ROUNDS)) - without
    return {"scenario": scenario.name, "value": value, "baseline": without}


def main(peer: str, names: list[str]) -> None:
    begin, offered = PEERS[peer]
    probed = begin()
    for scenario in workload.SCENARIOS:
        if scenario.name in offered and (not names or scenario.name in names):
            print(json.dumps(measure(scenario, probed)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
    sys.stdout.flush()
    os._exit(0)  # a debugger's threads need not be waited for
