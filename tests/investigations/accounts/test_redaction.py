"""An environment's rules of redaction: admins alone change them, each change is audited, and no rule is a trap."""

from __future__ import annotations

import pytest

from investigations.accounts import redaction
from investigations.accounts.actors import Actor
from investigations.accounts.models import AuditEntry, Environment, RedactionRule
from investigations.lib.errors import Conflict, Forbidden, Invalid, NotFound
from sightline import wire


def add(
    by: Actor, environment: Environment, kind: str = "name", pattern: str = "customer_ref"
) -> RedactionRule:
    return redaction.add_redaction_rule(
        by=by, environment=environment, kind=kind, pattern=pattern, note="why"
    )


def test_sensors_are_told_rules_by_their_kind(admin: Actor, environment: Environment) -> None:
    for kind, pattern in (("name", "acme_*"), ("value", r"C-\d{6}"), ("type", "shop.*"), ("path", "a.b")):
        add(admin, environment, kind, pattern)
    assert redaction.rules_of(environment) == wire.RedactionRules(
        names=["acme_*"], values=[r"C-\d{6}"], types=["shop.*"], paths=["a.b"]
    )


def test_only_an_admin_changes_them(
    admin: Actor, responder: Actor, stranger: Actor, environment: Environment
) -> None:
    rule = add(admin, environment)
    with pytest.raises(Forbidden):
        add(responder, environment, pattern="other")
    with pytest.raises(Forbidden):
        redaction.remove_redaction_rule(by=responder, rule=rule)
    with pytest.raises(NotFound):
        add(stranger, environment, pattern="other")
    with pytest.raises(NotFound):
        redaction.redaction_rule(stranger, rule.pk)
    with pytest.raises(NotFound):
        redaction.redaction_rules(stranger, environment)


def test_each_change_is_audited(admin: Actor, environment: Environment) -> None:
    redaction.remove_redaction_rule(by=admin, rule=add(admin, environment))
    entries = AuditEntry.objects.filter(action__startswith="redaction_rule").order_by("id")
    assert [(entry.action, entry.target) for entry in entries] == [
        ("redaction_rule_added", "name: customer_ref"),
        ("redaction_rule_removed", "name: customer_ref"),
    ]
    assert not RedactionRule.objects.exists()


def test_connected_sensors_hear_of_it(
    admin: Actor, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(
        "investigations.live.publish.after_commit", lambda topic, hint: told.append(hint["what"])
    )
    add(admin, environment)
    assert told == ["terms"]


@pytest.mark.parametrize(
    ("kind", "pattern", "slug"),
    [
        ("shape", "x", "rule_kind"),
        ("name", "", "rule_pattern"),
        ("name", "x" * 201, "rule_pattern"),
        ("name", "a\x00b", "rule_pattern"),
        ("name", "*", "rule_too_wide"),
        ("value", "(", "rule_pattern"),
        ("value", "x*", "rule_too_wide"),
    ],
)
def test_a_rule_that_would_be_a_trap_is_refused(
    kind: str, pattern: str, slug: str, admin: Actor, environment: Environment
) -> None:
    with pytest.raises(Invalid) as caught:
        add(admin, environment, kind, pattern)
    assert caught.value.slug == slug


def test_the_same_rule_stands_once(admin: Actor, environment: Environment) -> None:
    add(admin, environment)
    with pytest.raises(Conflict):
        add(admin, environment)


def test_there_is_room_for_so_many(
    admin: Actor, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "MOST_RULES", 1)
    add(admin, environment)
    with pytest.raises(Invalid):
        add(admin, environment, pattern="other")
