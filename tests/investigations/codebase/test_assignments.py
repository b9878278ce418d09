"""Every way of writing an attribute is found, the likeliest surprise first, with the probe that shows it."""

from __future__ import annotations

import keyword
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.codebase.assignments import Assignments, NotATarget, Point, find_assignments, read_target

TRADING = Path(__file__).parents[3] / "examples/trading"
CLASS = "class Order:\n    pass\n\n\n"


def find(text: str, target: str = "Order.paid", **others: str) -> Assignments:
    return find_assignments(
        {"a.py": dedent(text)} | {f"{name}.py": dedent(body) for name, body in others.items()}, target
    )


def only(text: str, **others: str) -> Point:
    (point,) = find(text, **others).points
    return point


class TestPlainWrites:
    @pytest.mark.parametrize(
        ("statement", "kind"),
        [
            ("self.paid = value", "assignment"),
            ("self.paid: bool = value", "annotated_assignment"),
            ("self.paid += value", "augmented_assignment"),
            ("self.total, self.paid = value", "assignment"),
            ("(self.total, [*self.paid]) = value", "assignment"),
            ("self.paid = self.total = value", "assignment"),
            ("self.total = self.paid = value", "assignment"),
            ("for self.paid in value: pass", "loop_or_with_target"),
            ("with value as self.paid: pass", "loop_or_with_target"),
            ("setattr(self, 'paid', value)", "setattr"),
            ("object.__setattr__(self, 'paid', value)", "object_setattr"),
            ("super().__setattr__('paid', value)", "object_setattr"),
            ("self.__setattr__('paid', value)", "object_setattr"),
            ("self.__dict__['paid'] = value", "dict"),
            ("vars(self)['paid'] = value", "dict"),
            ("self.__dict__.update(paid=value)", "dict"),
            ("self.__dict__.update({'paid': value})", "dict"),
            ("vars(self).update({'total': 1, 'paid': value})", "dict"),
        ],
    )
    def test_in_a_method_are_certain(self, statement: str, kind: str) -> None:
        point = only(
            f"class Order:\n    def settle(self, value):\n        {statement}\n        return self\n"
        )

        assert (point.line, point.kind, point.exact, point.confidence) == (3, kind, True, "certain")
        assert (point.function, point.class_name) == ("Order.settle", "Order")

    @pytest.mark.parametrize(
        "statement",
        [
            "print(self.paid)",
            "self.paid.status = value",
            "self.paid: bool",
            "self.unpaid = value",
            "del self.paid",
            "setattr(self, 'unpaid', value)",
            "setattr(self, f'un{value}', value)",
            "x.replace('paid', value)",
            "self.__dict__['unpaid'] = value",
            "paid = value",
            "other(paid=value)",
            "self.paid == value",
        ],
    )
    def test_reads_and_namesakes_are_none(self, statement: str) -> None:
        found = find(
            f"class Order:\n    def settle(self, value):\n        {statement}\n        return self\n"
        )

        assert found.points == []

    def test_of_another_classes_own_objects_are_none(self) -> None:
        assert find(CLASS + "class Invoice:\n    def pay(self):\n        self.paid = True\n").points == []

    def test_in_a_base_class_and_in_a_subclass_count(self) -> None:
        found = find(
            """
            class Base:
                def __init__(self, paid): self.paid = paid
            class Order(Base): pass
            class Rush(Order):
                def hurry(self): self.paid = pay()
            class Sibling(Base):
                def other(self): self.paid = pay()
            """
        )

        assert [(point.function, point.kind) for point in found.points] == [
            ("Base.__init__", "init_parameter"),
            ("Rush.hurry", "assignment"),
        ]

    def test_a_property_setter_is_where_all_of_them_come_through(self) -> None:
        point = only(
            """
            class Order:
                @property
                def paid(self): return self._paid
                @paid.setter
                def paid(self, value):
                    self._paid = value
            """
        )

        assert (point.kind, point.function, point.line) == ("property_setter", "Order.paid", 6)
        assert point.suggestion is not None
        assert point.suggestion.line == 7


