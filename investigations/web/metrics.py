"""An alert's own metric as the pages draw it: a line of the timeline, or a chart with its table."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.urls import reverse

from investigations.accounts.actors import Actor
from investigations.alerts.metrics import MetricWindow, metric_window
from investigations.alerts.models import Alert, Episode
from investigations.analysis import series
from investigations.lib.ids import show
from investigations.web.plots import MetricLine


@dataclass(frozen=True, slots=True)
class AlertMetric:
    """What the source answered: points (None where it knows nothing), or the sentence why there are none."""

    alert_id: uuid.UUID
    answer: MetricWindow
    name: str
    points: list[tuple[datetime, float | None]]

    @property
    def failure(self) -> str:
        """Why there is nothing to draw; empty when there is."""
        return "" if self.points else self.answer.series.sentence or "The source has no data for this window."

    @property
    def began(self) -> str:
        """When its level changed last, as far as the samples can tell; empty where it did not."""
        times = [moment.timestamp() for moment, _ in self.points]
        found = series.onset(times, [math.nan if value is None else value for _, value in self.points])
        if found.at is None or found.low is None or found.high is None:
            return ""
        at, low, high = (
            f"{datetime.fromtimestamp(each, UTC):%H:%M:%S}" for each in (found.at, found.low, found.high)
        )
        between = f", or from {low} to {high}" if low != high else ""
        return f"Its level changed at {at} UTC{between} (95 %)."

    def line(self, episode: Episode | None, start: datetime) -> MetricLine:
        """As the session's timeline takes it, from ``start`` on."""
        return MetricLine(
            name=self.name,
            unit=_shortened(self.answer.series.query),
            points=[point for point in self.points if point[0] >= start],
            threshold=self.answer.threshold,
            threshold_label=_threshold_words(self.answer),
            fired_at=episode.started_at if episode else None,
        )

    def chart(self) -> dict[str, Any]:
        """As js/live-chart.js takes it."""
        chart: dict[str, Any] = {
            "x": [moment.timestamp() for moment, _ in self.points],
            "series": [{"label": self.name, "values": [value for _, value in self.points], "tone": "firing"}],
            "unit": "",
        }
        if self.answer.threshold is not None:
            chart["threshold"] = {"value": self.answer.threshold, "label": _threshold_words(self.answer)}
        return chart

    def table(self) -> dict[str, Any]:
        """The same in figures."""
        rows = [
            [f"{moment:%H:%M:%S}", "no data" if value is None else f"{value:g}"]
            for moment, value in self.points
        ]
        return {
            "caption": f"{self.name}, every {self.answer.series.step_s:g} s",
            "columns": ["Time", "Value"],
            "rows": rows,
            **{
                f"{form}_url": reverse("alert_metric_file", args=[show("alr", self.alert_id), form])
                for form in ("csv", "svg")
            },
        }


def alert_metric(by: Actor, alert: Alert, start: datetime, end: datetime) -> AlertMetric:
    """Ask for the alert's metric in a window; a source that fails is an answer, too."""
    answer = metric_window(by=by, alert=alert, start=start, end=end)
    lines = answer.series.lines
    points = (
        [(datetime.fromtimestamp(at, UTC), _known(value)) for at, value in lines[0].points] if lines else []
    )
    return AlertMetric(alert.id, answer, alert.name, points)


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) or math.isinf(value) else value


def _threshold_words(answer: MetricWindow) -> str:
    return "" if answer.threshold is None else f"{answer.operator} {answer.threshold:g}".strip()


def _shortened(query: str) -> str:
    return query if len(query) <= 40 else f"{query[:39]}…"
