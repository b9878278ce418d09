"""Source is kept once, believed only while it is surely what runs, and asked of a live instance otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.catalog import questions, services
from investigations.catalog.models import Instance, Service, SourceFile
from investigations.lib.errors import Invalid, NotFound, Unavailable
from sightline import wire

ROOT = "/srv/app"
TEXTS = {
    "app.py": "class Order:\n    def pay(self):\n        self.paid = True\n        return self\n",
    "shop/app.py": "from app import Order\n",
    "shop/cart.py": "total = 0\n",
}


class Sensor:
    """Answers as a sensor does, whose files lie below one root; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.texts = dict(TEXTS)

    async def __call__(self, instance_id: uuid.UUID, ask: str, path: str, timeout: float) -> wire.AnswerBody:  # noqa: ASYNC109
        self.asked.append(path or ask)
        if ask == "files":
            return wire.Files([wire.FileEntry(f"{ROOT}/{path}") for path in sorted(self.texts)])
        fits = [name for name in self.texts if f"{ROOT}/{name}" == path or f"/{name}".endswith(f"/{path}")]
        if len(fits) != 1:
            return wire.Failure(
                "ambiguous_path" if fits else "no_such_file", f"{path} fits {len(fits)} files."
            )
        text = self.texts[fits[0]]
        return wire.Source(
            path=f"{ROOT}/{fits[0]}", text=text, hash=f"{abs(hash(text)):064d}"[:64], lines=[1, 2, 3, 4]
        )


@pytest.fixture
def sensor(monkeypatch: pytest.MonkeyPatch) -> Sensor:
    sensor = Sensor()
    monkeypatch.setattr(questions, "ask_instance", sensor)
    return sensor


@pytest.fixture
def instance(connect: Callable[..., Instance], sensor: Sensor) -> Instance:
    return connect(roots=[ROOT])


def read(by: Actor, service: Service, path: str, **more: Any) -> SourceFile:
    return services.fetch_source(by=by, service=service, path=path, **more)


class TestFetchSource:
    def test_asks_once_for_each_commit(
        self,
        viewer: Actor,
        service: Service,
        instance: Instance,
        sensor: Sensor,
        connect: Callable[..., Instance],
    ) -> None:
        first, again = read(viewer, service, "shop/cart.py"), read(viewer, service, "shop/cart.py")
        assert first == again
        assert sensor.asked == [f"{ROOT}/shop/cart.py"]

        connect(roots=[ROOT], commit="0000002")
        sensor.texts["shop/cart.py"] = "total = 1\n"
        assert read(viewer, service, "shop/cart.py").text == "total = 1\n"
        assert read(viewer, service, "shop/cart.py", commit="9f2c1e7").text == "total = 0\n"

    def test_paths_are_told_from_their_root_on(
        self, viewer: Actor, service: Service, instance: Instance
    ) -> None:
        assert read(viewer, service, "cart.py").path == "shop/cart.py"
        assert read(viewer, service, f"{ROOT}/shop/cart.py").path == "shop/cart.py"

    def test_a_file_at_the_root_is_not_mistaken_for_one_below(
        self, viewer: Actor, service: Service, instance: Instance
    ) -> None:
        assert read(viewer, service, "shop/app.py").path == "shop/app.py"
        assert read(viewer, service, "app.py").path == "app.py"

    def test_without_a_commit_what_was_read_before_the_start_is_not_believed(
        self, viewer: Actor, service: Service, sensor: Sensor, connect: Callable[..., Instance]
    ) -> None:
        connect(roots=[ROOT], commit="")
        read(viewer, service, "shop/cart.py")
        read(viewer, service, "shop/cart.py")
        assert len(sensor.asked) == 1

        connect(roots=[ROOT], commit="", started_at=int(timezone.now().timestamp() * 1e9))
        read(viewer, service, "shop/cart.py")
        assert len(sensor.asked) == 2

    def test_what_no_instance_has_is_answered_with_what_is_near(
        self, viewer: Actor, service: Service, instance: Instance
    ) -> None:
        with pytest.raises(NotFound) as caught:
            read(viewer, service, "shop/cartt.py")
        assert caught.value.slug == "source_unknown"
        assert caught.value.alternatives["files"][0] == "shop/cart.py"

    def test_with_nobody_to_ask_the_last_known_text_is_better_than_none(
        self, viewer: Actor, service: Service, instance: Instance
    ) -> None:
        read(viewer, service, "shop/cart.py")
        services.instance_gone(instance.id, instance.connection)  # type: ignore[arg-type]

        assert read(viewer, service, "cart.py").text == "total = 0\n"
        with pytest.raises(Unavailable) as caught:
            read(viewer, service, "app.py")
        assert caught.value.slug == "no_instance"

    @pytest.mark.parametrize("path", ["", "x" * 1001, "a\x00.py"])
    def test_a_path_that_is_none_is_refused(self, viewer: Actor, service: Service, path: str) -> None:
        with pytest.raises(Invalid):
            read(viewer, service, path)

    def test_is_not_for_strangers(
        self, stranger: Actor, service: Service, instance: Instance, sensor: Sensor
    ) -> None:
        with pytest.raises(NotFound):
            read(stranger, service, "app.py")
        with pytest.raises(NotFound):
            services.fetch_files(by=stranger, service=service)
        with pytest.raises(NotFound):
            services.fetch_sources(by=stranger, service=service)
        assert sensor.asked == []


