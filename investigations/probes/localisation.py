"""Which lines and branches the failing executions of a session went through: path and counter probes in one ranking.

A call that a path probe followed tells its lines, the ways its branches went and the values that decided. A counter
tells no execution apart, so a stretch of time on one instance stands for one: it fails where some execution there did.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from investigations.accounts.actors import Actor
from investigations.catalog import selectors as catalog
from investigations.catalog.paths import below_root, roots_of
from investigations.codebase.statements import Statements
from investigations.probes import details, readings, selectors
from investigations.probes.models import Capture, Outcome, Probe, ProbeReading
from investigations.sessions.models import InvestigationSession
from sightline import wire

if TYPE_CHECKING:
    from investigations.analysis.differences import Comparison
    from investigations.analysis.features import Observation
    from investigations.analysis.localisation import Spectrum, Suspect
    from investigations.analysis.marks import Ending

MOST_CALLS = 200
"""Of each probe and outcome."""
MOST_SLICED = 500
"""Steps of a call, from its end, along which is asked what its outcome depended on."""
MOST_STRETCHES = 2_000
MOST_SHOWN = 15
LABELS = {Outcome.FAIL: True, Outcome.PASS: False}


@dataclass(frozen=True, slots=True)
class Localised:
    """``suspects`` are lines (``file:line``) and branches (``file:line is true``), the most suspicious first.

    ``explained`` are those that account for different failing executions, where there is more than one fault.
    """

    suspects: list[Suspect]
    explained: list[Suspect]
    failing: int
    passing: int
    coverage: float
    sentence: str

    @property
    def n(self) -> int:
        return self.failing + self.passing


@dataclass(slots=True)
class _Execution:
    """What one execution (or stretch) told: how often each element held and was looked at, and its values by path.

    ``distances`` are how many dependences lie between a line and the outcome of the calls that were followed,
    ``marks`` how many marks it bears.
    """

    failed: bool
    held: Counter[str] = field(default_factory=Counter)
    looked: Counter[str] = field(default_factory=Counter)
    values: dict[str, wire.Value] = field(default_factory=dict)
    distances: dict[str, int] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Seen:
    """All executions by what names them, and which elements read or write each path of their values."""

    executions: dict[str, _Execution] = field(default_factory=dict)
    elements_of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    operations: dict[str, int] = field(default_factory=dict)


def localise(by: Actor, session: InvestigationSession) -> Localised | None:
    """The combined ranking over the session's path and counter probes; None where there are none of these."""
    probes = list(selectors.probes_of(by, session).filter(kind__in=("path", "counter")))
    if not probes:
        return None
    seen = _Seen()
    for probe in probes:
        if probe.kind == "path":
            _follow(by, session, probe, seen)
    _count(session, [probe for probe in probes if probe.kind == "counter"], seen)
    return _ranked(seen)


def _ranked(seen: _Seen) -> Localised:
    # Only ranking pays for SciPy: it takes longer to import than most pages take to answer.
    from investigations.analysis.differences import compare
    from investigations.analysis.features import tabulate
    from investigations.analysis.localisation import combined, explain_failures

    executions = list(seen.executions.values())
    failing = sum(each.failed for each in executions)
    passing = len(executions) - failing
    if not (failing and passing):
        missing = "failing" if passing else "passing" if failing else "labelled"
        sentence = f"No {missing} execution was followed or counted: label executions, or wait for more."
        return Localised([], [], failing, passing, 0.0, sentence)
    spectrum = _spectrum(executions)
    table = tabulate([_observation(each) for each in executions])
    comparison = compare(table, [each.failed for each in executions])
    found = combined(
        spectrum,
        comparison,
        _lines_of(comparison, seen.elements_of),
        seen.operations,
        [each.distances for each in executions],
        [each.marks for each in executions],
    )
    worth = [each for each in found if each.held_failing][:MOST_SHOWN]
    explained = explain_failures(spectrum)
    sentence = worth[0].sentence if worth else "No line or branch was reached by a failing execution."
    coverage = float((spectrum.looked > 0).mean())
    return Localised(worth, explained, failing, passing, coverage, sentence)


