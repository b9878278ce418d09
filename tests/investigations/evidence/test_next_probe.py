"""Where to probe next, by what the session supposes and what its captures ran through."""

from __future__ import annotations

from investigations.evidence.next_probe import Thought, next_probes
from investigations.evidence.services import propose_hypothesis

SPLITS = {"H1": {"str": 0.9, "bool": 0.1}, "H2": {"str": 0.1, "bool": 0.9}}


def test_a_probe_that_splits_the_hypotheses_comes_first(responder, session):
    for statement in ("It is text", "It is never set"):
        propose_hypothesis(by=responder, session=session, statement=statement)
    found = next_probes(
        responder, session, thoughts=[Thought("a.py:1", {}), Thought("trades/request.py:41", SPLITS)]
    )
    assert [each.name for each in found] == ["trades/request.py:41"]
    assert found[0].bits > 0.5
    assert "H1 from H2" in found[0].sentence


def test_nothing_to_split_and_nothing_suspicious_is_no_advice(responder, session):
    assert next_probes(responder, session, thoughts=[Thought("a.py:1", SPLITS)]) == []
