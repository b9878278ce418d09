"""An exception as a capture holds it: everything it says, and none of its code run."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from sightline import exceptions, wire
from sightline.redaction import Redactor


class Mandatory(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(code)
        self.reason = reason


class Hostile(Exception):
    """Whatever is asked of it fails, or does something."""

    ran: list[str] = []

    @property
    def args(self) -> Any:
        self.ran.append("args")
        raise RuntimeError

    @property
    def __cause__(self) -> Any:
        self.ran.append("cause")
        return self

    def __str__(self) -> str:
        self.ran.append("str")
        raise RuntimeError

    def __getattr__(self, name: str) -> Any:
        self.ran.append(name)
        raise RuntimeError

    __repr__ = __str__


def told(error: BaseException, **limits: Any) -> dict[str, Any]:
    copied = exceptions.copy_exception(error, wire.Limits(**limits))
    return exceptions.write_exception(copied, Redactor())[0]


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:  # noqa: BLE001 (any may be asked for)
        return caught


class TestOne:
    def test_tells_type_arguments_fields_and_notes(self):
        error = Mandatory(7, reason="closed")
        error.add_note("while booking")
        said = told(error)
        assert said["type"].endswith("Mandatory")
        assert said["arguments"] == [wire.Value("int", 7)]
        assert said["fields"] == {"reason": wire.Value("str", "closed")}
        assert said["notes"] == ["while booking"]
        assert said["chain"] == []
        assert "where" not in said

    def test_tells_where_it_was_raised_not_where_it_was_caught(self):
        def inner() -> None:
            raise KeyError("k")

        with pytest.raises(KeyError) as caught:
            inner()
        where = told(caught.value)["where"]
        assert where["function"].endswith("inner")
        assert where["line"] == inner.__code__.co_firstlineno + 1
        assert where["file"] == __file__

    def test_tells_the_members_of_builtin_exceptions(self):
        said = told(FileNotFoundError(2, "No such file", "a.txt"))
        assert said["fields"]["filename"].value == "a.txt"
        assert said["fields"]["errno"].value == 2

    def test_tells_what_a_group_holds(self):
        said = told(ExceptionGroup("two", [ValueError(1), TypeError("t")]))
        parts = said["fields"]["exceptions"].items
        assert [part.type for part in parts] == ["ValueError", "TypeError"]
        assert parts[0].fields["args"].items == [wire.Value("int", 1)]

    def test_runs_no_code_of_a_hostile_class(self):
        Hostile.ran.clear()
        said = told(raised(Hostile("a", 1)))
        assert [value.value for value in said["arguments"]] == ["a", 1]
        assert Hostile.ran == []

    def test_withholds_what_the_rules_withhold(self):
        error = Mandatory(1, reason="r")
        error.password = "hunter2"  # type: ignore[attr-defined]
        error.args = ("token sk-abcdefghijklmnopqrstuvwx",)
        error.add_note("password=hunter2")
        said = told(error)
        assert "hunter2" not in repr(said)
        assert "sk-abc" not in repr(said)
        assert said["fields"]["password"].redacted == "name: password"

    def test_is_bounded(self):
        said = told(ValueError(*range(10_000)), items=5)
        assert (len(said["arguments"]), said["cut"]) == (5, "items 5 of 10000")
        many = ValueError()
        vars(many).update({f"f{number}": number for number in range(1000)})
        assert len(told(many, fields=7)["fields"]) <= 8

    def test_keeps_nothing_alive(self):
        class Held:
            pass

        held = Held()
        gone = weakref.ref(held)
        copied = exceptions.copy_exception(ValueError(held), wire.Limits())
        del held
        gc.collect()
        assert gone() is None
        said = exceptions.write_exception(copied, Redactor())[0]
        assert said["arguments"][0].type.endswith("Held")


class TestChains:
    def test_tells_the_cause(self):
        said = told(raised(ValueError("outer"), KeyError("inner")))
        assert [(link["link"], link["type"]) for link in said["chain"]] == [("cause", "KeyError")]

    def test_tells_the_context_unless_it_is_suppressed(self):
        def replace(suppress: bool) -> BaseException:
            try:
                try:
                    raise KeyError("first")
                except KeyError:
                    if suppress:
                        raise ValueError("second") from None
                    raise ValueError("second")  # noqa: B904
            except ValueError as error:
                return error

        assert [link["link"] for link in told(replace(False))["chain"]] == ["context"]
        assert told(replace(True))["chain"] == []

    def test_ends_a_cycle(self):
        one, other = ValueError("one"), KeyError("other")
        one.__cause__, other.__cause__ = other, one
        chain = told(one)["chain"]
        assert chain[0]["type"] == "KeyError"
        assert chain[1] == {"link": "cause", "cut": "cycle"}

    def test_ends_a_long_chain(self):
        error: BaseException = ValueError(0)
        for number in range(1, 30):
            following = ValueError(number)
            following.__cause__ = error
            error = following
        chain = told(error)["chain"]
        assert len(chain) == exceptions.MOST_LINKS + 1
        assert chain[-1] == {"link": "cause", "cut": "chain 10"}
