"""Where to probe next, by what the session supposes and what its captures ran through."""

from __future__ import annotations

from uuid_utils.compat import uuid7

from investigations.catalog.models import Instance
from investigations.evidence.next_probe import Thought, next_probes
from investigations.evidence.services import propose_hypothesis
from investigations.probes.services import label_executions
from investigations.shapes import LabelIn
from sightline import wire
from tests.investigations.probes.conftest import capture

__all__ = ["capture"]

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


def test_only_lines_of_the_services_own_code_are_proposed(
    responder, session, environment, instance, probe, capture
):
    Instance.objects.filter(pk=instance.pk).update(roots=["/srv/app"])
    stack = ("/usr/lib/python3.12/threading.py", "/srv/app/lib/python3.12/site-packages/flask/app.py")
    for at in range(6):
        own = "trades/importer.py" if at < 3 else "trades/form.py"
        frames = [wire.Frame("run", file, 7) for file in (*stack[: 2 if at < 3 else 0], f"/srv/app/{own}")]
        capture(probe, id=uuid7().bytes, execution_id=f"t{at}", frames=frames)
    said = [LabelIn(execution_id=f"t{at}", outcome="fail" if at < 3 else "pass") for at in range(6)]
    label_executions(by=responder, environment=environment, outcomes=said)
    assert [each.name for each in next_probes(responder, session)] == ["trades/importer.py:7"]
