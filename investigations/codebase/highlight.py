"""Source as HTML, line by line: pygments' short class names, no styles, everything escaped."""

from __future__ import annotations

from html import escape

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.python import PythonLexer
from pygments.lexers.special import TextLexer
from pygments.token import STANDARD_TYPES, Whitespace, _TokenType
from pygments.util import ClassNotFound

from investigations.codebase.source import split_lines

LONGEST = 1_000_000
"""Characters that are coloured; what is longer was generated and is shown plain."""


def highlight(text: str, path: str = "") -> list[str]:
    """One string of HTML for each of the file's lines (`source.split_lines`), each complete by itself.

    A token that spans lines is closed at the end of each and opened again on the next.
    """
    lines: list[list[str]] = [[]]
    for kind, value in _lexer(text, path).get_tokens(text.replace("\r\n", "\n").replace("\r", "\n")):
        style = _style(kind)
        first, *others = value.split("\n")
        lines[-1].append(_span(style, first))
        for other in others:
            lines.append([_span(style, other)])
    return ["".join(line) for line in lines[: len(split_lines(text))]]


def _lexer(text: str, path: str) -> Lexer:
    if len(text) > LONGEST:
        return TextLexer(stripnl=False)
    if not path or path.endswith((".py", ".pyi", ".pyx")):
        return PythonLexer(stripnl=False)
    try:
        return get_lexer_for_filename(path, stripnl=False)
    except ClassNotFound:
        return TextLexer(stripnl=False)


def _style(kind: _TokenType) -> str:
    """The short class of a token type, or of the nearest above it that has one; none for white space."""
    if kind is Whitespace:
        return ""
    while kind not in STANDARD_TYPES and kind.parent is not None:
        kind = kind.parent
    return STANDARD_TYPES.get(kind, "")


def _span(style: str, text: str) -> str:
    if not text:
        return ""
    return f'<span class="{style}">{escape(text)}</span>' if style else escape(text)
