"""Why the whole cannot run, in one sentence that says what to do."""

from __future__ import annotations

from investigations.lib.errors import Problem


class Unstartable(Problem):
    """Nothing can run until a person acts; `slug` names the reason in docs/reference/messages.md."""

    status = 503


def port_taken(port: int, who: str) -> Unstartable:
    return Unstartable(
        "port_taken",
        f"Port {port}, which {who} needs, is taken by another process.",
        fix=f"Stop that process, or choose another: PORT={port + 1000} with make, --port with manage.py.",
    )
