"""What a single execution shows at its lines, beside that they ran: where it raised, which condition never decided
otherwise, and what it repeated without end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, Protocol

Ending = Literal["returned", "raised", "endless", "cut"]
"""``cut``: it was not followed to its end, and nothing says that it had none."""
LAP = 200
"""Steps at the end of an execution without end that are taken for what it repeats."""
_END = -1


class Source(Protocol):
    """What is known of the statements of a file, by their first lines."""

    @property
    def conditions(self) -> AbstractSet[int]: ...
    @property
    def returns(self) -> AbstractSet[int]: ...


def marks(steps: Sequence[tuple[int, int]], source: Source, ending: Ending) -> Mapping[int, int]:
    """How many marks each line bears; lines without one are left out.

    ``steps`` are (line, depth of the call), in the order they were taken. Marked are the line that raised; every line
    of the last `LAP` steps of what never came to an end (endless recursion, too); and each condition that ran and
    always went the same way, as a broken one does that holds always, or never.
    """
    found: Counter[int] = Counter(line for line, ways in _ways(steps, source).items() if len(ways) == 1)
    if ending == "raised":
        found.update(line for line, _ in steps[-1:])
    elif ending == "endless":
        found.update({line for line, _ in steps[-LAP:]})
    return found


def _ways(steps: Sequence[tuple[int, int]], source: Source) -> Mapping[int, AbstractSet[int]]:
    """What followed each condition in the same call."""
    found: dict[int, set[int]] = defaultdict(set)
    for line, following in _followed(steps, source):
        if line in source.conditions and line != following:
            found[line].add(following)
    return found


def _followed(steps: Sequence[tuple[int, int]], source: Source) -> Iterator[tuple[int, int]]:
    """Each step's line, and the next one's of its call."""
    calls: list[tuple[int, int]] = []
    for line, depth in steps:
        while calls and calls[-1][0] > depth:
            yield calls.pop()[1], _END
        if calls and calls[-1][0] == depth:
            before = calls.pop()[1]
            yield before, _END if before in source.returns else line
        calls.append((depth, line))
    while calls:
        yield calls.pop()[1], _END
