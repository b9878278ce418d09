"""Instances are who their sensors say they are, as far as their token allows, and present while they are heard of."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment, TokenKind
from investigations.catalog import presence, services
from investigations.catalog.models import Instance, Service
from investigations.lib.errors import Conflict, Forbidden, Invalid, Problem
from sightline import wire

Hello = Callable[..., wire.Hello]


def beat(**fields: Any) -> wire.Heartbeat:
    return wire.Heartbeat(**({"at": int(timezone.now().timestamp() * 1e9), "mono": 1} | fields))


class TestEnsureService:
    def test_knows_it_from_now_on(self, environment: Environment) -> None:
        assert services.ensure_service(environment, "pricing") == services.ensure_service(
            environment, "pricing"
        )

    @pytest.mark.parametrize("name", ["", "  ", "x" * 256, "line\nbreak", "nul\x00"])
    def test_refuses_a_name_no_service_has(self, environment: Environment, name: str) -> None:
        with pytest.raises(Invalid) as caught:
            services.ensure_service(environment, name)
        assert caught.value.slug == "service_name"


def test_each_change_of_probes_has_a_revision_of_its_own(service: Service) -> None:
    stale = Service.objects.get(pk=service.pk)

    assert [services.bump_probe_revision(service), services.bump_probe_revision(stale)] == [1, 2]


class TestInstanceConnected:
    def test_keeps_what_the_sensor_says(self, connect: Callable[..., Instance]) -> None:
        instance = connect(tags={"zone": "a"}, version="1.2", neighbours=["coverage"], roots=["/srv/app"])

        assert str(instance) == "trade-execution-service on trade-7d9f (41)"
        assert (instance.runtime, instance.commit, instance.version) == ("cpython 3.12.1", "9f2c1e7", "1.2")
        assert (instance.tags, instance.neighbours, instance.roots) == (
            {"zone": "a"},
            ["coverage"],
            ["/srv/app"],
        )
        assert instance.engine == "monitoring"
        assert instance.started_at == datetime(2025, 11, 22, 22, 40, tzinfo=UTC)
        assert presence.presence_of(instance) == "present"

    def test_a_reconnect_is_the_same_instance_and_the_newer_socket_speaks_for_it(
        self, connect: Callable[..., Instance]
    ) -> None:
        id = str(uuid.uuid4())
        first, second = connect(instance_id=id), connect(instance_id=id, commit="0000001")

        assert Instance.objects.count() == 1
        assert Instance.objects.get().commit == "0000001"
        assert not services.instance_seen(first.id, first.connection, beat(), timezone.now())  # type: ignore[arg-type]
        assert not services.instance_gone(first.id, first.connection)  # type: ignore[arg-type]
        assert services.instance_seen(second.id, second.connection, beat(), timezone.now())  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("said", "error", "slug"),
        [
            ({"environment": "elsewhere"}, Forbidden, "token_environment"),
            ({"instance_id": "me"}, Invalid, "instance_id_malformed"),
            ({"service": ""}, Invalid, "service_name"),
            ({"started_at": 10**30}, Invalid, "time_malformed"),
            ({"tags": {str(n): "" for n in range(51)}}, Invalid, "tags_too_many"),
        ],
    )
    def test_refuses_what_cannot_be(
        self,
        connect: Callable[..., Instance],
        elsewhere: Environment,
        said: dict[str, Any],
        error: type[Problem],
        slug: str,
    ) -> None:
        with pytest.raises(error) as caught:
            connect(**said)
        assert caught.value.slug == slug
        assert not Instance.objects.exists()

    def test_a_token_for_one_service_speaks_for_no_other(
        self, admin: Actor, environment: Environment, say_hello: Hello
    ) -> None:
        assert admin.user is not None
        token, _ = accounts.issue_access_token(
            by=admin,
            kind=TokenKind.SENSOR,
            name="p",
            owner=admin.user,
            environment=environment,
            service="pricing",
        )

        with pytest.raises(Forbidden) as caught:
            services.instance_connected(say_hello(), token, uuid.uuid4(), "channel")
        assert caught.value.slug == "token_service"

    def test_nobody_takes_another_services_instance(self, connect: Callable[..., Instance]) -> None:
        taken = connect()

        with pytest.raises(Conflict) as caught:
            connect(service="fraud-service", instance_id=str(taken.id))
        assert caught.value.slug == "instance_id_taken"

    def test_hostile_texts_are_cut_and_made_printable(self, connect: Callable[..., Instance]) -> None:
        instance = connect(
            host="h" * 1000, commit="a\x00\x1b[31m", tags={"k" * 500: "v" * 500}, roots=["r"] * 500
        )

        assert len(instance.host) == 255
        assert instance.commit == "a��[31m"
        assert [(len(name), len(value)) for name, value in instance.tags.items()] == [(100, 255)]
        assert len(instance.roots) == 50


class TestInstanceSeen:
    def test_keeps_its_cost_its_drops_and_its_clock(self, instance: Instance) -> None:
        now = timezone.now()
        ahead = int((now + timedelta(seconds=2)).timestamp() * 1e9)
        heartbeat = wire.Heartbeat(
            at=ahead, mono=1, rtt_ms=100.0, cpu_share=0.004, drops={"queue_full": 3}, breaker="Over budget."
        )

        assert services.instance_seen(instance.id, instance.connection, heartbeat, now)  # type: ignore[arg-type]

        instance.refresh_from_db()
        assert instance.clock_offset_ms == pytest.approx(2050, abs=0.01)
        assert (instance.cpu_share, instance.drops, instance.breaker) == (
            0.004,
            {"queue_full": 3},
            "Over budget.",
        )
        assert instance.last_seen_at == now


class TestPresence:
    @pytest.mark.parametrize(
        ("silent_s", "expected"), [(0, "present"), (14, "present"), (16, "late"), (500, "late")]
    )
    def test_goes_by_the_last_heartbeat(self, instance: Instance, silent_s: int, expected: str) -> None:
        now = instance.last_seen_at + timedelta(seconds=silent_s)

        assert presence.presence_of(instance, now) == expected
        assert Instance.objects.filter(presence.present(now)).exists() == (expected == "present")

    def test_is_gone_once_its_socket_closed(self, instance: Instance) -> None:
        assert services.instance_gone(instance.id, instance.connection)  # type: ignore[arg-type]

        instance.refresh_from_db()
        assert presence.presence_of(instance) == "gone"
        assert instance.disconnected_at is not None

    def test_the_sweep_lets_go_of_sockets_whose_gateway_died(self, connect: Callable[..., Instance]) -> None:
        dead, alive = connect(), connect()
        Instance.objects.filter(pk=dead.pk).update(last_seen_at=timezone.now() - timedelta(seconds=61))

        assert services.sweep_instances() == 1
        assert services.sweep_instances() == 0

        dead.refresh_from_db()
        assert (dead.connection, dead.disconnected_at) == (None, dead.last_seen_at)
        alive.refresh_from_db()
        assert alive.connection is not None
