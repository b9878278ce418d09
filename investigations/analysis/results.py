"""What every answer of the analysis carries, so that whoever reads one can judge it without knowing its method.

A `Finding` says something of data, and how surely. An `Answer` holds findings, or follows a rule that no sample decides
(which alerts belong together, where to probe next): it has no q, but says what it rests on all the same.
"""

from __future__ import annotations

from typing import Protocol

from investigations.analysis.significance import Interval


class Answer(Protocol):
    """``n`` observations stand behind it; ``coverage`` is the share (0 to 1) of what it looked at that was known."""

    @property
    def n(self) -> int: ...
    @property
    def coverage(self) -> float: ...
    @property
    def sentence(self) -> str: ...


class Finding(Answer, Protocol):
    """``effect`` has its 95 % interval; ``q`` is the share of false findings to expect among those as sure as this."""

    @property
    def test(self) -> str: ...
    @property
    def effect(self) -> Interval: ...
    @property
    def q(self) -> float: ...
