"""What a backend can be asked, and the plain data it answers with.

A backend is the code that speaks to one kind of system, one file here each; a source is one configured place. What
a backend can do is said by the protocols it fulfils. Reading what a system sent is pure, so that pull, webhook and
replay share it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from investigations.alerts.lifecycle import Told
from investigations.lib.http import Client

Status = Literal["ok", "no_data", "partial", "error", "timeout", "denied"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of how much an answer holds, and why it is not all."""

    returned: int
    matched: int
    truncated: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """How one thing that a backend is needed for went: a scope, a status, a sentence."""

    scope: str
    status: Status
    sentence: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One alert as one system tells of it, in our words."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: Told
    starts_at: datetime
    ends_at: datetime | None = None
    value: float | None = None
    expression: str = ""
    link: str = ""

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "").strip() or "alert without a name"


@dataclass(frozen=True, slots=True)
class Rejected:
    """What could not be read, as a document of the same form that holds nothing else, and why."""

    raw: str
    error: str


@dataclass(frozen=True, slots=True)
class Read:
    """What one document told. ``unsure`` names alerts of which it could say nothing yet."""

    readings: list[Reading]
    rejected: list[Rejected] = field(default_factory=list)
    unsure: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pull:
    """One pull. Only when it is ``complete`` does an alert's absence mean that it is over."""

    status: Status
    checks: list[Check]
    read: Read = field(default_factory=lambda: Read([]))
    complete: bool = False
    cursor: Mapping[str, Any] = field(default_factory=dict)
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One time series: seconds since 1970, and the value, None where there is none."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """The answer to a range query. ``no_data`` is an answer of its own and never a zero."""

    status: Status
    sentence: str
    query: str
    start: datetime
    end: datetime
    step_s: float
    lines: tuple[Line, ...] = ()
    coverage: Coverage = Coverage(0, 0)
    link: str = ""


class Unreadable(ValueError):
    """A document as a whole is not what this backend's systems send; the text says why."""


@runtime_checkable
class AlertBackend(Protocol):
    """Tells of alerts."""

    key: ClassVar[str]
    title: ClassVar[str]
    pulls: ClassVar[bool]
    takes_webhooks: ClassVar[bool]

    def check(self, client: Client) -> list[Check]:
        """Try each thing it will be asked for, scope by scope. Never raises."""
        ...

    def pull(self, client: Client, cursor: Mapping[str, Any]) -> Pull:
        """Everything that burns now. Never raises; what failed is in the status and the checks."""
        ...

    def read_pull(self, document: str) -> Read:
        """What a pulled document tells. Pure. Raises `Unreadable`."""
        ...

    def read_webhook(self, document: str) -> Read:
        """What a posted document tells. Pure. Raises `Unreadable`."""
        ...


@runtime_checkable
class MetricBackend(Protocol):
    """Answers range queries."""

    def metric_range(
        self, client: Client, expression: str, start: datetime, end: datetime, step_s: float | None = None
    ) -> Series:
        """``expression`` over the window. Never raises."""
        ...
