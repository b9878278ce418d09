"""Which lines of a function decide, and on what: read from its source, never guessed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightline import decisions


def nothing_withheld(name: str) -> str:
    return ""


def loaded(folder: Path, text: str) -> Callable[..., Any]:
    """The function `f` of a file with this text."""
    file = folder / "asked.py"
    file.write_text(text)
    namespace: dict[str, Any] = {}
    exec(compile(text, str(file), "exec"), namespace)
    found: Callable[..., Any] = namespace["f"]
    return found


@pytest.fixture
def told(tmp_path) -> Callable[[str], dict[int, list[tuple[list[str], range]]]]:
    def tell(text: str) -> dict[int, list[tuple[list[str], range]]]:
        found = decisions.of_code(loaded(tmp_path, text).__code__, nothing_withheld)
        assert found is not None
        return {
            line: [([part.text for part in each.parts], each.body) for each in all_there]
            for line, all_there in found.items()
        }

    return tell


def test_an_if_tells_its_operands_and_where_it_goes(told):
    text = (
        "def f(order, limit):\n    if order.amount > limit and not order.tested:\n"
        "        a = 1\n        b = 2\n    return 0\n"
    )
    assert told(text) == {2: [(["order.amount", "limit", "order.tested"], range(3, 5))]}


def test_elif_while_and_for_decide_too(told):
    text = (
        "def f(a, xs):\n    if a:\n        pass\n    elif len(xs) > 3:\n        a = 1\n"
        "    while a < 3:\n        a += 1\n    for x in xs:\n        a += x\n"
    )
    found = told(text)
    assert found[4] == [(["len(xs)"], range(5, 6))]
    assert found[6] == [(["a"], range(7, 8))]
    assert found[8] == [(["xs"], range(9, 10))]


def test_of_a_call_that_may_not_be_made_the_arguments_are_told(told):
    text = "def f(self, order):\n    if self.rules.allow(order.amount, force=order.flag):\n        return 1\n"
    assert told(text)[2] == [(["self.rules", "order.amount", "order.flag"], range(3, 4))]


def test_a_conditional_expression_decides_on_its_line(told):
    assert told("def f(a, b):\n    return 1 if a > b else 2\n")[2] == [(["a", "b"], range(0))]


def test_each_case_of_a_match_looks_at_the_subject_and_its_guard(told):
    text = (
        "def f(a, b):\n    match a.kind:\n        case 'x' if b > 2:\n            return 1\n"
        "        case _:\n            return 2\n"
    )
    assert told(text)[3] == [(["a.kind", "b"], range(4, 5))]


def test_an_except_with_a_type_decides(told):
    text = "def f():\n    try:\n        g()\n    except ValueError:\n        return 1\n    except:\n        return 2\n"
    assert told(text) == {4: [([], range(5, 6))]}


def test_constants_decide_nothing(told):
    assert told("def f(a):\n    while True:\n        if 1:\n            return a\n") == {}


def test_code_within_the_function_is_its_own(told):
    text = (
        "def f(a):\n    def g(b):\n        if b:\n            return 1\n"
        "    return [g for x in a], lambda: 1 if a else 2\n"
    )
    assert told(text) == {}


def test_the_guard_of_a_comprehension_decides_where_it_runs_in_the_function(told):
    found = told("def f(xs):\n    return [x for x in xs if x > 2]\n")
    assert found == ({2: [(["x"], range(0))]} if sys.version_info >= (3, 12) else {})


def test_methods_decorators_and_strings_at_the_margin_are_no_trouble(tmp_path):
    text = (
        "def same(f): return f\nclass A:\n    @same\n    @same\n    def f(self, a):\n        t = '''\nx\n'''\n"
        "        if a:\n            return t\n        return g(\n            1,\n        )\nf = A.f\n"
    )
    found = decisions.of_code(loaded(tmp_path, text).__code__, nothing_withheld)
    assert found is not None
    assert list(found) == [9]


def test_a_source_that_does_not_fit_tells_nothing(tmp_path):
    function = loaded(tmp_path, "def f(a):\n    b = 1\n    if a:\n        return b\n")
    (tmp_path / "asked.py").write_text("def f(a):\n    if a:\n        return 1\n\n\n")
    assert decisions.of_code(function.__code__, nothing_withheld) is None
    (tmp_path / "asked.py").unlink()
    assert decisions.of_code(function.__code__, nothing_withheld) is None


def test_a_secret_does_not_answer(tmp_path):
    function = loaded(tmp_path, "def f(password, a):\n    if password == 'x' and a:\n        return 1\n")
    found = decisions.of_code(function.__code__, lambda name: "name: password" if name == "password" else "")
    assert found is not None
    (decision,) = found[2]
    assert decision.truth is None
    assert [(part.text, part.withheld) for part in decision.parts] == [
        ("password", "name: password"),
        ("a", ""),
    ]
