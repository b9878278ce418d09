"""The latest word on an execution counts, earlier ones stay, and a trace's word is its executions'."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.catalog.models import Instance
from investigations.lib.errors import Forbidden, Invalid, NotFound, Problem
from investigations.probes import selectors, services
from investigations.probes.labels import Said
from investigations.probes.models import ExecutionLabel, Probe
from sightline import wire

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def say(by: Actor, environment: Environment, *said: Said) -> int:
    return services.label_executions(by=by, environment=environment, outcomes=said)


def test_a_label_is_known_by_execution_and_by_trace(responder: Actor, environment: Environment) -> None:
    assert (
        say(
            responder,
            environment,
            Said("fail", execution_id="t1", reason="rejected"),
            Said("pass", trace_id="t2"),
        )
        == 2
    )

    assert selectors.outcome_of(environment, ["t1", "t2", "t3", ""]) == {"t1": "fail", "t2": "pass"}
    assert selectors.outcome_of(environment.id, ["t1"]) == {"t1": "fail"}


def test_the_latest_by_its_own_time_counts_and_all_are_kept(
    responder: Actor, environment: Environment
) -> None:
    for outcome, minutes in (("unknown", 0), ("fail", 2), ("pass", 1)):
        say(responder, environment, Said(outcome, "t1", at=NOON + timedelta(minutes=minutes)))

    assert selectors.outcome_of(environment, ["t1"]) == {"t1": "fail"}
    assert [(label.outcome, label.current) for label in selectors.labels_of(environment, "t1")] == [
        ("fail", True),
        ("pass", False),
        ("unknown", False),
    ]


def test_the_latest_counts_within_one_batch_too(responder: Actor, environment: Environment) -> None:
    later, earlier = Said("fail", "t1", at=NOON + timedelta(minutes=1)), Said("pass", "t1", at=NOON)

    assert say(responder, environment, later, earlier) == 2
    assert selectors.outcome_of(environment, ["t1"]) == {"t1": "fail"}


def test_saying_the_same_again_adds_nothing(responder: Actor, environment: Environment) -> None:
    assert [say(responder, environment, Said("fail", "t1")) for _ in range(2)] == [1, 0]


def test_who_said_so_is_kept(agent: Actor, environment: Environment) -> None:
    say(agent, environment, Said("fail", "t1", source="settlement ledger"))

    assert ExecutionLabel.objects.get().said_by == "settlement ledger by claude-1 for rita"


def test_environments_do_not_share_labels(
    responder: Actor, environment: Environment, elsewhere: Environment
) -> None:
    say(responder, environment, Said("fail", "t1"))

    assert selectors.outcome_of(elsewhere, ["t1"]) == {}


@pytest.mark.parametrize(
    ("said", "slug"),
    [
        (Said("broken", "t1"), "outcome_unknown"),
        (Said("fail"), "execution_missing"),
        (Said("fail", "x" * 129), "execution_missing"),
        (Said("fail", "a\x00"), "execution_missing"),
    ],
)
def test_nonsense_is_refused_and_labels_nothing(
    responder: Actor, environment: Environment, said: Said, slug: str
) -> None:
    with pytest.raises(Invalid) as caught:
        say(responder, environment, Said("pass", "t0"), said)

    assert caught.value.slug == slug
    assert not ExecutionLabel.objects.exists()


@pytest.mark.parametrize(("who", "error"), [("viewer", Forbidden), ("stranger", NotFound)])
def test_labels_are_a_responders_to_give(
    request: pytest.FixtureRequest, environment: Environment, who: str, error: type[Problem]
) -> None:
    with pytest.raises(error):
        say(request.getfixturevalue(who), environment, Said("fail", "t1"))


def test_a_sensors_outcomes_are_taken_and_its_nonsense_passed_over(instance: Instance) -> None:
    told = [wire.Outcome("t1", "fail", 1_763_851_200_000_000_000, "HTTP 502"), wire.Outcome("", "pass", 0)]

    assert services.record_outcomes(instance, told) == 1

    (label,) = ExecutionLabel.objects.all()
    assert (label.outcome, label.reason, label.at) == (
        "fail",
        "HTTP 502",
        datetime.fromtimestamp(1_763_851_200, UTC),
    )
    assert label.said_by == "Sightline in trade-execution-service"


def test_an_execution_shares_the_label_of_its_trace(
    responder: Actor, environment: Environment, probe: Probe, capture: Callable[..., wire.Capture]
) -> None:
    capture(probe, execution_id="task-7", trace_id="trace-1")
    say(responder, environment, Said("fail", trace_id="trace-1"))

    assert selectors.outcome_of(environment, ["task-7"]) == {"task-7": "fail"}
    say(responder, environment, Said("pass", execution_id="task-7"))
    assert selectors.outcome_of(environment, ["task-7"]) == {"task-7": "pass"}
