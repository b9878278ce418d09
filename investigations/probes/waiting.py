"""Waiting for the captures of some probes: subscribe first, look, then wait. No capture is an answer, not an error."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from channels.db import database_sync_to_async

from investigations.accounts.actors import Actor
from investigations.lib.errors import Invalid
from investigations.live import topics
from investigations.live.waiting import wait_until
from investigations.probes import selectors
from investigations.probes.models import Capture, Probe, ProbeDelivery, ProbeState
from sightline import wire

MOST = 50
LIVE_STATES = (ProbeState.ACTIVE, ProbeState.PENDING_APPROVAL)
Progress = Callable[[float], Awaitable[None]]
T = TypeVar("T")


@dataclass(frozen=True)
class Waited:
    """``captures`` holds (row, body, outcome) in order of arrival; ``cursor`` continues the wait without a gap."""

    status: Literal["captured", "timeout", "ended"]
    captures: list[tuple[Capture, wire.Capture, str]]
    cursor: int
    endings: dict[str, int] = field(default_factory=dict)
    deliveries: list[ProbeDelivery] = field(default_factory=list)
    possible_causes: list[str] = field(default_factory=list)


async def wait_for_captures(
    *,
    by: Actor,
    probe_ids: Sequence[uuid.UUID],
    after: int = 0,
    min_count: int = 1,
    timeout_s: float = 30.0,
    every_second: Progress | None = None,
) -> Waited:
    """At least ``min_count`` captures after the cursor, as soon as they are stored, or why there are not.

    Ends early when none of the probes can capture any more. ``every_second`` is told the seconds waited.
    Raises `NotFound` for a probe the actor may not see, `Invalid` (probes_of_sessions) when they share no session.
    """
    probes = await _read(_probes, by, probe_ids)
    if len({probe.session_id for probe in probes}) > 1:
        raise Invalid(
            "probes_of_sessions",
            "These probes belong to several sessions, each of which counts its own captures.",
            fix="Wait for the probes of one session at a time.",
        )

    async def look() -> Waited | None:
        return await _read(_look, by, [probe.pk for probe in probes], after, min_count)

    ticking = asyncio.create_task(_tick(every_second)) if every_second else None
    try:
        found = await wait_until([topics.session_topic(probes[0].session_id)], look, timeout_s)
    finally:
        if ticking is not None:
            ticking.cancel()
    if found is None:
        found = await _read(_timed_out, by, [probe.pk for probe in probes], after)
    return found


async def _tick(every_second: Progress) -> None:
    """Report until cancelled. A listener that cannot be told any more loses the reports, not the answer."""
    started = time.monotonic()
    with contextlib.suppress(Exception):
        while True:
            await asyncio.sleep(1)
            await every_second(time.monotonic() - started)


async def _read(work: Callable[..., T], *args: object) -> T:
    return await database_sync_to_async(work)(*args)


def _probes(by: Actor, ids: Sequence[uuid.UUID]) -> list[Probe]:
    return [selectors.probe(by, found) for found in ids]


def _look(by: Actor, ids: Sequence[uuid.UUID], after: int, min_count: int) -> Waited | None:
    probes = _probes(by, ids)
    captures = _captures(by, probes, after)
    if len(captures) >= min(min_count, MOST):
        return _answer("captured", probes, captures, after)
    if not any(probe.state in LIVE_STATES for probe in probes):
        return _answer("ended", probes, captures, after)
    return None


def _timed_out(by: Actor, ids: Sequence[uuid.UUID], after: int) -> Waited:
    probes = _probes(by, ids)
    captures = _captures(by, probes, after)
    return _answer("timeout", probes, captures, after)


def _captures(by: Actor, probes: Sequence[Probe], after: int) -> list[Capture]:
    """In order of arrival; a session's cursors are one order, so only captures of one session resume together."""
    rows = [
        row
        for probe in probes
        for row in selectors.captures_after(by, probe.session, after, probe=probe, limit=MOST)
    ]
    return sorted(rows, key=lambda row: row.cursor)[:MOST]


def _answer(
    status: Literal["captured", "timeout", "ended"],
    probes: Sequence[Probe],
    rows: Sequence[Capture],
    after: int,
) -> Waited:
    outcomes: dict[str, str] = {}
    if rows:
        outcomes = selectors.outcome_of(rows[0].environment_id, [row.execution_id for row in rows])
    endings: dict[str, int] = {}
    for probe in probes:
        for ending, count in selectors.endings(probe).items():
            endings[ending] = endings.get(ending, 0) + count
    return Waited(
        status=status,
        captures=[(row, selectors.decode(row), outcomes.get(row.execution_id, "unknown")) for row in rows],
        cursor=rows[-1].cursor if rows else after,
        endings=endings,
        deliveries=[delivery for probe in probes for delivery in selectors.deliveries(probe)],
        possible_causes=[]
        if rows
        else [cause for probe in probes for cause in selectors.why_no_capture(probe)],
    )
