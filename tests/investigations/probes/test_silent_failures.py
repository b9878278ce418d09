"""Alerts about what no telemetry saw: raised by people, and by the clock when it is surely no accident."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone
from uuid_utils.compat import uuid7

from investigations.alerts.models import Alert, Incident
from investigations.lib.errors import Forbidden
from investigations.probes.models import Capture
from investigations.probes.services import label_executions
from investigations.probes.silent_failures import CALM, raise_silent_failures, watch
from investigations.sessions import services as sessions
from investigations.sessions.models import TimelineEntry
from investigations.shapes import LabelIn
from investigations.tasks import probes
from sightline import wire


@pytest.fixture
def take(probe, capture):
    """``take("t", 3, "true")``: three captures of executions t0 … with that value."""

    def make(name, count, told, ago=timedelta(0)):
        for at in range(count):
            seen = time.time_ns() - int(ago.total_seconds() * 1e9)
            value = wire.Value("bool", at % 2 == 0) if told is None else wire.Value("str", told)
            capture(probe, id=uuid7().bytes, at=seen, execution_id=f"{name}{at}", watches={"urgent": value})

    return make


@pytest.fixture
def passing(take, responder, environment):
    """Thirty passing captures with a boolean."""
    take("t", 30, None, ago=timedelta(minutes=40))
    said = [LabelIn(execution_id=f"t{at}", outcome="pass") for at in range(30)]
    label_executions(by=responder, environment=environment, outcomes=said)


@pytest.fixture
def taken(passing, take):
    take("x", 3, "true")


def test_a_broken_invariant_is_an_alert_that_no_telemetry_raised(responder, session, probe, taken):
    _, burning = raise_silent_failures(by=responder, session=session, probe=probe)
    alert = Alert.objects.get(labels__invariant="types of urgent")
    assert burning >= 1
    assert (alert.state, alert.service_name) == ("firing", probe.service.name)
    assert "Not so in 3 of 3" in alert.summary


def test_it_is_over_once_the_invariant_holds_again(responder, session, probe, taken, environment):
    raise_silent_failures(by=responder, session=session, probe=probe)
    said = [LabelIn(execution_id=f"x{at}", outcome="pass") for at in range(3)]
    label_executions(by=responder, environment=environment, outcomes=said)
    _, burning = raise_silent_failures(by=responder, session=session, probe=probe)
    assert burning == 0
    assert set(Alert.objects.values_list("state", flat=True)) == {"resolved"}


def test_viewers_raise_nothing(viewer, session, probe, taken):
    with pytest.raises(Forbidden):
        raise_silent_failures(by=viewer, session=session, probe=probe)


# ---------------------------------------------------------------- by the clock


def told():
    return list(TimelineEntry.objects.filter(kind__startswith="silent_failure").order_by("cursor"))


def test_the_clock_raises_what_new_captures_break_once_and_says_so_as_itself(session, probe, taken):
    probes.watch_invariants()
    probes.watch_invariants()
    alert = Alert.objects.get(labels__invariant="types of urgent")
    assert alert.state == "firing"
    raised = [each for each in told() if "urgent is always bool" in each.sentence]
    assert [(each.kind, each.actor_label) for each in raised] == [("silent_failure_raised", "Sightline")]
    assert Incident.objects.count() == 1
    assert len(told()) == Alert.objects.count()


def test_one_capture_that_may_be_an_accident_raises_nothing_by_itself(session, probe, passing, take):
    take("x", 1, "true")
    probes.watch_invariants()
    assert not Alert.objects.exists()
    assert told() == []


def test_what_burns_is_over_only_after_a_calm_stretch_of_captures(session, probe, taken, take):
    now = timezone.now()
    assert watch(probe, now) >= 1
    take("calm", 5, None)
    assert watch(probe, now + timedelta(minutes=1)) >= 1
    later = now + CALM + timedelta(minutes=1)
    assert watch(probe, later) == 0
    assert set(Alert.objects.values_list("state", flat=True)) == {"firing"}
    Capture.objects.filter(execution_id__startswith="calm").update(at=later)
    assert watch(probe, later) == 0
    assert set(Alert.objects.values_list("state", flat=True)) == {"resolved"}
    assert {each.kind for each in told()} == {"silent_failure_raised", "silent_failure_over"}


def test_what_is_broken_again_later_burns_again(session, probe, taken, take):
    now = timezone.now()
    watch(probe, now)
    later = now + CALM + timedelta(minutes=1)
    take("calm", 5, None)
    Capture.objects.filter(execution_id__startswith="calm").update(at=later)
    watch(probe, later)
    take("again", 6, "true")
    Capture.objects.filter(execution_id__startswith="again").update(at=later + timedelta(minutes=1))
    watch(probe, later + timedelta(minutes=2))
    assert Alert.objects.get(labels__invariant="types of urgent").state == "firing"


def test_closed_sessions_are_left_alone(responder, session, probe, taken):
    sessions.close_session(by=responder, session=session)
    probes.watch_invariants()
    assert not Alert.objects.exists()


def test_who_asked_and_the_clock_agree(responder, session, probe, taken):
    raise_silent_failures(by=responder, session=session, probe=probe)
    probes.watch_invariants()
    assert told() == []
