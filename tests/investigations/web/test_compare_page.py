"""The compare page: differences, what restates the outcome, what always held, where to look next."""

from __future__ import annotations

import uuid

import pytest

from investigations.alerts.models import Alert
from investigations.lib.ids import show
from investigations.probes.services import label_executions
from investigations.shapes import LabelIn
from sightline import wire


@pytest.fixture
def pair(make_capture, probe, responder, environment):
    """Thirty passing captures and four failing ones; the public ids of one of each."""
    rows = []
    for at in range(34):
        flag = wire.Value("bool", at % 2 == 0) if at < 30 else wire.Value("str", "true")
        status = wire.Value("int", 200 if at < 30 else 500)
        rows.append(make_capture(probe, watches={"urgent": flag, "status": status}, execution_id=f"t{at}"))
    said = [LabelIn(execution_id=f"t{at}", outcome="pass" if at < 30 else "fail") for at in range(34)]
    label_executions(by=responder, environment=environment, outcomes=said)
    return [show("cap", uuid.UUID(str(row.id))) for row in (rows[0], rows[-1])]


def test_what_the_outcome_was_read_from_is_set_apart(browse, viewer, pair):
    address = f"/captures/{pair[0]}/compare/{pair[1]}/"
    plain = browse(viewer).get(address).content.decode()
    apart = browse(viewer).get(f"{address}?label_paths=status").content.decode()
    assert "Restates the outcome" not in plain
    assert "Restates the outcome: status" in apart


def test_broken_invariants_are_told_and_only_responders_raise_them(browse, viewer, responder, pair):
    address = f"/captures/{pair[0]}/compare/{pair[1]}/"
    seen = browse(viewer).get(address).content.decode()
    assert "Not so in 4 of 4: urgent is always bool" in seen
    assert '<span class="path cut" title="urgent">urgent</span><span class="figures">4 of 4 · q' in seen
    assert "Raise as alerts" not in seen
    assert browse(viewer).post(f"/captures/{pair[1]}/silent-failures/").status_code == 403
    assert "Raise as alerts" in browse(responder).get(address).content.decode()
    browse(responder).post(f"/captures/{pair[1]}/silent-failures/")
    assert Alert.objects.filter(labels__invariant="types of urgent").exists()
