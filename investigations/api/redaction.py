"""What sensors withhold by order of an environment, and what a rule would withhold before it is one."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field

from investigations.accounts import redaction
from investigations.accounts import selectors as accounts
from investigations.api.auth import actor
from investigations.api.paging import id_in_path
from investigations.lib.errors import Invalid
from investigations.probes import selectors as probes
from investigations.probes import withholding
from investigations.shapes import RedactionRuleShape, Shape, WithholdingShape

router = Router(tags=["redaction"])
Kind = Literal["name", "value", "type", "path"]


class RuleIn(Shape):
    """What to withhold."""

    environment: str
    kind: Kind
    pattern: str = Field(
        max_length=200, description="A name or glob; for a value a pattern as matches() takes it."
    )
    note: str = Field(default="", max_length=200)


class TryIn(Shape):
    """A rule, and what to try it on: a sample (a JSON object of names and values, or a text) or a stored capture."""

    environment: str
    kind: Kind
    pattern: str = Field(max_length=200)
    sample: str = Field(default="", max_length=withholding.LONGEST_SAMPLE)
    capture_id: str = ""


@router.get("/redaction-rules", response=list[RedactionRuleShape], operation_id="list_redaction_rules")
def list_redaction_rules(request: HttpRequest, environment: str) -> list[RedactionRuleShape]:
    """What the sensors of an environment withhold beside their own rules."""
    by = actor(request)
    rows = redaction.redaction_rules(by, accounts.environment_named(by, environment))
    return [RedactionRuleShape.from_row(row, environment) for row in rows]


@router.post("/redaction-rules", response={201: RedactionRuleShape}, operation_id="add_redaction_rule")
def add_redaction_rule(request: HttpRequest, body: RuleIn) -> Status[RedactionRuleShape]:
    """Withhold more. Connected sensors follow at once."""
    by = actor(request)
    environment = accounts.environment_named(by, body.environment)
    row = redaction.add_redaction_rule(
        by=by, environment=environment, kind=body.kind, pattern=body.pattern, note=body.note
    )
    return Status(201, RedactionRuleShape.from_row(row, environment.name))


@router.post("/redaction-rules/try", response=WithholdingShape, operation_id="try_redaction_rule")
def try_redaction_rule(request: HttpRequest, body: TryIn) -> WithholdingShape:
    """Dry run: what the rule would withhold, beside those there are. Nothing is saved."""
    by = actor(request)
    environment = accounts.environment_named(by, body.environment)
    tried = redaction.wire_rules({body.kind: [redaction.check_rule(body.kind, body.pattern)]})
    rules = redaction.rules_of(environment)
    if body.capture_id:
        row = probes.capture(by, id_in_path("cap", body.capture_id))
        return WithholdingShape.from_row(withholding.try_on_capture(probes.decode(row), rules, tried))
    if not body.sample:
        raise Invalid(
            "nothing_to_try", "There is nothing to try the rule on.", fix="Give a sample or a capture_id."
        )
    return WithholdingShape.from_row(withholding.try_on_sample(body.sample, rules, tried))


@router.delete("/redaction-rules/{rule_id}", response={204: None}, operation_id="remove_redaction_rule")
def remove_redaction_rule(request: HttpRequest, rule_id: str) -> Status[None]:
    """Let go of a rule. What was withheld under it never left its process."""
    by = actor(request)
    redaction.remove_redaction_rule(by=by, rule=redaction.redaction_rule(by, id_in_path("rul", rule_id)))
    return Status(204, None)
