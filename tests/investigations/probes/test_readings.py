"""Figures over time: what is new in each report is kept, bounded, and no data is told from nothing counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.catalog.models import Instance
from investigations.lib.errors import Invalid, NotFound
from investigations.lib.ids import show
from investigations.probes import figures, readings, services
from investigations.probes.models import Probe, ProbeReading
from sightline import wire

SINCE = 1_763_851_200_000_000_000


def histogram(*indexes: int) -> dict[str, Any]:
    """What a sensor would tell of values in these buckets."""
    counts = {index: indexes.count(index) for index in indexes}
    values = [2 ** ((index + 1) / 8) for index in indexes]
    return {
        "count": len(indexes), "sum": sum(values), "min": min(values), "max": max(values), "unusable": 0,
        "scale": 3, "zero": 0, "positive": counts, "negative": {}, "unit": "",
    }  # fmt: skip


def told(probe: Probe, figures: dict[str, Any], since: int = SINCE, captured: int = 0) -> wire.Heartbeat:
    counters = wire.ProbeCounters(
        probe_id=show("prb", probe.id), since=since, endings={"captured": captured}, figures=figures
    )
    return wire.Heartbeat(at=since, mono=0, counters=[counters])


@pytest.fixture
def metric(place: Callable[..., Probe]) -> Probe:
    return place(kind="metric", value="amount")


def gained(probe: Probe) -> int:
    return sum(row.figures["count"] for row in probe.readings.all())


def test_running_totals_become_what_was_added(metric: Probe, instance: Instance) -> None:
    services.record_counters(instance, told(metric, histogram(1, 1)))
    services.record_counters(instance, told(metric, histogram(1, 1, 9)))

    assert metric.deliveries.get().figures["count"] == gained(metric) == 3


def test_the_same_totals_again_write_nothing(
    metric: Probe, instance: Instance, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    services.record_counters(instance, told(metric, histogram(1)))

    with django_assert_max_num_queries(4):  # two look-ups within a savepoint
        services.record_counters(instance, told(metric, histogram(1)))


def test_totals_that_came_late_change_nothing(metric: Probe, instance: Instance) -> None:
    services.record_counters(instance, told(metric, histogram(1, 2, 3)))
    services.record_counters(instance, told(metric, histogram(1, 2)))

    assert metric.deliveries.get().figures["count"] == gained(metric) == 3


def test_a_probe_armed_again_counts_on(metric: Probe, instance: Instance) -> None:
    services.record_counters(instance, told(metric, histogram(1, 2, 3), captured=3))
    services.record_counters(instance, told(metric, histogram(4), since=SINCE + 1, captured=1))
    services.record_counters(instance, told(metric, histogram(4, 5), since=SINCE + 1, captured=2))
    services.record_counters(instance, told(metric, histogram(1, 2, 3, 3), captured=4))  # of before, and late

    row = metric.deliveries.get()
    assert (row.figures["count"], gained(metric), row.endings) == (5, 5, {"captured": 5})


def test_instances_are_one_in_the_totals(metric: Probe, connect: Callable[..., Instance]) -> None:
    for _ in range(2):
        services.record_counters(connect(), told(metric, histogram(1, 9)))

    total = readings.totals_of([metric])[metric.pk]
    assert total["positive"] == {"1": 2, "9": 2}


def test_figures_of_another_kind_are_left_out(probe: Probe, metric: Probe, instance: Instance) -> None:
    services.record_counters(instance, told(probe, histogram(1)))
    services.record_counters(instance, told(metric, {"count": "many"}))

    assert not ProbeReading.objects.exists()


def test_an_instance_keeps_a_bounded_number_of_stretches(place: Callable[..., Probe]) -> None:
    day = place(kind="counter", ttl_s=24 * 3600)
    short = place(kind="counter", ttl_s=600)

    assert readings.stretch_s(short) == readings.SHORTEST_S
    assert 24 * 3600 / readings.stretch_s(day) <= readings.MOST_STRETCHES


def test_reports_of_one_stretch_are_one_row(place: Callable[..., Probe], instance: Instance) -> None:
    day = place(kind="counter", ttl_s=24 * 3600)
    for count in range(1, 5):
        services.record_counters(instance, told(day, {"count": count}))

    assert day.readings.count() <= 2  # two, when a stretch ended meanwhile
    assert gained(day) == 4


def test_nobody_watching_is_not_nothing_counted(viewer: Actor, metric: Probe, instance: Instance) -> None:
    placed = timezone.now() - timedelta(minutes=10)
    Probe.objects.filter(pk=metric.pk).update(placed_at=placed)
    metric.refresh_from_db()
    services.record_delivery(instance, 1, [wire.ProbeStatus(show("prb", metric.id), "armed")])
    services.record_counters(instance, told(metric, histogram(1, 2)))
    metric.deliveries.update(armed_at=timezone.now() - timedelta(minutes=5))

    found = readings.series(viewer, metric, points=20)

    assert found[0].figures is None
    assert found[-3].figures == {}
    assert figures.added("metric", [each.figures for each in found if each.figures])["count"] == 2
    assert len(found) <= 21


def test_a_series_is_for_those_who_may_read(stranger: Actor, viewer: Actor, metric: Probe) -> None:
    with pytest.raises(NotFound):
        readings.series(stranger, metric)
    with pytest.raises(Invalid) as refused:
        readings.series(viewer, metric, start=timezone.now(), end=metric.placed_at)
    assert refused.value.slug == "window_malformed"


def test_what_is_old_is_forgotten(metric: Probe, instance: Instance) -> None:
    services.record_counters(instance, told(metric, histogram(1)))

    assert readings.forget(before=timezone.now() - timedelta(days=1)) == 0
    assert readings.forget(before=timezone.now() + timedelta(seconds=1)) == 1
