"""Sessions over REST: opened once, changed by whoever may, read by whoever may see them."""

from __future__ import annotations

from investigations.lib.ids import show
from investigations.sessions.models import InvestigationSession, TimelineEntry
from tests.investigations.api.conftest import Caller, problem


def test_a_session_on_an_alert_comes_filled(rita: Caller, alert):
    answer = rita("POST", "/sessions", {"alert_id": show("alr", alert.pk), "purpose": "Why?"})
    assert answer.status_code == 201
    told = answer.json()
    assert told["alert_id"] == show("alr", alert.pk)
    assert told["incident_id"]
    assert told["services"] == ["trade-execution-service"]
    opening = TimelineEntry.objects.order_by("cursor").first()
    assert opening.purpose == "Why?"
    assert opening.actor_kind == "program"


def test_the_same_idempotency_key_opens_one_session(rita: Caller, environment):
    body = {"title": "Rejections", "environment": environment.name}
    first = rita("POST", "/sessions", body, Idempotency_Key="once")
    again = rita("POST", "/sessions", body, Idempotency_Key="once")
    assert first.json()["id"] == again.json()["id"]
    assert InvestigationSession.objects.count() == 1


def test_a_session_is_about_something(rita: Caller, environment):
    problem(rita("POST", "/sessions", {"title": "x"}), 400, "session_about_nothing")


def test_pages_follow_the_link_header(rita: Caller, environment):
    for number in range(5):
        rita("POST", "/sessions", {"title": f"number {number}", "environment": environment.name})
    seen, path = [], "/sessions?limit=2"
    while path:
        page = rita("GET", path)
        seen += [row["title"] for row in page.json()]
        link = page.headers.get("Link", "")
        path = link[1 : link.index(">")].partition("/api/v1")[2] if link else ""
    assert seen == [f"number {number}" for number in (4, 3, 2, 1, 0)]


def test_a_page_that_begins_nowhere_is_refused(rita: Caller, environment):
    problem(rita("GET", "/sessions?before=nonsense"), 400, "bad_id")


def test_a_change_names_the_state_it_was_made_for(rita: Caller, ses: str):
    read = rita("GET", f"/sessions/{ses}")
    tag = read["ETag"]
    changed = rita("PATCH", f"/sessions/{ses}", {"title": "First"}, If_Match=tag)
    assert changed.status_code == 200
    assert changed["ETag"] != tag
    problem(rita("PATCH", f"/sessions/{ses}", {"title": "Second"}, If_Match=tag), 412, "changed_meanwhile")
    assert rita("GET", f"/sessions/{ses}").json()["title"] == "First"
    assert rita("GET", f"/sessions/{ses}")["ETag"] == changed["ETag"]


def test_closed_and_opened_again(rita: Caller, ses: str):
    closed = rita(
        "PATCH", f"/sessions/{ses}", {"status": "closed", "conclusion": "Text in a boolean."}
    ).json()
    assert (closed["status"], closed["conclusion"]) == ("closed", "Text in a boolean.")
    assert rita("PATCH", f"/sessions/{ses}", {"status": "open"}).json()["status"] == "open"


def test_the_timeline_goes_on_after_a_cursor(rita: Caller, ses: str):
    rita("PATCH", f"/sessions/{ses}", {"title": "Renamed"})
    entries = rita("GET", f"/sessions/{ses}/timeline").json()
    rest = rita("GET", f"/sessions/{ses}/timeline?after={entries[0]['cursor']}").json()
    assert rest == entries[1:]
    problem(rita("GET", f"/sessions/{ses}/timeline?after=-1"), 400, "bad_request")


def test_the_report_is_written_twice_alike(rita: Caller, ses: str):
    markdown = rita("GET", f"/sessions/{ses}/report")
    assert markdown.content == rita("GET", f"/sessions/{ses}/report").content
    assert markdown.content.startswith(b"# SES-")
    assert rita("GET", f"/sessions/{ses}/report?format=json").json()["session"]["id"] == ses


def test_a_viewer_reads_and_may_not_change(vera: Caller, ses: str, environment):
    assert vera("GET", f"/sessions/{ses}").status_code == 200
    problem(vera("PATCH", f"/sessions/{ses}", {"title": "x"}), 403, "forbidden")
    problem(vera("POST", "/sessions", {"environment": environment.name, "title": "x"}), 403, "forbidden")


def test_a_stranger_learns_nothing(sam: Caller, ses: str):
    problem(sam("GET", f"/sessions/{ses}"), 404, "session_not_found")
    assert sam("GET", "/sessions").json() == []
