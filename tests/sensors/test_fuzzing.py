"""Every door of the sensor refuses bytes that nobody meant with its own error, and in time."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from sightline import expressions, wire
from sightline.errors import ExpressionError
from sightline.protocol import Protocol, ProtocolError
from tests.sensors.fuzzing import DOORS, HELLO, TOKEN, fuzz, mutations

pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning")


@pytest.mark.parametrize("door", DOORS)
def test_bytes_that_nobody_meant_are_refused(door: str) -> None:
    for data in itertools.islice(mutations(door), 1_500):
        DOORS[door](data)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("door", DOORS)
def test_no_door_gives_way_for_a_while(door: str) -> None:
    assert fuzz(door, seconds=20.0) > 0


def test_the_same_bytes_come_in_every_run() -> None:
    first, second = (list(itertools.islice(mutations("expression"), 200)) for _ in range(2))
    assert first == second


def test_text_that_is_not_utf_8_ends_a_connection_with_a_reason() -> None:
    frame = msgspec.msgpack.encode(wire.Refusal("slug", "sentence")).replace(b"sentence", b"senten\xff\xfe")
    with pytest.raises(ProtocolError) as refused:
        Protocol(TOKEN, HELLO).receive(frame)
    assert refused.value.slug == "malformed"


def test_a_name_that_is_no_text_is_refused() -> None:
    tree = wire.Expression(text="a", tree=["name", ["a"]])
    with pytest.raises(ExpressionError):
        expressions.compile(tree)