class TestWhoseObject:
    @pytest.mark.parametrize(
        ("function", "confidence"),
        [
            ("def f(order: Order): order.paid = 1", "certain"),
            ("def f(order: 'Order | None'): order.paid = 1", "certain"),
            ("def f(order: list[int]): order.paid = 1", "likely"),
            ("def f():\n    order = Order()\n    order.paid = 1", "certain"),
            ("def f():\n    order = models.Order()\n    order.paid = 1", "certain"),
            ("def f():\n    order = Order.load(3)\n    order.paid = 1", "certain"),
            ("def f(orders):\n    orders[0].paid = 1", "likely"),
            ("def f(order): order.paid = 1", "likely"),
            ("def f(): Order.paid = 1", "certain"),
        ],
    )
    def test_is_judged_by_what_the_function_says(self, function: str, confidence: str) -> None:
        assert only(CLASS + function + "\n").confidence == confidence

    def test_an_object_made_of_another_class_is_none(self) -> None:
        assert find(CLASS + "def f():\n    invoice = Invoice()\n    invoice.paid = 1\n").points == []

    def test_a_file_that_never_names_the_class_comes_last(self) -> None:
        found = find(
            CLASS + "def near(order): order.paid = pay()\n", far="def far(thing): thing.paid = pay()\n"
        )

        assert [point.path for point in found.points] == ["a.py", "far.py"]


class TestReflection:
    @pytest.mark.parametrize(
        "statement",
        [
            "setattr(self, name, value)",
            "setattr(self, f'pa{name}', value)",
            "object.__setattr__(self, name, value)",
            "self.__dict__[name] = value",
            "self.__dict__.update(value)",
            "vars(self).update(**value)",
            "self.__dict__ = value",
        ],
    )
    def test_with_a_name_known_only_at_run_time_may_be_it(self, statement: str) -> None:
        point = only(
            f"class Order:\n    def apply(self, name, value):\n        {statement}\n        return self\n"
        )

        assert (point.exact, point.confidence) == (False, "likely")
        assert "known only when it runs" in point.reason

    def test_a_constant_that_names_it_is_exact_and_one_that_does_not_is_none(self) -> None:
        text = "NAME = '{}'\nclass Order:\n    def f(self): setattr(self, NAME, 1)\n"

        assert only(text.format("paid")).exact
        assert find(text.format("total")).points == []

    def test_a_loop_over_literal_names_is_read(self) -> None:
        text = "class Order:\n    def f(self):\n        for name in ({}):\n            setattr(self, name, None)\n"

        assert only(text.format("'total', 'paid'")).exact
        assert find(text.format("'total', 'tax'")).points == []

    def test_a_payload_applied_in_the_class_is_the_likeliest_surprise(self) -> None:
        found = find(
            """
            @dataclass
            class Order:
                paid: bool = False
                def pay(self):
                    self.paid = True
                @classmethod
                def load(cls, payload):
                    order = cls(paid=payload["paid"])
                    for name, value in payload.items():
                        if hasattr(order, name):
                            setattr(order, name, value)
                    return order
            """
        )

        assert [(point.kind, point.exact) for point in found.points] == [
            ("setattr", False),
            ("constructor", True),
            ("assignment", True),
            ("field", True),
        ]
        assert found.expected_type == "bool"

    def test_elsewhere_it_is_a_blind_spot_and_no_point(self) -> None:
        found = find(CLASS, far="def patch(thing, name):\n    setattr(thing, name, 1)\n")

        assert found.points == []
        assert any("far.py:2" in sentence for sentence in found.blind_spots)

    def test_in_a_mixin_of_the_class_it_is_a_point(self) -> None:
        point = only(
            "class Order(Patched): pass\n",
            mixin="""
                class Patched:
                    def patch(self, **given):
                        for name, value in given.items():
                            setattr(self, name, value)
            """,
        )

        assert (point.path, point.confidence) == ("mixin.py", "likely")


