"""The safe expression language: a subset of Python that can look at a running program and cannot touch it.

`parse` reads text into a checked tree, `compile` makes a sensor's closures of a tree, `judge` asks the same tree
about captured values on the server. The page `sensors/expressions.md` describes language and tree for whoever
writes a sensor elsewhere.
"""

from sightline.errors import ExpressionError, NotInLanguage

from .budget import Budget
from .closures import Compiled, Scope, compile
from .grammar import CALL_NAMES, CONTEXT_NAMES, SPECIAL_NAMES, check, parse, parse_template
from .judging import Judge, judge, lift_text
from .patterns import Pattern

__all__ = [
    "CALL_NAMES",
    "CONTEXT_NAMES",
    "SPECIAL_NAMES",
    "Budget",
    "Compiled",
    "ExpressionError",
    "Judge",
    "NotInLanguage",
    "Pattern",
    "Scope",
    "check",
    "compile",
    "judge",
    "lift_text",
    "parse",
    "parse_template",
]
