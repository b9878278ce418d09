"""Which commits, and which lines of captured stacks, the failing captures of a session point at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from investigations.accounts.actors import Actor
from investigations.probes import comparing, selectors
from investigations.probes.models import Capture, Outcome, Probe
from investigations.sessions.models import InvestigationSession

if TYPE_CHECKING:
    from investigations.analysis.commits import Commit, SuspectCommit

LATEST = 200


@dataclass(frozen=True, slots=True)
class Stacks:
    """Suspicion (Ochiai, 0 to 1) of each ``file:line`` in the stacks of one probe, and what that rests on."""

    probe: Probe | None
    suspicion: Mapping[str, float]
    functions: Mapping[str, str]
    failing: list[Capture]
    passing: list[Capture]


def stacks(by: Actor, session: InvestigationSession, *, probe: Probe | None = None) -> Stacks:
    """How suspicious the lines are that stood in the stacks of failing and of passing captures."""
    from investigations.analysis.localisation import Spectrum, ochiai

    chosen = comparing.probe_of(by, session, probe)
    if chosen is None:
        return Stacks(None, {}, {}, [], [])
    failing, passing = (
        selectors.captures_before(by, session, probe=chosen, outcome=outcome, limit=LATEST)
        for outcome in (Outcome.FAIL, Outcome.PASS)
    )
    rows = [_places(row) for row in (*failing, *passing)]
    functions = {place: function for row in rows for place, function in row.items()}
    elements = sorted(functions)
    counts = [[float(place in row) for place in elements] for row in rows]
    labels = [at < len(failing) for at in range(len(rows))]
    suspicion = {}
    if elements and failing:
        scores = ochiai(Spectrum.of_lines(elements, counts, labels))
        suspicion = {place: float(score) for place, score in zip(elements, scores, strict=True) if score > 0}
    return Stacks(chosen, suspicion, functions, failing, passing)


def _places(row: Capture) -> dict[str, str]:
    frames = selectors.decode(row).frames or []
    return {f"{frame.file}:{frame.line}": frame.function for frame in frames}


def suspect_commits(
    by: Actor,
    session: InvestigationSession,
    history: Sequence[Commit],
    *,
    running: str = "",
    last_good: str = "",
    onset: float | None = None,
    probe: Probe | None = None,
) -> list[SuspectCommit]:
    """The commits of ``history`` (newest first) that brought the failure, by what failing captures ran through.

    ``running`` is the commit of the latest failing capture unless named; ``onset`` (seconds) that of the first.
    Files may be written from another root: they are the same when one path ends with the other.
    """
    from investigations.analysis.commits import suspect_commits as ranked

    seen = stacks(by, session, probe=probe)
    told = [row.commit for row in seen.failing if row.commit]
    running = running or (told[-1] if told else "")
    suspicion = _in_words_of(history, seen.suspicion)
    began = min((row.at.timestamp() for row in seen.failing), default=None) if onset is None else onset
    return ranked(
        history, _whole(history, running), suspicion, last_good=last_good, stack=set(suspicion), onset=began
    )


def _whole(history: Iterable[Commit], name: str) -> str:
    """The commit's full name: instances may tell a short one."""
    return next((each.id for each in history if name and each.id.startswith(name)), name)


def _in_words_of(history: Iterable[Commit], suspicion: Mapping[str, float]) -> dict[str, float]:
    """Suspicion of the elements and files that commits name; a file is as suspicious as its worst line, halved."""
    named = {each for commit in history for each in (*commit.elements, *commit.files)}
    found: dict[str, float] = {}
    for element in named:
        file, _, line = element.rpartition(":")
        is_line = bool(file) and line.isdigit()
        for place, score in suspicion.items():
            path, _, number = place.rpartition(":")
            if is_line and line == number and _same_file(file, path):
                found[element] = max(found.get(element, 0.0), score)
            elif not is_line and _same_file(element, path):
                found[element] = max(found.get(element, 0.0), score / 2)
    return found


def _same_file(one: str, other: str) -> bool:
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")