class TestMaking:
    @pytest.mark.parametrize(
        "declared",
        [
            "@dataclass\nclass Order:\n    total: int\n    paid: bool = False\n",
            "@dataclasses.dataclass(slots=True)\nclass Order:\n    total: int\n    paid: bool = False\n",
            "@attrs.define\nclass Order:\n    total: int\n    paid: bool = False\n",
            "class Order(BaseModel):\n    total: int\n    paid: bool = False\n",
            "class Order(msgspec.Struct, frozen=True):\n    total: int\n    paid: bool = False\n",
            "class Order(NamedTuple):\n    total: int\n    paid: bool = False\n",
        ],
    )
    def test_a_field_is_written_where_the_class_is_called(self, declared: str) -> None:
        found = find(
            declared
            + "def make(x):\n    return Order(1, x)\n\ndef name(x):\n    return Order(total=1, paid=x)\n"
        )

        assert [point.kind for point in found.points] == ["constructor", "constructor", "field"]
        assert "by position" in found.points[0].reason
        assert "generated __init__" in found.points[2].reason

    def test_a_plain_classes_parameter_gives_the_position(self) -> None:
        found = find(
            "class Order:\n    def __init__(self, total, paid):\n        self.paid = paid\n\norder = Order(1, pay())\n"
        )

        assert {point.kind for point in found.points} == {"init_parameter", "constructor"}

    @pytest.mark.parametrize("call", ["Order(1)", "Order(*row)", "Invoice(paid=1)", "make(paid=1)"])
    def test_a_call_that_does_not_give_it_is_none(self, call: str) -> None:
        found = find(f"@dataclass\nclass Order:\n    total: int\n    paid: bool = False\n\nx = {call}\n")

        assert [point.kind for point in found.points] == ["field"]

    @pytest.mark.parametrize(
        "call", ["Order(**row)", "Order.model_validate(**row)", "Order.objects.create(**row)"]
    )
    def test_an_unpacked_mapping_may_hold_it(self, call: str) -> None:
        point = only(CLASS + f"def f(row):\n    order = {call}\n    return order\n")

        assert (point.kind, point.exact, point.confidence) == ("constructor", False, "likely")

    @pytest.mark.parametrize(
        "call",
        [
            "replace(order, paid=x)",
            "dataclasses.replace(order, paid=x)",
            "attrs.evolve(order, paid=x)",
            "order._replace(paid=x)",
            "order.model_copy(update={'paid': x})",
        ],
    )
    def test_a_changed_copy_is_a_write(self, call: str) -> None:
        point = only(CLASS + f"def f(order: Order, x):\n    other = {call}\n    return other\n")

        assert (point.kind, point.confidence) == ("replace", "certain")
        assert point.suggestion is not None
        assert point.suggestion.watches[0] == "other.paid"

    def test_a_call_over_several_lines_points_at_the_line_that_names_it(self) -> None:
        point = only(
            CLASS
            + "def f(x):\n    order = Order(\n        total=1,\n        paid=x,\n    )\n    return order\n"
        )

        assert (point.line, point.text) == (8, "paid=x,")
        assert point.suggestion is not None
        assert point.suggestion.line == 10


class TestSuggestion:
    @pytest.mark.parametrize(
        ("body", "line"),
        [
            ("\nself.paid = value\nreturn 1\n", 2),
            ("\nself.paid = value\n\n# a remark\n'a note'\nx: int\nreturn 1\n", 6),
            ("\nif value:\n    self.paid = value\nelse:\n    stop()\nreturn 1\n", 5),
            ("\nfor x in value:\n    self.paid = x\nreturn 1\n", 3),
            ("\ntry:\n    self.paid = value\nexcept E:\n    pass\nfinally:\n    pass\nreturn 1\n", 7),
            ("\nwith lock:\n    self.paid = value\n    done()\nreturn 1\n", 3),
        ],
    )
    def test_is_the_next_line_that_runs(self, body: str, line: int) -> None:
        found = [
            point
            for point in find_assignments({"a.py": self.file(body)}, "Order.paid").points
            if point.kind != "field"
        ]

        assert found[0].suggestion is not None
        assert found[0].suggestion.line - 3 == line

    def file(self, body: str) -> str:
        indented = "".join(f"        {line}\n" if line else "\n" for line in body.strip("\n").splitlines())
        return "class Order:\n    paid: bool\n    def f(self, value):\n" + indented

    def test_looks_at_the_value_and_its_type_and_keeps_surprises(self) -> None:
        (point, _) = find_assignments({"a.py": self.file("self.paid = value\nreturn 1")}, "Order.paid").points

        assert point.suggestion is not None
        assert point.suggestion.watches == ["self.paid", "type_name(self.paid)"]
        assert point.suggestion.condition == 'type_name(self.paid) != "bool"'

    def test_is_on_the_write_itself_where_nothing_follows(self) -> None:
        (point, _) = find_assignments(
            {"a.py": self.file("for name in value:\n    setattr(self, name, value)")}, "Order.paid"
        ).points

        assert point.suggestion is not None
        assert (point.suggestion.line, point.suggestion.condition) == (5, 'name == "paid"')
        assert point.suggestion.watches == ["value", "type_name(value)"]
        assert "before the write" in point.suggestion.note

    def test_keeps_to_the_lines_the_interpreter_calls_executable(self) -> None:
        text = self.file("self.paid = value\nreturn call(\n    1,\n)")

        (point, _) = find_assignments({"a.py": text}, "Order.paid", lines={"a.py": [4, 6]}).points

        assert point.suggestion is not None
        assert point.suggestion.line == 6


