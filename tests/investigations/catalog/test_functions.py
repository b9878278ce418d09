"""The function record: minutes add up, shares of time are told, and nothing a sensor says is trusted."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.catalog import functions
from investigations.catalog.models import FunctionMinute, Instance, Service
from investigations.lib.errors import NotFound
from sightline import wire
from sightline.histograms import Histogram

FIND = "trades.book:Book.find"


def counts(function: str = FIND, *durations: float, **fields: Any) -> wire.FunctionCounts:
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    given = {"file": "/srv/app/trades/book.py", "line": 7, "calls": len(durations)} | fields
    return wire.FunctionCounts(function=function, duration=histogram.plain("ms"), **given)


def told(*each: wire.FunctionCounts) -> wire.Functions:
    message = wire.from_sensor.decode(wire.encode(wire.Functions(1, 2, list(each))))
    assert isinstance(message, wire.Functions)
    return message


@pytest.fixture
def instance(connect: Callable[..., Instance]) -> Instance:
    return connect(roots=["/srv/app"])


@pytest.fixture
def record(instance: Instance) -> Callable[..., None]:
    def tell(*each: wire.FunctionCounts, at: datetime | None = None, by: Instance = instance) -> None:
        functions.record_functions(by, told(*each), at or timezone.now())

    return tell


class TestWhatIsTold:
    def test_minutes_add_up(self, record: Callable[..., None], viewer: Actor, service: Service) -> None:
        record(counts(FIND, 1.0, 2.0, errors=1, exceptions={"KeyError": 1}, callers={"": 2}))
        record(counts(FIND, 4.0, callers={"": 1}))
        (found,) = functions.function_record(viewer, service).functions
        assert (found.name, found.file, found.line) == (FIND, "trades/book.py", 7)
        assert (found.calls, found.errors, found.exceptions) == (3, 1, {"KeyError": 1})
        assert (found.total_ms, found.duration.maximum) == (7.0, 4.0)
        assert found.callers == {"": 3}

    def test_instances_add_up(
        self, record: Callable[..., None], connect: Callable[..., Instance], viewer: Actor, service: Service
    ) -> None:
        record(counts(FIND, 1.0))
        record(counts(FIND, 1.0), by=connect(instance_id=str(uuid.uuid4())))
        found = functions.function_record(viewer, service)
        assert (found.functions[0].calls, found.instances) == (2, 2)

    def test_a_sample_is_told_as_one_and_its_calls_estimated(
        self, record: Callable[..., None], viewer: Actor, service: Service
    ) -> None:
        record(counts(FIND, *[1.0] * 10, observed=0.1))
        (found,) = functions.function_record(viewer, service).functions
        assert (found.calls, found.estimated) == (10, pytest.approx(100))
        assert found.observed == pytest.approx(0.1)
        assert found.total_ms == pytest.approx(100)

    @pytest.mark.parametrize("share", [0.0, -1.0, 2.0, math.nan])
    def test_a_share_that_is_none_is_passed_over(
        self, share: float, record: Callable[..., None], viewer: Actor, service: Service
    ) -> None:
        record(counts(FIND, 1.0, observed=share))
        assert functions.function_record(viewer, service).functions[0].estimated == 1

    def test_nonsense_does_no_harm(
        self, record: Callable[..., None], viewer: Actor, service: Service
    ) -> None:
        record(
            counts("a\x00b", calls=-5, errors=9, line=-1, file="\x00"),
            counts("x" * 10_000, calls=2**62, callers={str(n): 1 for n in range(1000)}),
            wire.FunctionCounts("f:g", "f.py", 1, 1, duration={"count": "many", "positive": [1]}),
        )
        found = {each.name[:3]: each for each in functions.function_record(viewer, service).functions}
        assert found["a\ufffdb"].calls == 0
        assert len(found["xxx"].name) == functions.LONGEST_NAME
        assert len(found["xxx"].callers) == functions.MOST_OTHERS
        assert found["f:g"].percentile_ms(0.5) is None

    def test_one_minute_holds_so_many_functions(
        self, record: Callable[..., None], viewer: Actor, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(functions, "MOST_FUNCTIONS", 3)
        record(*[counts(f"m:f{number}", 1.0) for number in range(9)])
        record(counts("m:f0", 1.0))
        assert len(functions.function_record(viewer, service).functions) == 3


class TestWhatIsAsked:
    def test_minutes_without_word_are_no_data_and_silent_ones_are_zero(
        self, record: Callable[..., None], viewer: Actor, service: Service
    ) -> None:
        now = timezone.now()
        record(counts("m:other", 1.0), at=now - timedelta(minutes=1))
        record(counts(FIND, 1.0), at=now)
        record(counts(FIND, 1.0, 1.0), at=now - timedelta(minutes=3))
        found = functions.function_record(viewer, service, minutes=5)
        trend = next(each.trend for each in found.functions if each.name == FIND)
        assert trend[-4:] == [2.0, None, 0.0, 1.0]

    @pytest.mark.parametrize(
        ("order", "first"),
        [("calls", "m:often"), ("errors", "m:bad"), ("time", "m:slow"), ("slowest", "m:slow")],
    )
    def test_the_foremost_come_first(
        self, order: str, first: str, record: Callable[..., None], viewer: Actor, service: Service
    ) -> None:
        record(counts("m:often", *[1.0] * 5), counts("m:bad", 1.0, errors=1), counts("m:slow", 1000.0))
        assert functions.function_record(viewer, service, order=order).functions[0].name == first

    def test_the_call_graph(self, record: Callable[..., None], viewer: Actor, service: Service) -> None:
        record(counts("m:a", 1.0, callers={"": 1}), counts("m:b", *[1.0] * 3, callers={"m:a": 3}))
        assert functions.function_record(viewer, service).edges == [
            functions.Edge("m:a", "m:b", 3),
            functions.Edge("", "m:a", 1),
        ]

    def test_names_may_be_searched(
        self, record: Callable[..., None], viewer: Actor, service: Service
    ) -> None:
        record(counts(FIND, 1.0), counts("m:b", 1.0))
        found = functions.function_record(viewer, service, query="BOOK")
        assert [each.name for each in found.functions] == [FIND]

    def test_percentiles_lie_where_the_values_do(
        self, record: Callable[..., None], viewer: Actor, service: Service
    ) -> None:
        record(counts(FIND, *[10.0] * 99, 1000.0))
        (found,) = functions.function_record(viewer, service).functions
        assert found.percentile_ms(0.5) == pytest.approx(10, rel=0.1)
        assert found.percentile_ms(1.0) == pytest.approx(1000, rel=0.1)

    def test_a_stranger_learns_nothing(
        self, record: Callable[..., None], stranger: Actor, service: Service
    ) -> None:
        record(counts(FIND, 1.0))
        with pytest.raises(NotFound):
            functions.function_record(stranger, service)


def test_old_minutes_are_forgotten(record: Callable[..., None]) -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    record(counts(FIND, 1.0), at=now)
    record(counts(FIND, 1.0), at=now - timedelta(days=4))
    assert functions.forget_functions(now - functions.KEPT) == 1
    assert FunctionMinute.objects.count() == 1
