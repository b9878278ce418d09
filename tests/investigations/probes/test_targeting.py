"""A probe is for the instances its targeting names, and a percentage always chooses the same ones."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.catalog.models import Instance
from investigations.lib.errors import Invalid
from investigations.lib.ids import show
from investigations.probes import targeting


def instance(**fields: Any) -> Instance:
    return Instance(
        **({"id": uuid.uuid4(), "commit": "9f2c1e7", "version": "1.2", "tags": {"zone": "a"}} | fields)
    )


ONE = instance()


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, True),
        ({"instances": [str(ONE.id)]}, True),
        ({"instances": [show("ins", ONE.id)]}, True),
        ({"instances": [str(uuid.uuid4())]}, False),
        ({"commit": "9f2c1e7"}, True),
        ({"commit": "9f2c"}, True),
        ({"commit": "0f2c"}, False),
        ({"version": "1.2"}, True),
        ({"version": "1"}, False),
        ({"tags": {"zone": "a"}}, True),
        ({"tags": {"zone": "b"}}, False),
        ({"tags": {"rack": "a"}}, False),
        ({"percent": 100}, True),
        ({"percent": 100, "commit": "0"}, False),
    ],
)
def test_an_instance_is_targeted_when_all_of_it_matches(wish: dict[str, Any], expected: bool) -> None:
    assert targeting.targets(targeting.read(wish), ONE) is expected


@pytest.mark.parametrize(
    "wish",
    [
        {"host": "a"},
        {"instances": "all"},
        {"instances": ["ins_nonsense"]},
        {"instances": ["x"] * 201},
        {"commit": 7},
        {"version": "x" * 101},
        {"tags": ["a"]},
        {"tags": {"a": 1}},
        {"percent": 0},
        {"percent": 100.5},
        {"percent": True},
        {"percent": "10"},
        {"percent": float("nan")},
    ],
)
def test_what_makes_no_sense_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        targeting.read(wish)
    assert caught.value.slug == "targeting_malformed"


@given(st.lists(st.uuids(), min_size=1, max_size=50, unique=True), st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_larger_share_keeps_the_instances_of_a_smaller_one(
    ids: list[uuid.UUID], one: float, other: float
) -> None:
    def chosen(share: float) -> set[uuid.UUID]:
        return {id for id in ids if targeting.targets({"percent": share}, instance(id=id))}

    smaller, larger = sorted((one, other))
    assert chosen(smaller) <= chosen(larger)


def test_a_share_is_about_as_large_as_it_says() -> None:
    chosen = sum(targeting.targets({"percent": 10}, instance(id=uuid.UUID(int=n))) for n in range(5000))

    assert 400 < chosen < 600


def test_it_reads_as_words() -> None:
    wish = {"instances": [str(ONE.id)], "commit": "9f2c", "tags": {"zone": "a"}, "percent": 12.5}

    assert (
        targeting.sentence(targeting.read(wish))
        == "1 chosen instance, commit 9f2c, zone=a, 12.5 % of the instances"
    )
    assert targeting.sentence({}) == ""
