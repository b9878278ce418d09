"""Why the gateway ends a connection: a slug, a sentence, a close code, and whether trying again can help."""

from __future__ import annotations

from sightline import wire


class Refuse(Exception):
    """Raised anywhere in a connection's handling; the consumer tells the sensor and closes."""

    def __init__(
        self, slug: str, sentence: str, *, code: int = 4400, final: bool = False, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(sentence)
        self.slug = slug
        self.code = code
        self.message = wire.Refusal(slug, sentence, final, retry_after_s)


def malformed(sentence: str) -> Refuse:
    """A frame that is no message, or a message that makes no sense."""
    return Refuse("malformed", sentence, code=4400, retry_after_s=10.0)


def too_large(size: int, most: int) -> Refuse:
    return Refuse(
        "too_large", f"A message of {size} bytes came; {most} are possible.", code=4413, retry_after_s=10.0
    )


def out_of_order(kind: str) -> Refuse:
    return Refuse(
        "out_of_order", f"A message of type {kind} may not come now.", code=4400, retry_after_s=10.0
    )


def too_fast(sentence: str) -> Refuse:
    return Refuse("too_fast", sentence, code=4429, retry_after_s=30.0)


def too_slow() -> Refuse:
    return Refuse(
        "handshake_timeout", "The handshake was not finished in time.", code=4408, retry_after_s=5.0
    )


def terms_changed() -> Refuse:
    sentence = "The rules of this environment changed; the next welcome brings them."
    return Refuse("terms_changed", sentence, code=4410)


def superseded() -> Refuse:
    return Refuse("superseded", "A newer connection speaks for this instance.", code=4409, retry_after_s=30.0)


def unavailable() -> Refuse:
    sentence = "The gateway cannot reach its database or Redis just now."
    return Refuse("unavailable", sentence, code=4503, retry_after_s=1.0)


def internal() -> Refuse:
    return Refuse("internal", "The gateway failed; its log says why.", code=4500, retry_after_s=5.0)
