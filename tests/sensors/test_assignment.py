"""An assignment probe tells who writes an attribute, how and with what, and changes nothing about the class."""

from __future__ import annotations

import asyncio
import gc
import pickle
import sys
import types
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from sightline import testing, writers
from sightline.locator import modules
from tests.observed import writing
from tests.sensors.places import UNHURRIED, armed

HERE = "tests.observed.writing"


@pytest.fixture(autouse=True)
def few_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests' own tools have imported is left out: it takes most of the time."""
    asked = ("tests.observed", "pydantic", "attr", "copy", "late_writer")
    monkeypatch.setattr(
        writers, "modules", lambda: [each for each in modules() if each.__name__.startswith(asked)]
    )


@pytest.fixture
def watch(gateway: testing.Gateway) -> Callable[..., str]:
    def place(attribute: str = "Order.high_value", **asked: Any) -> str:
        return armed(gateway, "assignment", attribute=f"{HERE}:{attribute}", **UNHURRIED | asked)

    return place


def told(gateway: testing.Gateway, probe: str) -> list[tuple[str, str, Any, Any]]:
    details = [capture.detail or {} for capture in gateway.captures(probe)]
    return [
        (each["writer"]["function"], each["how"], _shown(each.get("old")), _shown(each.get("new")))
        for each in details
    ]


def _shown(value: dict[str, Any] | None) -> Any:
    return "nothing" if value is None else value["v"]


class TestWays:
    def test_a_plain_assignment(self, gateway, watch, line_of):
        order = writing.Order(1)
        probe = watch()
        writing.plainly(order, "true")
        (capture,) = gateway.captures(probe)
        detail = capture.detail
        assert (detail["how"], detail["owner"]) == ("plain", f"{HERE}.Order")
        assert detail["writer"]["line"] == line_of(writing, "plainly")
        assert detail["writer"]["file"] == writing.__file__
        assert (detail["new"]["t"], detail["new"]["v"]) == ("str", "true")
        assert detail["old"] == {"t": "NoneType", "v": None}
        assert capture.frames[0].variables["value"].value == "true"

    @pytest.mark.parametrize(
        ("write", "expected"),
        [
            (lambda order: writing.adding(order, 2), ("adding", "augmented", 1, 3)),
            (lambda order: writing.by_setattr(order, "high_value", 2), ("by_setattr", "setattr", 1, 2)),
            (lambda order: writing.by_object(order, 2), ("by_object", "object_setattr", 1, 2)),
            (lambda order: writing.by_dict(order, {"high_value": 2}), ("by_dict", "dict_update", 1, 2)),
            (lambda order: writing.by_vars(order, 2), ("by_vars", "dict_update", 1, 2)),
            (writing.deleting, ("deleting", "deleted", 1, "nothing")),
            (lambda order: writing.found([order], 0, 2), ("found", "plain", 1, 2)),
            (lambda order: writing.looping([order]), ("looping", "plain", 1, False)),
            (lambda order: writing.aliased(order, {"high_value": 2}), ("aliased", "setattr", 1, 2)),
            (lambda order: writing.trying(order, 2), ("trying", "plain", 1, 2)),
        ],
    )
    def test_each_way_is_told(self, gateway, watch, write, expected):
        order = writing.Order(1, flag=1)
        probe = watch()
        write(order)
        assert told(gateway, probe) == [expected]

    def test_a_coroutine_writes_too(self, gateway, watch):
        async def soon() -> int:
            await asyncio.sleep(0)
            return 5

        order = writing.Order(1)
        probe = watch()
        asyncio.run(writing.awaiting(order, soon()))
        assert told(gateway, probe) == [("awaiting", "plain", None, 5)]

    def test_an_object_without_a_name_is_seen_where_code_is_rewritten_else_counted(self, gateway, watch):
        order = writing.Order(1)
        probe = watch()
        writing.made(lambda: order, 5)
        if sys.version_info >= (3, 12):
            assert told(gateway, probe) == []
            assert gateway.counters(probe).figures["unreadable"] == 1
        else:
            assert told(gateway, probe) == [("made", "plain", None, 5)]

    def test_a_setattr_on_an_object_without_a_name_is_seen(self, gateway, watch):
        order = writing.Order(1)
        probe = watch()
        writing.by_setattr_of_made(lambda: order, "high_value", 5)
        assert told(gateway, probe) == [("by_setattr_of_made", "setattr", None, 5)]

    def test_the_first_write_has_no_old_value(self, gateway, watch):
        probe = watch()
        writing.Order(1, flag="true")
        assert told(gateway, probe) == [("Order.__init__", "plain", "nothing", "true")]

    @pytest.mark.parametrize("name", ["Data", "Frozen", "Defined", "Iced", "Model"])
    def test_generated_initialisers_construct(self, gateway, watch, name):
        probe = watch(f"{name}.high_value")
        getattr(writing, name)(high_value="true")
        assert [(how, old, new) for _, how, old, new in told(gateway, probe)] == [
            ("constructed", "nothing", "true")
        ]

    @pytest.mark.parametrize("name", ["Data", "Defined", "Model"])
    def test_what_a_library_makes_of_an_assignment_is_one_write(self, gateway, watch, name):
        made = getattr(writing, name)(high_value=True)
        probe = watch(f"{name}.high_value")
        writing.plainly(made, False)
        assert told(gateway, probe) == [("plainly", "plain", True, False)]

    def test_slots_are_read(self, gateway, watch):
        slotted = writing.Slotted()
        probe = watch("Slotted.high_value")
        slotted.fill(1)
        writing.plainly(slotted, 2)
        assert told(gateway, probe) == [
            ("Slotted.fill", "plain", "nothing", 1),
            ("plainly", "plain", 1, 2),
        ]

    def test_what_passes_assignments_on_is_counted_once(self, gateway, watch):
        guarded = writing.Guarded()
        probe = watch("Guarded.high_value")
        writing.plainly(guarded, 1)
        assert told(gateway, probe) == [("plainly", "plain", "nothing", 1)]

    def test_a_write_that_failed_is_none(self, gateway, watch):
        picky = writing.Picky()
        probe = watch("Picky.high_value")
        assert writing.trying(picky, 1) is False
        with suppress(AttributeError):
            writing.by_setattr(picky, "high_value", 1)
        assert gateway.counters(probe).figures["writes"] == 0

    def test_instances_of_subclasses_count_and_of_other_classes_do_not(self, gateway, watch):
        probe = watch()
        writing.plainly(writing.Rush(1), 1)
        writing.plainly(writing.Elsewhere(1), 1)
        assert [each[1] for each in told(gateway, probe)] == ["plain", "plain"]
        owners = [capture.detail["owner"] for capture in gateway.captures(probe)]
        assert owners == [f"{HERE}.Rush"] * 2

    def test_another_attribute_set_by_name_is_none(self, gateway, watch):
        order = writing.Order(1)
        probe = watch()
        writing.by_setattr(order, "amount", 5)
        writing.by_dict(order, {"amount": 6})
        assert told(gateway, probe) == []


