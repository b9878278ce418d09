"""The report: everything a session holds, the same bytes from the same rows, and hostile text that stays text."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.alerts.models import Alert, Episode, Incident
from investigations.evidence import services
from investigations.evidence.export import json as report_json
from investigations.evidence.export import markdown
from investigations.evidence.export.report import Report, report
from investigations.lib.errors import NotFound
from investigations.lib.ids import show
from investigations.probes.models import Probe
from investigations.sessions import services as sessions
from investigations.sessions.models import InvestigationSession
from sightline import wire

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOSTILE = (
    "</td><img src=x onerror=alert(1)> | `` ``` @everyone\n# heading "
    "[a](http://evil.example) \u202etxt.exe\x1b[31m"
)


@pytest.fixture
def alert(environment: Environment) -> Alert:
    incident = Incident.objects.create(
        environment=environment, number=4, title="Settlements", opened_at=NOON, grouping_reason="One service."
    )
    alert = Alert.objects.create(
        environment=environment, fingerprint="1-a", name="SettlementRejectionsHigh", state="firing", state_since=NOON,
        first_seen_at=NOON, last_seen_at=NOON, expression="rejected_ratio > 0.01", threshold=0.01,
    )  # fmt: skip
    Episode.objects.create(alert=alert, incident=incident, started_at=NOON, last_seen_at=NOON)
    return alert


@pytest.fixture
def session(responder: Actor, environment: Environment, alert: Alert) -> InvestigationSession:
    return sessions.open_session(by=responder, environment=environment, alert=alert)


@pytest.fixture
def told(
    responder: Actor, agent: Actor, session: InvestigationSession, probe: Probe, make_capture: Callable[..., Any],
    alert: Alert,
) -> InvestigationSession:  # fmt: skip
    """A session in which all kinds of things happened, some of them hostile."""
    first = services.propose_hypothesis(
        by=responder, session=session, statement="It is text", weakens="A bool."
    )
    rival = services.propose_hypothesis(by=agent, session=session, statement=HOSTILE, purpose="What else?")
    watches = {"high_value": wire.Value("str", HOSTILE), "key": wire.Value("str", redacted="name: key")}
    capture = make_capture(probe, message=HOSTILE, watches=watches)
    services.record_evidence(
        by=agent, session=session, title=HOSTILE, of=show("cap", capture.id),
        hypotheses=[(first, "supports"), (rival, "refutes")], explains=[alert],
    )  # fmt: skip
    services.record_evidence(
        by=agent, session=session, kind="inference", title="So it must be", content={"a": HOSTILE}
    )
    session.refresh_from_db()
    return session


def test_the_report_holds_what_the_session_holds(viewer: Actor, told: InvestigationSession) -> None:
    plain = report(viewer, told)
    assert (plain["format"], plain["version"]) == ("sightline-report", 1)
    assert plain["alert"] is not None
    assert plain["alert"]["name"] == "SettlementRejectionsHigh"
    assert plain["incident"] is not None
    assert plain["incident"]["grouping_reason"] == "One service."
    assert plain["verdict"]["verdict"] == "likely"
    assert [gate["slug"] for gate in plain["verdict"]["gates"]] == [
        "mechanism",
        "rivals",
        "disconfirming",
        "coverage",
    ]
    assert [part["evidence"] for part in plain["hypotheses"]] == [
        [{"evidence": "E1", "stance": "supports"}], [{"evidence": "E1", "stance": "refutes"}],
    ]  # fmt: skip
    [probe] = plain["probes"]
    assert (probe["hits"], probe["endings"]) == (42, {"captured": 1, "condition_false": 41})
    assert probe["deliveries"][0]["commit"] == "9f2c1e7"
    assert plain["session"]["participants"] == ["rita", "claude-1 for rita"]
    assert len(plain["timeline"]) == told.timeline_cursor == plain["coverage"]["timeline_entries"]
    assert plain["coverage"]["partial_evidence"] == ["E1"], "a watched value was withheld"
    assert plain["coverage"]["told_not_copied"] == ["E2"]


def test_the_same_rows_give_the_same_bytes_whoever_asks(
    viewer: Actor, admin: Actor, told: InvestigationSession
) -> None:
    for write in (markdown.write, report_json.write):
        assert write(report(viewer, told)).encode() == write(report(admin, told)).encode()


def test_the_json_form_fits_its_schema_and_comes_back_whole(
    viewer: Actor, told: InvestigationSession
) -> None:
    plain = report(viewer, told)
    again = json.loads(report_json.write(plain))
    assert msgspec.convert(again, Report) == plain
    assert "version" in json.dumps(report_json.schema())


def test_hostile_text_stays_text_in_markdown(viewer: Actor, told: InvestigationSession) -> None:
    written = markdown.write(report(viewer, told))
    outside_code = "\n".join(
        line for line in written.splitlines() if "`" not in line and not line.startswith(" ")
    )
    for trap in ("<img", "@everyone", "[a](http"):
        assert trap not in outside_code
    assert "\u202e" not in written
    assert "\x1b" not in written
    assert "\n# heading" not in written


def test_the_matrix_table_keeps_its_shape(viewer: Actor, told: InvestigationSession) -> None:
    written = markdown.write(report(viewer, told))
    rows = [line for line in written.splitlines() if line.startswith("| E")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}


def test_an_empty_session_has_a_report_too(responder: Actor, environment: Environment) -> None:
    blank = sessions.open_session(by=responder, environment=environment, title="Nothing yet")
    written = markdown.write(report(responder, blank))
    assert "None was proposed." in written
    assert "None was placed." in written


def test_a_stranger_gets_none(stranger: Actor, told: InvestigationSession) -> None:
    with pytest.raises(NotFound):
        report(stranger, told)
