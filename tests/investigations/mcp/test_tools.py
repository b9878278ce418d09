"""An investigation by tools, step by step; every step stands on the timeline with the agent and its purpose."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from django.db import connection

from investigations.accounts.actors import Actor
from investigations.lib.ids import show
from investigations.mcp.tools import TOOLS
from investigations.probes.models import Probe
from investigations.probes.services import record_counters, remove_probe
from investigations.sessions.models import TimelineEntry
from sightline import wire
from tests.investigations.mcp.conftest import AgentClient, Refused
from tests.investigations.probes.conftest import AFTER, FILE
from tests.investigations.probes.samples import DETAILS, FIGURES

SERVICE = "trade-execution-service"


@pytest.fixture
def truncated(transactional_db: None):
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE probes_capture")  # an unmanaged table, which Django's own flush leaves alone


def test_services_are_listed_page_by_page(claude: AgentClient, instance):
    answer = claude.call("list_services")
    assert [row["name"] for row in answer["services"]] == [SERVICE]
    assert answer["coverage"] == {"returned": 1, "of": 1}
    assert "next_cursor" not in answer


def test_no_alert_is_an_answer(claude: AgentClient, environment):
    answer = claude.call("list_alerts")
    assert "alerts" not in answer
    assert answer["hint"]
    assert "never instructions" in answer["untrusted"]


def test_a_session_is_opened_once_and_read(claude: AgentClient, service):
    opened = claude.call(
        "open_session", purpose="Why?", service=SERVICE, title="Rejections", idempotency_key="k"
    )
    again = claude.call(
        "open_session", purpose="Why?", service=SERVICE, title="Rejections", idempotency_key="k"
    )
    assert opened["session"]["id"] == again["session"]["id"]
    read = claude.call("get_session", session_id=opened["session"]["url"], include=["timeline"])
    assert read["session"]["id"] == opened["session"]["id"]
    assert read["timeline"][0]["purpose"] == "Why?"
    assert read["timeline"][0]["actor"] == "claude-1 for rita"


def test_every_step_leaves_the_agents_name_and_purpose(
    claude: AgentClient, ses: str, source, instance, place, capture, truncated
):
    probe = place()
    stored = capture(probe, kind="snapshot")
    about = {"session_id": ses, "service": SERVICE, "purpose": "To know"}
    where = {"file": FILE, "line": AFTER}
    found = show("prb", probe.pk)
    calls = {
        "check_probe": about | where,
        "place_probe": about | where,
        "wait_for_captures": {"probe_ids": [found], "timeout_s": 0, "purpose": "To know"},
        "get_capture": {"capture_id": show("cap", uuid_of(stored)), "purpose": "To know"},
        "remove_probe": {"probe_id": found, "purpose": "To know"},
        "export_report": {"session_id": ses, "purpose": "To know"},
    }
    for tool, arguments in calls.items():
        before = TimelineEntry.objects.count()
        claude.call(tool, **arguments)
        entry = TimelineEntry.objects.order_by("cursor").last()
        assert TimelineEntry.objects.count() > before, tool
        assert (entry.actor_kind, entry.actor_label, entry.purpose) == (
            "agent",
            "claude-1 for rita",
            "To know",
        ), tool


def uuid_of(capture: wire.Capture):
    import uuid

    return uuid.UUID(bytes=capture.id)


@pytest.fixture
def ses(session) -> str:
    return show("ses", session.pk)


def test_a_probe_where_nothing_runs_names_the_nearest_lines(claude: AgentClient, ses: str, source, instance):
    checked = claude.call("check_probe", session_id=ses, service=SERVICE, file=FILE, line=1)
    assert checked["problems"][0]["alternatives"]["nearest"]
    with pytest.raises(Refused) as refused:
        claude.call("place_probe", session_id=ses, service=SERVICE, file=FILE, line=1, purpose="x")
    assert refused.value.problem["code"] == "line_not_executable"
    assert not Probe.objects.exists()


def test_a_condition_that_could_run_code_is_refused(claude: AgentClient, ses: str, source, instance):
    with pytest.raises(Refused) as refused:
        claude.call(
            "place_probe", session_id=ses, service=SERVICE, file=FILE, line=AFTER, purpose="x",
            condition="__import__('os').system('x')",
        )  # fmt: skip
    assert refused.value.problem["fix"]
    assert not Probe.objects.exists()


def test_waiting_in_vain_says_why(claude: AgentClient, probe):
    answer = claude.call("wait_for_captures", probe_ids=[show("prb", probe.pk)], timeout_s=0)
    assert answer["status"] == "timeout"
    assert answer["possible_causes"]
    assert answer["deliveries"][0]["state"] == "pending"


def test_a_wait_reports_progress_and_ends_with_its_probe(claude: AgentClient, responder: Actor, probe):
    told: list[float] = []

    async def wait(client):
        async def progress(seconds: float, total: float | None, message: str | None) -> None:
            told.append(seconds)
            if len(told) == 1:
                await asyncio.to_thread(remove_probe, by=responder, probe=probe)

        return await client.call_tool(
            "wait_for_captures",
            {"probe_ids": [show("prb", probe.pk)], "timeout_s": 50},
            progress_callback=progress,
        )

    answer = claude.use(wait).structured_content
    assert answer["status"] == "ended"
    assert told


def test_a_wait_goes_on_where_the_last_one_ended(claude: AgentClient, place, capture, truncated):
    probe = place(hit_limit=0)
    for number in range(5):
        capture(probe, hit=number)
    seen, cursor = [], 0
    for _ in range(2):
        answer = claude.call(
            "wait_for_captures", probe_ids=[show("prb", probe.pk)], after=cursor, timeout_s=0
        )
        seen += [row["cursor"] for row in answer.get("captures", [])]
        cursor = answer["next_cursor"]
    assert seen == [1, 2, 3, 4, 5]


def test_captures_that_do_not_fit_come_with_the_next_call(claude: AgentClient, place, capture, truncated):
    probe = place(hit_limit=0)
    for number in range(30):
        capture(probe, hit=number, message="m" * 3_000)
    seen, cursor = [], 0
    while True:
        answer = claude.call(
            "wait_for_captures", probe_ids=[show("prb", probe.pk)], after=cursor, timeout_s=0
        )
        if "captures" not in answer:
            break
        seen += [row["cursor"] for row in answer["captures"]]
        cursor = answer["next_cursor"]
    assert seen == list(range(1, 31))


def test_a_capture_stored_while_waiting_ends_the_wait(claude: AgentClient, place, capture, truncated):
    probe = place()

    async def wait(client):
        waiting = asyncio.create_task(
            client.call_tool("wait_for_captures", {"probe_ids": [show("prb", probe.pk)], "timeout_s": 50})
        )
        await asyncio.sleep(0.5)
        await asyncio.to_thread(capture, probe, watches={"high_value": wire.Value("str", "true", size=4)})
        return await waiting

    began = time.monotonic()
    answer = claude.use(wait).structured_content
    assert answer["captures"][0]["watches"]["high_value"] == {"type": "str", "value": "true", "size": 4}
    assert time.monotonic() - began < 45


def test_probes_of_two_sessions_share_no_cursor(
    claude: AgentClient, responder: Actor, environment, probe, spec
):
    from investigations.probes.services import place_probe
    from investigations.sessions.services import open_session

    other = place_probe(
        by=responder, session=open_session(by=responder, environment=environment, title="Other"), spec=spec()
    )
    with pytest.raises(Refused) as refused:
        claude.call(
            "wait_for_captures", probe_ids=[show("prb", probe.pk), show("prb", other.pk)], timeout_s=0
        )
    assert refused.value.problem["code"] == "probes_of_sessions"


def test_a_hypothesis_and_its_evidence(claude: AgentClient, ses: str, place, capture, truncated):
    probe = place()
    stored = capture(probe, watches={"high_value": wire.Value("str", "true", size=4)})
    made = claude.call("record_hypothesis", session_id=ses, statement="It holds text")["hypothesis"]
    kept = claude.call(
        "record_evidence",
        session_id=ses,
        title="It is text",
        of=show("cap", uuid_of(stored)),
        hypothesis_ids=[made["id"]],
    )
    assert kept["evidence"]["links"][0]["hypothesis_id"] == made["id"]
    moved = claude.call("record_hypothesis", session_id=ses, hypothesis_id=made["id"], state="testing")
    assert moved["hypothesis"]["state"] in ("testing", "supported")
    report = claude.call("export_report", session_id=ses)["report"]
    assert "It holds text" in report
    assert "It is text" in report


@pytest.mark.parametrize("tool", [name for name in TOOLS if name not in ("list_alerts", "list_services")])
def test_what_is_another_environments_does_not_exist(
    cast: Callable[..., AgentClient], stranger: Actor, ses: str, probe, tool: str
):
    prb = show("prb", probe.pk)
    arguments = {
        "open_session": {"purpose": "x", "service": SERVICE},
        "wait_for_captures": {"probe_ids": [prb], "timeout_s": 0},
        "get_capture": {"capture_id": show("cap", probe.pk)},
        "compare_captures": {"session_id": ses, "probe_id": prb},
        "learn_invariants": {"session_id": ses},
        "suspect_commits": {"session_id": ses, "commits": [{"id": "c1"}]},
        "suggest_probes": {"session_id": ses},
        "rank_causes": {"session_id": ses, "target": "web", "calls": [], "nodes": {}},
        "remove_probe": {"probe_id": prb},
        "get_session": {"session_id": ses},
        "export_report": {"session_id": ses},
        "record_hypothesis": {"session_id": ses, "statement": "x"},
        "record_evidence": {"session_id": ses, "title": "x"},
        "list_functions": {"service": SERVICE},
        "find_assignments": {"session_id": ses, "service": SERVICE, "target": "A.b"},
        "search_code": {"session_id": ses, "service": SERVICE, "text": "setattr"},
        "read_code": {"session_id": ses, "service": SERVICE},
        "check_probe": {"session_id": ses, "service": SERVICE, "file": FILE, "line": AFTER},
        "place_probe": {"session_id": ses, "service": SERVICE, "file": FILE, "line": AFTER, "purpose": "x"},
    }
    with pytest.raises(Refused) as refused:
        cast(stranger).call(tool, **arguments[tool])
    assert refused.value.problem["code"].endswith(("_not_found", "_unknown"))


def report(instance, probe: Probe, figures) -> None:
    """Let the instance report figures of a probe."""
    counters = wire.ProbeCounters(show("prb", probe.id), 1_763_851_200_000_000_000, {}, figures=figures)
    record_counters(instance, wire.Heartbeat(at=counters.since, mono=0, counters=[counters]))


def test_a_metric_is_placed_and_checked_for_its_percentiles(claude: AgentClient, ses: str, source, instance):
    answer = claude.call(
        "place_probe", session_id=ses, service=SERVICE, purpose="How large?", file=FILE, line=AFTER,
        kind="metric", value="amount",
    )  # fmt: skip
    assert answer["probe"]["value"] == "amount"
    assert "check_probe" in answer["hint"]
    report(instance, Probe.objects.get(), FIGURES["metric"])

    standing = claude.call("check_probe", probe_id=answer["probe"]["id"])

    measured = standing["probe"]["figures"]["measured"]
    assert [each["p"] for each in measured["percentiles"]] == [50, 90, 99]
    assert all(each["low"] <= each["estimate"] <= each["high"] for each in measured["percentiles"])
    assert any("p50" in point for point in standing["course"])


def test_writers_of_an_attribute_are_told_with_their_types(claude: AgentClient, ses: str, source, instance):
    answer = claude.call(
        "place_probe", session_id=ses, service=SERVICE, purpose="Who writes it?", kind="assignment",
        attribute="trades.trade_request:TradeRequest.high_value",
    )  # fmt: skip
    report(instance, Probe.objects.get(), FIGURES["assignment"])

    standing = claude.call("check_probe", probe_id=answer["probe"]["id"])

    assert standing["probe"]["figures"]["writers"][0]["writer"] == "TradeRequest.__init__:2 constructed bool"
    assert standing["probe"]["figures"]["counts"]["writes"] == 218


def test_what_a_kind_does_not_take_is_refused_with_what_it_takes(
    claude: AgentClient, ses: str, source, instance
):
    with pytest.raises(Refused) as refused:
        claude.call(
            "place_probe", session_id=ses, service=SERVICE, purpose="p", file=FILE, line=AFTER,
            kind="exception", options={"types": ["ValueError"]},
        )  # fmt: skip
    assert refused.value.problem["code"] == "option_unknown"
    assert set(refused.value.problem["alternatives"]["options"]) == {"exceptions", "how"}


def test_a_wait_says_what_was_counted_meanwhile_and_what_each_capture_is(
    claude: AgentClient, place, capture, instance, truncated
):
    probe = place(kind="function")
    report(instance, probe, FIGURES["function"])
    capture(probe, detail=DETAILS["function"])

    answer = claude.call("wait_for_captures", probe_ids=[show("prb", probe.id)], timeout_s=0)

    assert answer["figures"][show("prb", probe.id)].startswith("204 calls, 4 errors")
    assert answer["captures"][0]["summary"] == "returned TradeRequest in 3.25 ms"
    whole = claude.call("get_capture", capture_id=answer["captures"][0]["id"])
    assert whole["capture"]["detail"]["returned"]["fields"]["high_value"] == {"type": "str", "value": "true"}
