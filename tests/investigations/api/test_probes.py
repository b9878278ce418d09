"""Probes and captures over REST."""

from __future__ import annotations

import pytest

from investigations.lib.ids import show
from investigations.probes.models import Probe
from investigations.probes.services import record_counters
from sightline import wire
from tests.investigations.api.conftest import Caller, problem
from tests.investigations.probes.conftest import AFTER, FILE
from tests.investigations.probes.samples import FIGURES

WHERE = {"service": "trade-execution-service", "file": FILE, "line": AFTER}


def test_checked_then_placed_once_then_removed(rita: Caller, ses: str, source, instance):
    assert rita("POST", f"/sessions/{ses}/probes/check", WHERE).json()["ok"]
    assert not Probe.objects.exists()
    body = WHERE | {"condition": "amount > 10000", "purpose": "Its type"}
    placed = rita("POST", f"/sessions/{ses}/probes", body, Idempotency_Key="k")
    assert placed.status_code == 201
    assert placed.json()["deliveries"][0]["state"] == "pending"
    again = rita("POST", f"/sessions/{ses}/probes", body, Idempotency_Key="k")
    assert again.json()["id"] == placed.json()["id"]
    assert [row["id"] for row in rita("GET", f"/sessions/{ses}/probes").json()] == [placed.json()["id"]]
    probe = f"/probes/{placed.json()['id']}"
    assert rita("GET", probe).json()["state"] == "active"
    assert rita("DELETE", probe).json()["state"] == "removed"


def test_a_line_where_nothing_runs_names_those_near(rita: Caller, ses: str, source, instance):
    body = problem(rita("POST", f"/sessions/{ses}/probes", WHERE | {"line": 1}), 400, "line_not_executable")
    assert body["alternatives"]["nearest"]
    assert not Probe.objects.exists()


def test_an_unknown_service_names_those_near(rita: Caller, ses: str, service):
    body = problem(
        rita("POST", f"/sessions/{ses}/probes", WHERE | {"service": "trade-service"}),
        404,
        "service_unknown",
    )
    assert "trade-execution-service" in str(body["alternatives"])


def test_who_may_not(vera: Caller, sam: Caller, ses: str, probe, environment):
    path = f"/probes/{show('prb', probe.pk)}"
    problem(vera("DELETE", path), 403, "forbidden")
    problem(vera("POST", f"/environments/{environment.name}/disarm", {"reason": "x"}), 403, "forbidden")
    problem(sam("GET", path), 404, "probe_not_found")
    problem(
        sam("POST", f"/environments/{environment.name}/disarm", {"reason": "x"}), 404, "environment_unknown"
    )
    assert Probe.objects.get().state == "active"


def test_everything_is_disarmed_at_once(rita: Caller, probe, environment):
    assert rita("POST", f"/environments/{environment.name}/disarm", {"reason": "Load"}).json() == {
        "probes": 1
    }


def test_captures_come_in_order_with_exact_types(rita: Caller, ses: str, probe, capture):
    for number in range(3):
        capture(probe, watches={"high_value": wire.Value("str", "true", size=4)}, hit=number)
    page = rita("GET", f"/sessions/{ses}/captures?limit=2").json()
    assert [row["cursor"] for row in page["captures"]] == [1, 2]
    rest = rita("GET", f"/sessions/{ses}/captures?after={page['next_after']}").json()
    assert [row["cursor"] for row in rest["captures"]] == [3]
    whole = rita("GET", f"/captures/{rest['captures'][0]['id']}").json()
    assert whole["watches"]["high_value"] == {"type": "str", "value": "true", "size": 4}
    assert whole["untrusted"] is True


@pytest.mark.django_db(transaction=True)
def test_waiting_in_vain_is_an_answer(rita: Caller, probe):
    waited = rita("GET", f"/captures/wait?probe_id={show('prb', probe.pk)}&timeout_s=0").json()
    assert waited["status"] == "timeout"
    assert waited["possible_causes"]


def test_outcomes_label_executions(rita: Caller, vera: Caller, environment):
    body = {"outcomes": [{"trace_id": "a" * 32, "outcome": "fail", "source": "ledger"}]}
    assert rita("POST", "/outcomes", body).json() == {"taken": 1}
    problem(vera("POST", "/outcomes", body), 403, "forbidden")
    wrong = {"outcomes": [{"trace_id": "a" * 32, "outcome": "perhaps"}]}
    assert rita("POST", "/outcomes", wrong).status_code == 400


def test_figures_are_told_in_all_and_over_time(rita: Caller, sam: Caller, ses: str, place, instance):
    probe = place(kind="duration", options={"slower_than_ms": 500})
    counters = wire.ProbeCounters(
        show("prb", probe.id), 1_763_851_200_000_000_000, {}, figures=FIGURES["duration"]
    )
    record_counters(instance, wire.Heartbeat(at=counters.since, mono=0, counters=[counters]))
    path = f"/probes/{show('prb', probe.id)}"

    told = rita("GET", f"{path}/figures").json()
    assert told["total"]["measured"]["unit"] == "ms"
    assert (
        sum(point["figures"]["measured"]["count"] for point in told["points"] if point.get("figures"))
        == (FIGURES["duration"]["count"])
    )
    assert rita("GET", path).json()["figures"] == told["total"]
    assert rita("GET", path).json()["options"] == {"slower_than_ms": 500}
    problem(sam("GET", f"{path}/figures"), 404, "probe_not_found")
    problem(
        rita("GET", f"{path}/figures?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z"),
        400,
        "window_malformed",
    )


def test_a_removal_is_taken_back(rita: Caller, vera: Caller, probe):
    path = f"/probes/{show('prb', probe.id)}"
    rita("DELETE", path)
    problem(vera("POST", f"{path}/restore"), 403, "forbidden")
    assert rita("POST", f"{path}/restore").json()["state"] == "active"


def test_each_kind_says_what_is_missing(rita: Caller, ses: str, source, instance):
    for kind, code in (
        ("metric", "value_missing"),
        ("logpoint", "template_missing"),
        ("expectation", "value_missing"),
    ):
        problem(rita("POST", f"/sessions/{ses}/probes", WHERE | {"kind": kind}), 400, code)
    body = problem(
        rita("POST", f"/sessions/{ses}/probes", WHERE | {"file": "../../etc/passwd"}), 400, "file_malformed"
    )
    assert body["alternatives"]["field"] == "file"
