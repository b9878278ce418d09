"""Lines and branches that path and counter probes point at, in one ranking."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from uuid_utils.compat import uuid7

from investigations.catalog.models import Instance
from investigations.lib.errors import NotFound
from investigations.probes import details, localisation
from investigations.probes.localisation import localise
from investigations.probes.models import Probe, ProbeReading
from investigations.probes.services import label_executions
from investigations.shapes import LabelIn, LinesShape
from sightline import wire
from tests.investigations.probes.conftest import FILE
from tests.investigations.probes.samples import value


@pytest.fixture
def label(responder, environment):
    """``label(t1="fail", t2="pass")``."""

    def say(**outcomes: str) -> None:
        said = [LabelIn(execution_id=name, outcome=outcome) for name, outcome in outcomes.items()]
        label_executions(by=responder, environment=environment, outcomes=said)

    return say


@pytest.fixture
def path_probe(place):
    probe = place(file="", line=0, function="trades.trade_request:TradeRequest.from_payload", kind="path")
    return probe


def call(steps: list[Any], taken: bool, limit: int) -> dict[str, Any]:
    decided = {
        "line": 39,
        "taken": taken,
        "to": 40 if taken else 41,
        "values": {"limit": value("int", limit)},
    }
    return {"steps": steps, "decisions": [decided], "ended": {"how": "returned"}, "cut": ""}


@pytest.fixture
def followed(path_probe, capture, label, instance):
    """Failing calls went another way at line 39, and wrote line 42 much more often; files as a sensor tells them."""
    Instance.objects.filter(pk=instance.pk).update(roots=["/srv/app"])
    frames = [wire.Frame("TradeRequest.from_payload", f"/srv/app/{FILE}", 38)]
    for at in range(20):
        fails = at < 5
        steps = [38, 39, 40, [42, 9]] if fails else [38, 39, 41, 42]
        detail = call(steps, fails, at if fails else 100 + at)
        capture(
            path_probe, id=uuid7().bytes, execution_id=f"t{at}", kind="path", frames=frames, detail=detail
        )
    label(**{f"t{at}": "fail" if at < 5 else "pass" for at in range(20)})


def test_the_branch_only_failing_calls_took_comes_first_and_says_how_surely(responder, session, followed):
    found = localise(responder, session)
    assert (found.failing, found.passing, found.coverage) == (5, 15, 1.0)
    first = {each.element for each in found.suspects if each.rank == found.suspects[0].rank}
    assert f"{FILE}:39 is true" in {each.element for each in found.suspects[:3]}
    assert f"{FILE}:41" not in {each.element for each in found.suspects}
    assert found.suspects[0].q < 0.05
    assert first <= {f"{FILE}:40", f"{FILE}:39 is true", f"{FILE}:39"}


def test_the_stored_source_says_how_much_each_line_does(responder, session, source, followed, monkeypatch):
    told: list[str] = []
    read = localisation.Statements
    monkeypatch.setattr(localisation, "Statements", lambda text: told.append(text) or read(text))
    localise(responder, session)
    assert told == [source.text]


def test_what_decided_at_a_branch_lifts_its_line(responder, session, followed):
    places = {each.element: each.score for each in localise(responder, session).suspects}
    assert places[f"{FILE}:39"] > places[f"{FILE}:38"]


def test_how_often_a_line_ran_is_told_where_coverage_tells_nothing(responder, session, followed):
    found = {each.element: each for each in localise(responder, session).suspects}
    often, once = found[f"{FILE}:42"], found[f"{FILE}:38"]
    assert often.held_passing == once.held_passing == 15
    assert often.frequency > once.frequency


def test_the_line_where_failing_calls_raised_comes_before_those_that_ran_with_it(
    responder, session, path_probe, capture, label
):
    frames = [wire.Frame("TradeRequest.from_payload", FILE, 38)]
    for at in range(8):
        detail = {"steps": [38, 40, 41], "ended": {"how": "raised" if at < 2 else "returned"}}
        capture(
            path_probe, id=uuid7().bytes, execution_id=f"t{at}", kind="path", frames=frames, detail=detail
        )
    label(**{f"t{at}": "fail" if at < 2 else "pass" for at in range(8)})
    found = localise(responder, session).suspects
    assert (found[0].element, found[0].rank) == (f"{FILE}:41", 1)
    assert found[1].score == found[0].score


@pytest.mark.parametrize(
    ("how", "cut", "ending"),
    [("returned", "", "returned"), ("raised", "", "raised"), ("cut", "steps 2000", "endless"),
     ("cut", "time 60", "endless"), ("cut", "budget", "cut"), ("cut", "lost", "cut")],
)  # fmt: skip
def test_only_what_was_cut_for_its_length_is_taken_to_be_without_end(how, cut, ending):
    assert localisation._ending(details.Path(ended=details.Ended(how=how), cut=cut)) == ending


def test_a_counter_counts_by_stretches_in_which_something_failed(
    responder, session, place, probe, capture, instance, label
):
    retries, calls = place(kind="counter"), place(kind="counter", file=FILE, line=probe.location["line"] - 1)
    start = timezone.now() - timedelta(minutes=20)
    width = timedelta(seconds=localisation.readings.stretch_s(retries))
    assert localisation.readings.stretch_s(calls) == width.total_seconds()
    for at in range(16):
        begun = start + at * width
        capture(probe, id=uuid7().bytes, execution_id=f"t{at}", at=int((begun + width / 2).timestamp() * 1e9))
        counts = {retries: 40 + at if at < 6 else 1, calls: 50}
        for counter, count in counts.items():
            ProbeReading.objects.create(
                probe=counter, instance=instance, start=begun, figures={"count": count}
            )
    label(**{f"t{at}": "fail" if at < 6 else "pass" for at in range(16)})
    found = localise(responder, session)
    assert (found.failing, found.passing) == (6, 10)
    assert found.suspects[0].element == retries.place
    assert found.suspects[0].frequency > 1


def test_without_such_probes_there_is_nothing_to_say_and_without_labels_it_says_what_is_missing(
    responder, session, probe, path_probe, capture
):
    assert "No labelled execution" in localise(responder, session).sentence
    Probe.objects.filter(pk=path_probe.pk).delete()
    assert localise(responder, session) is None


def test_its_shape_is_a_ranking_in_words_and_figures(responder, session, followed):
    shape = LinesShape.from_result(localise(responder, session)).model_dump()
    first = shape["suspects"][0]
    assert shape["n"] == 20
    assert {"test", "n", "effect", "q", "coverage", "sentence", "rank", "frequency"} <= first.keys()


def test_strangers_learn_nothing(stranger, session, followed):
    with pytest.raises(NotFound):
        localise(stranger, session)
