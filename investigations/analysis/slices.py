"""What the outcome of an execution depended on: dynamic backward slices of the lines it took (Korel & Laski 1988).

A line depends on those that last wrote what it reads, on conditions that could have written it since had they gone the
other way (relevant slices: Gyimóthy, Beszédes & Forgács, FSE 1999), on the one that decided whether it runs, on the one
that called its function, and on the last one of what it called. Names stand for values: what two names share is not
followed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Protocol

FAR = 99
"""The distance of a line that the outcome did not depend on."""


class Source(Protocol):
    """What is known of the statements of a file, by their first lines."""

    @property
    def reads(self) -> Mapping[int, AbstractSet[str]]: ...
    @property
    def writes(self) -> Mapping[int, AbstractSet[str]]: ...
    @property
    def heads(self) -> Mapping[int, int]:
        """The statement that decides whether each one runs: the innermost branch or loop around it."""

    @property
    def inside(self) -> Mapping[int, AbstractSet[str]]:
        """The names that each branch or loop writes somewhere inside."""

    @property
    def returns(self) -> AbstractSet[int]:
        """The statements that end a call."""


@dataclass(slots=True)
class _Call:
    """One call on its way: who wrote each name last, which branches since could have, when each line ran last, and
    its latest step.
    """

    wrote: dict[str, int] = field(default_factory=dict)
    might: dict[str, dict[int, int]] = field(default_factory=dict)
    ran: dict[int, int] = field(default_factory=dict)
    latest: int = -1
    line: int = 0

    def sources(self, names: AbstractSet[str]) -> Iterator[int]:
        """The steps that the values of names come from, or could have come from."""
        for name in names:
            if name in self.wrote:
                yield self.wrote[name]
            yield from self.might.get(name, {}).values()

    def take(self, at: int, line: int, source: Source) -> None:
        """Step ``at`` has run this line."""
        for name in source.inside.get(line, ()):
            self.might.setdefault(name, {})[line] = at
        for name in source.writes.get(line, ()):
            self.wrote[name] = at
            self.might.pop(name, None)
        self.ran[line] = self.latest = at
        self.line = line


def distances(steps: Sequence[tuple[int, int]], source: Source, *, returned: bool = True) -> dict[int, int]:
    """How many dependences lie between each line and the outcome of the outermost call; other lines are left out.

    ``steps`` are (line, depth of the call), in the order they were taken. The outcome is what the last step at the
    least depth came to; of a call that never ``returned`` (it raised, or was cut) it is the very last step.
    """
    needs = _dependences(steps, source)
    if not steps:
        return {}
    outermost = min(depth for _, depth in steps)
    last = max(at for at, (_, depth) in enumerate(steps) if depth == outermost or not returned)
    found = {last: 0}
    waiting = deque([last])
    while waiting:
        at = waiting.popleft()
        for earlier in sorted(needs[at] - found.keys()):
            found[earlier] = found[at] + 1
            waiting.append(earlier)
    nearest: dict[int, int] = {}
    for at, distance in found.items():
        line = steps[at][0]
        nearest[line] = min(distance, nearest.get(line, distance))
    return nearest


def _dependences(steps: Sequence[tuple[int, int]], source: Source) -> list[set[int]]:
    """For each step the steps it depends on."""
    needs: list[set[int]] = []
    calls: list[tuple[int, _Call]] = []
    for at, (line, depth) in enumerate(steps):
        while calls and calls[-1][0] > depth:
            _return(calls, needs)
        if len(calls) > 1 and calls[-1][0] == depth and calls[-1][1].line in source.returns:
            _return(calls, needs)
        if not calls or calls[-1][0] < depth:
            calls.append((depth, _Call()))
        call = calls[-1][1]
        needs.append(set(call.sources(source.reads.get(line, frozenset()))))
        if (decided := call.ran.get(source.heads.get(line, 0))) is not None:
            needs[at].add(decided)
        if len(calls) > 1:
            needs[at].add(calls[-2][1].latest)
        call.take(at, line, source)
    while len(calls) > 1:
        _return(calls, needs)
    return needs


def _return(calls: list[tuple[int, _Call]], needs: list[set[int]]) -> None:
    """What called a function depends on how that ended."""
    _, ended = calls.pop()
    if calls:
        needs[calls[-1][1].latest].add(ended.latest)
