"""Lists of services and instances hold what the actor may see, at the same cost for many as for few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.catalog import selectors, services
from investigations.catalog.models import Instance, Service
from investigations.lib.errors import NotFound
from investigations.lib.ids import show
from sightline import wire


class TestServices:
    def test_are_those_of_visible_environments(
        self,
        viewer: Actor,
        stranger: Actor,
        service: Service,
        environment: Environment,
        elsewhere: Environment,
    ) -> None:
        other = services.ensure_service(elsewhere, "pricing")

        assert list(selectors.services(viewer)) == [service]
        assert list(selectors.services(stranger)) == [other]
        assert list(selectors.services(viewer, environment="production", query="EXEC")) == [service]
        assert list(selectors.services(viewer, environment=environment, query="pricing")) == []
        with pytest.raises(NotFound):
            selectors.services(viewer, environment=elsewhere)
        with pytest.raises(NotFound):
            selectors.services(viewer, environment="elsewhere")

    def test_are_found_by_name_or_id(self, viewer: Actor, service: Service) -> None:
        assert selectors.service_by_ref(viewer, service.name) == service
        assert selectors.service_by_ref(viewer, show("svc", service.id)) == service

    def test_a_misspelt_name_is_answered_with_the_nearest(
        self, viewer: Actor, environment: Environment
    ) -> None:
        for name in ("pricing-service", "fraud-service", "settlement"):
            services.ensure_service(environment, name)

        with pytest.raises(NotFound) as caught:
            selectors.service_by_ref(viewer, "pricing-servce")
        assert caught.value.slug == "service_unknown"
        assert caught.value.alternatives["services"][0] == "pricing-service"

    def test_a_name_in_two_environments_needs_one_of_them(
        self, make_person: Callable[..., Actor], service: Service, elsewhere: Environment
    ) -> None:
        root = make_person("root")
        assert root.user is not None
        root.user.is_superuser = True
        services.ensure_service(elsewhere, service.name)

        with pytest.raises(NotFound) as caught:
            selectors.service_by_ref(root, service.name)
        assert caught.value.slug == "service_ambiguous"
        assert selectors.service_by_ref(root, service.name, environment=service.environment) == service

    def test_a_stranger_learns_no_names(self, stranger: Actor, service: Service) -> None:
        with pytest.raises(NotFound) as caught:
            selectors.service_by_ref(stranger, service.name)
        assert caught.value.alternatives["services"] == []

    def test_their_instances_come_in_one_query(
        self,
        viewer: Actor,
        environment: Environment,
        connect: Callable[..., Instance],
        django_assert_num_queries: Callable[..., Any],
    ) -> None:
        for name in ("a", "b", "c"):
            connect(service=name), connect(service=name)
        rows = list(selectors.services(viewer))

        with django_assert_num_queries(1):
            live = selectors.live_instances(viewer, rows)
        assert [len(live[row.pk]) for row in rows] == [2, 2, 2]


class TestInstances:
    def test_are_filtered_by_presence(
        self, viewer: Actor, stranger: Actor, service: Service, connect: Callable[..., Instance]
    ) -> None:
        here, gone = connect(pid=1), connect(pid=2)
        services.instance_gone(gone.id, gone.connection)  # type: ignore[arg-type]

        assert list(selectors.instances(viewer, service)) == [here, gone]
        assert list(selectors.instances(viewer, live=True)) == [here]
        assert list(selectors.instances(viewer, live=False)) == [gone]
        assert list(selectors.instances(stranger)) == []
        assert selectors.instance(viewer, here.id) == here
        with pytest.raises(NotFound):
            selectors.instance(stranger, here.id)

    def test_say_which_commits_run(self, service: Service, connect: Callable[..., Instance]) -> None:
        for commit in ("old", "new", "new", ""):
            connect(commit=commit)

        assert selectors.running_commits(service) == ["new", "old"]


def test_stored_source_is_found_newest_first(viewer: Actor, stranger: Actor, service: Service) -> None:
    for number, commit in enumerate(("one", "two")):
        services.store_source(service, wire.Source(path="a.py", text=commit, hash=f"{number:064}"), commit)
    services.store_source(service, wire.Source(path="b/c.py", text="", hash="c" * 64), "two")

    newest = selectors.source_file(viewer, service, "a.py")
    older = selectors.source_file(viewer, service, "a.py", commit="one")

    assert newest is not None
    assert older is not None
    assert (newest.text, older.text) == ("two", "one")
    assert selectors.source_file(viewer, service, "z.py") is None
    assert [(file.path, file.commit) for file in selectors.known_files(viewer, service)] == [
        ("a.py", "two"),
        ("b/c.py", "two"),
    ]
    assert [file.path for file in selectors.known_files(viewer, service, query="B/")] == ["b/c.py"]
    with pytest.raises(NotFound):
        selectors.known_files(stranger, service)
