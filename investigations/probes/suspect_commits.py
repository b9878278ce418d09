"""Which commits, and which lines of captured stacks, the failing captures of a session point at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from investigations.accounts.actors import Actor
from investigations.catalog.history import seen_commits, with_history
from investigations.catalog.paths import below_root, is_same_file, roots_of
from investigations.probes import comparing, selectors
from investigations.probes.localisation import localise
from investigations.probes.models import Capture, Outcome, Probe
from investigations.sessions.models import InvestigationSession

if TYPE_CHECKING:
    from investigations.analysis.commits import Commit, SuspectCommit
    from investigations.analysis.localisation import Suspect

LATEST = 200
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stacks:
    """The ``file:line`` places in stacks of one probe that failing captures came through, and what that rests on."""

    probe: Probe | None
    suspects: Mapping[str, Suspect]
    failing: list[Capture]
    passing: list[Capture]

    @property
    def suspicion(self) -> dict[str, float]:
        """Of each place, 0 to 1: Ochiai."""
        return {place: each.score for place, each in self.suspects.items()}


def stacks(by: Actor, session: InvestigationSession, *, probe: Probe | None = None) -> Stacks:
    """How suspicious the lines are that stood in the stacks of failing and of passing captures."""
    from investigations.analysis.localisation import Spectrum, combined

    chosen = comparing.probe_of(by, session, probe)
    if chosen is None:
        return Stacks(None, {}, [], [])
    failing, passing = (
        selectors.captures_before(by, session, probe=chosen, outcome=outcome, limit=LATEST)
        for outcome in (Outcome.FAIL, Outcome.PASS)
    )
    roots = roots_of(row.instance_id for row in (*failing, *passing))
    rows = [_places(row, roots.get(row.instance_id, ())) for row in (*failing, *passing)]
    elements = sorted({place for row in rows for place in row})
    counts = [[float(place in row) for place in elements] for row in rows]
    labels = [at < len(failing) for at in range(len(rows))]
    found = combined(Spectrum.of_lines(elements, counts, labels)) if elements and failing else []
    return Stacks(chosen, {each.element: each for each in found if each.score > 0}, failing, passing)


def _places(row: Capture, roots: Iterable[str]) -> set[str]:
    return {f"{below_root(roots, frame.file)}:{frame.line}" for frame in selectors.decode(row).frames or []}


def suspect_commits(
    by: Actor,
    session: InvestigationSession,
    history: Sequence[Commit] = (),
    *,
    running: str = "",
    last_good: str = "",
    onset: float | None = None,
    probe: Probe | None = None,
) -> list[SuspectCommit]:
    """The commits that brought the failure, by what failing executions ran through, and where they are probed.

    Commits are those of ``history`` (newest first), with what instances and stored source tell of them; without a
    history only the latter. ``running`` is the commit of the latest failing capture unless named; ``onset`` (seconds)
    that of the first. Files may be written from another root: they are the same when one path ends with the other.
    """
    from investigations.analysis.commits import suspect_commits as ranked

    seen = stacks(by, session, probe=probe)
    told = [row.commit for row in seen.failing if row.commit]
    running = running or (told[-1] if told else "")
    ran = seen_commits(by, seen.probe.service) if seen.probe else []
    history = with_history(ran, history)
    suspects = _in_words_of(history, {**seen.suspects, **_localised(by, session)})
    probed = _in_words_of(history, dict.fromkeys(_probed(by, session), None))
    suspicion = {element: min(1.0, each.score) * share for element, (each, share) in suspects.items()}
    began = min((row.at.timestamp() for row in seen.failing), default=None) if onset is None else onset
    return ranked(
        history,
        _whole(history, running),
        suspicion,
        last_good=last_good,
        stack={*suspects, *probed},
        onset=began,
        suspects={element: each for element, (each, _) in suspects.items()},
    )


def _localised(by: Actor, session: InvestigationSession) -> dict[str, Suspect]:
    """What path and counter probes point at, by line: a branch counts for the line it is on."""
    found = localise(by, session)
    lines: dict[str, Suspect] = {}
    for each in reversed(found.suspects if found else []):
        lines[each.element.partition(" ")[0]] = each
    return lines


def _probed(by: Actor, session: InvestigationSession) -> set[str]:
    """Lines that somebody found worth a probe, where they are armed."""
    told = selectors.deliveries_of(list(selectors.probes_of(by, session))).values()
    places = [place for rows in told for row in rows for place in row.places]
    return {f"{place.get('file')}:{place.get('line')}" for place in places}


def _whole(history: Iterable[Commit], name: str) -> str:
    """The commit's full name: instances may tell a short one."""
    return next((each.id for each in history if name and each.id.startswith(name)), name)


def _in_words_of(history: Iterable[Commit], places: Mapping[str, T]) -> dict[str, tuple[T, float]]:
    """By the elements and files that commits name, the first place meant; a file answers for its lines by half."""
    named = {each for commit in history for each in (*commit.elements, *commit.files)}
    found: dict[str, tuple[T, float]] = {}
    for element in sorted(named):
        file, _, line = element.rpartition(":")
        is_line = bool(file) and line.isdigit()
        for place, told in places.items():
            path, _, number = place.rpartition(":")
            if is_same_file(file if is_line else element, path) and (not is_line or line == number):
                found.setdefault(element, (told, 1.0 if is_line else 0.5))
    return found
