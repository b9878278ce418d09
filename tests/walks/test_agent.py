"""The agent's walk, by the official MCP client on real processes: from a firing alert to a report that names the cause.

The example is copied with another attribute, module and lines each time (`WALK_SEED` repeats one), so what the agent
finds it can only have found in the running code.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from examples.trading.variant import write_variant
from investigations.supervise.parts import HOST
from tests.walks.running import Running, room_for_the_demo

pytestmark = pytest.mark.walk

PATIENCE_S = (
    420.0  # a limit for a busy machine: alerts need a minute of load, and trades with a promotion are rare
)
SERVICE = "trade-execution-service"
SYMPTOM = "SettlementRejectionsHigh"


@dataclass(frozen=True)
class Case:
    """The example as it runs this time; only the attribute's name is told to the agent, as its alert's people would."""

    running: Running
    attribute: str
    file: str


@pytest.fixture(scope="module")
def case() -> Iterator[Case]:
    seed = int(os.environ.get("WALK_SEED", random.SystemRandom().randrange(1 << 32)))
    sys.stderr.write(f"WALK_SEED={seed}\n")
    chosen = random.Random(seed)
    attribute = f"{chosen.choice(['needs', 'wants'])}_{chosen.choice(['scrutiny', 'escort'])}_{seed % 97}"
    module = f"{chosen.choice(['incoming', 'asked', 'wished'])}_{seed % 89}"
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        example = Path(folder) / "example"
        written = write_variant(example, attribute=attribute, module=module, padding=chosen.randrange(40))
        running = Running(Path(folder) / "home", room_for_the_demo(), "--example", str(example))
        try:
            running.until_said("SettlementRejectionsHigh fires within a minute.")
            yield Case(running, attribute, str(written.relative_to(example)))
        finally:
            running.process.send_signal(signal.SIGTERM)
            running.process.wait(timeout=60)


class Agent:
    """A coding agent's side: it calls tools, reads what they answer, and repeats what was said to be worth it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.deadline = time.monotonic() + PATIENCE_S

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        while True:
            result = await self._client.call_tool(tool, arguments)
            if not result.is_error:
                assert result.structured_content is not None
                return result.structured_content
            problem = json.loads(result.content[0].text)  # type: ignore[union-attr]
            assert problem.get("retryable"), problem
            assert time.monotonic() < self.deadline, problem
            await asyncio.sleep(1)

    async def firing_alert(self) -> dict[str, Any]:
        while True:
            for state in ("firing", "flapping"):
                answer = await self.call("list_alerts", state=state, service=SERVICE)
                for alert in answer.get("alerts", []):
                    if alert["name"] == SYMPTOM:
                        return dict(alert)
            assert time.monotonic() < self.deadline, "no alert fired"
            await asyncio.sleep(1)

    async def captures(self, probe_id: str) -> AsyncIterator[dict[str, Any]]:
        """Every capture of a probe, in order, as they come."""
        cursor = 0
        while True:
            answer = await self.call("wait_for_captures", probe_ids=[probe_id], after=cursor, timeout_s=20)
            for capture in answer.get("captures", []):
                yield capture
            cursor = answer["next_cursor"]
            assert answer["status"] != "ended", answer
            assert time.monotonic() < self.deadline, answer.get("possible_causes")


@asynccontextmanager
async def agent_of(case: Case, mode: Literal["auto", "legacy"]) -> AsyncIterator[Agent]:
    token = case.running.credentials()["agent_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=120, follow_redirects=True) as http:
        transport = streamable_http_client(f"http://{HOST}:{case.running.port}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            yield Agent(client)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_from_a_firing_alert_to_a_report(case: Case, mode: Literal["auto", "legacy"]) -> None:
    asyncio.run(_investigate(case, mode))


async def _investigate(case: Case, mode: Literal["auto", "legacy"]) -> None:
    async with agent_of(case, mode) as agent:
        alert = await agent.firing_alert()
        opened = await agent.call(
            "open_session", alert=alert["id"], purpose=f"Why does it fire ({mode})?", reuse=False
        )
        session = opened["session"]
        capture = await _telling_capture(agent, session["id"], case)
        await _conclude(agent, session, alert, capture, case)


async def _telling_capture(agent: Agent, session_id: str, case: Case) -> dict[str, Any]:
    """Find the likeliest writer of the attribute, probe it, and wait for a high-value trade with a surprising type."""
    about = {"session_id": session_id, "service": SERVICE}
    found = await agent.call(
        "find_assignments", **about, target=f"TradeRequest.{case.attribute}", purpose="Who writes it?"
    )
    assert found["blind_spots"]
    likeliest = next(point for point in found["points"] if not point["exact"])
    assert likeliest["path"] == case.file
    suggestion = likeliest["suggestion"]
    where = {"file": suggestion["file"], "line": suggestion["line"], "condition": "amount > 10000"}
    checked = await agent.call("check_probe", **about, **where, watches=suggestion["watches"])
    assert checked["ok"], checked
    placed = await agent.call(
        "place_probe",
        **about,
        **where,
        watches=suggestion["watches"],
        hit_limit=2000,
        purpose="Its exact type",
    )
    try:
        async for capture in agent.captures(placed["probe"]["id"]):
            if capture["watches"][f"request.{case.attribute}"]["type"] != "bool":
                return (await agent.call("get_capture", capture_id=capture["id"]))["capture"]
    finally:
        await agent.call("remove_probe", probe_id=placed["probe"]["id"], purpose="It has answered")
    raise AssertionError("the captures ended")


async def _conclude(
    agent: Agent, session: dict[str, Any], alert: dict[str, Any], capture: dict[str, Any], case: Case
) -> None:
    seen = capture["watches"][f"request.{case.attribute}"]
    assert (seen["type"], seen["value"]) == ("str", "true")
    fields = capture["frames"][0]["variables"]["request"]["fields"]
    assert (fields[case.attribute]["type"], fields[case.attribute]["value"]) == ("str", "true")
    claim = f"{case.attribute} holds text, so large trades pass the check"
    hypothesis = (
        await agent.call(
            "record_hypothesis",
            session_id=session["id"],
            statement=claim,
            confirms="A capture with another type than bool",
            weakens="Only bool",
        )
    )["hypothesis"]
    evidence = await agent.call(
        "record_evidence",
        session_id=session["id"],
        title=f"{case.attribute} is the string true",
        of=capture["id"],
        hypothesis_ids=[hypothesis["id"]],
        stance="supports",
        explains_alert=alert["id"],
        explains_incident=session["incident_id"],
    )
    links = evidence["evidence"]["links"]
    assert {link.get("alert_id") for link in links} >= {alert["id"]}
    assert {link.get("incident_id") for link in links} >= {session["incident_id"]}
    report = (await agent.call("export_report", session_id=session["id"], format="json", max_tokens=20_000))[
        "report"
    ]
    told = json.dumps(report)
    for part in (claim, evidence["evidence"]["id"], alert["id"], session["incident_id"], capture["id"]):
        assert part in told, part
    written = (await agent.call("export_report", session_id=session["id"], max_tokens=20_000))["report"]
    plain = written.replace("\\", "")  # Markdown escapes the underscores
    assert claim in plain
    assert "true" in plain
