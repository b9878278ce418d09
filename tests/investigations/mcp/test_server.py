"""What the server shows of itself: its tools in order and within budget, to whom, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from investigations.accounts.actors import Actor
from investigations.mcp.answers import REGISTERED
from investigations.mcp.tools import TOOLS
from investigations.sessions.models import InvestigationSession
from tests.investigations.mcp.conftest import AgentClient, Refused

LISTING_TOKENS = 6_000
WRITING = {name for name, tool in TOOLS.items() if tool.writes}


def test_every_tool_that_is_written_is_served():
    assert set(TOOLS) == set(REGISTERED)


def test_the_list_is_in_order_within_its_budget_and_tells_what_changes_things(claude: AgentClient):
    listed = claude.use(lambda client: client.list_tools()).tools
    assert [tool.name for tool in listed] == list(TOOLS)
    plain = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed]
    assert len(json.dumps(plain)) / 4 <= LISTING_TOKENS
    for tool in listed:
        assert tool.description
        assert tool.annotations.title
        assert tool.annotations.read_only_hint == (tool.name not in WRITING)
        assert tool.annotations.destructive_hint == (tool.name == "remove_probe")


def test_a_schema_keeps_a_property_named_title_and_no_title_made_from_a_name(claude: AgentClient):
    [record] = [
        tool
        for tool in claude.use(lambda client: client.list_tools()).tools
        if tool.name == "record_evidence"
    ]
    assert "title" not in record.input_schema
    assert "title" not in record.input_schema["properties"]["title"]
    assert record.input_schema["properties"]["title"]["type"] == "string"


def test_a_reader_is_shown_no_tool_that_writes(cast, responder: Actor, viewer: Actor, stranger: Actor):
    reading = [name for name in TOOLS if name not in WRITING]
    assert cast(responder, scopes=("read",)).tools() == reading
    assert cast(viewer).tools() == reading
    assert cast(stranger).tools() == list(TOOLS)  # of use to them where they belong


@pytest.mark.parametrize("tool", sorted(WRITING))
def test_a_reader_cannot_call_what_it_is_not_shown(cast, viewer: Actor, tool: str):
    with pytest.raises(Refused) as refused:
        cast(viewer).call(tool)
    assert refused.value.problem["code"] == "forbidden"


def test_an_unknown_tool_names_those_near(claude: AgentClient):
    with pytest.raises(Refused) as refused:
        claude.call("list_alarms")
    assert refused.value.problem["code"] == "tool_unknown"
    assert "list_alerts" in refused.value.problem["alternatives"]["tools"]


def test_wrong_arguments_are_named_and_not_repeated(claude: AgentClient):
    with pytest.raises(Refused) as refused:
        claude.call("list_alerts", limit="sla_secret")
    assert refused.value.problem["code"] == "bad_arguments"
    assert "limit" in refused.value.problem["alternatives"]["arguments"]
    assert "sla_secret" not in refused.value.text


def test_a_fault_of_ours_is_told_without_its_details(
    claude: AgentClient, monkeypatch: pytest.MonkeyPatch, caplog
):
    def break_down(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret-in-an-exception")

    monkeypatch.setattr("investigations.catalog.selectors.services", break_down)
    with pytest.raises(Refused) as refused:
        claude.call("list_services")
    assert refused.value.problem["code"] == "unexpected"
    assert "secret" not in refused.value.text
    assert "secret-in-an-exception" in caplog.text


def test_text_that_cannot_be_stored_is_the_callers_mistake(claude: AgentClient, service):
    with pytest.raises(Refused) as refused:
        claude.call("list_services", query="a\x00b")
    assert refused.value.problem["code"] == "text_not_storable"
    assert not InvestigationSession.objects.exists()


def test_prompts_and_resources_are_offered(claude: AgentClient, session):
    from investigations.lib.ids import show

    prompts = claude.use(lambda client: client.list_prompts()).prompts
    assert {"investigate", "resume_session"} <= {prompt.name for prompt in prompts}
    ses = show("ses", session.pk)
    read = claude.use(lambda client: client.read_resource(f"session://{ses}"))
    assert json.loads(read.contents[0].text)["id"] == ses
    report = claude.use(lambda client: client.read_resource(f"session://{ses}/report"))
    assert report.contents[0].text.startswith("# SES-")


def test_a_stranger_reads_no_resource(cast: Callable[..., AgentClient], stranger: Actor, session):
    from mcp.shared.exceptions import MCPError

    from investigations.lib.ids import show

    with pytest.raises((MCPError, BaseExceptionGroup)) as refused:
        cast(stranger).use(lambda client: client.read_resource(f"session://{show('ses', session.pk)}"))
    assert "production" not in str(refused.value)
