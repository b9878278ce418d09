"""A page's socket: nothing is missed, nothing comes twice, and who may not see is told so."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser

from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment
from investigations.catalog import services as catalog
from investigations.catalog.models import Service
from investigations.evidence import services as evidence
from investigations.lib.ids import show
from investigations.probes import services as probes
from investigations.probes.labels import Said
from investigations.probes.models import Capture, Probe
from investigations.sessions.models import InvestigationSession
from investigations.web import consumers
from investigations.web.sockets import GONE, SIGNED_OUT

pytestmark = pytest.mark.usefixtures("no_captures_left")

Make = Callable[..., Capture]
WITHIN_S = 20.0
"""A limit for a busy machine, not a measure."""


class Page:
    """An open page, as connection.js is one: it sends where it stands, and reads frames."""

    def __init__(self, line: WebsocketCommunicator) -> None:
        self.line = line

    async def resume(self, captures: int = 0, timeline: int = 0, **state: bool) -> None:
        message = {"resume": {"captures": captures, "timeline": timeline}, "paused": False, "hidden": False}
        await self.line.send_to(text_data=json.dumps(message | state))

    async def frame(self, *words: str) -> str:
        """The next frame that holds all of these words."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                text = await self.line.receive_from(timeout=WITHIN_S)
                if all(word in text for word in words):
                    return text

    async def silence(self) -> bool:
        return await self.line.receive_nothing(timeout=0.8, interval=0.1)


@asynccontextmanager
async def opened(path: str, user: Any) -> AsyncIterator[Page]:
    line = WebsocketCommunicator(URLRouter(consumers.urlpatterns), path)
    line.scope["user"] = user
    assert (await line.connect())[0]
    try:
        yield Page(line)
    finally:
        await line.disconnect()


@pytest.fixture
def path(session: InvestigationSession) -> str:
    return f"live/sessions/{show('ses', session.id)}/"


def rows(frame: str) -> list[str]:
    return re.findall(r'data-capture="(cap_\w+)"', frame)


def told(frame: str, name: str) -> int:
    found = re.search(rf'data-{name}="(\d+)"', frame)
    assert found
    return int(found[1])


async def test_a_resume_brings_what_was_missed_once(
    path: str, viewer: Actor, probe: Probe, make_capture: Make
) -> None:
    made = [await database_sync_to_async(make_capture)(probe) for _ in range(3)]
    async with opened(path, viewer.user) as page:
        await page.resume(captures=made[0].cursor)
        frame = await page.frame('data-live="captures"')
    assert rows(frame) == [show("cap", row.id) for row in (made[2], made[1])]
    assert (told(frame, "from"), told(frame, "cursor")) == (made[0].cursor, made[2].cursor)


async def test_a_capture_comes_by_itself(path: str, viewer: Actor, probe: Probe, make_capture: Make) -> None:
    async with opened(path, viewer.user) as page:
        await page.resume()
        await page.frame('id="probes"')
        made = await database_sync_to_async(make_capture)(probe)
        assert rows(await page.frame('data-live="captures"')) == [show("cap", made.id)]


async def test_a_paused_page_is_told_counts_only(
    path: str, viewer: Actor, probe: Probe, make_capture: Make
) -> None:
    for _ in range(2):
        await database_sync_to_async(make_capture)(probe)
    async with opened(path, viewer.user) as page:
        await page.resume(paused=True)
        frame = await page.frame('data-live="captures"')
        assert rows(frame) == []
        assert told(frame, "newer") == 2
        await page.resume()
        assert len(rows(await page.frame("data-capture"))) == 2


async def test_a_hidden_page_is_told_nothing_and_then_everything(
    path: str, viewer: Actor, probe: Probe, make_capture: Make
) -> None:
    async with opened(path, viewer.user) as page:
        await page.resume(hidden=True)
        assert await page.line.receive_from(timeout=WITHIN_S) == " "
        await database_sync_to_async(make_capture)(probe)
        assert await page.silence()
        await page.resume()
        assert len(rows(await page.frame("data-capture"))) == 1


async def test_more_than_a_list_holds_is_counted_and_then_replaces(
    path: str, viewer: Actor, probe: Probe, make_capture: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "MOST_ROWS", 3)
    for _ in range(5):
        await database_sync_to_async(make_capture)(probe)
    async with opened(path, viewer.user) as page:
        await page.resume()
        frame = await page.frame('data-live="captures"')
        assert (rows(frame), told(frame, "newer")) == ([], 5)
        await page.resume()
        shown = await page.frame("data-replace")
        assert len(rows(shown)) == 3


async def test_a_row_is_painted_again_when_its_outcome_is_told(
    path: str, viewer: Actor, responder: Actor, environment: Environment, probe: Probe, make_capture: Make
) -> None:
    made = await database_sync_to_async(make_capture)(probe, trace_id="a" * 32, execution_id="a" * 32)
    label = database_sync_to_async(probes.label_executions)
    async with opened(path, viewer.user) as page:
        await page.resume()
        assert 'data-outcome="unknown"' in await page.frame("data-capture")
        await label(by=responder, environment=environment, outcomes=[Said("fail", trace_id="a" * 32)])
        again = await page.frame('data-outcome="fail"')
    assert rows(again) == [show("cap", made.id)]
    assert "hx-swap-oob" in again


