"""Text from a running process, or from anybody, put into Markdown so that it stays text.

Captured values are the most hostile text there is: they may hold markup, mentions that page people, characters that
turn the line round, and fences that end ours.
"""

from __future__ import annotations

import re

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_MARKUP = re.compile(r"([\\`*_\[\]{}#|~^$])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"})
_LINKED = re.compile(r":(?=//)|(?<=www)\.|:(?=[a-z0-9_+-]+:)", re.IGNORECASE)
"""What turns a bare address into a link, and a word between colons into a picture."""
_LINE_START = re.compile(r"^([-+=]|\d+(?=[.)]))")


def text(value: str) -> str:
    """One line of prose that renders as exactly these characters: no markup, link, mention or HTML."""
    line = " ".join(visible(value).split())
    escaped = _MARKUP.sub(r"\\\1", line).translate(_ENTITIES)
    return _LINKED.sub(lambda found: f"&#{ord(found.group())};", escaped)


def paragraph(value: str) -> str:
    """Prose of several lines, each escaped; line ends stay line ends, and no line begins a list or a heading."""
    return "  \n".join(_LINE_START.sub(_first, text(line)) for line in value.strip().splitlines())


def _first(found: re.Match[str]) -> str:
    """The line's first character by number, where a backslash could not stand before a digit."""
    return f"&#{ord(found.group()[0])};{found.group()[1:]}"


def code(value: str) -> str:
    """A code span on one line that no backtick in the value can end."""
    line = visible(value).replace("\t", "→").replace("\n", "⏎") or " "
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def block(value: str, language: str = "") -> str:
    """A fenced block that no line of the value can end."""
    fence = "`" * max(3, _longest_run(value) + 1)
    return f"{fence}{language}\n{visible(value)}\n{fence}"


def cell(markdown: str) -> str:
    """Escaped Markdown made fit for a table's cell."""
    return markdown.replace("|", "\\|").replace("\n", " ")


def visible(value: str) -> str:
    """Control characters as their pictures, invisible and direction-changing ones by number."""
    shown = _CONTROLS.sub(lambda found: _picture(found.group()), value)
    return _INVISIBLE.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", shown)


def _picture(control: str) -> str:
    number = ord(control)
    if number == 0x7F:
        return "␡"
    return chr(0x2400 + number) if number < 0x20 else f"⟨U+{number:04X}⟩"


def _longest_run(value: str) -> int:
    return max((len(run) for run in re.findall("`+", value)), default=0)
