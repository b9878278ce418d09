"""`python -m bench.analysis [--petshop DIR] [--cases FILE] [figure ...]`: how often the analysis is right,
and what it costs.

The silent suite is captured through the real sensor in this process: 3 failing and 50 passing executions of
each case. Half of its kinds, chosen by `HELD_OUT_SEED` before the first result, were never looked at while
building and are reported apart.
"""

from __future__ import annotations

import argparse
import csv
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import faults, injected, mutants, petshop, quixbugs
from bench.figures import figure, show
from bench.loading import loaded
from investigations.analysis.differences import Comparison, compare
from investigations.analysis.features import Column, Table, observe, tabulate
from sightline import testing, wire

SEED = 20261122
HELD_OUT_SEED = 4
FAILING, PASSING = 3, 50
RELABELLED = 20
PATHS = 500


def held_out() -> frozenset[str]:
    """The kinds nobody looked at: half of all, by the seed."""
    names = sorted(kind.name for kind in faults.KINDS)
    return frozenset(random.Random(HELD_OUT_SEED).sample(names, len(names) // 2))


# ---------------------------------------------------------------- silent wrong values


@dataclass(frozen=True, slots=True)
class Result:
    """Where the cause stood among the differences (0: not there), how many paths there were to choose from,
    and in how many of `RELABELLED` draws something was told without a fault.
    """

    case: faults.Case
    rank: int
    paths: int
    causes: int
    first: str
    false_alarms: int


def silent(folder: Path) -> Iterator[Result]:
    """Every case: once with its fault, once without one."""
    for case in faults.cases(faults.KINDS):
        handle, line = _written(case, folder)
        captured = _captured(case, handle, folder / f"{case.name}.py", line, with_fault=True)
        table = tabulate([observe(each) for each in captured])
        found = compare(table, [at < FAILING for at in range(table.rows)])
        calm = tabulate(
            [
                observe(each)
                for each in _captured(case, handle, folder / f"{case.name}.py", line, with_fault=False)
            ]
        )
        yield Result(
            case,
            _rank(found, case.cause),
            len(table.columns),
            sum(_is_about(column.path, case.cause) for column in table.columns),
            found.differences[0].predicate if found.differences else "",
            sum(bool(compare(calm, labels).differences) for labels in _relabelled(case, calm.rows)),
        )


def _relabelled(case: faults.Case, rows: int) -> Iterator[list[bool]]:
    """As many captures called failing as there were, chosen by chance: whatever differs is an accident."""
    for turn in range(RELABELLED):
        chosen = random.Random(f"{SEED} {case.name} {turn}").sample(range(rows), FAILING)
        yield [at in chosen for at in range(rows)]


def _written(case: faults.Case, folder: Path) -> tuple[Callable[..., Any], int]:
    path = folder / f"{case.name}.py"
    path.write_text(case.source)
    return loaded(f"faulty_{case.name}", path).handle, len(case.source.rstrip().split("\n"))


def _captured(
    case: faults.Case, handle: Callable[..., Any], path: Path, line: int, *, with_fault: bool
) -> list[wire.Capture]:
    """Captures of failing executions (in name only, when there is no fault), then of passing ones."""
    chance = random.Random(f"{SEED} {case.name} {with_fault}")
    # Deadlines are for services; here they would only measure how busy the machine is.
    limits = wire.Limits(deadline_ms=10_000.0, frames=1, variable_frames=1)
    with testing.gateway(budget=1.0) as gateway:
        probe = gateway.place("snapshot", file=str(path), line=line, rate=1e9, hit_limit=0, limits=limits)
        status = gateway.status(probe)
        assert status.state == "armed", status
        found: list[wire.Capture] = []
        for at in range(FAILING + PASSING):
            handle(**faults.execution(case, at < FAILING and with_fault, chance))
            found = gateway.captures(probe)
        assert len(found) == FAILING + PASSING, gateway.endings(probe)
        return found


def _rank(found: Comparison, cause: frozenset[str]) -> int:
    """The first difference whose own path is the cause; what it is folded with does not count."""
    for rank, each in enumerate(found.differences, start=1):
        if any(_is_about(path, cause) for path in each.paths):
            return rank
    return 0


def _is_about(path: str, cause: frozenset[str]) -> bool:
    inner = path[path.find("(") + 1 : -1] if path.endswith(")") else path
    return any(inner == each or inner.startswith((f"{each}.", f"{each}[")) for each in cause)


def show_silent(cases_file: Path | None) -> None:
    """Three figures, each with the held-out half apart and the level of chance beside."""
    with tempfile.TemporaryDirectory(prefix="sightline-faults-") as folder:
        results = list(silent(Path(folder)))
    if cases_file is not None:
        _write_cases(results, cases_file)
    unseen = held_out()
    groups = {
        "seen": [each for each in results if each.case.kind.name not in unseen],
        "held_out": [each for each in results if each.case.kind.name in unseen],
    }
    for most, goal in ((1, 0.85), (3, 0.95)):
        shares = {name: _within(group, most) for name, group in groups.items()}
        chance = float(np.mean([1 - (1 - each.causes / each.paths) ** most for each in results]))
        show(
            figure(
                f"analysis.silent_top{most}", shares["held_out"], "share", goal=goal, baseline=chance,
                larger_is_better=True, all=_within(results, most), seen=shares["seen"], cases=len(results),
            )
        )  # fmt: skip
    calm = {name: _calm(group) for name, group in groups.items()}
    show(
        figure(
            "analysis.silent_specificity", calm["held_out"], "share", goal=0.95, baseline=0.95,
            larger_is_better=True, all=_calm(results), seen=calm["seen"], cases=len(results),
            comparisons=len(results) * RELABELLED,
        )
    )  # fmt: skip


def _calm(results: Sequence[Result]) -> float:
    """The share of comparisons without a fault in which nothing was told."""
    return round(1 - sum(each.false_alarms for each in results) / (len(results) * RELABELLED), 4)


def _within(results: Sequence[Result], most: int) -> float:
    return round(float(np.mean([0 < each.rank <= most for each in results])), 4)


def _write_cases(results: Sequence[Result], path: Path) -> None:
    unseen = held_out()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "kind", "held_out", "rank", "first", "paths", "false_alarms"])
        for each in results:
            kind = each.case.kind.name
            shown = "" if kind in unseen else each.first
            writer.writerow(
                [each.case.name, kind, kind in unseen, each.rank, shown, each.paths, each.false_alarms]
            )


