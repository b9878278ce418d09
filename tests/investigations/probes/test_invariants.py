"""What always held in passing captures, and what breaks it."""

from __future__ import annotations

import pytest
from uuid_utils.compat import uuid7

from investigations.lib.errors import NotFound
from investigations.probes.invariants import learn_invariants
from investigations.probes.services import label_executions
from investigations.shapes import LabelIn
from sightline import wire


@pytest.fixture
def taken(probe, capture, responder, environment):
    """Thirty passing captures with a boolean, and three that nobody labelled, with text."""
    made = []
    for at in range(33):
        flag = wire.Value("bool", at % 2 == 0) if at < 30 else wire.Value("str", "true")
        made.append(capture(probe, id=uuid7().bytes, execution_id=f"t{at}", watches={"urgent": flag}))
    said = [LabelIn(execution_id=f"t{at}", outcome="pass") for at in range(30)]
    label_executions(by=responder, environment=environment, outcomes=said)
    return made


def test_what_passing_captures_hold_to_is_broken_by_others(responder, session, probe, taken):
    held = learn_invariants(responder, session, probe=probe)
    assert (held.passing, held.checked) == (30, 3)
    first = held.broken[0]
    assert first.violation.invariant.sentence.startswith("urgent is always bool")
    assert {row.id.bytes for row in first.captures} == {each.id for each in taken[30:]}


def test_nothing_failing_and_no_probe_named_is_an_answer(responder, session, probe):
    held = learn_invariants(responder, session)
    assert held.probe is None
    assert "No probe here" in held.sentence


def test_strangers_learn_nothing(stranger, session, probe, taken):
    with pytest.raises(NotFound):
        learn_invariants(stranger, session, probe=probe)
