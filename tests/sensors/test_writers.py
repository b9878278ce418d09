"""Who may write an attribute: found in the code that is loaded, without touching the class."""

from __future__ import annotations

import functools

import pytest

from sightline import writers, writes
from sightline.errors import LocationError
from sightline.locator import NotImportedYet
from tests.observed import writing

HERE = "tests.observed.writing"


@functools.cache
def found(attribute: str = "Order.high_value") -> dict[str, list[writes.Point]]:
    target = writers.target_of(f"{HERE}:{attribute}")
    everything = writers.find(target, lambda code: code).found
    return {writer.spot.code.co_qualname: list(writer.points) for writer in everything}


def how(function: str, attribute: str = "Order.high_value") -> list[tuple[str, object]]:
    return [(point.how, point.owner) for point in found(attribute)[function]]


class TestInstructions:
    @pytest.mark.parametrize(
        ("function", "expected"),
        [
            ("plainly", "plain"),
            ("adding", "augmented"),
            ("by_setattr", "setattr"),
            ("by_object", "object_setattr"),
            ("by_dict", "dict_update"),
            ("by_vars", "dict_update"),
            ("deleting", "deleted"),
            ("looping", "plain"),
            ("aliased", "setattr"),
            ("awaiting", "plain"),
        ],
    )
    def test_each_way_is_told_apart(self, function, expected):
        assert how(function) == [(expected, ("local", "order"))]

    def test_the_object_is_told_by_how_it_is_reached(self):
        assert how("found") == [("plain", ("item", ("local", "orders"), ("local", "index")))]

    def test_an_object_that_a_call_returned_is_unknown(self):
        assert how("made") == [("plain", None)]

    def test_other_attributes_are_left_alone(self):
        assert "unrelated" not in found()
        assert "unseen" not in found()

    def test_a_chosen_name_that_is_another_is_passed_over(self):
        def put(order: object) -> None:
            setattr(order, "amount", 1)  # noqa: B010

        assert writes.points(put.__code__, "high_value") == []
        assert len(writes.points(put.__code__, "amount")) == 1

    def test_branches_within_the_value_do_not_lose_the_object(self):
        def put(order: writing.Order, a: int) -> None:
            order.amount += 1 if a else 2
            order.amount = a and (1 if a > 2 else 3)

        points = writes.points(put.__code__, "amount")  # the compiler may write one of them twice
        assert {(point.line, point.how, point.owner) for point in points} == {
            (points[0].line, "augmented", ("local", "order")),
            (points[0].line + 1, "plain", ("local", "order")),
        }

    def test_a_method_given_to_super_writes_to_self(self):
        class Sub(writing.Guarded):
            def __setattr__(self, name: str, value: object) -> None:
                super().__setattr__(name, value)

        points = writes.points(Sub.__setattr__.__code__, "x")
        assert [(point.how, point.owner) for point in points] == [("object_setattr", ("local", "self"))]


class TestGenerated:
    @pytest.mark.parametrize("name", ["Data", "Frozen", "Defined", "Iced", "Model"])
    def test_every_generator_of_classes_is_seen_through(self, name):
        points = [point for all_there in found(f"{name}.high_value").values() for point in all_there]
        assert {point.owner for point in points if point.how == "constructed"} == {("local", "self")}


class TestRefusals:
    @pytest.mark.parametrize(
        ("attribute", "slug"),
        [
            ("Order.total", "computed_attribute"),
            ("Row.high_value", "never_assigned"),
            ("Ordr.high_value", "no_such_class"),
        ],
    )
    def test_what_cannot_be_watched_is_refused_with_what_to_do(self, attribute, slug):
        with pytest.raises(LocationError) as refused:
            found(attribute)
        assert refused.value.slug == slug

    def test_a_compiled_class_is_refused(self):
        with pytest.raises(LocationError, match="compiled"):
            writers.target_of("decimal:Decimal.real")

    def test_a_class_that_is_not_imported_is_waited_for(self):
        with pytest.raises(NotImportedYet):
            writers.target_of("not.imported.yet:Order.high_value")

    def test_half_a_location_is_refused(self):
        with pytest.raises(LocationError, match=r"module:Class\.attribute"):
            writers.target_of("tests.observed.writing:Order")


class TestOrder:
    def test_the_services_own_code_comes_first(self):
        target = writers.target_of(f"{HERE}:Order.high_value")
        own = [writer.own for writer in writers.find(target, lambda code: code).found]
        assert own == sorted(own, reverse=True)

    def test_methods_of_strangers_are_the_services_own_business_only(self):
        assert writers.is_own(writing.__file__)
        assert not writers.is_own("<attrs generated init x>")

    def test_the_class_is_held_weakly(self):
        target = writers.target_of(f"{HERE}:Order.high_value")
        assert target.owns(writing.Rush)
        assert not target.owns(writing.Elsewhere)
        assert not target.replaced()