def _spectrum(executions: Sequence[_Execution]) -> Spectrum:
    import numpy as np

    from investigations.analysis.localisation import Spectrum

    elements = sorted({name for each in executions for name in each.looked}, key=_by_line)
    held, looked = (
        np.array([[counts[name] for name in elements] for counts in side], dtype=np.float64)
        for side in ([each.held for each in executions], [each.looked for each in executions])
    )
    return Spectrum(tuple(elements), held, looked, np.array([each.failed for each in executions]))


def _by_line(element: str) -> tuple[str, int, str]:
    place, _, rest = element.partition(" ")
    file, _, line = place.rpartition(":")
    return file, int(line) if line.isdigit() else 0, rest


def _observation(execution: _Execution) -> Observation:
    from investigations.analysis.features import Observation

    return Observation(execution.values)


def _lines_of(comparison: Comparison, elements_of: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """The elements of each path in a difference; ``order.amount`` belongs to the lines of ``order``."""
    paths = {path for each in (*comparison.differences, *comparison.doubtful) for path in each.paths}
    found = {}
    for path in paths:
        inner = path[path.find("(") + 1 : -1] if path.endswith(")") and "(" in path else path
        named = [name for name in elements_of if inner == name or inner.startswith((f"{name}.", f"{name}["))]
        found[path] = sorted({element for name in named for element in elements_of[name]})
    return found


# ---------------------------------------------------------------- paths


def _follow(by: Actor, session: InvestigationSession, probe: Probe, seen: _Seen) -> None:
    """The calls that a path probe followed; all lines it ever saw were looked at in each of them."""
    calls = [
        (row, failed)
        for outcome, failed in LABELS.items()
        for row in selectors.captures_before(by, session, probe=probe, outcome=outcome, limit=MOST_CALLS)
    ]
    followed = [
        (row, failed, body, path)
        for row, failed in calls
        if isinstance(path := details.read(body := selectors.decode(row)), details.Path)
    ]
    lines: set[str] = set()
    texts: dict[str, Statements] = {}
    roots = roots_of(row.instance_id for row, _ in calls)
    for row, failed, body, path in followed:
        file = below_root(roots.get(row.instance_id, ()), body.frames[0].file) if body.frames else ""
        if file not in texts:
            stored = catalog.source_file(by, probe.service, file)
            texts[file] = Statements(stored.text if stored else "")
        execution = seen.executions.setdefault(_execution(row), _Execution(failed))
        _take_path(execution, file, path)
        _take_steps(execution, file, path, texts[file])
        _take_values(execution, file, path, body, seen)
        lines |= {f"{file}:{line}" for line, _ in path.lines()}
    for row, _, _, _ in followed:
        execution = seen.executions[_execution(row)]
        for line in lines:
            execution.looked[line] = max(execution.looked[line], execution.held[line], 1)
    _read_source(texts, lines, seen)


def _execution(row: Capture) -> str:
    return row.execution_id or row.trace_id or str(row.id)


def _take_path(execution: _Execution, file: str, path: details.Path) -> None:
    for line, times in path.lines():
        execution.held[f"{file}:{line}"] += times
    for decision in path.decisions:
        if decision.taken is None:
            continue
        for way in (True, False):
            branch = f"{file}:{decision.line} is {str(way).lower()}"
            execution.looked[branch] += 1
            execution.held[branch] += decision.taken is way


def _take_steps(execution: _Execution, file: str, path: details.Path, source: Statements) -> None:
    """What the outcome of the call depended on, and what its steps show of single lines."""
    from investigations.analysis.marks import marks
    from investigations.analysis.slices import distances

    lines = [line for line, times in path.lines() for _ in range(min(times, MOST_SLICED))][-MOST_SLICED:]
    first = source.first_lines
    steps = [(first.get(line, line), 0) for line in lines]
    ending = _ending(path)
    for line, distance in distances(steps, source, returned=ending == "returned").items():
        element = f"{file}:{line}"
        execution.distances[element] = min(distance, execution.distances.get(element, distance))
    for line, count in marks(steps, source, ending).items():
        element = f"{file}:{line}"
        execution.marks[element] = max(count, execution.marks.get(element, count))


def _ending(path: details.Path) -> Ending:
    """What was cut for its many steps, or for its time, is taken to be without end."""
    match path.ended.how if path.ended else "":
        case "returned" | "raised" as how:
            return how
        case _:
            return "endless" if path.cut.startswith(("steps", "time")) else "cut"


def _take_values(
    execution: _Execution, file: str, path: details.Path, body: wire.Capture, seen: _Seen
) -> None:
    """What decided at each branch, as it was last, and what the call began with."""
    for decision in path.decisions:
        for text, value in decision.values.items():
            name = f"{text}@{decision.line}"
            execution.values[name] = value
            seen.elements_of[name].add(f"{file}:{decision.line}")
    if body.frames:
        execution.values.update(body.frames[0].variables or {})
    execution.values.update(body.watches or {})


def _read_source(texts: Mapping[str, Statements], lines: Collection[str], seen: _Seen) -> None:
    """How much each line does, and the lines that mention what the calls began with; nothing where it is not stored."""
    for element in lines:
        file, _, line = element.rpartition(":")
        seen.operations[element] = texts[file].operations.get(int(line), 0)
    for file, statements in texts.items():
        for name, mentioned in statements.mentions.items():
            seen.elements_of[name] |= {f"{file}:{line}" for line in mentioned} & set(lines)


# ---------------------------------------------------------------- counters


def _count(session: InvestigationSession, counters: Sequence[Probe], seen: _Seen) -> None:
    """Stretches of an instance in which something was counted, a counter without news among them as 0."""
    by_id = {probe.pk: probe for probe in counters}
    rows = list(ProbeReading.objects.filter(probe__in=counters).order_by("-start", "id")[:MOST_STRETCHES])
    if not rows:
        return
    outcomes = _outcomes(session, min(row.start for row in rows))
    stretches: dict[tuple[uuid.UUID, datetime, float], dict[uuid.UUID, int]] = defaultdict(dict)
    for row in rows:
        width = readings.stretch_s(by_id[row.probe_id])
        stretches[row.instance_id, row.start, width][row.probe_id] = int(row.figures.get("count", 0))
    for (instance, start, width), counts in stretches.items():
        end = start + timedelta(seconds=width)
        told = {failed for at, failed in outcomes.get(instance, ()) if start <= at < end}
        if told:
            execution = _Execution(any(told))
            seen.executions[f"{instance} {start.isoformat()} {width}"] = execution
            _take_counts(execution, [each for each in counters if readings.stretch_s(each) == width], counts)


def _take_counts(execution: _Execution, counters: Sequence[Probe], counts: Mapping[uuid.UUID, int]) -> None:
    for probe in counters:
        name = f"{probe.place} if {probe.condition}" if probe.condition else probe.place
        execution.held[name] = counts.get(probe.pk, 0)
        execution.looked[name] = max(execution.held[name], 1)


def _outcomes(
    session: InvestigationSession, since: datetime
) -> Mapping[uuid.UUID, list[tuple[datetime, bool]]]:
    """When executions that turned out somehow were captured, by instance."""
    rows = Capture.objects.filter(session_id=session.id, at__gte=since).order_by("-cursor")
    told = list(rows.values_list("instance_id", "at", "execution_id", "trace_id")[:MOST_STRETCHES])
    labels = selectors.outcome_of(
        session.environment_id, {name for _, _, *names in told for name in names if name}
    )
    found: dict[uuid.UUID, list[tuple[datetime, bool]]] = defaultdict(list)
    for instance, at, execution_id, trace_id in told:
        outcome = labels.get(execution_id) or labels.get(trace_id)
        if outcome in (Outcome.FAIL, Outcome.PASS):
            found[instance].append((at, outcome == Outcome.FAIL))
    return found
