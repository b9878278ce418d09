"""Errors a person or an agent can act on: a slug the docs explain, a sentence, and what to do next.

Problem
├── Invalid        400  the request makes no sense as it is
├── Unauthorized   401  no valid sign-in or token
├── Forbidden      403  known, but may not
├── NotFound       404  no such thing, or none this actor may see
├── Conflict       409  the thing is in another state than the request assumes
├── Changed        412  someone changed the thing since the caller read it
├── Limited        429  too much or too often
├── Unexpected     500  a fault of ours, told without its details
└── Unavailable    503  a part this needs is away; worth trying again
"""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """Raised by verbs, turned by each door into its own form (problem+json, a tool error, a sentence on the page).

    ``fix`` says what to do; ``alternatives`` carries facts to choose from, such as the nearest executable lines.
    """

    status = 400
    retryable = False

    def __init__(self, slug: str, sentence: str, *, fix: str = "", **alternatives: Any) -> None:
        super().__init__(sentence)
        self.slug = slug
        self.sentence = sentence
        self.fix = fix
        self.alternatives = alternatives


class Invalid(Problem):
    status = 400


class Unauthorized(Problem):
    status = 401


class Forbidden(Problem):
    status = 403


class NotFound(Problem):
    status = 404


class Conflict(Problem):
    status = 409


class Changed(Problem):
    status = 412


class Limited(Problem):
    status = 429
    retryable = True


class Unexpected(Problem):
    status = 500

    def __init__(self) -> None:
        super().__init__(
            "unexpected",
            "Something broke inside Sightline; it was logged.",
            fix="Try once more, then tell whoever runs it.",
        )


class Unavailable(Problem):
    status = 503
    retryable = True


def text_not_storable() -> Invalid:
    """What PostgreSQL's refusal of a value means to whoever sent it."""
    return Invalid(
        "text_not_storable",
        "A text or number in this request cannot be stored.",
        fix="Leave out NUL characters and numbers beyond 64 bits.",
    )
