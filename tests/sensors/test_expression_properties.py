"""Whatever is asked, the language answers as Python would or refuses with an error of its own."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline import expressions, snapshots, wire
from sightline.errors import BudgetExceeded, ExpressionError
from sightline.redaction import Redactor

pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning")
REDACTOR = Redactor(hash_key=b"a key for tests")
NAMES = ("a", "b", "c", "d")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=True)
    | st.text(max_size=5)
    | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(-3, 3), inner, max_size=3)
        | st.sets(st.integers(-3, 3) | st.text(max_size=2), max_size=3)
    ),
    max_leaves=8,
)
SCOPES = st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES))
NUMBERS = st.booleans() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6)
LITERALS = (st.none() | NUMBERS | st.text("abc'\\\n", max_size=4) | st.binary(max_size=3)).map(repr)


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>"])
    compare = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"])
    function = st.sampled_from(
        ["len", "min", "max", "sum", "abs", "any", "all", "round", "str", "int", "float", "bool"]
    )
    method = st.sampled_from(
        ["startswith", "endswith", "lower", "upper", "strip", "keys", "values", "items", "get"]
    )
    quantifier = st.sampled_from(["any", "all", "sum", "min", "max"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, binary, inner),
        st.builds("({} {} {} {} {})".format, inner, compare, inner, compare, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("(not {})".format, inner),
        st.builds("({}{})".format, st.sampled_from(["-", "+", "~"]), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}({})".format, function, inner),
        st.builds("({}).{}({})".format, inner, method, st.just("") | inner),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("({})[{}:{}]".format, inner, inner, inner),
        st.builds(
            "{}({} for x in {} if {})".format, quantifier, inner | st.just("x"), inner, inner | st.just("x")
        ),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({}, {})".format, inner, inner),
        st.builds("{{{}, {}}}".format, inner, inner),
    )


TEXTS = st.recursive(st.sampled_from([*NAMES, "x"]) | LITERALS, _combined, max_leaves=8)
PYTHON = {
    name: getattr(__builtins__, name, None) if not isinstance(__builtins__, dict) else __builtins__[name]
    for name in ("len", "min", "max", "sum", "abs", "any", "all", "round", "str", "int", "float", "bool")
}


def as_list(value: Any) -> Any:
    return list(value) if type(value).__name__ in ("dict_keys", "dict_values", "dict_items") else value


def same(left: Any, right: Any) -> bool:
    """Equal, of one type, with NaN equal to itself."""
    left, right = as_list(left), as_list(right)
    return type(left) is type(right) and repr(left) == repr(right)


@settings(max_examples=150)
@given(text=TEXTS, scope=SCOPES)
def test_an_answer_is_pythons_answer(text: str, scope: dict[str, Any]) -> None:
    try:
        answer = expressions.compile(expressions.parse(text)).evaluate(scope)
    except (ExpressionError, BudgetExceeded):
        return
    assert same(answer, eval(text, {"__builtins__": PYTHON, **scope}))


@settings(max_examples=80)
@given(text=TEXTS, scope=SCOPES)
def test_what_python_answers_within_reason_is_answered(text: str, scope: dict[str, Any]) -> None:
    """For plain comparisons and logic on scalars nothing is refused that Python answers."""
    simple = {
        name: value for name, value in scope.items() if isinstance(value, (int, float, str, type(None)))
    }
    try:
        expected = eval(text, {"__builtins__": PYTHON, **simple})
    except Exception:  # noqa: BLE001 (whatever Python raises, there is nothing to compare)
        return
    if any(sign in text for sign in ("*", "<<", "(", ")", "[", "{")):
        return
    assert same(expressions.compile(expressions.parse(text)).evaluate(simple), expected)


@settings(max_examples=80)
@given(text=TEXTS)
def test_a_tree_survives_the_wire(text: str) -> None:
    try:
        expression = expressions.parse(text)
    except ExpressionError:
        return
    assert msgspec.msgpack.decode(wire.encode(expression), type=wire.Expression) == expression
    assert expressions.check(json.loads(json.dumps(expression.tree))) == expression.tree


@settings(max_examples=100)
@given(text=st.text(max_size=30) | st.text("abx()[]{}'\"\\.,:@!=<>+-*/ \n0123456789", max_size=30))
def test_no_text_makes_the_parser_fail_in_another_way(text: str) -> None:
    for read in (expressions.parse, expressions.parse_template):
        try:
            read(text)
        except ExpressionError as error:
            assert error.sentence and -1 <= error.column <= len(text)  # noqa: PT017, PT018


KINDS = (
    "name", "const", "attr", "item", "slice", "not", "and", "compare", "arith", "if", "call", "any", "text", "format",
    "list", "int", "bytes",
)  # fmt: skip
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(KINDS),
    lambda inner: st.lists(inner, max_size=5) | st.tuples(st.sampled_from(KINDS), inner, inner).map(list),
    max_leaves=12,
)


@settings(max_examples=150)
@given(tree=TREES, scope=SCOPES)
def test_no_tree_does_anything_but_answer_or_refuse(tree: Any, scope: dict[str, Any]) -> None:
    with contextlib.suppress(ExpressionError, BudgetExceeded):
        expressions.compile(wire.Expression(text="", tree=tree)).evaluate(scope)


def captured(scope: dict[str, Any], limits: wire.Limits) -> dict[str, wire.Value]:
    return {
        name: snapshots.write_value(snapshots.copy_value(value, limits), REDACTOR, limits=limits)[0]
        for name, value in scope.items()
    }


@settings(max_examples=100)
@given(text=TEXTS, scope=SCOPES, items=st.integers(0, 5), length=st.integers(0, 6), depth=st.integers(0, 3))
def test_a_judgement_on_a_capture_never_contradicts_the_sensor(
    text: str, scope: dict[str, Any], items: int, length: int, depth: int
) -> None:
    try:
        expression = expressions.parse(text)
        truth = expressions.compile(expression).holds(scope)
    except (ExpressionError, BudgetExceeded):
        return
    limits = wire.Limits(items=items, length=length, depth=depth)
    verdict = expressions.judge(expression, captured(scope, limits))
    assert verdict is None or verdict is truth


@settings(max_examples=100)
@given(scope=SCOPES)
def test_a_whole_capture_is_judged_as_the_value_itself(scope: dict[str, Any]) -> None:
    if "nan" in repr(scope):
        return  # identity, by which a container finds its NaN, ends with the process
    whole = captured(scope, wire.Limits(depth=20, items=100, length=1000, deadline_ms=60_000))
    for text in ("a == b", "not c", "is_none(d)", "a in [b, c]", "type_name(a) == type_name(b)"):
        expression = expressions.parse(text)
        assert expressions.judge(expression, whole) is expressions.compile(expression).holds(scope)


PATTERNS = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "\\w", "\\d", "\\s", "^", "$", "\\b", "[a-c]", "1", " "]),
    lambda inner: (
        st.builds("{}{}".format, inner, inner)
        | st.builds("(?:{}|{})".format, inner, inner)
        | st.builds("(?:{}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{,2}", "*?"]))
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(pattern=PATTERNS, text=st.text("ab1 \n", max_size=8))
def test_a_pattern_finds_what_a_backtracking_one_finds(pattern: str, text: str) -> None:
    patient = expressions.Budget(seconds=60.0)
    assert expressions.Pattern(pattern).found_in(text, patient) == (re.search(pattern, text) is not None)


def test_the_properties_are_not_held_by_refusing_everything() -> None:
    scope = {"a": [1, 2], "b": [3]}
    for text in (
        "(a + b)",
        "any(x for x in a if x)",
        "min(a, b)",
        "(a)[0:2]",
        "{1, 2}",
        "(a < b < b)",
        "(b if a else a)",
    ):
        assert expressions.compile(expressions.parse(text)).evaluate(scope) is not None
