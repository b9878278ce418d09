"""Environments, services, code, alerts, sources and tokens over REST."""

from __future__ import annotations

import json

from investigations.accounts.models import AccessToken
from investigations.alerts.models import AlertSource
from investigations.lib.ids import show
from tests.investigations.api.conftest import Caller, problem
from tests.investigations.probes.conftest import FILE


def test_one_sees_where_one_has_a_role(rita: Caller, sam: Caller, service, instance):
    assert [row["name"] for row in rita("GET", "/environments").json()] == ["production"]
    assert rita("GET", "/services").json()[0]["instances"] == 1
    assert rita("GET", "/services/trade-execution-service/instances").json()[0]["presence"] == "present"
    assert sam("GET", "/services").json() == []
    problem(sam("GET", "/services/trade-execution-service/instances"), 404, "service_unknown")


def test_code_as_deployed(rita: Caller, source, instance):
    path = "/services/trade-execution-service"
    read = rita("GET", f"{path}/source?path={FILE}&first_line=1&last_line=5").json()
    assert read["last_line"] == 5
    assert read["outline"]
    problem(rita("GET", f"{path}/source?path="), 400, "path_malformed")
    problem(rita("GET", f"{path}/assignments?target=nonsense"), 400, "target_malformed")


def test_alerts_and_their_incident(rita: Caller, sam: Caller, alert):
    (told,) = rita("GET", "/alerts?state=firing").json()
    assert told["incident_id"] == rita("GET", "/incidents").json()[0]["id"]
    assert rita("GET", f"/alerts/{told['id']}").json() == told
    problem(rita("GET", "/alerts?state=burning"), 400, "bad_request")
    problem(sam("GET", f"/alerts/{told['id']}"), 404, "alert_not_found")


def test_an_admin_keeps_sources_and_nobody_sees_their_secrets(ada: Caller, rita: Caller, environment):
    body = {
        "environment": "production", "name": "alertmanager", "backend": "alertmanager", "url": "http://127.0.0.1:9",
        "credentials": {"user": "sightline", "password": "very-secret"},
    }  # fmt: skip
    problem(rita("POST", "/sources", body), 403, "forbidden")
    made = ada("POST", "/sources", body)
    assert made.status_code == 201, made.content
    path = f"/sources/{made.json()['id']}"
    assert ada("PATCH", path, {"every_s": 60}).json()["every_s"] == 60
    for answer in (made, ada("GET", "/sources"), rita("GET", path)):
        assert b"very-secret" not in answer.content
    hook = ada("POST", f"{path}/webhook").json()
    posted = Caller(hook["secret"])(
        "POST", hook["url"].partition("/api/v1")[2], {"version": "4", "alerts": []}
    )
    assert posted.status_code == 202
    refused = Caller("wrong")("POST", hook["url"].partition("/api/v1")[2], {"alerts": []})
    assert refused.status_code == 401
    assert json.loads(refused.content)["code"]
    assert ada("DELETE", path).status_code == 204
    assert not AlertSource.objects.exists()


def test_a_token_is_shown_once_and_ends_at_once(ada: Caller, rita: Caller, environment):
    made = ada("POST", "/tokens", {"kind": "agent", "name": "claude-1", "environment": "production"})
    assert made.status_code == 201, made.content
    secret = made.json()["secret"]
    assert Caller(secret)("GET", "/services").status_code == 200
    assert secret.encode() not in ada("GET", "/tokens").content
    mine = AccessToken.objects.get(name="claude-1")
    problem(rita("DELETE", f"/tokens/{show('tok', mine.pk)}"), 404, "not_found")
    assert ada("DELETE", f"/tokens/{made.json()['id']}").json()["revoked_at"]
    problem(Caller(secret)("GET", "/services"), 401, "token_revoked")
