"""A set of probes is looked for, armed and disarmed as one, and nothing of the search stays."""

from __future__ import annotations

import gc
import weakref
from types import FunctionType

import pytest

from sightline import heap, native
from sightline.testing import Gateway
from tests.observed import watched_by_both as shop
from tests.sensors.places import line_in


class CountedCalls:
    """Counts the calls of one method of an object."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self.sizes: list[int] = []
        method = getattr(owner, name)

        def counted(watchings):
            self.sizes.append(len(watchings))
            return method(watchings)

        monkeypatch.setattr(owner, name, counted)


def test_a_set_is_armed_and_disarmed_in_one_call(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line_in(shop, "added"), line_in(shop, "totalled")]
    probes = [gateway.place("counter", file="observed/watched_by_both.py", line=line) for line in lines]
    registry = gateway.sensor.registry
    wanted = [entry.probe for entry in registry]
    disarmed = CountedCalls(monkeypatch, registry.engine, "disarm")
    registry.reconcile(10, [])
    assert [size for size in disarmed.sizes if size] == [2]
    armed = CountedCalls(monkeypatch, registry.engine, "arm")
    registry.reconcile(11, wanted)
    assert armed.sizes == [2]
    assert [gateway.status(probe).state for probe in probes] == ["armed", "armed"]


def test_leases_that_end_together_are_ended_together(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("added", "totalled"):
        gateway.place("counter", file="observed/watched_by_both.py", line=line_in(shop, name), valid_for=5.0)
    registry = gateway.sensor.registry
    disarmed = CountedCalls(monkeypatch, registry.engine, "disarm")
    registry.tick(native.monotonic() + 10)
    assert [size for size in disarmed.sizes if size] == [2]
    assert {entry.status.slug for entry in registry} == {"lease_expired"}


def test_a_search_keeps_no_function_alive() -> None:
    gc.disable()
    try:
        assert _searched_for()() is None
    finally:
        gc.enable()


def _searched_for() -> weakref.ref[FunctionType]:
    function = FunctionType(shop.total.__code__, vars(shop))
    assert function.__code__ not in list(heap.running(shop))
    return weakref.ref(function)
