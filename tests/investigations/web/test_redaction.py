"""The page of an environment's rules: a rule is tried before it is added, and viewers only try."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from investigations.accounts import redaction
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment, RedactionRule
from investigations.lib.ids import show
from investigations.probes.models import Capture

ADDRESS = "/settings/redaction/"
RULE = {"environment": "production", "kind": "name", "pattern": "customer_ref"}


def test_a_rule_is_tried_and_nothing_is_saved(browse: Callable[[Actor], Client], viewer: Actor) -> None:
    answer = browse(viewer).post(
        ADDRESS, RULE | {"try": "1", "sample": '{"customer_ref": "<b>C-1</b>", "n": 2}'}
    )
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "1 of 2 values would be withheld" in page
    assert "<b>C-1" not in page
    assert not RedactionRule.objects.exists()


def test_it_is_tried_on_a_capture_by_its_address(
    browse: Callable[[Actor], Client], viewer: Actor, capture: Capture
) -> None:
    where = f"https://sightline.example/captures/{show('cap', capture.id)}/"
    page = browse(viewer).post(ADDRESS, RULE | {"try": "1", "capture": where}).content.decode()
    assert 'id="dry-run"' in page


def test_an_admin_adds_and_removes_one(
    browse: Callable[[Actor], Client], admin: Actor, environment: Environment
) -> None:
    browser = browse(admin)
    assert browser.post(ADDRESS, RULE | {"note": "GDPR"}).status_code == 302
    rule = RedactionRule.objects.get()
    assert "GDPR" in browser.get(ADDRESS).content.decode()
    browser.post(f"{ADDRESS}{show('rul', rule.pk)}/remove/")
    assert not RedactionRule.objects.exists()


def test_others_are_told_whom_to_ask(browse: Callable[[Actor], Client], responder: Actor) -> None:
    answer = browse(responder).post(ADDRESS, RULE)
    assert answer.status_code == 403
    assert "Ask an admin" in answer.content.decode()
    assert not RedactionRule.objects.exists()


@pytest.mark.parametrize("pattern", ["*", "", "x" * 500])
def test_what_cannot_be_a_rule_is_said(pattern: str, browse: Callable[[Actor], Client], admin: Actor) -> None:
    assert browse(admin).post(ADDRESS, RULE | {"pattern": pattern}).status_code == 422


def test_a_stranger_sees_nothing_of_it(
    browse: Callable[[Actor], Client], stranger: Actor, admin: Actor, environment: Environment
) -> None:
    rule = redaction.add_redaction_rule(by=admin, environment=environment, kind="name", pattern="acme_*")
    assert "acme_*" not in browse(stranger).get(ADDRESS).content.decode()
    assert browse(stranger).post(f"{ADDRESS}{show('rul', rule.pk)}/remove/").status_code == 404
