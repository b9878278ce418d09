"""Whether a line can hold a probe, and which lines near it can when it cannot."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

NEAREST = 4


class LineCheck(NamedTuple):
    """``ok``: the line is executable. ``nearest``: executable lines around it, the closest first."""

    ok: bool
    nearest: list[int]


def check_line(lines: Sequence[int], line: int, most: int = NEAREST) -> LineCheck:
    """Look ``line`` up among the executable ``lines``, sorted or not; at equal distance the later line comes first."""
    ordered = sorted(set(lines))
    at = bisect.bisect_left(ordered, line)
    if at < len(ordered) and ordered[at] == line:
        return LineCheck(True, [line])
    around = ordered[max(0, at - most) : at + most]
    return LineCheck(False, sorted(around, key=lambda other: (abs(other - line), -other))[:most])


def first_line_within(lines: Sequence[int], first: int, last: int) -> int | None:
    """The first executable line of a function's body that spans these lines; its ``def`` line does not count."""
    return min((line for line in lines if first < line <= last), default=None) or (
        first if first in lines else None
    )
