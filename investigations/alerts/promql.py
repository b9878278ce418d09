"""Taking an alert's expression apart: the metric to plot, and the threshold it is compared with. Pure.

No PromQL parser: only what lies at the top level is looked at, and what is not understood is plotted whole.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
  | (?P<open>[(\[{])
  | (?P<close>[)\]}])
  | (?P<compare>==|!=|>=|<=|>|<)
  | (?P<word>[A-Za-z_:][\w:.]*)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
  | (?P<other>=~|!~|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SET_OPERATORS = frozenset({"and", "or", "unless"})
_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a rule watches: plot ``metric``, and draw ``threshold`` when it is a plain number."""

    metric: str
    operator: str = ""
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int
    depth: int


def take_apart(expression: str) -> Comparison:
    """``errors / requests > 0.05`` gives ``errors / requests``, ``>`` and 0.05.

    Of ``a > 5 and b > 3`` the left side is taken; ``or`` and what has no comparison is kept whole.
    """
    text = _unwrapped(expression.strip())
    tokens = _tokens(text)
    for token in tokens:
        if token.depth == 0 and token.kind == "word" and token.text.lower() in _SET_OPERATORS:
            return Comparison(text) if token.text.lower() == "or" else take_apart(text[: token.start])
    compared = [token for token in tokens if token.depth == 0 and token.kind == "compare"]
    if not compared:
        return Comparison(text)
    operator = compared[-1]  # comparisons bind to the left: the last one is applied last
    left = text[: operator.start].strip()
    right = re.sub(r"^bool\b", "", text[operator.end :].strip()).strip()
    if (number := _number(right)) is not None:
        return Comparison(_unwrapped(left), operator.text, number)
    if (number := _number(left)) is not None:
        return Comparison(_unwrapped(right), _MIRRORED[operator.text], number)
    return Comparison(_unwrapped(left), operator.text)


def _tokens(text: str) -> list[_Token]:
    """Everything but space and comments, each with the number of brackets around it."""
    tokens, depth = [], 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind == "close":
            depth = max(0, depth - 1)
        if kind != "space":
            tokens.append(_Token(kind, match.group(), match.start(), match.end(), depth))
        if kind == "open":
            depth += 1
    return tokens


def _unwrapped(text: str) -> str:
    """Without parentheses that enclose all of it, and without comments around it."""
    while True:
        tokens = _tokens(text)
        if not tokens:
            return ""
        text = text[tokens[0].start : tokens[-1].end]
        enclosing = (
            tokens[0].text == "("
            and tokens[-1].text == ")"
            and all(token.depth > 0 for token in tokens[1:-1])
        )
        if not enclosing:
            return text
        text = text[1:-1].strip()


def _number(text: str) -> float | None:
    """The value of a number written out, with sign and parentheses; None for anything else."""
    try:
        number = float(_unwrapped(text))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
