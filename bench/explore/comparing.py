"""What passed both times without probes, held against the run with them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.explore.suites import Suite

HANGS_AFTER_S = 60.0
SLOWER_AT_MOST = 100
"""A test under way when the time is up hangs if it took longer than a minute and this many times its usual time."""


@dataclass
class Run:
    """How each test of one run ended, as far as it came. ``code`` is None where the time was up."""

    code: int | None
    seconds: float
    ended_at: float = field(default_factory=time.time)
    outcomes: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    under_way: str = ""
    collected: int = 0
    probes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, record: Path, code: int | None, seconds: float) -> Run:
        """Read what `bench.explore.inside` wrote."""
        run = cls(code, seconds)
        for line in record.read_text().splitlines() if record.exists() else ():
            run._take(json.loads(line))
        return run

    def _take(self, line: dict[str, Any]) -> None:
        if "began" in line:
            self.under_way = line["began"]
            self.began[self.under_way] = line["at"]
        elif "ended" in line:
            self._take_end(line["ended"], line["outcome"], line["why"], line["at"])
        else:
            self.collected = line.get("collected", self.collected)
            self.probes = line.get("probes", self.probes)

    def _take_end(self, test: str, outcome: str, why: str, at: float) -> None:
        if self.outcomes.get(test) != "failed":  # one part of it may have failed before
            self.outcomes[test] = outcome
        if why:
            self.reasons.setdefault(test, why)
        self.took[test] = at - self.began.get(test, at)
        if test == self.under_way:
            self.under_way = ""

    @property
    def passed(self) -> set[str]:
        return {test for test, outcome in self.outcomes.items() if outcome == "passed"}

    @property
    def hangs_at(self) -> str:
        """The test that was under way for long when the time was up; empty if there was none."""
        since = self.ended_at - self.began.get(self.under_way, self.ended_at)
        return self.under_way if self.code is None and since > HANGS_AFTER_S else ""

    def counted(self) -> dict[str, Any]:
        return {"passed": len(self.passed), "of": len(self.outcomes), "seconds": round(self.seconds, 1)}


def compare(suite: Suite, plain: list[Run], armed: Run) -> dict[str, Any]:
    """The suite's line. Of its ``tests``, those are ``stable`` that passed both times without probes in the time there
    was, and those are ``held`` that passed with probes, too. The suite was run ``whole`` if no run of it was cut short.
    """
    stable = plain[0].passed & plain[1].passed
    unreached = stable - armed.outcomes.keys()
    different = {
        test: armed.reasons.get(test, armed.outcomes[test]) for test in stable - unreached - armed.passed
    }
    if armed.code is not None:
        different |= dict.fromkeys(unreached, f"it was not run; the process ended with {armed.code}")
    elif armed.hangs_at in stable and _since(armed) > SLOWER_AT_MOST * plain[0].took[armed.hangs_at]:
        different[armed.hangs_at] = "it was under way when the time was up"
    if not stable:
        different[suite.name] = "nothing of it passes without probes"
    excuses = dict(suite.measures_the_interpreter)
    return {
        "suite": suite.name,
        "tests": plain[0].collected,
        "every": suite.every,
        "whole": suite.every == 1 and all(run.code is not None for run in (*plain, armed)),
        "stable": len(stable),
        "held": len(stable & armed.passed),
        "without": [run.counted() for run in plain],
        "with": {**armed.counted(), "unreached": len(unreached - different.keys()), **armed.probes},
        "excused": {test: excuses[test] for test in sorted(different) if test in excuses},
        "passed_again": [],
        "differences": {test: why for test, why in sorted(different.items()) if test not in excuses},
    }


def whole_in(lines: Path) -> set[tuple[str, str]]:
    """The Pythons and suites that a file of lines tells to have been run whole and without a difference."""
    told = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    return {(line["python"], line["suite"]) for line in told if line["whole"] and not line["differences"]}


def failed_once(line: dict[str, Any], armed: Run) -> list[str]:
    """The differences that are tests which failed, or hung: whether they always do is to be seen."""
    return [test for test in line["differences"] if test in armed.outcomes or test == armed.hangs_at]


def excuse_what_passes(line: dict[str, Any], again: Run) -> None:
    """Take what passed by itself out of the line's differences; it is told all the same."""
    line["passed_again"] = sorted(again.passed & line["differences"].keys())
    for test in line["passed_again"]:
        del line["differences"][test]


def _since(run: Run) -> float:
    return run.ended_at - run.began[run.under_way]
