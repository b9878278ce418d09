"""Silence has a reason: one honest sentence for each cause, instance by instance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.catalog import services as catalog
from investigations.catalog.models import Instance
from investigations.lib.ids import show
from investigations.probes import services
from investigations.probes.diagnosis import _WORDS, why_no_capture
from investigations.probes.models import Probe
from sightline import wire

HERE = "trade-7d9f (41)"


@pytest.fixture
def report(instance: Instance) -> Callable[..., None]:
    """What the instance says of a probe: a state, then its counts."""

    def tell(probe: Probe, state: str = "armed", **fields: Any) -> None:
        counts = {name: fields.pop(name) for name in ("endings", "unobserved_ms") if name in fields}
        services.record_delivery(instance, 1, [wire.ProbeStatus(show("prb", probe.id), state, **fields)])  # type: ignore[arg-type]
        if counts:
            counters = wire.ProbeCounters(show("prb", probe.id), 1, **({"endings": {}} | counts))
            services.record_counters(instance, wire.Heartbeat(at=1, mono=1, counters=[counters]))

    return tell


def test_no_instance_is_connected(probe: Probe, instance: Instance) -> None:
    catalog.instance_gone(instance.id, instance.connection)  # type: ignore[arg-type]

    assert why_no_capture(probe) == ["No instance of trade-execution-service is connected."]


def test_none_matches_the_targeting(place: Callable[..., Probe]) -> None:
    probe = place(targeting={"commit": "abc"})

    assert why_no_capture(probe) == [
        "None of the connected instances of trade-execution-service (1) matches commit abc."
    ]


def test_the_sensor_has_not_answered(probe: Probe) -> None:
    assert why_no_capture(probe) == [f"{HERE}: the sensor has not answered yet."]


def test_it_was_rejected_and_what_is_near(probe: Probe, report: Callable[..., None]) -> None:
    report(probe, "rejected", sentence="Line 7 is not executable.", nearest=[6, 9])

    assert why_no_capture(probe) == [
        f"{HERE}: rejected: Line 7 is not executable. Nearest executable lines: 6, 9."
    ]


@pytest.mark.parametrize("state", ["pending", "paused"])
def test_it_waits_and_why(probe: Probe, report: Callable[..., None], state: str) -> None:
    report(probe, state, sentence="The module is not imported yet.")

    assert why_no_capture(probe) == [f"{HERE}: {state}: The module is not imported yet."]


def test_the_line_has_not_been_reached(probe: Probe, report: Callable[..., None]) -> None:
    report(probe)

    (sentence,) = why_no_capture(probe)
    assert sentence.startswith(f"{HERE}: armed since ")
    assert sentence.endswith("and the line has not been reached since.")


def test_every_hit_ended_otherwise(probe: Probe, report: Callable[..., None]) -> None:
    report(probe, endings={"condition_false": 1200, "rate_limited": 3})

    assert why_no_capture(probe) == [
        f"{HERE}: its condition was false for 1,200 of 1,203 hits."
        " Check the condition against a capture without one.",
        f"{HERE}: the rate limit had no room for 3 of 1,203 hits. Raise the rate, or narrow by a condition.",
    ]


def test_lines_were_switched_off_meanwhile(probe: Probe, report: Callable[..., None]) -> None:
    report(probe, unobserved_ms=2500.0, endings={"evaluation_budget": 1})

    assert any("switched off for 2.5 s" in sentence for sentence in why_no_capture(probe))


def test_the_breaker_is_open(probe: Probe, report: Callable[..., None], instance: Instance) -> None:
    report(probe, "paused")
    Instance.objects.update(breaker="Over 2 % of a core for 5 s.")

    assert why_no_capture(probe) == [f"{HERE}: the sensor's breaker is open: Over 2 % of a core for 5 s."]


def test_the_instance_has_fallen_silent(
    probe: Probe, report: Callable[..., None], connect: Callable[..., Instance], instance: Instance
) -> None:
    report(probe)
    connect(host="zz-second")
    Instance.objects.filter(pk=instance.pk).update(last_seen_at=timezone.now() - timedelta(seconds=40))

    first, *_, last = why_no_capture(probe)
    assert first.startswith(f"{HERE}: not heard of for 4")
    assert last == "zz-second (41): the sensor has not answered yet."


def test_the_probe_has_ended(responder: Actor, probe: Probe, report: Callable[..., None]) -> None:
    report(probe, endings={"condition_false": 2})
    removed = services.remove_probe(by=responder, probe=probe)

    first, second = why_no_capture(removed)
    assert first.startswith("P1 is removed at ")
    assert first.endswith(": Removed by rita.")
    assert second.startswith(f"{HERE}: its condition was false for 2 of 2 hits.")


def test_every_ending_but_a_capture_has_words() -> None:
    assert set(_WORDS) | {"captured"} == set(wire.HitEnding.__args__)  # type: ignore[attr-defined]
