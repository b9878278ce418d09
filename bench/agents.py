"""What an agent waits for: `loop.mcp_answer`, from the hit of a probe to the answer of the tool that waits for it.

The official client calls `wait_for_captures` over streamable HTTP while a real sensor runs the probed line; PostgreSQL,
Valkey and Daphne are those of `bench.gateway`. The baseline is the hit's acknowledgement in the same rounds, which
ends before the answer begins.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from bench.figures import figure, show
from bench.gateway import LoopedService, Stage, daphne, is_wanted, servers, wait_for

ROUNDS = 60
UNDER_WAY_S = 0.25
"""After this long the call has arrived, looked once, and waits."""


def measure(stage: Stage, url: str) -> dict[str, Any]:
    """Milliseconds from the hit to the answer, the median of rounds that each wait for one capture."""
    from investigations.lib.ids import show as public_id

    service = LoopedService(stage, url)
    probe = stage.place(LoopedService.FILE, service.line, template="a={a} c={c}")
    _arm(probe)
    address = url.replace("ws://", "http://").removesuffix("/sensor/v1") + "/mcp"
    answering, acknowledging = asyncio.run(
        _rounds(address, _agent_token(stage), public_id("prb", probe.pk), service)
    )
    service.close()
    ordered = sorted(answering[1:])  # the first opens connections
    return figure(
        "loop.mcp_answer",
        statistics.median(ordered),
        "ms",
        goal=50.0,
        baseline=statistics.median(acknowledging[1:]),
        p95=round(ordered[int(len(ordered) * 0.95)], 2),
        first=round(answering[0], 2),
    )


async def _rounds(
    address: str, token: str, probe_id: str, service: LoopedService
) -> tuple[list[float], list[float]]:
    """Milliseconds to the answer and to the acknowledgement, one of each a round."""
    answering, acknowledging = [], []
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(address, http_client=http)) as client,
    ):
        cursor = 0
        for _ in range(ROUNDS):
            waiting = asyncio.create_task(_waited(client, probe_id, cursor))
            await asyncio.sleep(UNDER_WAY_S)
            began = time.perf_counter()
            hit = asyncio.create_task(asyncio.to_thread(service.hit))
            cursor, ended = await waiting
            answering.append((ended - began) * 1000)
            acknowledging.append(await hit)
    return answering, acknowledging


async def _waited(client: Client, probe_id: str, after: int) -> tuple[int, float]:
    """The cursor to go on from, and when the answer had come."""
    answer = await client.call_tool(
        "wait_for_captures", {"probe_ids": [probe_id], "after": after, "timeout_s": 30}
    )
    ended = time.perf_counter()
    told = answer.structured_content
    assert told is not None, answer
    assert told["status"] == "captured", told
    assert len(told["captures"]) == 1, told
    return told["next_cursor"], ended


def _arm(probe: Any) -> None:
    """Tell the instance of a probe that was placed without asking it, and wait until it stands."""
    from investigations.catalog.services import bump_probe_revision
    from investigations.probes.models import ProbeDelivery

    bump_probe_revision(probe.service)
    wait_for(lambda: ProbeDelivery.objects.filter(probe=probe, state="armed").exists())


def _agent_token(stage: Stage) -> str:
    from investigations.accounts import services as accounts
    from investigations.accounts.models import TokenKind

    _, text = accounts.issue_access_token(
        by=stage.by, kind=TokenKind.AGENT, name="agent", owner=stage.by.user
    )
    return text


def main(wanted: list[str]) -> None:
    """Print the figure, if it is among those wanted."""
    if not is_wanted("loop.mcp_answer", wanted):
        return
    with servers():
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        stage = Stage()
        with daphne() as url:
            show(measure(stage, url))


if __name__ == "__main__":
    main(sys.argv[1:])
