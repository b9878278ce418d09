"""Hypotheses and evidence over REST."""

from __future__ import annotations

from investigations.evidence.models import Evidence
from investigations.lib.ids import show
from tests.investigations.api.conftest import Caller, problem


def test_a_hypothesis_and_the_evidence_for_it(rita: Caller, ses: str, alert):
    proposed = rita("POST", f"/sessions/{ses}/hypotheses", {"statement": "It holds text"})
    assert proposed.status_code == 201
    hypothesis = proposed.json()["id"]
    body = {
        "title": "It fired", "kind": "alert", "of": show("alr", alert.pk), "explains_alert_id": show("alr", alert.pk),
        "hypotheses": [{"hypothesis_id": hypothesis, "stance": "supports"}],
    }  # fmt: skip
    recorded = rita("POST", f"/sessions/{ses}/evidence", body, Idempotency_Key="e")
    assert recorded.status_code == 201
    assert (
        rita("POST", f"/sessions/{ses}/evidence", body, Idempotency_Key="e").json()["id"]
        == recorded.json()["id"]
    )
    whole = rita("GET", f"/evidence/{recorded.json()['id']}").json()
    assert {link.get("hypothesis_id") for link in whole["links"]} >= {hypothesis}
    assert {link.get("alert_id") for link in whole["links"]} >= {show("alr", alert.pk)}
    assert [row["id"] for row in rita("GET", f"/sessions/{ses}/evidence").json()] == [whole["id"]]
    assert rita("GET", f"/hypotheses/{hypothesis}").json()["statement"] == "It holds text"
    assert [row["id"] for row in rita("GET", f"/sessions/{ses}/hypotheses").json()] == [hypothesis]


def test_a_hypothesis_is_moved_by_whoever_read_its_state(rita: Caller, ses: str):
    made = rita("POST", f"/sessions/{ses}/hypotheses", {"statement": "It holds text"}).json()
    path = f"/hypotheses/{made['id']}"
    tag = rita("GET", path)["ETag"]
    assert rita("PATCH", path, {"state": "testing"}, If_Match=tag).json()["state"] == "testing"
    problem(
        rita("PATCH", path, {"state": "untestable", "reason": "x"}, If_Match=tag), 412, "changed_meanwhile"
    )


def test_evidence_joins_an_incident_in_one_step(rita: Caller, alert):
    incident = rita("GET", "/incidents").json()[0]["id"]
    answer = rita(
        "POST", f"/incidents/{incident}/evidence", {"title": "Seen on the ledger", "content": {"rejected": 7}}
    )
    assert answer.status_code == 201
    assert [row["id"] for row in rita("GET", f"/incidents/{incident}/evidence").json()] == [
        answer.json()["id"]
    ]
    assert rita("GET", f"/incidents/{incident}").json()["id"] == incident


def test_who_may_not(vera: Caller, sam: Caller, ses: str):
    problem(vera("POST", f"/sessions/{ses}/hypotheses", {"statement": "x"}), 403, "forbidden")
    problem(vera("POST", f"/sessions/{ses}/evidence", {"title": "x"}), 403, "forbidden")
    problem(sam("POST", f"/sessions/{ses}/evidence", {"title": "x"}), 404, "session_not_found")
    assert not Evidence.objects.exists()


def test_evidence_of_something_that_is_not_there_is_refused(rita: Caller, ses: str):
    answer = rita(
        "POST", f"/sessions/{ses}/evidence", {"title": "x", "kind": "capture", "of": "cap_nonsense"}
    )
    assert answer.status_code in (400, 404)
    assert answer["Content-Type"] == "application/problem+json"
    assert not Evidence.objects.exists()
