"""Reason over captures, commits and metrics: invariants, suspect commits, the next probe, the call graph."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from investigations.accounts.actors import Actor
from investigations.catalog import causes
from investigations.evidence import next_probe
from investigations.mcp.answers import DEFAULT_TOKENS, MOST_TOKENS, Answer, tool
from investigations.mcp.calling import as_actor, note_step
from investigations.mcp.references import id_of
from investigations.probes import invariants
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
    SuspectCommitShape,
    ThoughtIn,
)

Tokens = Annotated[int, Field(ge=500, le=MOST_TOKENS)]
Purpose = Annotated[str, Field(max_length=500)]


@tool(title="Learn invariants", untrusted="Captured values")
async def learn_invariants(
    session_id: str,
    probe_id: Annotated[str, Field(description="None: the probe with the most failing captures.")] = "",
    max_tokens: Tokens = DEFAULT_TOKENS,
    purpose: Purpose = "",
) -> dict[str, Any]:
    """What always held in passing captures of a probe, and which other captures or later commits break it."""
    return await as_actor(_learn, session_id, probe_id, purpose)


def _learn(actor: Actor, session_id: str, probe_id: str, purpose: str) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    found = invariants.learn_invariants(actor, session, probe=_probe(actor, probe_id))
    note_step(actor, session, "learn_invariants", f"learned invariants: {found.sentence}", purpose)
    return {"held": InvariantsShape.from_result(found)}


@tool(title="Suspect commits", untrusted="Places in captured stacks")
async def suspect_commits(
    session_id: str,
    commits: Annotated[list[CommitIn], Field(max_length=1000, description="git log, newest first.")] = [],  # noqa: B006
    running: str = "",
    last_good: str = "",
    probe_id: str = "",
    max_tokens: Tokens = DEFAULT_TOKENS,
    purpose: Purpose = "",
) -> dict[str, Any]:
    """Commits (yours, else those instances ran) reachable from the failing one that touched what failing runs did."""
    return await as_actor(_suspect, session_id, commits, running, last_good, probe_id, purpose)


def _suspect(
    actor: Actor,
    session_id: str,
    commits: list[CommitIn],
    running: str,
    last_good: str,
    probe_id: str,
    purpose: str,
) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    found = suspects.suspect_commits(
        actor,
        session,
        [each.to_commit() for each in commits],
        running=running,
        last_good=last_good,
        probe=_probe(actor, probe_id),
    )
    told = found[0].sentence if found else "none of them touched what failing captures ran through"
    note_step(actor, session, "suspect_commits", f"ranked {len(commits)} commits: {told}", purpose)
    return {"commits": [SuspectCommitShape.from_result(each) for each in found]}


@tool(title="Suggest probes", untrusted="Places in captured stacks")
async def suggest_probes(
    session_id: str,
    thoughts: Annotated[list[ThoughtIn], Field(max_length=50)] = [],  # noqa: B006  (read by the framework)
    probe_id: str = "",
    purpose: Purpose = "",
) -> dict[str, Any]:
    """Where to probe next: your thoughts and lines of failing stacks, by expected bits between hypotheses per cost."""
    return await as_actor(_suggest, session_id, thoughts, probe_id, purpose)


def _suggest(actor: Actor, session_id: str, thoughts: list[ThoughtIn], probe_id: str, purpose: str) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    found = next_probe.next_probes(
        actor,
        session,
        thoughts=[next_probe.Thought(each.place, each.expects) for each in thoughts],
        probe=_probe(actor, probe_id),
    )
    told = found[0].sentence if found else "nothing suspicious is left to probe"
    note_step(actor, session, "suggest_probes", f"asked where to probe next: {told}", purpose)
    return {"probes": [AdviceShape.from_result(each) for each in found]}


@tool(title="Rank causes")
async def rank_causes(
    session_id: str,
    target: Annotated[str, Field(description="The slow or failing caller; else the entry.")] = "",
    service: str = "",
    metric: Literal["latency", "errors"] = "latency",
    minutes: Annotated[int, Field(ge=2, le=causes.MOST_MINUTES)] = 10,
    calls: Annotated[list[tuple[str, str]], Field(max_length=10_000)] = [],  # noqa: B006
    nodes: Annotated[dict[str, NodeIn], Field(max_length=1_000)] = {},  # noqa: B006
    max_tokens: Tokens = DEFAULT_TOKENS,
    purpose: Purpose = "",
) -> dict[str, Any]:
    """Which function (of the service's record) or node (of calls you add) is the cause; or that nothing is wrong."""
    asked = {"target": target, "metric": metric, "minutes": minutes, "calls": calls}
    return await as_actor(_rank, session_id, service, asked, nodes, purpose)


def _rank(
    actor: Actor,
    session_id: str,
    service: str,
    asked: dict[str, Any],
    nodes: dict[str, NodeIn],
    purpose: str,
) -> Answer:
    session = sessions.session(actor, id_of("ses", session_id, "session_id"))
    about = sessions.service_meant(actor, session, service)
    told = {name: each.to_series() for name, each in nodes.items()}
    found = causes.rank_causes(actor, about, nodes=told, **asked)
    note_step(actor, session, "rank_causes", f"ranked causes in the call graph: {found.sentence}", purpose)
    return {"diagnosis": DiagnosisShape.from_result(found)}


def _probe(actor: Actor, probe_id: str) -> Probe | None:
    return probes.probe(actor, id_of("prb", probe_id, "probe_id")) if probe_id else None