# ---------------------------------------------------------------- cost


def columnar(rows: int, paths: int = PATHS) -> Table:
    """Mixed columns, as decoded captures would give them: numbers, text of few values, types that now and
    then differ.
    """
    chance = np.random.default_rng(SEED)
    return Table(rows, tuple(_column(f"v{at}", at, rows, chance) for at in range(paths)))


def _column(path: str, at: int, rows: int, chance: np.random.Generator) -> Column:
    values = chance.integers(1, 12, rows)
    missing = np.full(rows, np.nan)
    return Column(
        path=path,
        kinds=(chance.random(rows) < 0.02).astype(np.int32),
        type_names=("NoneType", "int") if at % 2 else ("int", "str"),
        numbers=chance.normal(size=rows) if at % 3 else missing,
        sizes=missing if at % 3 else values.astype(np.float64),
        identities=values.astype(np.int64),
        shapes=np.full(rows, -1, dtype=np.int32) if at % 3 else (values % 3).astype(np.int32),
        shape_names=() if at % 3 else ("blank", "in capitals", "signs"),
        traits=np.full(rows, -1, dtype=np.int32),
        truths=(values % 2).astype(np.int32),
        top=tuple((value, repr(value)) for value in range(1, 12)),
    )


def show_cost(rows: int, goal: float) -> None:
    """Seconds of processor time for one comparison, best of three."""
    table = columnar(rows)
    labels = np.arange(rows) < rows // 20
    taken = []
    for _ in range(3):
        began = time.process_time()
        found = compare(table, labels)
        taken.append(time.process_time() - began)
    show(
        figure(
            f"analysis.compare_{rows // 1000}k", min(taken), "s", goal=goal, paths=PATHS, captures=rows,
            candidates=found.candidates, memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        )
    )  # fmt: skip


def main() -> int:
    """Print the figures asked for, one JSON line each."""
    parser = argparse.ArgumentParser(prog="python -m bench.analysis")
    parser.add_argument("--petshop", type=Path, help="a folder of PetShop's form")
    parser.add_argument("--quixbugs", type=Path, help="a clone of QuixBugs")
    parser.add_argument("--cases", type=Path, help="a folder for a CSV of the cases of each suite")
    parser.add_argument(
        "figures", nargs="*", help="silent, injected, mutants, petshop, quixbugs, compare; all without"
    )
    asked = parser.parse_args()
    wanted = {name.removeprefix("analysis.").partition("_")[0] for name in asked.figures}
    if not wanted or "compare" in wanted:
        show_cost(1_000, 1.0)
        show_cost(10_000, 8.0)
    if not wanted or "silent" in wanted:
        show_silent(_cases(asked.cases, "silent"))
    if not wanted or "injected" in wanted:
        injected.main(asked.petshop)
    if not wanted or "mutants" in wanted:
        mutants.main()
    if asked.petshop is not None and (not wanted or "petshop" in wanted):
        petshop.main(asked.petshop, _cases(asked.cases, "petshop"))
    if asked.quixbugs is not None and (not wanted or "quixbugs" in wanted):
        quixbugs.main(asked.quixbugs, _cases(asked.cases, "quixbugs"))
    return 0


def _cases(folder: Path | None, suite: str) -> Path | None:
    if folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{suite}.csv"


if __name__ == "__main__":
    sys.exit(main())
