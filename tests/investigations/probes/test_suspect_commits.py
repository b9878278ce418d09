"""Lines and commits that the stacks of failing captures point at."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from uuid_utils.compat import uuid7

from investigations.analysis.commits import Commit
from investigations.catalog import services as catalog
from investigations.catalog.models import Instance
from investigations.lib.errors import NotFound
from investigations.probes.services import label_executions
from investigations.probes.suspect_commits import stacks, suspect_commits
from investigations.shapes import LabelIn
from sightline import wire


@pytest.fixture
def taken(probe, capture, responder, environment):
    """Failing captures came through the importer, passing ones through the form."""
    for at in range(12):
        caller = ("load", "trades/importer.py", 7) if at < 4 else ("post", "trades/form.py", 9)
        frames = [wire.Frame("run", "trades/request.py", 41), wire.Frame(*caller)]
        capture(probe, id=uuid7().bytes, execution_id=f"t{at}", frames=frames)
    said = [LabelIn(execution_id=f"t{at}", outcome="fail" if at < 4 else "pass") for at in range(12)]
    label_executions(by=responder, environment=environment, outcomes=said)


def commit(name, *parents, touched):
    file = touched.rpartition(":")[0]
    return Commit(name, parents, frozenset({touched, file}), frozenset({file}))


HISTORY = [
    commit("c3", "c2", touched="src/trades/form.py:9"),
    commit("c2", "c1", touched="src/trades/importer.py:7"),
    commit("c1", touched="src/readme.md:1"),
]


def test_the_line_only_failing_captures_ran_through_is_the_most_suspicious(responder, session, taken):
    found = stacks(responder, session).suspicion
    assert found["trades/importer.py:7"] == 1.0
    assert "trades/form.py:9" not in found


def test_the_commit_that_touched_it_comes_first_though_files_have_another_root(responder, session, taken):
    found = suspect_commits(responder, session, HISTORY, running="c3")
    assert [each.commit for each in found] == ["c2"]
    assert found[0].because[0] == "src/trades/importer.py:7"


def test_commits_that_do_not_run_there_are_out(responder, session, taken):
    assert suspect_commits(responder, session, HISTORY, running="c1") == []


def test_a_finding_says_how_surely_its_line_goes_with_failing(responder, session, taken):
    (found,) = suspect_commits(responder, session, HISTORY, running="c3")
    assert (found.test, found.n, found.coverage) == ("fisher", 12, 1.0)
    assert found.q < 0.05
    assert found.effect.low > 1


def test_without_a_history_the_commits_that_ran_are_looked_at(responder, session, service, connect, taken):
    Instance.objects.update(started_at=timezone.now() - timedelta(days=2))
    new = connect(commit="bbb222", instance_id=str(uuid.uuid4()))
    Instance.objects.filter(pk=new.pk).update(started_at=timezone.now() - timedelta(days=1))
    for commit, text in (("9f2c1e7", "a\n" * 9), ("bbb222", "a\n" * 6 + "b\n" + "a\n" * 2)):
        told = wire.Source(path="trades/importer.py", text=text, hash=f"{len(text):063x}{text[12]}")
        catalog.store_source(service, told, commit)
    found = suspect_commits(responder, session, running="bbb222")
    assert [each.commit for each in found] == ["bbb222"]
    assert found[0].because[0] == "trades/importer.py:7"
    assert suspect_commits(responder, session, running="9f2c1e7") == []


def test_strangers_learn_nothing(stranger, session, taken):
    with pytest.raises(NotFound):
        stacks(stranger, session)
