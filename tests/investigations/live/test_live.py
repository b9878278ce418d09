"""Publishing after the commit, and waiting without missing what came in between."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from channels.layers import get_channel_layer
from django.db import transaction

from investigations.live import publish, topics, waiting
from investigations.live.waiting import Subscription, wait_until

pytestmark = pytest.mark.usefixtures("redis_server")


@pytest.fixture
def topic() -> str:
    return topics.session_topic(uuid.uuid4())


async def test_a_subscriber_hears_a_hint(topic: str) -> None:
    async with Subscription([topic]) as subscription:
        publish.publish(topic, {"what": "captures", "cursor": 7})
        assert await subscription.next(10) == {"type": "hint", "what": "captures", "cursor": 7}


async def test_a_subscriber_hears_only_its_topics(topic: str) -> None:
    async with Subscription([topic]) as subscription:
        publish.publish(topics.session_topic(uuid.uuid4()), {"what": "elsewhere"})
        publish.publish(topic, {"what": "here"})
        heard = await subscription.next(10)
        assert heard is not None
        assert heard["what"] == "here"


async def test_hints_that_came_between_two_waits_are_not_lost(topic: str) -> None:
    """A time-out in between must not unsubscribe: the layer's own `receive` would."""
    async with Subscription([topic]) as subscription:
        assert await subscription.next(0.05) is None
        publish.publish(topic, {"what": "captures", "cursor": 1})
        await asyncio.sleep(0.2)
        publish.publish(topic, {"what": "captures", "cursor": 2})
        first, second = await subscription.next(10), await subscription.next(10)
        assert first is not None
        assert second is not None
        assert (first["cursor"], second["cursor"]) == (1, 2)


async def test_a_subscription_leaves_nothing_behind(topic: str) -> None:
    layer = get_channel_layer()._get_layer()
    before = set(layer.channels)
    async with Subscription([topic]):
        assert set(layer.channels) != before
    assert set(layer.channels) == before
    assert layer._get_group_channel_name(topic) not in layer.groups


@pytest.mark.parametrize("at", ["before", "while subscribing", "after"])
async def test_whenever_it_happens_the_waiter_sees_it(
    topic: str, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written before, between subscribing and looking, or after looking; the slow look of safety plays no part."""
    monkeypatch.setattr(waiting, "LOOK_AT_LEAST_EVERY_S", 60.0)
    table: list[str] = []
    looks = 0

    def write() -> None:
        table.append("row")
        publish.publish(topic, {"what": "captures"})

    async def look() -> str | None:
        nonlocal looks
        looks += 1
        seen = table[0] if table else None
        if looks == 1 and at == "while subscribing":
            write()
        return seen

    if at == "before":
        write()
    elif at == "after":
        asyncio.get_running_loop().call_later(0.2, write)
    assert await wait_until([topic], look, timeout=20) == "row"


async def test_a_lost_hint_only_costs_time(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOOK_AT_LEAST_EVERY_S", 0.05)
    looks = 0

    async def look() -> str | None:
        nonlocal looks
        looks += 1
        return "row" if looks == 4 else None

    assert await wait_until([topic], look, timeout=20) == "row"


async def test_nothing_within_the_time_is_an_answer(topic: str) -> None:
    async def look() -> str | None:
        return None

    assert await wait_until([topic], look, timeout=0.1) is None


async def test_without_redis_a_waiter_is_slower_not_wrong(
    topic: str, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LOOK_AT_LEAST_EVERY_S", 0.05)
    monkeypatch.setattr(waiting, "get_channel_layer", _layer_that_is_away)
    looks = 0

    async def look() -> str | None:
        nonlocal looks
        looks += 1
        return "row" if looks == 3 else None

    assert await wait_until([topic], look, timeout=20) == "row"


def _layer_that_is_away() -> object:
    class Away:
        async def new_channel(self) -> str:
            raise ConnectionError("Redis is away")

    return Away()


@pytest.mark.django_db(transaction=True)
async def test_a_hint_follows_the_commit_and_no_rollback(topic: str) -> None:
    def commit_one_and_roll_back_another() -> None:
        with transaction.atomic():
            publish.after_commit(topic, {"what": "kept"})
        with transaction.atomic():
            publish.after_commit(topic, {"what": "rolled back"})
            transaction.set_rollback(True)
        publish.after_commit(topic, {"what": "last"})

    async with Subscription([topic]) as subscription:
        await asyncio.to_thread(commit_one_and_roll_back_another)
        heard = [await subscription.next(10), await subscription.next(10)]
        assert [hint["what"] for hint in heard if hint] == ["kept", "last"]


def test_publishing_without_redis_raises_nothing(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        async def group_send(self, topic: str, message: object) -> None:
            raise ConnectionError("Redis is away")

    monkeypatch.setattr(publish, "get_channel_layer", Away)
    publish.publish(topic, {"what": "captures"})


def test_topics_are_names_the_layer_accepts() -> None:
    id = uuid.uuid4()
    names = {
        make(id)
        for make in (
            topics.session_topic,
            topics.instance_topic,
            topics.service_topic,
            topics.environment_topic,
        )
    }
    assert len(names) == 4
    assert all(len(name) < 100 and name.replace(".", "").isalnum() for name in names)
