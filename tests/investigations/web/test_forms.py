"""What is pressed: a form that is right changes something, one that is wrong comes back with what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from investigations.accounts.actors import Actor
from investigations.accounts.models import AccessToken, Environment
from investigations.evidence.models import Evidence, Hypothesis
from investigations.lib.ids import show
from investigations.probes.models import Capture, Probe, ProbeState
from investigations.sessions.models import InvestigationSession

Browse = Callable[[Actor], Client]


def test_a_session_is_opened_without_an_alert(
    browse: Browse, responder: Actor, environment: Environment
) -> None:
    answer = browse(responder).post("/sessions/new/", {"title": "Odd totals", "environment": "production"})
    opened = InvestigationSession.objects.get()
    assert answer.url == f"/sessions/{show('ses', opened.id)}/"
    assert opened.title == "Odd totals"


def test_a_session_needs_a_title(browse: Browse, responder: Actor, environment: Environment) -> None:
    answer = browse(responder).post("/sessions/new/", {"environment": "production"})
    assert answer.status_code == 422
    assert "required" in answer.content.decode()


def test_a_viewer_may_open_none(browse: Browse, viewer: Actor, environment: Environment) -> None:
    answer = browse(viewer).post("/sessions/new/", {"title": "Odd", "environment": "production"})
    assert answer.status_code == 422
    assert not InvestigationSession.objects.exists()


def test_a_hypothesis_is_added_and_read_in_the_session(
    browse: Browse, responder: Actor, session_url: str
) -> None:
    client = browse(responder)
    client.post(f"{session_url}hypotheses/new/", {"statement": "It is a str", "weakens": "A bool"})
    assert "It is a str" in client.get(session_url).content.decode()
    assert client.post(f"{session_url}hypotheses/new/", {}).status_code == 422


def test_a_capture_is_pinned_for_a_hypothesis(
    browse: Browse, responder: Actor, session_url: str, capture: Capture, hypothesis: Hypothesis
) -> None:
    answer = browse(responder).post(
        f"{session_url}evidence/record/",
        {
            "title": "A str",
            "of": show("cap", capture.id),
            "kind": "capture",
            "hypothesis": show("hyp", hypothesis.id),
            "stance": "supports",
        },
    )
    assert answer.url == session_url
    made = Evidence.objects.get()
    assert made.links.get().hypothesis == hypothesis
    assert "E1" in browse(responder).get(session_url).content.decode()


def test_evidence_of_what_is_not_there_is_refused_in_the_form(
    browse: Browse, responder: Actor, session_url: str
) -> None:
    facts = {"title": "A str", "of": "cap_nothing", "kind": "capture", "stance": "supports"}
    answer = browse(responder).post(f"{session_url}evidence/record/", facts)
    assert answer.status_code == 422
    assert not Evidence.objects.exists()


def test_evidence_is_linked_and_moves_its_hypothesis(
    browse: Browse, responder: Actor, item: Evidence, hypothesis: Hypothesis
) -> None:
    address = f"/evidence/{show('evd', item.id)}/"
    browse(responder).post(f"{address}link/", {"hypothesis": show("hyp", hypothesis.id), "stance": "refutes"})
    page = browse(responder).get(f"/hypotheses/{show('hyp', hypothesis.id)}/").content.decode()
    assert item.title in page


def test_a_probe_is_placed_from_the_sheet(
    browse: Browse, responder: Actor, session_url: str, service: object
) -> None:
    where = "service=trade-execution-service&function=trades.models:TradeRequest.check"
    answer = browse(responder).post(
        f"{session_url}probes/place/?{where}",
        {"kind": "snapshot", "condition": "amount > 10000", "watches": "self.high_value", "hit_limit": 5,
         "rate": 1, "minutes": 10},
    )  # fmt: skip
    assert answer.status_code == 302
    placed = Probe.objects.order_by("-number").first()
    assert placed is not None
    assert (placed.condition, placed.hit_limit) == ("amount > 10000", 5)
    assert [watch["expression"] for watch in placed.watches] == ["self.high_value"]


@pytest.mark.parametrize("condition", ["amount >", "__import__('os')"])
def test_a_condition_that_is_none_is_refused_beside_its_field(
    browse: Browse, responder: Actor, session_url: str, service: object, condition: str
) -> None:
    where = "service=trade-execution-service&function=trades.models:TradeRequest.check"
    answer = browse(responder).post(
        f"{session_url}probes/place/?{where}",
        {"kind": "snapshot", "condition": condition, "hit_limit": 5, "rate": 1, "minutes": 10},
        headers={"hx-request": "true"},
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "<html" not in page
    assert 'id="id_condition_error"' in page


def test_the_dry_run_judges_stored_captures(
    browse: Browse, responder: Actor, session_url: str, capture: Capture
) -> None:
    where = "service=trade-execution-service&path=trades/models.py&line=88"
    for condition, matched in (("amount > 10000", 1), ("amount > 20000", 0)):
        answer = browse(responder).post(
            f"{session_url}probes/check/?{where}", {"kind": "snapshot", "condition": condition}
        )
        assert f"{matched} <small>of 1 stored captures</small>" in answer.content.decode()


def test_a_probe_is_removed_where_it_stands(
    browse: Browse, responder: Actor, viewer: Actor, probe: Probe
) -> None:
    address = f"/probes/{show('prb', probe.id)}/remove/"
    assert browse(viewer).post(address).status_code == 403
    answer = browse(responder).post(address, headers={"hx-request": "true"})
    assert f'id="slip-{show("prb", probe.id)}"' in answer.content.decode()
    probe.refresh_from_db()
    assert probe.state == ProbeState.REMOVED


def test_disarming_everything_needs_a_reason(browse: Browse, admin: Actor, probe: Probe) -> None:
    client = browse(admin)
    assert client.post("/fleet/disarm/production/", {"reason": ""}).status_code == 400
    client.post("/fleet/disarm/production/", {"reason": "The market opens"})
    probe.refresh_from_db()
    assert probe.state != ProbeState.ACTIVE


def test_a_token_is_shown_once_and_revoked(
    browse: Browse, responder: Actor, environment: Environment
) -> None:
    client = browse(responder)
    facts = {
        "kind": "agent",
        "name": "claude-1",
        "environment": "production",
        "scopes": "read write",
        "days": "7",
    }
    page = client.post("/settings/tokens/", facts).content.decode()
    token = AccessToken.objects.get()
    assert f"sla_{token.public_id}_" in page
    assert f"sla_{token.public_id}_" not in client.get("/settings/tokens/").content.decode()
    client.post(f"/settings/tokens/{show('tok', token.id)}/revoke/")
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_a_token_without_a_name_is_refused(
    browse: Browse, responder: Actor, environment: Environment
) -> None:
    assert browse(responder).post("/settings/tokens/", {"kind": "agent"}).status_code == 422


def test_a_source_is_added_by_an_admin_only(
    browse: Browse, admin: Actor, responder: Actor, environment: Environment
) -> None:
    facts = {"environment": "production", "name": "am", "backend": "alertmanager", "url": "", "every_s": 15}
    assert browse(responder).post("/settings/sources/new/", facts).status_code == 422
    assert browse(admin).post("/settings/sources/new/", facts).url == "/settings/sources/"


def test_a_session_is_closed_with_what_was_concluded(
    browse: Browse, responder: Actor, session: InvestigationSession, session_url: str
) -> None:
    browse(responder).post(f"{session_url}close/", {"conclusion": "A string in a boolean"})
    session.refresh_from_db()
    assert (session.status, session.conclusion) == ("closed", "A string in a boolean")


def test_text_that_cannot_be_stored_is_told_in_a_sentence(
    browse: Browse, admin: Actor, environment: Environment
) -> None:
    for answer in (
        browse(admin).get("/fleet/a%00b/"),
        browse(admin).post("/fleet/disarm/production/", {"reason": "a\x00b"}),
    ):
        assert answer.status_code == 400
        assert "cannot be stored" in answer.content.decode()
