"""The sensor beside other tools in one process: each sees what it would see alone, whichever came first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # a process each
ROOT = Path(__file__).parents[2]
TIMES = 5
TOOLS = [
    "nobody",
    "coverage",
    "coverage-sysmon",
    "settrace",
    "setprofile",
    "gevent",
    "uvloop",
    "opentelemetry",
    "debugpy",
    "ddtrace",
    "ddtrace-debugger",
]


def beside(tool: str, *, armed_first: bool) -> dict[str, Any]:
    """What the program that is watched by both says."""
    command = [sys.executable, str(ROOT / "tests" / "observed" / "beside.py"), tool]
    done = subprocess.run(
        [*command, *(["first"] if armed_first else [])],
        env={**os.environ, "PYTHONPATH": str(ROOT / "sensors" / "python")},
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.fixture(scope="module", params=[False, True], ids=["the tool first", "the probes first"])
def armed_first(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_hit_is_seen_beside(tool: str, armed_first: bool) -> None:
    said = beside(tool, armed_first=armed_first)
    ours = said["ours"]
    assert [state for state, _, _ in ours["states"]] == ["armed", "armed"]
    assert ours["endings"] == {"counted": {"captured": 2 * TIMES}, "logged": {"captured": TIMES}}
    assert ours["messages"] == [str(number + 2) for number in range(TIMES)]
    SEES[tool](said)


def saw_every_line(said: dict[str, Any]) -> None:
    assert said["theirs"]["lines"] == [1, 2, 3, 4]
    assert "coverage.py" in said["ours"]["neighbours"]


def saw_what_there_is_without_us(said: dict[str, Any]) -> None:
    events = [tuple(event) for event in said["theirs"]["events"]]
    calls = [event for event in events if event[0] in ("call", "return")]
    assert len(calls) == 2 * (TIMES + 1)
    lines = [event for event in events if event[0] == "line"]
    assert len(lines) in (0, len(LINES_OF_BUSY) + TIMES * len(LINES_OF_TOTAL))
    for _, function, line in lines:
        assert line in (LINES_OF_BUSY if function == "busy" else LINES_OF_TOTAL)


LINES_OF_TOTAL = [1, 2, 3, 2, 3, 2, 4]
LINES_OF_BUSY = [1, *[2, 1] * TIMES]


def saw_every_logpoint(said: dict[str, Any]) -> None:
    assert said["theirs"]["lines"] == [f"adding {price}" for number in range(TIMES) for price in (number, 2)]
    assert "debugpy" in said["ours"]["neighbours"]


def runs_under_its_own_loop(said: dict[str, Any]) -> None:
    assert said["theirs"]["loop"] == "uvloop"
    assert "uvloop" in said["ours"]["neighbours"]


def is_patched(said: dict[str, Any]) -> None:
    assert said["theirs"]["patched"] is True
    assert "gevent" in said["ours"]["neighbours"]


def shares_its_trace(said: dict[str, Any]) -> None:
    assert said["ours"]["traces"] == said["theirs"]["traces"]
    assert said["theirs"].get("theirs", True)


SEES = {
    "nobody": lambda said: None,
    "coverage": saw_every_line,
    "coverage-sysmon": saw_every_line,
    "settrace": saw_what_there_is_without_us,
    "setprofile": saw_what_there_is_without_us,
    "gevent": is_patched,
    "uvloop": runs_under_its_own_loop,
    "opentelemetry": shares_its_trace,
    "debugpy": saw_every_logpoint,
    "ddtrace": shares_its_trace,
    "ddtrace-debugger": shares_its_trace,
}


def test_the_sensor_stands_aside_when_no_tool_id_is_free() -> None:
    if sys.version_info < (3, 12):
        code = "from sightline import engines; print(engines.choose().name)"
        expected = "rewriting"
    else:
        code = (
            "import sys; [sys.monitoring.use_tool_id(each, 'other') for each in (3, 4, 5)]\n"
            "from sightline import engines; engine = engines.choose(); print(engine.name, engine.reason)"
        )
        expected = "none Every id of sys.monitoring that is not reserved is taken by another tool."
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "sensors" / "python")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected
