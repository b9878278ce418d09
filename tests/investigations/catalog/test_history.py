"""What a service's commits were, as far as its instances and stored source tell."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from investigations.analysis.commits import Commit
from investigations.catalog import services as catalog
from investigations.catalog.history import seen_commits, with_history
from investigations.catalog.models import Instance
from investigations.lib.errors import NotFound
from sightline import wire

BEGAN = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def deployed(connect, service):
    """Three commits, a day apart: the second changes a line of prices.py, the third only how mail.py looks."""
    texts = {
        "prices.py": ["x = 1\ny = 2\n", "x = 1\ny = 3\n", "x = 1\ny = 3\n"],
        "mail.py": ["z = 1\n", "z = 1\n", "z = 1  # one\n"],
    }
    for day, commit in enumerate(["aaa111", "bbb222", "ccc333"]):
        instance = connect(commit=commit, instance_id=str(uuid.uuid4()))
        Instance.objects.filter(pk=instance.pk).update(started_at=BEGAN + timedelta(days=day))
        for path, versions in texts.items():
            text = versions[day]
            told = wire.Source(path=path, text=text, hash=f"{abs(hash(text)):064x}"[:64])
            catalog.store_source(service, told, commit)


def test_commits_that_ran_are_children_of_each_other_with_what_they_changed(viewer, service, deployed):
    newest, middle, oldest = seen_commits(viewer, service)
    assert [each.id for each in (newest, middle, oldest)] == ["ccc333", "bbb222", "aaa111"]
    assert (newest.parents, middle.parents, oldest.parents) == (("bbb222",), ("aaa111",), ())
    assert middle.elements == {"prices.py:2", "prices.py"}
    assert (newest.files, newest.same_syntax) == ({"mail.py"}, True)
    assert middle.live_at == (BEGAN + timedelta(days=1)).timestamp()


def test_a_repository_knows_more_and_what_ran_says_when(viewer, service, deployed):
    posted = [Commit("bbb222" + "0" * 34, ("p",), frozenset({"a.py:1"}), frozenset({"a.py"}))]
    (both, *rest) = with_history(seen_commits(viewer, service), posted)
    assert both.id == posted[0].id
    assert both.elements == {"a.py:1", "prices.py:2", "prices.py"}
    assert both.live_at == (BEGAN + timedelta(days=1)).timestamp()
    assert [each.id for each in rest] == ["ccc333", "aaa111"]


def test_strangers_learn_nothing(stranger, service):
    with pytest.raises(NotFound):
        seen_commits(stranger, service)
