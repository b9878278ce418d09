"""Calls are found by name, those beside the class's name first."""

from __future__ import annotations

import pytest

from investigations.codebase.callers import find_callers

FILES = {
    "desk.py": "class Desk:\n    def execute(self):\n        self.settle(1)\n\n    def settle(self, x): return x\n",
    "app.py": "def run(desk, other):\n    other.settle(2)\n    Desk.settle(desk, 3)\n    settled = desk.settle\n",
}


def test_calls_that_name_the_class_come_first() -> None:
    found = find_callers(FILES, "desk:Desk.settle")

    assert [(call.path, call.line, call.function, call.confidence) for call in found.calls] == [
        ("app.py", 3, "run", "likely"),
        ("desk.py", 3, "Desk.execute", "likely"),
        ("app.py", 2, "run", "possible"),
    ]


def test_a_bare_name_means_any_function_of_that_name() -> None:
    assert {call.confidence for call in find_callers(FILES, "settle").calls} == {"likely"}


def test_what_cannot_be_seen_is_told() -> None:
    assert any(
        "lost.py" in sentence for sentence in find_callers(FILES, "settle", unread=["lost.py"]).blind_spots
    )


def test_what_names_no_function_is_refused() -> None:
    with pytest.raises(ValueError, match="names no function"):
        find_callers(FILES, "settle()")
