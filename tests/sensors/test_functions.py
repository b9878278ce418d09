"""The function record: what it counts, what it leaves out, and what it costs at most."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from typing import Any

import pytest

from sightline import functions, testing, wire
from sightline.config import SensorConfig
from sightline.errors import ConfigError
from tests.observed import market


@pytest.fixture
def recorded() -> Any:
    """A sensor that records `market`; what it recorded so far, by function, on being called."""
    with testing.gateway(functions="tests.observed.market") as gateway:
        gateway.tick()

        def take() -> dict[str, wire.FunctionCounts]:
            told = gateway.sensor.take_functions()
            if told is None:
                return {}
            told = wire.from_sensor.decode(wire.encode(told))
            return {each.function.partition(":")[2]: each for each in told.functions}

        take.gateway = gateway  # type: ignore[attr-defined]
        yield take


class TestWhatIsCounted:
    def test_calls_errors_exceptions_and_durations(self, recorded):
        market.find(1)
        market.find(2)
        with contextlib.suppress(market.NoSuchTrade):
            market.find(-1)
        find = recorded()["find"]
        assert (find.calls, find.errors) == (3, 1)
        assert find.exceptions == {"tests.observed.market.NoSuchTrade": 1}
        assert (find.duration["count"], find.duration["unit"]) == (3, "ms")
        assert 0 <= find.duration["min"] <= find.duration["max"] <= find.duration["sum"]
        assert find.observed == pytest.approx(1, abs=0.05)

    def test_where_a_function_stands(self, recorded):
        market.price(1)
        price = recorded()["price"]
        assert price.function == "tests.observed.market:price"
        assert price.file.endswith("tests/observed/market.py")
        assert price.line == market.price.__code__.co_firstlineno

    def test_who_called_it_also_through_a_decorator(self, recorded):
        market.report([1, 2])
        market.Desk().trade(3)
        market.find(4)
        told = recorded()
        assert told["find"].callers == {
            "tests.observed.market:report": 2, "tests.observed.market:Desk.trade": 1, "": 1,
        }  # fmt: skip
        assert told["price"].callers == {"tests.observed.market:find": 4}

    def test_a_coroutine_is_one_call_until_it_ends(self, recorded):
        async def both() -> None:
            await asyncio.gather(market.settle(1), market.settle(2))

        asyncio.run(both())
        told = recorded()
        assert (told["settle"].calls, told["settle"].duration["count"]) == (2, 2)
        assert told["find"].callers == {"tests.observed.market:settle": 2}

    def test_a_generator_that_is_left_in_the_middle_is_no_error(self, recorded):
        for number in market.numbers(10):
            if number == 3:
                break
        assert (recorded()["numbers"].calls, recorded().get("numbers")) == (1, None)

    def test_threads_are_counted_together(self, recorded):
        threads = [threading.Thread(target=lambda: [market.price(1) for _ in range(20)]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert recorded()["price"].calls == 60

    def test_what_was_taken_is_not_told_again(self, recorded):
        market.price(1)
        assert recorded()["price"].calls == 1
        assert recorded() == {}

    def test_nothing_is_recorded_unless_it_is_asked_for(self):
        with testing.gateway() as gateway:
            gateway.tick()
            market.price(1)
            assert gateway.sensor.take_functions() is None


class TestWhatItCosts:
    @pytest.fixture
    def little(self, monkeypatch) -> None:
        monkeypatch.setattr(functions, "CALLS_AN_INTERVAL", 10)
        monkeypatch.setattr(functions, "FEWEST_CALLS", 10)

    def test_a_hot_function_is_let_go_until_the_next_interval(self, little, recorded, monkeypatch):
        for _ in range(100):
            market.price(1)
        first = recorded()["price"]
        assert (first.calls, first.duration["count"]) == (10, 10)
        for _ in range(100):
            market.price(1)
        assert recorded() == {}
        monkeypatch.setattr(functions, "INTERVAL_S", 0.0)
        recorded.gateway.sensor.functions._renew_at = 0.0
        recorded.gateway.tick()
        for _ in range(100):
            market.price(1)
        again = recorded()["price"]
        assert again.calls == 10
        assert again.observed < 1

    @pytest.mark.parametrize("name", ["price", "prices"])
    def test_a_function_that_was_let_go_has_its_own_code_back(self, little, recorded, name):
        function = getattr(market, name)
        own = recorded.gateway.sensor.engine.original(function.__code__)
        for _ in range(100):
            function(1)
        assert (function.__code__ is not own) == (sys.version_info < (3, 12))  # later ones need no other code
        recorded.gateway.tick()
        assert function.__code__ is own
        recorded.gateway.sensor.functions._renew()
        function(1)
        assert recorded()[name].calls == 11

    def test_its_work_is_booked_on_the_budget_of_the_process(self, little, recorded):
        sensor = recorded.gateway.sensor
        market.price(1)
        before = sensor.budget.total
        sensor.functions._renew()
        assert sensor.budget.total - before >= functions.CALL_NS

    def test_it_stands_aside_while_the_budget_is_overdrawn(self, recorded):
        sensor = recorded.gateway.sensor
        sensor.budget.spend(10**12)
        sensor.functions._renew()
        market.price(1)
        assert recorded() == {}

    def test_nothing_is_left_after_stop(self):
        code = market.find.__code__
        with testing.gateway(functions="tests.observed.*") as gateway:
            gateway.tick()
            market.find(1)
        assert market.find.__code__ is code
        if sys.version_info >= (3, 12):
            assert sys.monitoring.get_tool(3) is None
            assert sys.monitoring.get_tool(4) is None


class TestTheSetting:
    @pytest.mark.parametrize("given", ["shop.*, billing", ["shop.*", "billing"]])
    def test_modules_are_named_by_globs(self, given):
        config = SensorConfig.read({"service": "s", "environment": "e", "file": "f", "functions": given}, {})
        assert config.functions == ("shop.*", "billing")

    def test_what_names_no_module_is_refused(self):
        with pytest.raises(ConfigError, match="takes modules"):
            SensorConfig.read({"service": "s", "environment": "e", "file": "f", "functions": "a b"}, {})

    def test_a_package_is_meant_by_its_own_glob(self):
        with testing.gateway(functions="tests.observed.*") as gateway:
            record = gateway.sensor.functions
            assert record._wanted("tests.observed")
            assert record._wanted("tests.observed.market")
            assert not record._wanted("tests.observedly")
