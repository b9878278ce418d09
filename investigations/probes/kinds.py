"""What each kind of probe answers, where it may stand, and what it takes: one table, read by every door."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sightline.expressions import SPECIAL_NAMES

LINE, FUNCTION, ATTRIBUTE, ANYWHERE = "line", "function", "attribute", "anywhere"


class Option(Protocol):
    """What only some kinds take."""

    @property
    def says(self) -> str:
        """What it means, for people and agents."""

    def wrong(self, value: Any) -> str:
        """What a value must be, when it is not; empty when it is."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number between two bounds, ends included."""

    says: str
    least: float
    most: float
    whole: bool = False

    def wrong(self, value: Any) -> str:
        kind = int if self.whole else int | float
        numeric = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
        fits = numeric and self.least <= value <= self.most
        return "" if fits else f"is a number between {self.least:g} and {self.most:g}"


@dataclass(frozen=True, slots=True)
class Subset:
    """Some of the known names, at least one."""

    says: str
    known: tuple[str, ...]

    def wrong(self, value: Any) -> str:
        fits = isinstance(value, list | tuple) and value and all(name in self.known for name in value)
        return "" if fits else f"is a list of {', '.join(self.known)}"


@dataclass(frozen=True, slots=True)
class Types:
    """Names of types, as ``ValueError`` or ``module.Type``."""

    says: str
    most: int = 20

    def wrong(self, value: Any) -> str:
        fits = isinstance(value, list | tuple) and 0 < len(value) <= self.most
        fits = fits and all(isinstance(name, str) and _TYPE.fullmatch(name) for name in value)
        return "" if fits else f"is a list of at most {self.most} type names, as ValueError or module.Type"


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    says: str

    def wrong(self, value: Any) -> str:
        return "" if isinstance(value, bool) else "is true or false"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of the known names."""

    says: str
    known: tuple[str, ...]

    def wrong(self, value: Any) -> str:
        return "" if value in self.known else f"is one of {', '.join(self.known)}"


_TYPE = re.compile(r"[^\W\d]\w{0,99}(\.[^\W\d]\w{0,99}){0,10}")


@dataclass(frozen=True, slots=True)
class Kind:
    """``use`` says when to choose it. ``takes`` names fields of a spec beside place, condition and limits."""

    use: str
    places: Collection[str] = (LINE, FUNCTION)
    takes: Collection[str] = ()
    needs: Collection[str] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    names: Collection[str] = ()
    """The special names its expressions may use: they are judged when the call has ended."""
    captures: bool = True
    """Whether it brings captures; a kind that only counts is read by its figures."""


LIBRARIES = ("requests", "httpx", "urllib3", "aiohttp", "psycopg", "sqlite3", "redis", "boto3")
HOW = ("raised", "swallowed", "left")
LEVELS = ("debug", "info", "warning", "error")

KINDS: dict[str, Kind] = {
    "snapshot": Kind(
        "Every variable with its exact type, and the stack, when a line is reached.", takes=("watches",)
    ),
    "logpoint": Kind(
        "A message with {expressions}, as if the line logged it.",
        takes=("template", "watches"),
        needs=("template",),
        options={
            "level": OneOf("The message's level.", LEVELS),
            "pipe": Flag("Also hand the message to the application's own logging."),
        },
    ),
    "counter": Kind("How often a line is reached, and how often the condition is false.", captures=False),
    "metric": Kind(
        "A number over time: count, sum, percentiles of an expression. Brings figures, no captures.",
        takes=("value",),
        needs=("value",),
        captures=False,
    ),
    "duration": Kind(
        "How long a function takes, or the way from one line to a later one (until). Brings figures.",
        takes=("until",),
        options={
            "slower_than_ms": Number("Also capture what took longer than this.", 0.001, 3_600_000),
        },
    ),
    "function": Kind(
        "Each call: arguments, return value or exception, duration. Expressions know @return, @exception, @duration.",
        takes=("watches",),
        names=SPECIAL_NAMES,
    ),
    "exception": Kind(
        "Exceptions raised in, swallowed in or leaving a function, with their chain and the values there.",
        takes=("watches",),
        options={
            "exceptions": Types("Only these types, or what derives from them."),
            "how": Subset("Only those that end so.", HOW),
        },
    ),
    "path": Kind(
        "Which lines and branches one call took, in order, with the values that decided. rate: calls a second.",
        takes=("watches",),
        options={"most_steps": Number("Steps after which a call's path is cut.", 1, 20_000, whole=True)},
    ),
    "assignment": Kind(
        "Who writes Class.attribute, from which line, with what value and type; setattr included.",
        places=(ATTRIBUTE,),
        takes=("watches",),
    ),
    "expectation": Kind(
        "What should always hold here: counts true, false and unknown, and captures the violations.",
        takes=("value", "watches"),
        needs=("value",),
    ),
    "dependency": Kind(
        "What outgoing HTTP, database and cache calls answered; with a function, only calls made inside it.",
        places=(FUNCTION, ANYWHERE),
        takes=("watches",),
        options={"libraries": Subset("Only calls through these.", LIBRARIES)},
    ),
}
"""Every kind a sensor can be asked for, the plainest first."""

OF_FUNCTIONS = frozenset({"duration", "function", "exception", "path", "dependency"})
"""Kinds about whole calls: a line given to one stands for the innermost function that holds it."""


def captures(kind: str, options: Mapping[str, Any]) -> bool:
    """Whether a probe brings captures, and not figures alone."""
    return "slower_than_ms" in options if kind == "duration" else KINDS[kind].captures
