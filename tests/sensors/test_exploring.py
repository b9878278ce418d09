"""What `make explore` tells: which tests pass without probes only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.explore.comparing import Run, compare, excuse_what_passes, failed_once, whole_in
from bench.explore.places import pins
from bench.explore.suites import SUITES, Suite

SUITE = Suite(
    "shop", "shop", "pytest", ("tests",), measures_the_interpreter=(("counts_frames", "it counts frames"),)
)


def written(folder: Path, outcomes: dict[str, str], *, code: int | None = 0, under_way: str = "") -> Run:
    """A run as the suite's process would have written it down."""
    lines = [
        line
        for test, outcome in outcomes.items()
        for line in (
            {"began": test, "at": 10.0},
            {"ended": test, "outcome": outcome, "why": "" if outcome == "passed" else "it broke", "at": 11.0},
        )
    ]
    if under_way:
        lines.append({"began": under_way, "at": 12.0})
    file = folder / "record.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Run.read(file, code, 1.0)


def test_what_passes_both_times_without_must_pass_with(tmp_path: Path) -> None:
    first = written(tmp_path, {"sells": "passed", "ships": "passed", "flickers": "passed"})
    second = written(tmp_path, {"sells": "passed", "ships": "passed", "flickers": "failed"})
    armed = written(tmp_path, {"sells": "passed", "ships": "failed", "flickers": "failed"})
    line = compare(SUITE, [first, second], armed)
    assert line["stable"] == 2
    assert line["differences"] == {"ships": "it broke"}


def test_a_part_that_failed_is_not_made_good_by_the_end(tmp_path: Path) -> None:
    file = tmp_path / "record.jsonl"
    ends = [{"ended": "sells", "outcome": outcome, "why": "", "at": 1.0} for outcome in ("failed", "passed")]
    file.write_text("".join(json.dumps(line) + "\n" for line in ends))
    assert Run.read(file, 0, 1.0).passed == set()


def test_a_process_that_dies_has_not_run_its_tests(tmp_path: Path) -> None:
    plain = written(tmp_path, {"sells": "passed", "ships": "passed"})
    died = written(tmp_path, {"sells": "passed"}, code=-11)
    assert compare(SUITE, [plain, plain], died)["differences"] == {
        "ships": "it was not run; the process ended with -11"
    }


def test_what_is_not_reached_in_time_is_told_and_no_difference(tmp_path: Path) -> None:
    plain = written(tmp_path, {"sells": "passed", "ships": "passed"})
    slow = written(tmp_path, {"sells": "passed"}, code=None)
    line = compare(SUITE, [plain, plain], slow)
    assert line["differences"] == {}
    assert line["with"]["unreached"] == 1


def test_a_test_that_hangs_is_a_difference(tmp_path: Path) -> None:
    plain = written(tmp_path, {"sells": "passed", "ships": "passed"})
    hung = written(tmp_path, {"sells": "passed"}, code=None, under_way="ships")
    assert compare(SUITE, [plain, plain], hung)["differences"] == {
        "ships": "it was under way when the time was up"
    }


def test_a_failure_counts_when_the_test_fails_by_itself_too(tmp_path: Path) -> None:
    plain = written(tmp_path, {"sells": "passed", "ships": "passed", "bills": "passed"})
    armed = written(tmp_path, {"sells": "failed", "ships": "failed"}, code=-11)
    line = compare(SUITE, [plain, plain], armed)
    assert failed_once(line, armed) == ["sells", "ships"]
    excuse_what_passes(line, written(tmp_path, {"sells": "passed", "ships": "failed"}))
    assert line["passed_again"] == ["sells"]
    assert line["differences"].keys() == {"ships", "bills"}


def test_a_test_that_hangs_is_tried_by_itself_too(tmp_path: Path) -> None:
    plain = written(tmp_path, {"sells": "passed", "ships": "passed"})
    hung = written(tmp_path, {"sells": "passed"}, code=None, under_way="ships")
    line = compare(SUITE, [plain, plain], hung)
    assert failed_once(line, hung) == ["ships"]
    assert not line["whole"]


def test_what_measures_the_interpreter_is_told_with_its_reason(tmp_path: Path) -> None:
    plain = written(tmp_path, {"counts_frames": "passed"})
    line = compare(SUITE, [plain, plain], written(tmp_path, {"counts_frames": "failed"}))
    assert line["excused"] == {"counts_frames": "it counts frames"}
    assert line["differences"] == {}


def test_a_suite_of_which_nothing_passes_is_no_success(tmp_path: Path) -> None:
    nothing = written(tmp_path, {})
    assert compare(SUITE, [nothing, nothing], nothing)["differences"] == {
        "shop": "nothing of it passes without probes"
    }


def test_what_was_run_whole_without_a_difference_needs_no_other_run(tmp_path: Path) -> None:
    plain = written(tmp_path, {"sells": "passed"})
    runs = {
        "3.11": written(tmp_path, {"sells": "passed"}),
        "3.12": written(tmp_path, {"sells": "failed"}),
        "3.13": written(tmp_path, {"sells": "passed"}, code=None),
    }
    lines = tmp_path / "lines.jsonl"
    assert whole_in(lines) == set()
    lines.write_text(
        "".join(
            json.dumps({"python": v, **compare(SUITE, [plain, plain], run)}) + "\n" for v, run in runs.items()
        )
    )
    assert whole_in(lines) == {("3.11", "shop")}


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_every_explored_library_is_locked(suite: Suite) -> None:
    lock = (Path(__file__).parents[2] / "requirements" / "explore.txt").read_text()
    assert not suite.sdist or "--hash=sha256:" in pins(lock)[suite.sdist]
