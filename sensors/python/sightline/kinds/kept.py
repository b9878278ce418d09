"""Values of expressions: kept in the application's thread, written on the sensor's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sightline import native, snapshots, wire
from sightline.errors import BudgetExceeded, ExpressionError, SightlineError
from sightline.expressions import Compiled
from sightline.hits import ProbeHits
from sightline.readers import LEAF_IDS

_monotonic = native.monotonic


def keep_value(compiled: Compiled, names: Mapping[str, Any], limits: wire.Limits) -> Any:
    """The value of an expression as it is now, or the error it is instead."""
    try:
        value = compiled.evaluate(names)
    except (ExpressionError, BudgetExceeded) as error:
        return error
    if id(type(value)) in LEAF_IDS:
        return value
    return snapshots.copy_value(value, limits, deadline=_monotonic() + limits.deadline_ms / 1e3)


def write_value(
    hits: ProbeHits, compiled: Compiled, kept: Any, limits: wire.Limits | None = None
) -> tuple[wire.Value, list[str]]:
    """What `keep_value` kept, redacted as its expression's names ask, and what was cut."""
    if isinstance(kept, SightlineError):
        return wire.Value(type=f"error: {kept.slug}", cut="error", note=kept.sentence), ["error"]
    return snapshots.write_value(
        kept,
        hits.room.redactor,
        path=compiled.path,
        rule=compiled.withheld,
        limits=limits or hits.probe.limits,
    )
