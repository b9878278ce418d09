"""What tools answer: facts without empty fields, cut to a token budget, and errors a model can act on."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel

from investigations.lib.errors import Problem
from investigations.shapes import ProblemShape

DEFAULT_TOKENS = 8_000
CHARACTERS_PER_TOKEN = 4
Answer = dict[str, Any]
P = ParamSpec("P")


@dataclass(frozen=True)
class Tool:
    """One tool as the server registers it."""

    function: Callable[..., Awaitable[Answer]]
    annotations: ToolAnnotations


REGISTERED: list[Tool] = []


def tool(
    *, title: str, writes: bool = False, destroys: bool = False
) -> Callable[[Callable[P, Awaitable[Answer]]], Callable[P, Awaitable[Answer]]]:
    """Register a coroutine as a tool: a `Problem` becomes a readable error, anything else stays masked by the SDK."""

    def register(function: Callable[P, Awaitable[Answer]]) -> Callable[P, Awaitable[Answer]]:
        @functools.wraps(function)
        async def answer(*args: P.args, **kwargs: P.kwargs) -> Answer:
            try:
                return fit(lean(await function(*args, **kwargs)))
            except Problem as problem:
                raise ToolError(explain(problem)) from problem

        answer.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
        hints = ToolAnnotations(
            title=title,
            read_only_hint=not (writes or destroys),
            destructive_hint=destroys,
            idempotent_hint=not writes or destroys,
            open_world_hint=False,
        )
        REGISTERED.append(Tool(answer, hints))
        return answer

    return register


def explain(problem: Problem) -> str:
    """The problem as JSON text, for the model to read and act on."""
    shape = ProblemShape(
        code=problem.slug,
        message=problem.sentence,
        retryable=problem.retryable,
        fix=problem.fix,
        alternatives=problem.alternatives,
    )
    return json.dumps(lean(shape), default=str)


def lean(value: Any) -> Any:
    """Plain JSON data without what is absent: None, empty text, empty lists and objects inside objects."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        kept = {key: lean(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [lean(item) for item in value]
    return value


def fit(answer: Answer, tokens: int = DEFAULT_TOKENS) -> Answer:
    """Shorten the answer's longest list until it fits, and say how much was left out."""
    allowed = tokens * CHARACTERS_PER_TOKEN
    omitted: dict[str, int] = {}
    while (size := len(json.dumps(answer, default=str))) > allowed:
        lists = {key: item for key, item in answer.items() if isinstance(item, list) and len(item) > 1}
        if not lists:
            break
        key = max(lists, key=lambda name: len(json.dumps(lists[name], default=str)))
        keep = max(1, int(len(lists[key]) * allowed / size * 0.9))
        omitted[key] = omitted.get(key, 0) + len(lists[key]) - keep
        answer = {**answer, key: lists[key][:keep]}
    if omitted:
        answer = {**answer, "truncated": {"reason": f"answer limited to {tokens} tokens", "omitted": omitted}}
    return answer
