"""The cause of a slow or failing function, by the service's own record."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from investigations.analysis.topology import NodeSeries
from investigations.catalog.causes import measured, rank_causes
from investigations.catalog.models import FunctionMinute
from investigations.lib.errors import NotFound

HANDLE, PRICE, MAIL = "shop:handle", "shop.prices:price", "shop.mail:send"
LATELY = 10


def facts(mean_ms: float, errors: int, caller: str) -> dict[str, object]:
    duration = {"count": 60, "sum": mean_ms * 60, "unit": "ms", "scale": 3, "zero": 0}
    return {
        "file": "shop.py", "line": 1, "calls": 60, "estimated": 60.0, "errors": errors,
        "exceptions": {}, "callers": {caller: 60}, "duration": duration,
    }  # fmt: skip


@pytest.fixture
def record(instance):
    """Two hours in which `price` got slow, and began to fail, ten minutes ago."""
    chance = np.random.default_rng(3)
    end = timezone.now().replace(second=0, microsecond=0)
    rows = []
    for ago in range(120, 0, -1):
        extra = 40.0 if ago <= LATELY else 0.0
        price, mail = chance.normal(20, 1) + extra, chance.normal(5, 0.3)
        failed = 6 if extra else 0
        told = {
            HANDLE: facts(price + mail + chance.normal(10, 0.5), failed, ""),
            PRICE: facts(price, failed, HANDLE),
            MAIL: facts(mail, 0, HANDLE),
        }
        rows.append(
            FunctionMinute(
                instance=instance, service=instance.service, environment=instance.environment,
                minute=end - timedelta(minutes=ago), functions=told,
            )
        )  # fmt: skip
    FunctionMinute.objects.bulk_create(rows)


@pytest.mark.parametrize("metric", ["latency", "errors"])
def test_the_function_that_lost_it_is_named_though_nothing_was_told_but_the_service(
    viewer, service, record, metric
):
    found = rank_causes(viewer, service, metric=metric)
    assert (found.verdict, found.causes[0].node) == ("wrong", PRICE)
    assert "shop:handle lost" in found.sentence


def test_before_it_began_nothing_was_wrong(viewer, service, record):
    found = rank_causes(viewer, service, until=timezone.now() - timedelta(minutes=LATELY + 1))
    assert found.verdict == "nothing_wrong"


def test_latency_is_seconds_a_call_and_minutes_without_calls_are_no_data(viewer, service, record):
    found = measured(viewer, service)
    assert found.entry == HANDLE
    assert (HANDLE, PRICE) in found.calls
    assert found.nodes[PRICE].during == pytest.approx(np.full(10, 0.06), rel=0.1)
    assert np.isnan(found.nodes[PRICE].before[:200]).all()


def test_what_others_measured_is_put_beside_it(viewer, service, record):
    chance = np.random.default_rng(5)
    slow = NodeSeries(chance.normal(0.015, 0.001, 340), np.full(10, 0.055), np.full(10, 60.0))
    found = rank_causes(viewer, service, calls=[(PRICE, "rates-service")], nodes={"rates-service": slow})
    assert found.causes[0].node == "rates-service"


def test_of_nothing_nothing_is_said(viewer, service):
    assert rank_causes(viewer, service).verdict == "no_data"
    assert rank_causes(viewer, None, "web").verdict == "no_data"


def test_strangers_learn_nothing(stranger, service):
    with pytest.raises(NotFound):
        rank_causes(stranger, service)
