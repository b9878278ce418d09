"""Templates keep the content security policy, and show only what the sprite holds."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from investigations.web import badges

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
COMPONENTS = [each for each in TEMPLATES if each.parent.name == "components"]
INLINE = {
    "a style attribute": re.compile(r"<[^>]*\sstyle=", re.DOTALL),
    "a style element": re.compile(r"<style\b"),
    "an event handler": re.compile(r"<[^>]*\son[a-z]+=", re.DOTALL),
    "an inline script": re.compile(r"<script\b(?![^>]*\bsrc=)"),
    "an hx-on handler": re.compile(r"\bhx-on\b"),
    "a javascript: address": re.compile(r"javascript:", re.IGNORECASE),
    "js: values": re.compile(r"hx-(?:vals|headers)=['\"]js:"),
    "the safe filter": re.compile(r"\|\s*safe\b"),
    "autoescape off": re.compile(r"autoescape\s+off"),
}


def _plain(template: Path) -> str:
    """The markup without template tags and comments."""
    text = re.sub(r"{%\s*comment.*?endcomment\s*%}", "", template.read_text(), flags=re.DOTALL)
    return re.sub(r"{%.*?%}", "", text, flags=re.DOTALL)


def _symbols() -> set[str]:
    tree = ElementTree.parse(ROOT / "static" / "icons.svg")
    return {each.attrib["id"] for each in tree.iter("{http://www.w3.org/2000/svg}symbol")}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: str(each.relative_to(ROOT / "templates")))
@pytest.mark.parametrize("what", INLINE)
def test_nothing_in_a_template_is_inline(template: Path, what: str) -> None:
    assert not INLINE[what].search(_plain(template))


@pytest.mark.parametrize("template", COMPONENTS, ids=lambda each: each.name)
def test_a_component_opens_by_saying_what_it_is_given(template: Path) -> None:
    assert template.read_text().startswith("{% comment %}")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: str(each.relative_to(ROOT / "templates")))
def test_every_icon_and_mark_of_a_template_is_in_the_sprite(template: Path) -> None:
    text = template.read_text()
    wanted = {f"i-{name}" for name in re.findall(r'{% icon "([\w-]+)"', text)}
    wanted |= {f"m-{name}" for name in re.findall(r'{% mark "([\w-]+)"', text)}
    wanted |= {f"i-{name}" for name in re.findall(r'{% rail_item "\w+" "\w+" "([\w-]+)"', text)}
    wanted |= set(re.findall(r"{% symbol '([\w-]+)'", text))
    assert wanted <= _symbols()


def test_every_badge_has_its_mark_in_the_sprite() -> None:
    marks = {f"m-{badge.mark}" for kind in badges.kinds() for badge in badges.all_of(kind)}
    assert marks <= _symbols()


def test_base_forbids_htmx_what_the_policy_forbids() -> None:
    base = (ROOT / "templates" / "base.html").read_text()
    for setting in (
        '"allowEval": false',
        '"allowScriptTags": false',
        '"includeIndicatorStyles": false',
        '"selfRequestsOnly": true',
        '"historyCacheSize": 0',
    ):
        assert setting in base
