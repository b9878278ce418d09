"""The kinds of probes: what each keeps of a hit, and how that is written. One module for each."""

from __future__ import annotations

from typing import Final

from .base import Kind
from .counter import Counter
from .logpoint import Logpoint
from .path import Path
from .snapshot import Snapshot

KINDS: Final[dict[str, type[Kind]]] = {
    "counter": Counter,
    "logpoint": Logpoint,
    "path": Path,
    "snapshot": Snapshot,
}
"""A kind that is not here is refused when it is armed."""

__all__ = ["KINDS", "Kind"]
