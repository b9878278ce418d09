"""Text from values: conversions and format specifications that cannot run code or grow without bound."""

from __future__ import annotations

import datetime
import decimal
import re
from typing import Any, Final

from sightline import foreign
from sightline.errors import NotDefined, NotInLanguage, TooLarge

from .operations import MAX_LENGTH, as_text

MAX_WIDTH: Final = 200
_SPEC: Final = re.compile(
    r"(?:.?[<>=^])?[-+ ]?z?#?0?(\d{0,4})[_,]?(?:\.(\d{1,4}))?[bcdeEfFgGnosxX%]?", re.DOTALL
)
_STRFTIME: Final = re.compile(r"(?:[-/:., TZ]|%[aAbBdHIjmMpSUwWyYzZf%])*")
_FORMATTED: Final = (bool, int, float, complex, str, decimal.Decimal)


def check_spec(spec: str) -> None:
    """Raises `NotInLanguage` unless the specification is plain, with a width and precision of at most 200."""
    found = _SPEC.fullmatch(spec)
    if found is None:
        if "%" not in spec or _STRFTIME.fullmatch(spec) is None:
            raise NotInLanguage(f"{spec!r} is no format specification", "bad_format")
    elif any(number and int(number) > MAX_WIDTH for number in found.groups()):
        raise NotInLanguage(f"a width and a precision are at most {MAX_WIDTH}", "bad_format")


def text_of(value: Any, conversion: str = "", spec: str = "") -> str:
    """A scalar as text, as an f-string would show it. Raises `ExpressionError` for anything else."""
    value = foreign.plain(value)
    if conversion in ("r", "a"):
        value = _quoted(value)
    elif not spec or conversion == "s":
        value = as_text(value)
    if not spec:
        return str(value)
    if foreign.is_one_of(type(value), _FORMATTED) or foreign.is_one_of(type(value), foreign.MOMENTS):
        return _formatted(value, spec)
    raise NotDefined(f"a {foreign.type_name(value)} takes no format specification")


def _formatted(value: Any, spec: str) -> str:
    if foreign.is_one_of(type(value), (datetime.datetime, datetime.time)) and not foreign.same_zone_or_safe(
        value, None
    ):
        raise NotDefined("formatting this time would run the code of its time zone")
    if type(value) is int and value.bit_length() > 10_000:
        raise TooLarge("the number has too many digits")
    try:
        return format(value, spec)
    except (ValueError, TypeError, OverflowError) as error:
        raise NotDefined(f"{spec!r} does not fit: {error}") from None


def _quoted(value: Any) -> str:
    if foreign.is_one_of(type(value), (str, bytes)):
        if len(value) > MAX_LENGTH:
            raise TooLarge("the text is too long")
        return repr(value)
    return as_text(value)


def joined(parts: list[Any]) -> str:
    """One text from the evaluated parts of an f-string."""
    text = "".join(map(as_text, parts))
    if len(text) > MAX_LENGTH:
        raise TooLarge("the text is too long")
    return text