class TestHowMuch:
    def test_writers_are_counted_with_types(self, gateway, watch, line_of):
        order = writing.Order(1)
        probe = watch(rate=1.0)
        for value in (True, "true", "false"):
            writing.plainly(order, value)
        figures = gateway.counters(probe).figures
        line = line_of(writing, "plainly")
        assert figures["writes"] == 3
        assert figures["writers"] == {f"plainly:{line} plain bool": 1, f"plainly:{line} plain str": 2}
        assert gateway.endings(probe) == {"captured": 1, "rate_limited": 2}

    def test_a_condition_sees_the_values_and_the_writers_names(self, gateway, watch):
        order = writing.Order(1)
        probe = watch(condition="type_name(new) == 'str' and owner.amount == 1", watches={"was": "old"})
        for value in (True, "true"):
            writing.plainly(order, value)
        (capture,) = gateway.captures(probe)
        assert capture.watches["was"].value is True
        assert gateway.endings(probe) == {"captured": 1, "condition_false": 1}

    def test_the_hit_limit_holds(self, gateway, watch):
        order = writing.Order(1)
        probe = watch(hit_limit=2)
        for value in range(5):
            writing.plainly(order, value)
        gateway.tick()
        assert len(gateway.captures(probe)) == 2
        assert gateway.status(probe).slug == "hit_limit"

    def test_a_secret_is_withheld(self, gateway, watch):
        probe = watch("Order.password")
        writing.secretly(writing.Order(1), "hunter2")
        (capture,) = gateway.captures(probe)
        assert capture.detail["new"]["r"] == "name: password"
        assert "hunter2" not in repr(capture.detail)

    def test_two_probes_share_a_writer(self, gateway, watch):
        order = writing.Order(1)
        one, other = watch(), watch("Order.amount")
        writing.both(order, 2)
        assert told(gateway, one) == [("both", "plain", None, 2)]
        assert told(gateway, other) == [("both", "plain", 1, 2)]


