"""Invariants, suspect commits, next probes and causes over REST."""

from __future__ import annotations

from investigations.lib.ids import show
from tests.investigations.api.conftest import Caller, problem

NORMAL = [0.10, 0.11, 0.09, 0.10, 0.12] * 20


def node(during: float) -> dict[str, list[float]]:
    return {"before": NORMAL, "during": [during, during], "requests": [50, 50]}


def test_the_cause_in_a_call_graph_is_named(rita: Caller, ses: str):
    body = {
        "target": "web",
        "calls": [["web", "orders"], ["web", "search"]],
        "nodes": {"web": node(0.5), "orders": node(0.5), "search": node(0.1)},
    }
    answer = rita("POST", f"/sessions/{ses}/causes", body).json()
    assert (answer["verdict"], answer["causes"][0]["node"]) == ("wrong", "orders")
    assert answer["causes"][0]["test"] == "past_stretches"


def test_without_anything_posted_what_is_known_here_is_asked(rita: Caller, ses: str):
    assert rita("POST", f"/sessions/{ses}/causes", {}).json()["verdict"] == "no_data"
    assert rita("POST", f"/sessions/{ses}/suspect-commits", {}).json() == []
    answer = rita("POST", f"/sessions/{ses}/causes", {"service": "no such"})
    problem(answer, 404, "service_unknown")


def test_nothing_learned_is_an_answer(rita: Caller, ses: str, probe):
    answer = rita("GET", f"/sessions/{ses}/captures/invariants?probe_id={show('prb', probe.pk)}")
    assert answer.status_code == 200
    assert "too few" in answer.json()["sentence"]


def test_no_failing_capture_suspects_no_commit_and_no_line(rita: Caller, ses: str):
    history = {"commits": [{"id": "c2", "parents": ["c1"], "files": ["a.py"]}, {"id": "c1"}], "running": "c2"}
    assert rita("POST", f"/sessions/{ses}/suspect-commits", history).json() == []
    assert rita("POST", f"/sessions/{ses}/probes/suggest", {}).json() == []


def test_who_may_not(sam: Caller, ses: str):
    for method, path, body in (
        ("GET", "captures/invariants", None),
        ("POST", "silent-failures", {}),
        ("POST", "suspect-commits", {"commits": [{"id": "c1"}]}),
        ("POST", "probes/suggest", {}),
        ("POST", "causes", {"target": "web", "calls": [], "nodes": {}}),
    ):
        problem(sam(method, f"/sessions/{ses}/{path}", body), 404, "session_not_found")
