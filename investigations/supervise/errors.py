"""Why the whole cannot run, in one sentence that says what to do."""

from __future__ import annotations


class Unstartable(Exception):
    """Nothing can run until a person acts; `slug` names the reason in docs/reference/messages.md."""

    def __init__(self, slug: str, sentence: str) -> None:
        super().__init__(sentence)
        self.slug = slug
        self.sentence = sentence
