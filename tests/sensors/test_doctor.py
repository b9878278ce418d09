"""What the doctor says to an operator: settings, connection, probes, and what would leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sightline import wire

ROOT = Path(__file__).parents[2]
SECRET = "sls_0123456789abcdef_" + "a" * 43


def doctor(tmp_path: Path, *arguments: str, **environ: str) -> tuple[int, list[tuple[str, str]]]:
    """The exit code, and what was said, line by line."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    path = os.pathsep.join([str(ROOT / "sensors" / "python"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "sightline", "doctor", *arguments],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=50,
        env={**usual, "PYTHONPATH": path, **environ},
    )  # fmt: skip
    return done.returncode, [(line[:14].strip(), line[14:]) for line in done.stdout.splitlines()]


@pytest.fixture
def to_file(tmp_path: Path) -> dict[str, str]:
    return {
        "SIGHTLINE_SERVICE": "shop",
        "SIGHTLINE_ENVIRONMENT": "test",
        "SIGHTLINE_FILE": str(tmp_path / "captures.jsonl"),
    }


def test_it_says_what_is_here_and_what_would_leave(tmp_path, to_file):
    sample = json.dumps({"password": "hunter2", "order": {"mail": "ada@example.org", "n": 7}})
    code, said = doctor(
        tmp_path, "--sample", sample, **to_file, SIGHTLINE_REDACT="acme_*", SIGHTLINE_SERVCE="typo"
    )
    facts = dict(said)
    assert code == 0
    assert facts["service"].startswith("shop in test")
    assert facts["engine"]
    assert facts["unknown"].startswith("SIGHTLINE_SERVCE:")
    assert "acme_*" in facts["withheld"]
    samples = [sentence for name, sentence in said if name == "sample"]
    assert "password: withheld by name: password" in samples
    assert "order['mail']: withheld by value: e-mail" in samples
    assert "order['n']: leaves as 7" in samples


def test_modules_are_loaded_so_that_probes_find_their_lines(tmp_path, to_file):
    probe = {
        "id": "p1", "kind": "logpoint", "location": {"function": "tests.observed.shop:check"}, "template": "x",
    }  # fmt: skip
    (tmp_path / "probes.json").write_text(
        json.dumps([probe, probe | {"id": "p2", "location": {"function": "no:f"}}])
    )
    _, said = doctor(
        tmp_path, "--import", "tests.observed.shop", **to_file, SIGHTLINE_PROBES=str(tmp_path / "probes.json")
    )
    arms = [sentence for name, sentence in said if name == "would arm"]
    assert arms[0].startswith("p1 (logpoint): armed.")
    assert arms[1].startswith("p2 (logpoint): pending.")


def test_a_module_that_cannot_be_imported_is_said(tmp_path, to_file):
    (tmp_path / "broken.py").write_text("raise KeyError('no database')")
    _, said = doctor(tmp_path, "--import", "broken", **to_file)
    assert dict(said)["import"] == "broken cannot be imported here: KeyError: 'no database'"


def test_without_settings_it_says_what_is_missing(tmp_path):
    code, said = doctor(tmp_path)
    assert code == 1
    assert "SIGHTLINE_SERVICE=" in dict(said)["not started"]


@pytest.mark.slow  # it waits for its connection
def test_what_it_knows_of_the_token_is_never_shown(tmp_path, to_file):
    del to_file["SIGHTLINE_FILE"]
    code, said = doctor(
        tmp_path, **to_file, SIGHTLINE_TOKEN=SECRET, SIGHTLINE_URL="ws://127.0.0.1:9/sensor/v1"
    )
    assert code == 1
    assert "cannot be reached" in dict(said)["connection"]
    assert "connects outwards" in dict(said)["what to do"]
    assert SECRET[:30] not in str(said)


def test_a_live_process_tells_the_same_facts_when_it_is_asked(gateway):
    answer = gateway.ask("doctor")
    assert isinstance(answer, wire.Doctor)
    assert {"engine", "connection", "functions", "breaker"} <= set(answer.facts)