async def test_steps_and_hypotheses_follow_the_timeline(
    path: str, viewer: Actor, responder: Actor, session: InvestigationSession
) -> None:
    propose = database_sync_to_async(evidence.propose_hypothesis)
    async with opened(path, viewer.user) as page:
        await page.resume(timeline=session.timeline_cursor)
        await page.frame('id="hypotheses"')
        await propose(by=responder, session=session, statement="It is a str")
        await page.frame('data-live="timeline"')
        assert "It is a str" in await page.frame('id="hypotheses"')


async def test_an_element_the_page_has_is_not_sent_again(
    path: str, viewer: Actor, responder: Actor, session: InvestigationSession
) -> None:
    propose = database_sync_to_async(evidence.propose_hypothesis)
    async with opened(path, viewer.user) as page:
        await page.resume(timeline=session.timeline_cursor)
        await page.frame('id="probes"')
        assert await page.silence()
        await propose(by=responder, session=session, statement="It is a str")
        assert "It is a str" in await page.frame('id="hypotheses"')
        assert await page.silence()  # the probes are looked at after every step, and are as they were


async def closed_with(page: Page) -> int:
    async with asyncio.timeout(WITHIN_S):
        while (message := await page.line.receive_output(timeout=WITHIN_S))["type"] != "websocket.close":
            pass
    return int(message["code"])


async def test_who_is_signed_out_is_told_so(path: str, probe: Probe) -> None:
    async with opened(path, AnonymousUser()) as page:
        assert await closed_with(page) == SIGNED_OUT


async def test_a_stranger_learns_nothing(path: str, stranger: Actor, probe: Probe) -> None:
    async with opened(path, stranger.user) as page:
        assert await closed_with(page) == GONE


async def test_who_is_disabled_while_looking_is_shut_out(
    path: str, viewer: Actor, probe: Probe, make_capture: Make
) -> None:
    async def disable() -> None:
        assert viewer.user is not None
        viewer.user.is_active = False
        await database_sync_to_async(viewer.user.save)()

    async with opened(path, viewer.user) as page:
        await page.resume()
        await page.frame('id="probes"')
        await disable()
        await database_sync_to_async(make_capture)(probe)
        assert await closed_with(page) == SIGNED_OUT


@pytest.mark.parametrize(
    "nonsense", ["[]", "{", '{"resume": 7}', '{"resume": {"captures": "x"}}', "x" * 5000]
)
async def test_nonsense_is_answered_like_a_beat(
    path: str, viewer: Actor, probe: Probe, nonsense: str
) -> None:
    async with opened(path, viewer.user) as page:
        await page.line.send_to(text_data=nonsense)
        assert await page.line.receive_from(timeout=WITHIN_S) == " "


@pytest.mark.parametrize(("path", "part"), [("live/fleet/", 'id="fleet-totals"')])
async def test_the_fleet_is_painted_whole_on_a_resume(
    path: str, part: str, viewer: Actor, instance: object, no_captures_left: Awaitable[None]
) -> None:
    async with opened(path, viewer.user) as page:
        await page.resume()
        assert "hx-swap-oob" in await page.frame(part)


async def test_the_page_of_one_service_stays_its_own(
    viewer: Actor, service: Service, instance: object, environment: Environment
) -> None:
    await database_sync_to_async(catalog.ensure_service)(environment=environment, name="pricing-service")
    async with opened(f"live/fleet/{show('svc', service.id)}/", viewer.user) as page:
        await page.resume()
        painted = await page.frame(service.name)
    assert "pricing-service" not in painted


class TestProbePage:
    """A probe's socket paints what that probe brought, and nothing of the others."""

    async def test_figures_and_captures_enter_as_they_come(
        self, responder: Actor, probe: Probe, make_probe: Callable[..., Probe], make_capture: Make
    ) -> None:
        other = await database_sync_to_async(make_probe)()
        async with opened(f"live/probes/{show('prb', probe.id)}/", responder.user) as page:
            await page.resume()
            assert 'id="result"' in await page.frame('id="result"')
            await database_sync_to_async(make_capture)(other)
            mine = await database_sync_to_async(make_capture)(probe)
            assert rows(await page.frame("data-capture")) == [show("cap", mine.id)]

    async def test_a_paused_page_is_told_how_many(
        self, responder: Actor, probe: Probe, make_capture: Make
    ) -> None:
        await database_sync_to_async(make_capture)(probe)
        async with opened(f"live/probes/{show('prb', probe.id)}/", responder.user) as page:
            await page.resume(paused=True)
            frame = await page.frame("data-newer")
            assert (rows(frame), told(frame, "newer")) == ([], 1)

    async def test_is_not_for_strangers(self, stranger: Actor, probe: Probe) -> None:
        async with opened(f"live/probes/{show('prb', probe.id)}/", stranger.user) as page:
            assert (await page.line.receive_output(WITHIN_S))["code"] == GONE