class TestStatus:
    def test_the_writers_are_its_places(self, gateway, watch, line_of):
        status = gateway.status(watch())
        lines = {place.line for place in status.places if place.file == writing.__file__}
        assert {line_of(writing, name) for name in ("init", "plainly", "by_setattr", "by_dict")} <= lines
        assert "cannot see" in status.sentence

    def test_what_cannot_be_watched_is_refused(self, gateway):
        probe = gateway.place("assignment", attribute=f"{HERE}:Order.total")
        assert (gateway.status(probe).state, gateway.status(probe).slug) == ("rejected", "computed_attribute")
        probe = gateway.place("assignment", function=f"{HERE}:plainly")
        assert gateway.status(probe).slug == "location_incomplete"

    def test_a_class_that_is_not_imported_is_waited_for(self, gateway):
        probe = gateway.place("assignment", attribute="tests.observed.written_later:Late.flag")
        assert gateway.status(probe).state == "pending"

    def test_a_writer_that_is_imported_later_is_found(self, gateway, watch, tmp_path, monkeypatch):
        order = writing.Order(1)
        probe = watch()
        (tmp_path / "late_writer.py").write_text("def write(order):\n    order.high_value = 'late'\n")
        monkeypatch.syspath_prepend(tmp_path)
        late = __import__("late_writer")
        gateway.sensor.registry._looked_at = 0.0
        gateway.tick()
        late.write(order)
        del sys.modules["late_writer"]
        assert told(gateway, probe) == [("write", "plain", None, "late")]


class TestHarmless:
    """The class stays as it was: its writers are watched."""

    def test_the_class_and_its_instances_are_untouched(self, gateway, watch):
        before = {name: dict(vars(getattr(writing, name))) for name in ("Order", "Slotted", "Data", "Frozen")}
        order, data = writing.Order(1, flag=2), writing.Data(1)
        for attribute in ("Order", "Slotted", "Data", "Frozen"):
            watch(f"{attribute}.high_value")
        assert {name: dict(vars(getattr(writing, name))) for name in before} == before
        assert vars(order) == {"amount": 1, "high_value": 2}
        assert pickle.loads(pickle.dumps(order)).__dict__ == order.__dict__
        assert writing.Data(1) == data
        assert isinstance(writing.Rush(1), writing.Order)
        assert type(order) is writing.Order
        assert not hasattr(writing.Slotted(), "__dict__")

    def test_descriptors_still_decide(self, gateway, watch):
        watch("Frozen.high_value")
        frozen = writing.Frozen(1)
        with pytest.raises(AttributeError):
            writing.plainly(frozen, 2)
        assert frozen == writing.Frozen(1)

    def test_results_and_errors_stay_as_they_were(self, gateway, watch):
        watch()
        with pytest.raises(TypeError):
            writing.adding(writing.Order(1, flag=None), 1)
        order = writing.Order(1)
        writing.deleting(order)
        with pytest.raises(AttributeError, match="high_value"):
            writing.deleting(order)
        assert writing.copied(writing.Order(3, flag=4)).high_value == 4

    def test_nothing_is_kept_alive(self, gateway, watch):
        watch()
        order = writing.Order(1, flag=[1])
        gone = weakref.ref(order)
        writing.plainly(order, [2])
        with suppress(TypeError):
            writing.adding(order, 1)
        del order
        gc.collect()
        assert gone() is None

    def test_removal_restores_the_code(self, gateway, watch):
        functions: list[types.FunctionType] = [writing.plainly, writing.by_setattr, writing.Order.__init__]
        before = [function.__code__ for function in functions]
        probe = watch()
        gateway.remove(probe)
        assert all(function.__code__ is code for function, code in zip(functions, before, strict=True))
        writing.plainly(writing.Order(1), 2)
        assert gateway.captures(probe) == []

    def test_code_that_writes_something_else_runs_as_it_was(self, gateway, watch):
        before = writing.unrelated.__code__
        watch()
        assert writing.unrelated.__code__ is before
        if sys.version_info >= (3, 12):
            assert sys.monitoring.get_local_events(gateway.sensor.engine.tool, before) == 0
