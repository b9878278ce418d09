"""An environment's rules of redaction: who may change them, and what its sensors are told.

They can only withhold more than a sensor does by itself. A sensor that is connected hears of a change at once; one that
is not, when it connects.
"""

from __future__ import annotations

import re
import uuid

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.accounts.models import Environment, RedactionRule, RuleKind
from investigations.accounts.services import audit
from investigations.lib.errors import Conflict, Invalid, NotFound
from investigations.live import publish, topics
from sightline import expressions, wire

MOST_RULES = 200
LONGEST_PATTERN = 200
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def redaction_rules(by: Actor, environment: Environment) -> QuerySet[RedactionRule]:
    """The rules of an environment, by kind and pattern."""
    permissions.require(by, "read", environment)
    return environment.redaction_rules.all()


def redaction_rule(by: Actor, id: uuid.UUID) -> RedactionRule:
    """One rule. Raises `NotFound`."""
    seen = RedactionRule.objects.filter(environment__in=permissions.visible_environments(by))
    found = seen.select_related("environment").filter(pk=id).first()
    if found is None:
        raise NotFound("not_found", "There is no such rule, or it is not yours to see.")
    return found


def rules_of(environment: Environment) -> wire.RedactionRules:
    """The rules as sensors are told them."""
    told: dict[str, list[str]] = {kind: [] for kind in RuleKind.values}
    for kind, pattern in environment.redaction_rules.values_list("kind", "pattern"):
        told[kind].append(pattern)
    return wire_rules(told)


def wire_rules(told: dict[str, list[str]]) -> wire.RedactionRules:
    """Patterns by kind as sensors are told them."""
    return wire.RedactionRules(
        names=told.get("name", []),
        values=told.get("value", []),
        types=told.get("type", []),
        paths=told.get("path", []),
    )


def check_rule(kind: str, pattern: str) -> str:
    """The pattern as it is kept. Raises `Invalid` for what no sensor could follow."""
    pattern = pattern.strip()
    if kind not in RuleKind.values:
        raise Invalid("rule_kind", f"There is no rule by {kind[:30]!r}.", kinds=list(RuleKind.values))
    if not pattern or len(pattern) > LONGEST_PATTERN or _UNPRINTABLE.search(pattern):
        raise Invalid(
            "rule_pattern",
            f"A rule has a pattern of 1 to {LONGEST_PATTERN} printable characters.",
            fix="Name what is withheld, as customer_ref or *_iban.",
        )
    if kind == RuleKind.VALUE:
        _check_value_pattern(pattern)
    elif not re.search(r"\w", pattern):
        raise Invalid(
            "rule_too_wide", "This rule would withhold everything.", fix="Name at least one letter."
        )
    return pattern


def _check_value_pattern(pattern: str) -> None:
    """A sensor withholds every text under a pattern that it cannot read: better to say so here."""
    try:
        compiled = expressions.Pattern(pattern)
    except expressions.ExpressionError as problem:
        raise Invalid(
            "rule_pattern",
            f"The pattern cannot be read: {problem.sentence}.",
            fix="Use what matches() takes: literals, classes, groups, | * + ? {m,n}.",
        ) from None
    if compiled.found_in("", expressions.Budget()):
        raise Invalid(
            "rule_too_wide",
            "This pattern is found in every text.",
            fix="Let it match at least one character.",
        )


@transaction.atomic
def add_redaction_rule(
    *, by: Actor, environment: Environment, kind: str, pattern: str, note: str = ""
) -> RedactionRule:
    """Withhold more in an environment. Raises `Invalid`, or `Conflict` for a rule that is there."""
    permissions.require(by, "manage_redaction", environment)
    pattern = check_rule(kind, pattern)
    if environment.redaction_rules.count() >= MOST_RULES:
        raise Invalid(
            "rules_too_many", f"An environment has at most {MOST_RULES} rules.", fix="Join some in one glob."
        )
    try:
        with transaction.atomic():
            rule = RedactionRule.objects.create(
                environment=environment,
                kind=kind,
                pattern=pattern,
                note=note.strip()[:200],
                added_by=by.label[:200],
            )
    except IntegrityError:
        raise Conflict("rule_exists", f"There is a rule {kind}: {pattern} already.") from None
    audit(by=by, action="redaction_rule_added", target=str(rule), environment=environment)
    _tell(environment)
    return rule


@transaction.atomic
def remove_redaction_rule(*, by: Actor, rule: RedactionRule) -> None:
    """Let go of a rule. What was withheld under it stays withheld: it never left the process."""
    permissions.require(by, "manage_redaction", rule.environment)
    audit(by=by, action="redaction_rule_removed", target=str(rule), environment=rule.environment)
    rule.delete()
    _tell(rule.environment)


def _tell(environment: Environment) -> None:
    publish.after_commit(
        topics.environment_topic(environment.id), {"what": "terms", "id": str(environment.id)}
    )
