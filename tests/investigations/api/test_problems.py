"""Every refusal has one form: problem+json with a slug, a sentence and what to do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from investigations.accounts import services as accounts
from investigations.accounts.actors import Actor
from investigations.accounts.models import AccessToken, TokenKind
from investigations.sessions.models import InvestigationSession
from tests.investigations.api.conftest import Caller, problem


def test_no_token_is_told_how_to_send_one(db):
    answer = Caller("")("GET", "/services")
    problem(answer, 401, "token_required")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_strange_token_is_not_repeated(db):
    answer = Caller("sla_0123456789abcdef_" + "x" * 43)("GET", "/services")
    problem(answer, 401, "token_unknown")
    assert b"xxxx" not in answer.content


def test_a_revoked_and_an_expired_token_say_so(responder: Actor, rita: Caller):
    accounts.revoke_access_token(by=responder, token=AccessToken.objects.get())
    problem(rita("GET", "/services"), 401, "token_revoked")
    _, text = accounts.issue_access_token(
        by=responder, kind=TokenKind.AGENT, name="short", owner=responder.user,
        expires_at=timezone.now() + timedelta(minutes=1),
    )  # fmt: skip
    AccessToken.objects.filter(name="short").update(expires_at=timezone.now() - timedelta(minutes=1))
    problem(Caller(text)("GET", "/services"), 401, "token_expired")


def test_a_sensor_token_opens_no_other_door(admin: Actor, environment):
    _, text = accounts.issue_access_token(
        by=admin, kind=TokenKind.SENSOR, name="sensors", owner=admin.user, environment=environment
    )
    problem(Caller(text)("GET", "/services"), 401, "token_unknown")


def test_an_operation_that_is_not_there(rita: Caller):
    problem(rita("GET", "/nothing/here"), 404, "no_such_operation")


@pytest.mark.parametrize("body", ["not json", "[]", '{"titel": "x"}', '{"title": 5}'])
def test_a_body_that_does_not_fit_names_what_is_wrong(rita: Caller, body: str):
    answer = rita._client.generic(
        "POST", "/api/v1/sessions", body, content_type="application/json", headers=rita._headers
    )
    problem(answer, 400, "bad_request")
    assert InvestigationSession.objects.count() == 0


def test_a_misspelt_field_is_named(rita: Caller, session):
    body = problem(rita("PATCH", f"/sessions/{'x'}", {"titel": "x"}), 400, "bad_request")
    assert any("titel" in field for field in body["alternatives"]["fields"])


def test_text_that_cannot_be_stored_is_the_callers_mistake(rita: Caller, environment):
    problem(rita("GET", "/services/a%00b/files"), 400, "text_not_storable")


def test_a_fault_of_ours_is_told_without_its_details(rita: Caller, monkeypatch: pytest.MonkeyPatch, caplog):
    def break_down(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret-in-an-exception")

    monkeypatch.setattr("investigations.catalog.selectors.services", break_down)
    answer = rita("GET", "/services")
    problem(answer, 500, "unexpected")
    assert b"secret" not in answer.content
    assert "unexpected" in caplog.text


def test_a_person_signed_in_needs_the_csrf_token_to_change_anything(responder: Actor, session):
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(responder.user)
    assert browser.get("/api/v1/sessions").status_code == 200
    answer = browser.post("/api/v1/sessions", "{}", content_type="application/json")
    problem(answer, 403, "csrf")


def test_the_description_of_the_api_is_public(client: Client, db):
    described = client.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert "/api/v1/sessions" in described["paths"]


def test_every_operation_is_described_with_the_problem_it_may_answer(rita: Caller, client: Client):
    described = client.get("/api/v1/openapi.json").json()
    told = [
        operation["responses"][status]["content"]["application/problem+json"]["schema"]["$ref"]
        for methods in described["paths"].values()
        for operation in methods.values()
        for status in ("4XX", "5XX")
    ]
    assert set(told) == {"#/components/schemas/ProblemBody"}
    answer = rita("GET", "/sessions/ses_0")
    assert set(answer.json()) == set(described["components"]["schemas"]["ProblemBody"]["properties"])


def test_a_body_that_is_too_large_is_the_callers_mistake(rita: Caller, environment):
    answer = rita("POST", "/sessions", {"environment": "production", "title": "x" * 3_000_000})
    problem(answer, 400, "body_too_large")
