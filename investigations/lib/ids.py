"""Identifiers: UUIDv7 in the database, a prefix and 26 readable characters everywhere a person or an agent sees one."""

from __future__ import annotations

import re
import uuid

import uuid_utils

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_LENGTH = 26


class BadId(ValueError):
    """A text that is no id of the wanted kind."""


def uuid7() -> uuid.UUID:
    """A new time-ordered id (RFC 9562, version 7)."""
    return uuid.UUID(int=uuid_utils.uuid7().int)


def show(prefix: str, value: uuid.UUID) -> str:
    """The public form: ``ses_01kb2...``."""
    return f"{prefix}_{_encode(value.int)}"


def read(prefix: str, text: str) -> uuid.UUID:
    """The id behind a public form. Raises `BadId` for another prefix or text that no id was ever shown as."""
    head, separator, body = text.strip().partition("_")
    if head != prefix or not separator:
        raise BadId(f"{text[:60]!r} is not an id of the form {prefix}_…")
    return uuid.UUID(int=_decode(body))


def find(prefix: str, text: str) -> uuid.UUID:
    """The id in a text that may be a pasted address, as ``https://…/sessions/ses_01kb…?probe=P1``. Raises `BadId`."""
    match = re.search(rf"(?<![a-z0-9]){prefix}_[{_DIGITS}]{{{_LENGTH}}}(?![a-z0-9])", text)
    return read(prefix, match.group() if match else text)


def _encode(number: int) -> str:
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, 32)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def _decode(text: str) -> int:
    if len(text) != _LENGTH or any(letter not in _DIGITS for letter in text):
        raise BadId(f"{text[:60]!r} is not the {_LENGTH} characters of an id")
    number = 0
    for letter in text:
        number = number * 32 + _DIGITS.index(letter)
    if number >= 1 << 128:
        raise BadId(f"{text[:60]!r} is larger than any id")
    return number
