"""Measures what the sensor does to a whole process, in this interpreter: `endurance.py memory|arm_stall|load`.

Run by `bench.sensor` with the Python it is to speak for; prints one JSON object. ``memory`` needs a process of its own
for each of its two runs, ``arm_stall`` and ``load`` measure in this one.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "sensors" / "python")]

from bench.loading import loaded  # noqa: E402

PROBES, HITS = 1_000, 1_000_000
OBJECTS = 2_000_000
LONGEST_ARMING_S = 1.0
LOAD_S = 40.0
SETTLE_S = 12.0
"""The breaker's window, and a little: what comes before is the burst that the budget allows."""


def module_of(text: str, folder: Path) -> ModuleType:
    """A module of this source, imported from a file as an application's would be."""
    path = folder / "endured.py"
    path.write_text(text)
    return loaded("endured", path)


def _sensor(budget: float) -> Any:
    """This process's sensor, with its thread, whose captures go nowhere."""
    import sightline

    return sightline.start(service="bench", environment="bench", file=os.devnull, budget=budget)


def probes_at(module: ModuleType, lines: list[int], **asked: Any) -> list[Any]:
    """A snapshot probe on each line."""
    from sightline import wire

    always: dict[str, Any] = {"kind": "snapshot", "valid_for": 1e6, "hit_limit": 0, **asked}
    location = {"file": str(module.__file__)}
    return [
        wire.Probe(id=f"p{number}", location=wire.Location(line=line, **location), **always)
        for number, line in enumerate(lines)
    ]


# ---------------------------------------------------------------- memory


def memory() -> dict[str, Any]:
    """Resident bytes after a million calls of a thousand probed functions, to those of a process without a probe."""
    alone, idle, probed = (_in_a_process(f"memory_{kind}") for kind in ("alone", "idle", "probed"))
    return {
        "value": probed["rss"] / idle["rss"],
        "baseline": 1.0,
        "mb": round(probed["rss"] / 2**20, 1),
        "mb_without_probes": round(idle["rss"] / 2**20, 1),
        "mb_without_sensor": round(alone["rss"] / 2**20, 1),
        **probed["more"],
    }


def _in_a_process(what: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, what], stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout))


