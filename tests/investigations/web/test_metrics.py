"""What the pages say of an alert's own metric."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from investigations.web.metrics import AlertMetric

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def metric(values: list[float | None]) -> AlertMetric:
    points = [(START + timedelta(seconds=15 * place), value) for place, value in enumerate(values)]
    return AlertMetric(uuid.uuid4(), cast(Any, None), "rejected", points)


def test_a_change_of_level_is_told_with_its_time() -> None:
    calm = [0.01, 0.012, 0.011, 0.009, 0.01, None, 0.011, 0.012, 0.01, 0.011, 0.009, 0.012]
    risen = [0.2, 0.22, 0.21, 0.19, 0.2, 0.21, 0.2, 0.22, 0.19, 0.21, 0.2, 0.22]
    assert "12:03:00" in metric([*calm, *risen]).began


def test_of_a_metric_that_stays_as_it_was_nothing_is_told() -> None:
    assert metric([0.5, 0.51, 0.49, 0.5, 0.52, 0.5, 0.48, 0.5, 0.51, 0.5]).began == ""


def test_of_no_samples_nothing_is_told() -> None:
    assert metric([]).began == metric([None, None]).began == ""
