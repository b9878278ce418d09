"""The reference page names every tool, resource and prompt, and nothing that is not there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from investigations.mcp.server import make_server
from investigations.mcp.tools import TOOLS

PAGE = (Path(__file__).parents[3] / "docs/reference/mcp.md").read_text()


def test_every_tool_is_documented_with_whether_it_changes_something():
    documented = dict(re.findall(r"^\| `(\w+)` \| (yes|no) \|", PAGE, re.MULTILINE))
    assert documented == {name: "yes" if tool.writes else "no" for name, tool in TOOLS.items()}


def test_every_resource_and_prompt_is_documented():
    server = make_server()
    templates = asyncio.run(server.list_resource_templates())
    prompts = asyncio.run(server.list_prompts())
    named = [template.uri_template for template in templates] + [prompt.name for prompt in prompts]
    assert [name for name in named if f"`{name}`" not in PAGE] == []