def memory_run(*, watched: bool, probed: bool) -> dict[str, Any]:
    """A service of the usual size: its data, its functions, and the calls of them."""
    functions = "\n".join(f"def f{number}(a, b):\n    c = a + b\n    return c\n" for number in range(PROBES))
    more: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        module = module_of(functions, Path(folder))
        data = live_objects(OBJECTS)
        running = _sensor(1.0) if watched else None
        if running and probed:
            running.on_probe_set(
                1, probes_at(module, [4 * number + 2 for number in range(PROBES)], rate=0.01)
            )
        called = [getattr(module, f"f{number}") for number in range(PROBES)]
        for _ in range(HITS // PROBES):
            for function in called:
                function(1, 2)
        if running:
            armed = sum(entry.armed for entry in running.registry)
            hits = sum(sum(each.endings.values()) for each in running.registry.counters())
            more = {"armed": armed, "hits": hits, "outbox_bytes": running.outbox.bytes_held}
        gc.collect()
        return {"rss": resident(), "more": more, "objects": len(data)}


def live_objects(count: int) -> list[Any]:
    """A heap as an application has it: ``count`` containers that the collector knows."""
    return [{"id": number} if number % 2 else [number] for number in range(count)]


def resident() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# ---------------------------------------------------------------- arming


SHAPES = {
    "plain": "def f(a, b):\n    c = a + b\n    return c\n",
    "in a class": "class Desk:\n    def f(self, a, b):\n        c = a + b\n        return c\n",
    "in a closure": "def make():\n    def f(a, b):\n        c = a + b\n        return c\n    return f\n\nf = make()\n",
}


def arm_stall(rounds: int = 5) -> dict[str, Any]:
    """Milliseconds for which another thread could not run while a probe was armed; the worst shape, its best round."""
    data = live_objects(OBJECTS)
    gc.collect()
    stalls = {shape: min(_stall_of(text) for _ in range(rounds)) for shape, text in SHAPES.items()}
    baseline = min(stall_during(lambda: time.sleep(LONGEST_ARMING_S)) for _ in range(rounds))
    return {"value": max(stalls.values()), "baseline": baseline, "by_shape": stalls, "objects": len(data)}


def _stall_of(text: str) -> float:
    from sightline import testing

    line = next(number for number, code in enumerate(text.splitlines(), 1) if "c = a + b" in code)
    with tempfile.TemporaryDirectory() as folder, testing.gateway() as gateway:
        module_of(text, Path(folder))

        def arm() -> None:
            probe = gateway.place("counter", file="endured.py", line=line)
            assert gateway.status(probe).state == "armed", gateway.status(probe)

        return stall_during(arm)


def stall_during(work: Callable[[], None]) -> float:
    """The longest time in ms between two turns of a thread that wants to run all the time, while ``work`` runs."""
    longest, over = 0.0, threading.Event()
    started = threading.Event()

    def watch() -> None:
        nonlocal longest
        last = time.perf_counter()
        started.set()
        while not over.is_set():
            time.sleep(0.0002)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    watcher = threading.Thread(target=watch)
    watcher.start()
    started.wait()
    time.sleep(0.01)
    longest = 0.0
    work()
    over.set()
    watcher.join()
    return longest * 1e3


# ---------------------------------------------------------------- load

_HOSTILE = """
huge = {n: [{m: str(m) * 9 for m in range(30)} for _ in range(30)] for n in range(300)}
deep = []
for _ in range(2000):
    deep = [deep, {"deep": deep}]

def hostile(n):
    t = 0
    for i in range(n):
        t += i
        t ^= 3
    return t
"""
_CONDITION = "any(str(x) == 'nothing' for x in huge) or t == -1"


def load(seconds: float = LOAD_S, budget: float = 0.02) -> dict[str, Any]:
    """The share of a core that hostile probes take after the burst, on lines that run a million times a second."""
    from sightline import expressions

    with tempfile.TemporaryDirectory() as folder:
        module = module_of(_HOSTILE, Path(folder))
        running = _sensor(budget)
        alone = _iterations(module, 3.0)
        lines = [
            number for number, text in enumerate(_HOSTILE.splitlines(), 1) if text.startswith("        t")
        ]
        probes = probes_at(module, lines * 3, rate=1e6)
        for probe in probes[::2]:
            probe.condition = expressions.parse(_CONDITION)
        running.on_probe_set(1, probes)
        _iterations(module, SETTLE_S)
        booked, cpu = running.budget.total, time.process_time()
        began = time.monotonic()
        beside = _iterations(module, seconds)
        elapsed = time.monotonic() - began
        share = (running.budget.total - booked) / 1e9 / elapsed
        used = time.process_time() - cpu
        state = {entry.probe.id: entry.status.state for entry in running.registry}
        running.stop()
    return {
        "value": share,
        "baseline": alone,
        "budget": budget,
        "slower": 1 - beside / alone,
        "cpu_s": used,
        "paused": sum(each == "paused" for each in state.values()),
        "breaker": running.breaker.sentence,
    }


def _iterations(module: ModuleType, seconds: float) -> float:
    """Iterations of the hostile loop a second of this thread's processor time."""
    until, count, began = time.monotonic() + seconds, 0, time.thread_time()
    while time.monotonic() < until:
        module.hostile(1000)
        count += 1000
    return count / max(1e-9, time.thread_time() - began)


MEASURES: dict[str, Callable[[], dict[str, Any]]] = {
    "memory": memory,
    "memory_alone": lambda: memory_run(watched=False, probed=False),
    "memory_idle": lambda: memory_run(watched=True, probed=False),
    "memory_probed": lambda: memory_run(watched=True, probed=True),
    "arm_stall": arm_stall,
    "load": load,
}

if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]]()), flush=True)
