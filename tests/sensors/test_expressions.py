"""The expression language: how it is read, what it answers, and what a capture lets it decide."""

from __future__ import annotations

import datetime
import decimal
import enum
from typing import Any

import pytest

from sightline import expressions, snapshots, wire
from sightline.errors import (
    BudgetExceeded,
    ExpressionError,
    NotDefined,
    NotInLanguage,
    UnknownName,
    WouldRunCode,
)
from sightline.redaction import Redactor

REDACTOR = Redactor(hash_key=b"a key for tests")


class Level(enum.IntEnum):
    HIGH = 3


class Trade:
    limit = 10

    def __init__(self) -> None:
        self.amount = decimal.Decimal("12000.50")
        self.lines = [{"price": 3, "name": "a"}, {"price": 5, "name": "b"}]
        self.level = Level.HIGH
        self.at = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)


SCOPE: dict[str, Any] = {
    "t": Trade(),
    "amount": 12,
    "name": "ada",
    "none": None,
    "@return": 5,
    "d": {"a": 1, b"k": 2},
}


def ask(text: str) -> Any:
    return expressions.compile(expressions.parse(text)).evaluate(SCOPE)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("amount > 10", True),
        ("10 < amount <= 12", True),
        ("t.amount > 10000 and t.amount < 12000.75", True),
        ("t.amount - 12000 == 0.5", True),
        ("t.limit", 10),
        ("t.level == 3 and t.level.name == 'HIGH'", True),
        ("t.at.year", 2024),
        ("any(line['price'] > 4 for line in t.lines)", True),
        ("sum(line['price'] for line in t.lines if line['name'] != 'a')", 5),
        ("len(d.keys())", 2),
        ("any(v == 2 for k, v in d.items())", True),
        ("d[b'k']", 2),
        ("name.startswith(('x', 'a')) and 'd' in name", True),
        ("matches(name, '^A') or matches(name, '(?i)^A')", True),
        ("type_name(t.amount)", "decimal.Decimal"),
        ("is_none(none) and none is None", True),
        ("'x' if none else 'y'", "y"),
        ("@return + 1", 6),
        ("'@return'", "@return"),
        ("f'{name!r:>7}|{amount:04d}'", "  'ada'|0012"),
        ("name[-1] + name[:2]", "aad"),
        ("round(2.567, 1)", 2.6),
        ("max(1, amount, 3)", 12),
        ("d.get('missing', 'else')", "else"),
        ("not t", False),
    ],
)
def test_what_an_expression_answers(text: str, answer: Any) -> None:
    assert ask(text) == answer


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a + lambda: 1", 4),
        ("amount > eval('1')", 9),
        ("  a @ b", 2),
        ("é + [x for x in y]", 4),
        ("(a", 0),
        ("", 0),
        ("@nope > 1", 0),
    ],
)
def test_a_refusal_points_at_its_place(text: str, column: int) -> None:
    with pytest.raises(NotInLanguage) as caught:
        expressions.parse(text)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("missing > 1", UnknownName, "`missing`"),
        ("t.missing", UnknownName, "`t.missing`"),
        ("d['zzz']", UnknownName, "'zzz'"),
        ("name < 1", NotDefined, "str and int"),
        ("1 / 0", NotDefined, "zero"),
        ("t < t", WouldRunCode, "Trade"),
    ],
)
def test_an_error_says_what_is_wrong(text: str, error: type[ExpressionError], says: str) -> None:
    with pytest.raises(error, match=says):
        ask(text)


def test_free_names_leave_out_what_a_loop_binds() -> None:
    compiled = expressions.compile(expressions.parse("any(x > limit for x in xs) and y.z"))
    assert compiled.names == {"limit", "xs", "y"}


def test_a_budget_is_spent_over_a_whole_expression() -> None:
    compiled = expressions.compile(expressions.parse("sum(xs) + sum(xs)"))
    assert compiled.evaluate({"xs": [1] * 10}, expressions.Budget(steps=100)) == 20
    with pytest.raises(BudgetExceeded):
        compiled.evaluate({"xs": [1] * 60}, expressions.Budget(steps=100))
    with pytest.raises(BudgetExceeded):
        compiled.evaluate({"xs": range(10**9)}, expressions.Budget(steps=10**12, seconds=0.001))


def test_a_template_is_text_and_expressions_in_turn() -> None:
    parts = expressions.parse_template("order {t.amount:.2f} of {{x}} {d['a']!r}: {'}'}")
    assert [part if isinstance(part, str) else part.text for part in parts] == [
        "order ", "t.amount:.2f", " of {x} ", "d['a']!r", ": ", "'}'",
    ]  # fmt: skip
    compiled = expressions.compile(parts[1])  # type: ignore[arg-type]
    assert (compiled.evaluate(SCOPE), compiled.spec) == (SCOPE["t"].amount, ".2f")
    written = snapshots.write_value(SCOPE["t"].amount, REDACTOR)[0]
    assert expressions.lift_text(written, compiled.conversion, compiled.spec) == "12000.50"


@pytest.mark.parametrize("text", ["{", "}", "{a", "{a!x}", "{}", "{a:{b}}", "{a:999999d}", "{a:%q}", "{a b}"])
def test_a_broken_template_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        compiled_template(text)


def compiled_template(text: str) -> list[expressions.Compiled]:
    return [
        expressions.compile(part) for part in expressions.parse_template(text) if not isinstance(part, str)
    ]


# ---------------------------------------------------------------- captures


def captured(**values: Any) -> dict[str, wire.Value]:
    limits = wire.Limits(items=3, length=5, depth=2, deadline_ms=10_000)
    return {
        name: snapshots.write_value(snapshots.copy_value(value, limits), REDACTOR, name=name, limits=limits)[
            0
        ]
        for name, value in values.items()
    }


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("amount > 10", True),
        ("missing > 10", None),
        ("missing > 10 and amount < 5", False),
        ("missing > 10 or amount > 5", True),
        ("not missing", None),
        ("password == 'x'", None),
        ("password == again", True),
        ("password == other_password", False),
        ("password is None", False),
        ("type_name(password) == 'str'", True),
        ("long == 'abcdefgh'", None),
        ("long == 'xbcdefgh'", False),
        ("long.startswith('abc')", True),
        ("len(long)", True),
        ("2 in xs", True),
        ("9 in xs", None),
        ("all(x > 0 for x in xs)", None),
        ("all(x > 1 for x in xs)", False),
        ("len(xs) == 5", True),
        ("xs[1] == 2 and xs[-5] == 1", True),
        ("xs[4] == 5", None),
        ("t.level.name == 'HIGH' and t.limit > 1", None),
        ("t.level.value == 3", True),
        ("amount < 'a'", None),
    ],
)
def test_what_was_cut_or_withheld_leaves_the_answer_open(text: str, verdict: bool | None) -> None:
    values = captured(
        amount=12, password="x", other_password="y", long="abcdefgh", xs=[1, 2, 3, 4, 5], t=Trade()
    )
    values["again"] = values["password"]
    assert expressions.judge(expressions.parse(text), values) is verdict
