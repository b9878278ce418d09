"""Contrast of the look's roles, computed from tokens.css in both themes."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[2] / "static" / "css" / "tokens.css"
Colour = tuple[float, float, float]

GROUNDS = ["sunken", "canvas", "surface", "raised", "hover"]
TINTS = ["accent-soft", "pass-soft", "fail-soft", "firing-soft", "waiting-soft"]
INKS = ["ink", "ink-2", "ink-3"]
STATES = ["accent", "pass", "fail", "firing", "waiting"]
CODE = ["code-keyword", "code-string", "code-number", "code-comment"]


def _roles() -> dict[str, tuple[str, str]]:
    """Every colour role with its light and its dark side."""
    text = TOKENS.read_text()
    pairs = re.findall(r"--([\w-]+): light-dark\((oklch\([^)]*\)), (oklch\([^)]*\))\);", text)
    roles = {name: (light, dark) for name, light, dark in pairs}
    for name, other in re.findall(r"--([\w-]+): var\(--([\w-]+)\);", text):
        roles[name] = roles[other]
    return roles


def _linear(oklch: str) -> Colour:
    """An `oklch(L% C H)` as linear sRGB, clipped to the screen's gamut (Björn Ottosson's matrices)."""
    lightness, chroma, hue = (float(each.rstrip("%")) for each in re.findall(r"[\d.]+%?", oklch)[:3])
    light, a, b = lightness / 100, chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short
    return min(1, max(0, red)), min(1, max(0, green)), min(1, max(0, blue))


def _luminance(colour: Colour) -> float:
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


def contrast(one: str, other: str, theme: int) -> float:
    """WCAG's contrast ratio of two roles in the light (0) or dark (1) theme."""
    roles = _roles()
    brighter, darker = sorted(
        (_luminance(_linear(roles[name][theme])) for name in (one, other)), reverse=True
    )
    return (brighter + 0.05) / (darker + 0.05)


TEXT = [
    *((ink, ground) for ink in INKS for ground in GROUNDS + TINTS),
    *((state, ground) for state in STATES for ground in GROUNDS),
    *((state, f"{state}-soft") for state in STATES),
    *((state, "accent-soft") for state in STATES),
    *((ink, ground) for ink in CODE for ground in ("surface", "hover", "accent-soft")),
    ("ink-2", "heat-1"),
    ("ink-2", "heat-2"),
    ("ink-2", "heat-3"),
    ("on-accent", "accent"),
    ("surface", "ink-2"),
    ("surface", "firing"),
]
DRAWN = [
    *(
        (mark, ground)
        for mark in ("pass-mark", "fail-mark", "accent-mark", "waiting-mark")
        for ground in ("surface", "canvas")
    ),
    ("line-control", "surface"),
    ("line-control", "canvas"),
    ("accent", "accent-soft"),
]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT)
def test_text_can_be_read_on_every_ground_it_stands_on(text: str, ground: str, theme: int) -> None:
    assert contrast(text, ground, theme) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("drawn", "ground"), DRAWN)
def test_drawn_shapes_and_edges_of_controls_can_be_seen(drawn: str, ground: str, theme: int) -> None:
    assert contrast(drawn, ground, theme) >= 3


def test_black_on_white_is_twenty_one_to_one() -> None:
    assert _luminance(_linear("oklch(100% 0 0)")) == pytest.approx(1, abs=1e-3)
    assert _luminance(_linear("oklch(0% 0 0)")) == pytest.approx(0, abs=1e-6)


def test_no_other_sheet_names_a_hue() -> None:
    for sheet in TOKENS.parent.glob("*.css"):
        if sheet != TOKENS:
            found = re.findall(r"#[0-9a-fA-F]{3,8}\b(?=\s*[;,)])|oklch\(|rgba?\(|hsla?\(", sheet.read_text())
            assert found == [], sheet.name
