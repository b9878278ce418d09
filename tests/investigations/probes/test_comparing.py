"""Captures of a session, labelled afterwards, compared."""

from __future__ import annotations

import uuid

import pytest
from uuid_utils.compat import uuid7

from investigations.lib.errors import Invalid, NotFound
from investigations.probes.comparing import compare_captures
from investigations.probes.services import label_executions
from investigations.shapes import LabelIn
from sightline import wire


@pytest.fixture
def labelled(probe, capture, responder, environment):
    """Three failing and fifty passing captures of one probe."""
    made = []
    for at in range(53):
        flag = wire.Value("str", "true") if at < 3 else wire.Value("bool", at % 2 == 0)
        frame = wire.Frame(
            "run", "trades.py", 41, variables={"high_value": flag, "n": wire.Value("int", at % 7)}
        )
        made.append(capture(probe, id=uuid7().bytes, execution_id=f"t{at}", frames=[frame]))
    outcomes = [LabelIn(execution_id=f"t{at}", outcome="fail" if at < 3 else "pass") for at in range(53)]
    label_executions(by=responder, environment=environment, outcomes=outcomes)
    return [uuid.UUID(bytes=each.id) for each in made]


def test_the_labels_choose_what_is_compared(responder, session, probe, labelled):
    found = compare_captures(responder, session)
    assert (len(found.failing), len(found.passing)) == (3, 50)
    assert found.result.differences[0].predicate == "type(high_value) is str"


def test_captures_may_be_named_on_either_side(responder, session, labelled):
    found = compare_captures(responder, session, failing=labelled[3:6], passing=labelled[10:12])
    assert (found.result.failing, found.result.passing) == (3, 2)
    assert not found.result.differences


def test_nothing_captured_is_an_answer(responder, session, probe):
    assert (
        "no failing and passing captures" in compare_captures(responder, session, probe=probe).result.sentence
    )


def test_captures_of_two_probes_are_not_compared(responder, session, place, capture, labelled):
    other = capture(place(), id=uuid7().bytes)
    with pytest.raises(Invalid, match="different probes"):
        compare_captures(responder, session, failing=[uuid.UUID(bytes=other.id)], passing=labelled[3:4])


def test_strangers_learn_nothing(stranger, session, labelled):
    with pytest.raises(NotFound):
        compare_captures(stranger, session, failing=labelled[:1])
