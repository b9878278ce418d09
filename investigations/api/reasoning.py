"""What captures, commits and metrics say of the cause: invariants, suspect commits, the next probe, the call graph."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.api.auth import actor
from investigations.api.paging import id_in_path
from investigations.catalog import causes
from investigations.evidence import next_probe
from investigations.probes import invariants, silent_failures
from investigations.probes import selectors as probes
from investigations.probes import suspect_commits as suspects
from investigations.probes.models import Probe
from investigations.sessions import selectors as sessions
from investigations.shapes import (
    AdviceShape,
    CommitIn,
    DiagnosisShape,
    InvariantsShape,
    NodeIn,
    Shape,
    SuspectCommitShape,
    ThoughtIn,
)

router = Router(tags=["reasoning"])


class HistoryIn(Shape):
    """The service's history, newest first, from its repository; without one, the commits its instances ran."""

    commits: list[CommitIn] = Field(default_factory=list, max_length=1000)
    running: str = Field(
        default="", max_length=64, description="The failing commit; else that of the captures."
    )
    last_good: str = Field(default="", max_length=64)
    onset: datetime | None = Field(default=None, description="When it began; else the first failing capture.")
    probe_id: str = ""


class ThoughtsIn(Shape):
    """Probes you think of, beside the lines that failing captures ran through."""

    thoughts: list[ThoughtIn] = Field(default_factory=list, max_length=50)
    probe_id: str = ""


class CallsIn(Shape):
    """Whose function record to read, and what your backend knows beside it: calls, and one metric of each node.

    Without ``target`` it is the service's entry; without ``service``, the only one of the session.
    """

    target: str = Field(default="", max_length=500)
    service: str = Field(default="", max_length=255)
    metric: Literal["latency", "errors"] = "latency"
    minutes: int = Field(default=10, ge=2, le=causes.MOST_MINUTES)
    until: datetime | None = Field(default=None, description="The end of these minutes; else now.")
    calls: list[tuple[str, str]] = Field(
        default_factory=list, max_length=10_000, description="(caller, callee)"
    )
    nodes: dict[str, NodeIn] = Field(default_factory=dict, max_length=1_000)


@router.get(
    "/sessions/{session_id}/captures/invariants", response=InvariantsShape, operation_id="learn_invariants"
)
def learn_invariants(request: HttpRequest, session_id: str, probe_id: str = "") -> InvariantsShape:
    """What always held in passing captures of a probe, which other captures break it, and what versions changed."""
    by = actor(request)
    session = sessions.session(by, id_in_path("ses", session_id))
    return InvariantsShape.from_result(invariants.learn_invariants(by, session, probe=_probe(by, probe_id)))


@router.post(
    "/sessions/{session_id}/silent-failures", response=InvariantsShape, operation_id="raise_silent_failures"
)
def raise_silent_failures(request: HttpRequest, session_id: str, probe_id: str = "") -> InvariantsShape:
    """Put broken invariants into the inbox as alerts, and resolve those that hold again."""
    by = actor(request)
    session = sessions.session(by, id_in_path("ses", session_id))
    held, alerts = silent_failures.raise_silent_failures(by=by, session=session, probe=_probe(by, probe_id))
    return InvariantsShape.from_result(held, alerts=alerts)


@router.post(
    "/sessions/{session_id}/suspect-commits",
    response=list[SuspectCommitShape],
    operation_id="suspect_commits",
)
def suspect_commits(request: HttpRequest, session_id: str, body: HistoryIn) -> list[SuspectCommitShape]:
    """Commits reachable from the failing one that touched what failing captures ran through, ranked."""
    by = actor(request)
    found = suspects.suspect_commits(
        by,
        sessions.session(by, id_in_path("ses", session_id)),
        [each.to_commit() for each in body.commits],
        running=body.running,
        last_good=body.last_good,
        onset=body.onset.timestamp() if body.onset else None,
        probe=_probe(by, body.probe_id),
    )
    return [SuspectCommitShape.from_result(each) for each in found]


@router.post(
    "/sessions/{session_id}/probes/suggest", response=list[AdviceShape], operation_id="suggest_probes"
)
def suggest_probes(request: HttpRequest, session_id: str, body: ThoughtsIn) -> list[AdviceShape]:
    """Where to place the next probe: what is expected to tell most between hypotheses for its cost."""
    by = actor(request)
    found = next_probe.next_probes(
        by,
        sessions.session(by, id_in_path("ses", session_id)),
        thoughts=[next_probe.Thought(each.place, each.expects) for each in body.thoughts],
        probe=_probe(by, body.probe_id),
    )
    return [AdviceShape.from_result(each) for each in found]


@router.post("/sessions/{session_id}/causes", response=DiagnosisShape, operation_id="rank_causes")
def rank_causes(request: HttpRequest, session_id: str, body: CallsIn) -> DiagnosisShape:
    """Which function or node is the cause of a slow or failing caller, or that nothing is wrong."""
    by = actor(request)
    found = causes.rank_causes(
        by,
        sessions.service_meant(by, sessions.session(by, id_in_path("ses", session_id)), body.service),
        body.target,
        metric=body.metric,
        minutes=body.minutes,
        until=body.until,
        calls=body.calls,
        nodes={name: each.to_series() for name, each in body.nodes.items()},
    )
    return DiagnosisShape.from_result(found)


def _probe(by: Actor, probe_id: str) -> Probe | None:
    return probes.probe(by, id_in_path("prb", probe_id)) if probe_id else None
