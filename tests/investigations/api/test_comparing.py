"""Failing captures beside passing ones over REST."""

from __future__ import annotations

from investigations.lib.ids import show
from tests.investigations.api.conftest import Caller, problem


def test_nothing_to_compare_is_an_answer_that_says_what_is_missing(rita: Caller, ses: str, probe):
    answer = rita("GET", f"/sessions/{ses}/captures/compare?probe_id={show('prb', probe.pk)}")
    assert answer.status_code == 200
    assert "no failing and passing captures" in answer.json()["sentence"]
    assert answer.json()["needed"]


def test_who_may_not(sam: Caller, rita: Caller, ses: str, probe):
    problem(sam("GET", f"/sessions/{ses}/captures/compare"), 404, "session_not_found")
    problem(rita("GET", f"/sessions/{ses}/captures/compare?failing=nonsense"), 404, "not_found")
