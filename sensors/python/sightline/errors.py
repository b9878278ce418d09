"""Everything that can go wrong in the sensor and that a person can act on, as one tree.

    SightlineError                  slug, sentence
    ├── ConfigError                 a setting that cannot be meant
    ├── LocationError               a place in the code where no probe can go
    ├── ExpressionError             column; the parent of all the expression language can answer instead of a value
    │   ├── NotInLanguage           the text or tree is no expression of the safe language
    │   ├── UnknownName             no such name, attribute, key or index here
    │   ├── WouldRunCode            answering would run the application's own code
    │   ├── NotDefined              the operation means nothing for values of these types
    │   ├── TooLarge                the result, or the work, would be out of proportion
    │   ├── Changed                 another thread resized a container while it was read
    │   └── Withheld                a redaction rule forbids looking at this value
    ├── BudgetExceeded              an evaluation ran out of steps or time
    └── DeadlinePassed              a copy had no time left before it could begin

None of these ever reaches the application: whoever asks a question catches them and counts or reports them.
"""

from __future__ import annotations

from typing import ClassVar


class SightlineError(Exception):
    """A slug for programs and the docs, a sentence for people that says what to do."""

    def __init__(self, slug: str, sentence: str) -> None:
        super().__init__(f"{slug}: {sentence}")
        self.slug = slug
        self.sentence = sentence


class ConfigError(SightlineError):
    """A setting that cannot be meant; only `start()` and the command line raise it."""


class LocationError(SightlineError):
    """A place where no probe can go; ``nearest`` are the executable lines closest to it, if any."""

    def __init__(self, slug: str, sentence: str, nearest: list[int] | None = None) -> None:
        super().__init__(slug, sentence)
        self.nearest = nearest or []


class ExpressionError(SightlineError):
    """An expression that has no value here; ``column`` counts characters from 0, -1 when the text is not known."""

    default_slug: ClassVar[str] = "expression_error"

    def __init__(self, sentence: str, slug: str = "", column: int = -1) -> None:
        super().__init__(slug or self.default_slug, sentence)
        self.column = column


class NotInLanguage(ExpressionError):
    default_slug = "not_in_language"


class UnknownName(ExpressionError):
    default_slug = "unknown_name"


class WouldRunCode(ExpressionError):
    default_slug = "would_run_code"


class NotDefined(ExpressionError):
    default_slug = "not_defined"


class TooLarge(ExpressionError):
    default_slug = "too_large"


class Changed(ExpressionError):
    default_slug = "changed_while_read"


class Withheld(ExpressionError):
    default_slug = "withheld"


class BudgetExceeded(SightlineError):
    """An evaluation ran out of steps or time; it was stopped in the middle, with no effect."""

    def __init__(self, sentence: str = "the evaluation took more steps or time than one hit may") -> None:
        super().__init__("evaluation_budget", sentence)


class DeadlinePassed(SightlineError):
    """Finding what to copy took longer than the whole copy may: nothing of the hit is kept."""

    def __init__(self) -> None:
        super().__init__("deadline", "finding what to copy took longer than the copy may")
