"""How a task says when it runs."""

from __future__ import annotations

from typing import Any, TypedDict


class Entry(TypedDict):
    """One line of Celery's beat schedule."""

    task: str
    schedule: float
    options: dict[str, Any]


Schedule = dict[str, Entry]


def every(seconds: float, task: Any) -> Schedule:
    """Run ``task`` that often. A tick nobody took before the next one is dropped, not queued up."""
    return {task.name: Entry(task=task.name, schedule=seconds, options={"expires": max(seconds, 2.0)})}
