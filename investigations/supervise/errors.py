"""Why the whole cannot run, in one sentence that says what to do."""

from __future__ import annotations

from investigations.lib.errors import Problem


class Unstartable(Problem):
    """Nothing can run until a person acts; `slug` names the reason in docs/reference/messages.md."""

    status = 503
