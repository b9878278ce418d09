"""Text from elsewhere, made fit to be stored: PostgreSQL takes neither the zero character nor half a character."""

from __future__ import annotations

import math
import re
from typing import Any

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """The text with a visible mark in place of each character that cannot be stored."""
    return _UNSTORABLE.sub(lambda found: "␀" if found.group() == "\x00" else "�", text)


def storable(value: Any) -> Any:
    """Plain data (as from JSON) in which every text, key and number can be stored as ``jsonb``.

    Numbers that JSON does not know become the text ``NaN``, ``Infinity`` or ``-Infinity``.
    """
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {storable_text(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
    return value


def one_line(text: str, most: int) -> str:
    """The text on one line, storable, and at most so long: for titles and names."""
    return " ".join(storable_text(text).split())[:most]
