"""The kinds of probes: what each keeps of a hit, and how that is written. One module for each."""

from __future__ import annotations

from typing import Final

from .assignment import Assignment
from .base import Kind
from .counter import Counter
from .dependency import Dependency
from .duration import Duration
from .exception import ExceptionKind
from .expectation import Expectation
from .function import Function
from .logpoint import Logpoint
from .metric import Metric
from .path import Path
from .snapshot import Snapshot

KINDS: Final[dict[str, type[Kind]]] = {
    "assignment": Assignment,
    "counter": Counter,
    "dependency": Dependency,
    "exception": ExceptionKind,
    "logpoint": Logpoint,
    "metric": Metric,
    "duration": Duration,
    "function": Function,
    "expectation": Expectation,
    "path": Path,
    "snapshot": Snapshot,
}
"""A kind that is not here is refused when it is armed."""

__all__ = ["KINDS", "Kind"]
