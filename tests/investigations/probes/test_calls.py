"""Which services call which, read off captures."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from uuid_utils.compat import uuid7

from investigations.catalog.calls import calls_between, forget_calls, note_calls
from investigations.catalog.services import ensure_service
from investigations.lib.ids import show
from investigations.probes import ingest
from investigations.probes.calls import observed_calls
from investigations.probes.models import Probe
from investigations.tasks import captures
from sightline import wire


@pytest.fixture
def fraud(environment):
    return ensure_service(environment=environment, name="fraud-service")


@pytest.fixture
def lately():
    return timezone.now() - timedelta(seconds=30)


def called(probe, capture, target):
    Probe.objects.filter(pk=probe.pk).update(kind="dependency")
    detail = {"library": "httpx", "operation": "GET", "target": target}
    capture(probe, id=uuid7().bytes, kind="dependency", detail=detail)


@pytest.mark.parametrize("target", ["fraud-service/decide", "fraud-service.prod.svc:8080/decide"])
def test_an_outgoing_call_names_the_service_it_went_to(service, fraud, probe, capture, lately, target):
    called(probe, capture, target)
    assert observed_calls(lately) == {(service.pk, fraud.pk)}


@pytest.mark.parametrize("target", ["SELECT 1", "elsewhere.example/x", "trade-execution-service/me", ""])
def test_what_is_no_other_service_of_ours_is_no_call(fraud, probe, capture, lately, target):
    called(probe, capture, target)
    assert observed_calls(lately) == set()


@pytest.fixture
def reached(connect, place):
    """A capture in a service's trace: ``reached("web", "trace-1", at)``."""

    def reach(name, trace_id, at):
        instance = connect(service=name)
        probe = place()
        Probe.objects.filter(pk=probe.pk).update(service=instance.service)
        body = wire.Capture(uuid7().bytes, show("prb", probe.id), "snapshot", 1, at, 0, trace_id=trace_id)
        batch = ingest.Batch(
            instance_id=instance.id, service_id=instance.service_id, environment_id=instance.environment_id,
            bodies=[wire.encode(body)], received_at=timezone.now(), commit="",
        )  # fmt: skip
        assert ingest.store([batch]) == [[]]
        return instance.service

    return reach


def test_a_trace_through_two_services_went_from_the_first_to_the_second(reached, lately):
    now = timezone.now().timestamp()
    callee = reached("mail", "t1", int((now + 0.2) * 1e9))
    caller = reached("web", "t1", int(now * 1e9))
    assert observed_calls(lately) == {(caller.pk, callee.pk)}


def test_of_three_services_in_one_trace_nobody_can_say_who_called_whom(reached, lately):
    now = timezone.now().timestamp()
    for at, name in enumerate(["web", "orders", "mail"]):
        reached(name, "t1", int((now + at / 10) * 1e9))
    assert observed_calls(lately) == set()


def test_calls_are_kept_by_the_clock_once_and_forgotten_when_nobody_sees_them(
    environment, service, fraud, probe, capture
):
    called(probe, capture, "fraud-service/decide")
    captures.note_calls()
    captures.note_calls()
    assert calls_between(environment) == [("trade-execution-service", "fraud-service")]
    assert forget_calls(timezone.now() + timedelta(seconds=1)) == 1


def test_a_service_that_is_gone_meanwhile_is_passed_over(service):
    assert note_calls([(service.pk, uuid.uuid4())], timezone.now()) == 0