class TestStoreSource:
    def test_keeps_a_text_once_and_notes_the_newer_commit(self, service: Service) -> None:
        source = wire.Source(
            path="a.py", text="x\x00", hash="a" * 64, outline=[wire.Symbol("f", "function", 1, 2)]
        )

        first = services.store_source(service, source, "one")
        again = services.store_source(service, source, "two")

        assert first.pk == again.pk
        assert (again.commit, again.text) == ("two", "x\ufffd")
        assert again.outline == [{"name": "f", "kind": "function", "first_line": 1, "last_line": 2}]

    def test_wants_a_real_hash(self, service: Service) -> None:
        with pytest.raises(Invalid):
            services.store_source(service, wire.Source(path="a.py", text="", hash="md5"), "one")


class TestWholeService:
    def test_every_file_is_read_together_and_kept(
        self, viewer: Actor, service: Service, instance: Instance, sensor: Sensor
    ) -> None:
        assert services.fetch_sources(by=viewer, service=service).texts == TEXTS
        sensor.asked.clear()
        assert services.fetch_sources(by=viewer, service=service).texts == TEXTS
        assert sensor.asked == ["files"]

    def test_what_does_not_answer_is_named(self, viewer: Actor, service: Service, instance: Instance) -> None:
        found = services.fetch_sources(by=viewer, service=service, paths=["app.py", "gone.py"])

        assert (list(found.files), found.unread) == (["app.py"], ["gone.py"])

    def test_with_nobody_to_ask_what_is_stored_is_read(
        self, viewer: Actor, service: Service, instance: Instance
    ) -> None:
        services.fetch_sources(by=viewer, service=service)
        services.instance_gone(instance.id, instance.connection)  # type: ignore[arg-type]

        assert services.fetch_sources(by=viewer, service=service).texts == TEXTS

    def test_its_code_can_be_searched_and_followed(
        self, viewer: Actor, service: Service, instance: Instance
    ) -> None:
        matches = services.search_source(by=viewer, service=service, text="Order").matches
        (point,) = services.find_assignments(by=viewer, service=service, target="Order.paid").points
        callers = services.find_callers(by=viewer, service=service, target="Order.pay")

        assert [match.path for match in matches] == ["app.py", "shop/app.py"]
        assert (point.path, point.line, point.kind) == ("app.py", 3, "assignment")
        assert callers.calls == []

    def test_a_target_that_is_none_is_refused(self, viewer: Actor, service: Service, sensor: Sensor) -> None:
        with pytest.raises(Invalid) as caught:
            services.find_assignments(by=viewer, service=service, target="paid")
        assert caught.value.slug == "target_malformed"
        with pytest.raises(Invalid):
            services.find_callers(by=viewer, service=service, target="pay()")
        with pytest.raises(Invalid):
            services.search_source(by=viewer, service=service, text="x")
