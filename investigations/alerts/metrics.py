"""An alert's own metric over a window: what the timeline plots, with the threshold it is compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.alerts.backends import backend
from investigations.alerts.backends.base import Coverage, Line, MetricBackend, Series
from investigations.alerts.models import Alert, AlertSource
from investigations.alerts.promql import Comparison, take_apart
from investigations.alerts.sources import client_for
from investigations.lib.addresses import RefusedAddress
from investigations.lib.errors import Conflict, Invalid


@dataclass(frozen=True, slots=True)
class MetricWindow:
    """The alert's metric, what it is compared with, and who was asked (empty when nobody could be)."""

    series: Series
    operator: str = ""
    threshold: float | None = None
    source: str = ""


def metric_window(*, by: Actor, alert: Alert, start: datetime, end: datetime) -> MetricWindow:
    """Ask the source of the alert, or another of its environment that keeps metrics. Never raises for a failing one.

    Raises `Invalid` for a window that ends before it starts.
    """
    permissions.require(by, "read", alert.environment)
    if end <= start:
        raise Invalid(
            "window_reversed", "The window ends before it starts.", fix="Give start, then a later end."
        )
    comparison = take_apart(alert.expression)
    source = _metric_source(alert)
    if source is None or not comparison.metric:
        missing = "source that keeps metrics" if source is None else "expression of its own"
        nothing = Series("no_data", f"There is no {missing} to ask.", comparison.metric, start, end, 0.0)
        return MetricWindow(nothing, comparison.operator, comparison.threshold)
    series = _of_this_alert(_ask(source, comparison, start, end), alert)
    return MetricWindow(series, comparison.operator, comparison.threshold, source.name)


def _metric_source(alert: Alert) -> AlertSource | None:
    """A source that told of the alert and keeps metrics, else any other that does."""
    enabled = AlertSource.objects.filter(environment=alert.environment, enabled=True).exclude(url="")
    tellers = set(alert.sightings.values_list("source_id", flat=True))
    able = [
        source for source in enabled if isinstance(backend(source.backend, source.options), MetricBackend)
    ]
    return min(able, key=lambda source: (source.id not in tellers, source.created_at), default=None)


def _ask(source: AlertSource, comparison: Comparison, start: datetime, end: datetime) -> Series:
    asked = backend(source.backend, source.options)
    assert isinstance(asked, MetricBackend)
    try:
        with client_for(source) as client:
            return asked.metric_range(client, comparison.metric, start, end)
    except (RefusedAddress, Conflict) as error:
        return Series("denied", str(error), comparison.metric, start, end, 0.0)


def _of_this_alert(series: Series, alert: Alert) -> Series:
    """Of several lines those that carry the alert's labels; all, when none does."""
    mine = tuple(line for line in series.lines if _agrees(line, alert.labels.items()))
    if not mine or len(mine) == len(series.lines):
        return series
    coverage = Coverage(len(mine), series.coverage.matched, "those with the alert's labels")
    return replace(
        series, lines=mine, coverage=coverage, sentence=f"{len(mine)} of {series.coverage.matched} series."
    )


def _agrees(line: Line, labels: Iterable[tuple[str, str]]) -> bool:
    wanted = dict(labels)
    return all(wanted[name] == value for name, value in line.labels.items() if name in wanted)
