"""Which commits brought the failure: those reachable from what runs, weighed by what they touched, and when.

After Fonte (An et al., 2023): a commit answers for suspicious code it touched, less so the more often that
code was changed since. Beside it: lines that were probed or stood in captured stacks, how soon before the
onset it went live, and rarity (a file that seldom changes says more). Commits that are not reachable from the
failing commit, or are from the last good one, are out.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from investigations.analysis.localisation import Suspect
from investigations.analysis.significance import Interval

DECAY = 0.5
"""How much less an older change of the same element answers for it, for every newer one."""
ONSET_SCALE_S = 6 * 3600.0
WEIGHTS = {"elements": 0.5, "stack": 0.2, "onset": 0.2, "rarity": 0.1}


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, or a change of settings or flags as one. ``live_at`` in seconds, None when unknown.

    ``elements`` are what it touched, in the names that suspiciousness is told in (``shop/orders.py:12``, a
    function, a file).
    """

    id: str
    parents: tuple[str, ...]
    elements: frozenset[str]
    files: frozenset[str]
    live_at: float | None = None
    same_syntax: bool = False
    """Only style, comments or documents changed: the syntax tree is equal."""


@dataclass(frozen=True, slots=True)
class SuspectCommit:
    """``score`` is 0 to 1, made of ``parts`` by `WEIGHTS`; ``because`` the suspicious elements it touched.

    How surely the most suspicious of these goes with failing is told by ``suspect``, where that was given: ``test``,
    ``n`` executions, ``effect`` and ``q`` are its. A commit that only touched the stack has q = 1.
    """

    commit: str
    score: float
    parts: Mapping[str, float]
    because: tuple[str, ...]
    candidates: int
    sentence: str
    suspect: Suspect | None = None

    @property
    def test(self) -> str:
        return self.suspect.test if self.suspect else "none"

    @property
    def n(self) -> int:
        return self.suspect.n if self.suspect else 0

    @property
    def coverage(self) -> float:
        return self.suspect.coverage if self.suspect else 0.0

    @property
    def effect(self) -> Interval:
        return self.suspect.effect if self.suspect else Interval("risk_ratio", 1.0, 0.0, math.inf)

    @property
    def q(self) -> float:
        return self.suspect.q if self.suspect else 1.0


def suspect_commits(
    history: Sequence[Commit],
    running: str,
    suspicion: Mapping[str, float],
    *,
    last_good: str = "",
    stack: Collection[str] = (),
    onset: float | None = None,
    suspects: Mapping[str, Suspect] | None = None,
) -> list[SuspectCommit]:
    """Ranks the commits between ``last_good`` and ``running``; newest first in ``history``.

    ``suspicion`` of elements is 0 to 1 (from `localisation`, whose ``suspects`` say how surely); ``stack`` are
    elements of captured stacks and probed lines; ``onset`` is when it began. Commits that touch nothing suspicious and
    no stack are left out.
    """
    candidates = _candidates(history, running, last_good)
    churn = Counter(file for commit in history for file in commit.files)
    newer: Counter[str] = Counter()
    ranked = []
    for commit in candidates:
        parts = {
            "elements": _share(commit, suspicion, newer),
            "stack": float(bool(commit.elements & set(stack))),
            "onset": _soon(commit, onset),
            "rarity": max((1 / churn[file] for file in commit.files), default=0.0),
        }
        newer.update(commit.elements)
        if parts["elements"] or parts["stack"]:
            ranked.append(_suspect(commit, parts, suspicion, len(candidates), suspects or {}))
    return sorted(ranked, key=lambda each: (-round(each.score, 9), _age(candidates, each.commit)))


def _candidates(history: Sequence[Commit], running: str, last_good: str) -> list[Commit]:
    by_id = {commit.id: commit for commit in history}
    reachable = _reachable(by_id, running) - (_reachable(by_id, last_good) if last_good else set())
    return [commit for commit in history if commit.id in reachable and not commit.same_syntax]


def _reachable(by_id: Mapping[str, Commit], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = deque([start])
    while waiting:
        name = waiting.popleft()
        if name in by_id and name not in seen:
            seen.add(name)
            waiting.extend(by_id[name].parents)
    return seen


def _share(commit: Commit, suspicion: Mapping[str, float], newer: Counter[str]) -> float:
    """The most suspicious element it touched, less for what was changed again since."""
    return max((suspicion.get(each, 0.0) * DECAY ** newer[each] for each in commit.elements), default=0.0)


def _soon(commit: Commit, onset: float | None) -> float:
    """1 just before the onset, falling with the delay; 0 for what went live after it; a half when unknown."""
    if onset is None or commit.live_at is None:
        return 0.5
    delay = onset - commit.live_at
    return math.exp(-delay / ONSET_SCALE_S) if delay >= 0 else 0.0


def _suspect(
    commit: Commit,
    parts: Mapping[str, float],
    suspicion: Mapping[str, float],
    candidates: int,
    suspects: Mapping[str, Suspect],
) -> SuspectCommit:
    score = sum(WEIGHTS[name] * value for name, value in parts.items())
    touched = sorted(
        (each for each in commit.elements if suspicion.get(each)), key=lambda each: (-suspicion[each], each)
    )
    what = f"touched {touched[0]}" if touched else "touched a line of the captured stacks"
    more = f" and {len(touched) - 1} more suspicious places" if len(touched) > 1 else ""
    soon = "" if parts["onset"] <= 0.5 else ", and went live shortly before it began"
    sentence = f"{commit.id[:10]} {what}{more}{soon} (score {score:.2f} among {candidates} commits)."
    suspect = next((suspects[each] for each in touched if each in suspects), None)
    return SuspectCommit(commit.id, score, parts, tuple(touched[:5]), candidates, sentence, suspect)


def _age(candidates: Sequence[Commit], id: str) -> int:
    return next(at for at, commit in enumerate(candidates) if commit.id == id)
