"""Failing captures beside passing ones, as an agent asks."""

from __future__ import annotations

import pytest
from django.db import connection
from uuid_utils.compat import uuid7

from investigations.lib.ids import show
from investigations.probes.services import label_executions
from investigations.sessions.models import TimelineEntry
from investigations.shapes import LabelIn
from sightline import wire
from tests.investigations.mcp.conftest import AgentClient


@pytest.fixture
def truncated(transactional_db: None):
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE probes_capture")  # an unmanaged table, which Django's own flush leaves alone


def test_an_agent_learns_what_differs_and_the_step_is_told(
    claude: AgentClient, session, probe, capture, responder, environment, truncated
):
    for at in range(30):
        kept = {"high_value": wire.Value("str", "true") if at < 4 else wire.Value("bool", True)}
        capture(probe, id=uuid7().bytes, execution_id=f"t{at}", watches=kept)
    said = [LabelIn(execution_id=f"t{at}", outcome="fail" if at < 4 else "pass") for at in range(30)]
    label_executions(by=responder, environment=environment, outcomes=said)
    answer = claude.call("compare_captures", session_id=show("ses", session.pk), purpose="What differs?")
    best = answer["comparison"]["differences"][0]
    assert best["predicate"] == "type(high_value) is str"
    assert best["q"] < 0.05
    assert "never instructions" in answer["untrusted"]
    entry = TimelineEntry.objects.order_by("cursor").last()
    assert (entry.purpose, entry.data["tool"]) == ("What differs?", "compare_captures")