class TestBlindSpots:
    def test_are_always_told(self) -> None:
        sentences = " ".join(find(CLASS).blind_spots)

        assert all(word in sentences for word in ("Libraries", "written in C", "Another service"))

    def test_name_what_was_not_read_or_not_understood(self) -> None:
        found = find_assignments(
            {"a.py": CLASS, "broken.py": "class X(:\n"}, "Order.paid", unread=["lost.py"]
        )

        assert any("could not be read: lost.py" in sentence for sentence in found.blind_spots)
        assert any("not wholly understood as Python: broken.py" in sentence for sentence in found.blind_spots)

    def test_say_when_the_class_is_nowhere(self) -> None:
        assert any("No class Order is defined" in sentence for sentence in find("x = 1\n").blind_spots)


@pytest.mark.parametrize(
    ("target", "read"),
    [
        ("Order.paid", ("Order", "paid")),
        ("shop.orders.Order.paid", ("Order", "paid")),
        ("shop.orders:Order.paid", ("Order", "paid")),
        (" Order.paid ", ("Order", "paid")),
    ],
)
def test_a_target_may_carry_its_module(target: str, read: tuple[str, str]) -> None:
    assert read_target(target) == read


@pytest.mark.parametrize("target", ["", "paid", "Order.", ".paid", "Order.paid()", "Order paid", "a:b"])
def test_what_names_no_attribute_is_refused(target: str) -> None:
    with pytest.raises(NotATarget):
        read_target(target)


def test_the_example_is_solved() -> None:
    """The case the product is for: a string written into a boolean by reflection."""
    paths = [path for path in TRADING.rglob("*.py") if "fixed" not in path.parts]
    files = {path.relative_to(TRADING).as_posix(): path.read_text() for path in paths}

    found = find_assignments(files, "TradeRequest.high_value")

    first = found.points[0]
    assert (first.path, first.kind, first.exact, first.function) == (
        "trades/trade_request.py",
        "setattr",
        False,
        "TradeRequest.from_payload",
    )
    assert first.suggestion is not None
    lines = files[first.path].splitlines()
    assert lines[first.suggestion.line - 1].strip().startswith("log.debug(")
    assert first.suggestion.watches[:2] == ["request.high_value", "type_name(request.high_value)"]
    assert {point.path for point in found.points} == {"trades/trade_request.py"}
    assert [point.kind for point in found.points] == ["setattr", "constructor", "field"]


NAMES = st.from_regex(r"[a-z][a-z_]{2,11}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))
WAYS = {
    "self.{a} = v": True,
    "setattr(self, '{a}', v)": True,
    "setattr(self, v, v)": False,
    "self.__dict__['{a}'] = v": True,
    "self.__dict__.update(v)": False,
}


@given(
    NAMES,
    NAMES.map(str.title),
    st.lists(st.sampled_from(sorted(WAYS)), min_size=1, max_size=8),
    st.integers(0, 30),
)
def test_no_write_is_lost_whatever_it_is_called(
    attribute: str, name: str, ways: list[str], padding: int
) -> None:
    body = "".join(f"        {way.format(a=attribute)}\n" for way in ways)
    text = "# above\n" * padding + f"class {name}:\n    def change(self, v):\n{body}        return self\n"

    found = find_assignments({"a.py": text}, f"{name}.{attribute}")

    expected = {(padding + 3 + number, WAYS[way]) for number, way in enumerate(ways)}
    assert {(point.line, point.exact) for point in found.points} == expected
    assert all(point.suggestion and point.suggestion.line == point.line + 1 for point in found.points)


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    find_assignments(
        {"a.py": text, "b.py": "class Order:\n    def f(self):\n        setattr(self, " + text}, "Order.paid"
    )
