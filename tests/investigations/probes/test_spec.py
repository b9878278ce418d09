"""A spec that cannot be meant is refused with the field, the reason and what would be right."""

from __future__ import annotations

import math
from typing import Any

import pytest

from investigations.catalog.models import Service
from investigations.probes.spec import LIMITS, ProbeSpec, problems_of


def problems(**fields: Any) -> list[tuple[str, str]]:
    usual = {} if {"file", "line", "function", "attribute"} & fields.keys() else {"file": "a.py", "line": 3}
    spec = ProbeSpec(**({"service": Service(name="pricing")} | usual | fields))
    return [(problem.slug, problem.where) for problem in problems_of(spec)]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"function": "trades.trade_request:TradeRequest.from_payload"},
        {"function": "a:f.<locals>.g"},
        {"condition": "amount > 10000"},
        {"kind": "logpoint", "template": "paid {order.total:.2f}"},
        {"kind": "counter", "hit_limit": 0},
        {
            "watches": [
                {"name": "total", "expression": "order.total"},
                {"name": "n", "expression": "len(items)"},
            ]
        },
        {"limits": {"depth": 2, "deadline_ms": 5, "library_depth": 0}},
        {"targeting": {"percent": 10}},
        {"kind": "logpoint", "template": "paid", "options": {"level": "error", "pipe": True}},
        {"kind": "metric", "value": "order.total"},
        {"kind": "metric", "function": "a:f", "value": "len(items)"},
        {"kind": "duration", "function": "a:f"},
        {"kind": "duration", "until": 9, "options": {"slower_than_ms": 250}},
        {
            "kind": "function",
            "condition": "@duration > 5 and is_none(@exception)",
            "watches": [{"name": "answer", "expression": "@return.status"}],
        },
        {
            "kind": "exception",
            "options": {"exceptions": ["ValueError", "app.errors.Refused"], "how": ["swallowed"]},
        },
        {"kind": "path", "function": "a:f", "options": {"most_steps": 100}},
        {"kind": "assignment", "attribute": "trades.trade_request:TradeRequest.high_value"},
        {
            "kind": "expectation",
            "value": 'type_name(amount) == "Decimal"',
            "watches": [{"name": "a", "expression": "a"}],
        },
        {"kind": "dependency", "file": "", "line": 0},
        {"kind": "dependency", "function": "a:f", "options": {"libraries": ["redis", "httpx"]}},
    ],
)
def test_what_makes_sense_has_no_problem(fields: dict[str, Any]) -> None:
    assert problems(**fields) == []


@pytest.mark.parametrize("kind", ["snapshot", "logpoint", "counter", "function"])
def test_what_a_hit_happened_in_may_be_asked_by_every_kind(kind: str) -> None:
    template = {"template": "x"} if kind == "logpoint" else {}
    wished = problems(kind=kind, condition='@route == "/trades" and @tenant is not None', **template)
    assert [slug for slug, _ in wished if slug == "special_name_unknown"] == []


@pytest.mark.parametrize(
    ("fields", "slug", "where"),
    [
        ({"kind": "breakpoint"}, "kind_unknown", "kind"),
        ({"kind": ""}, "kind_unknown", "kind"),
        ({"file": "", "line": 0}, "location_missing", "file"),
        ({"file": "a.py", "line": 1, "function": "a:f"}, "location_missing", "file"),
        ({"file": "", "line": 3}, "file_malformed", "file"),
        ({"file": "a\x00.py", "line": 3}, "file_malformed", "file"),
        ({"file": "a.py", "line": -3}, "line_malformed", "line"),
        ({"file": "a.py"}, "line_malformed", "line"),
        ({"function": "no_colon"}, "function_malformed", "function"),
        ({"function": "a:f()"}, "function_malformed", "function"),
        ({"attribute": "a:B.c"}, "attribute_not_placeable", "attribute"),
        ({"kind": "logpoint"}, "template_missing", "template"),
        ({"template": "hello"}, "template_unused", "template"),
        ({"kind": "counter", "watches": [{"name": "a", "expression": "a"}]}, "watches_unused", "watches"),
        ({"value": "a"}, "value_unused", "value"),
        ({"file": "../a.py", "line": 3}, "file_malformed", "file"),
        ({"file": "a/../../b.py", "line": 3}, "file_malformed", "file"),
        ({"file": "a\\..\\b.py", "line": 3}, "file_malformed", "file"),
        ({"file": "/etc/passwd", "line": 3}, "file_malformed", "file"),
        ({"file": "C:\\a.py", "line": 3}, "file_malformed", "file"),
        ({"options": {"a": 1}}, "option_unknown", "options"),
        ({"kind": "metric"}, "value_missing", "value"),
        ({"kind": "metric", "value": "a +"}, "syntax", "value"),
        (
            {"kind": "metric", "value": "a", "watches": [{"name": "a", "expression": "a"}]},
            "watches_unused",
            "watches",
        ),
        ({"kind": "expectation"}, "value_missing", "value"),
        ({"until": 9}, "until_unused", "until"),
        ({"kind": "duration", "until": 2}, "until_malformed", "until"),
        ({"kind": "duration", "function": "a:f", "until": 9}, "until_malformed", "until"),
        (
            {"kind": "duration", "options": {"slower_than_ms": "long"}},
            "option_malformed",
            "options.slower_than_ms",
        ),
        (
            {"kind": "duration", "options": {"slower_than_ms": math.inf}},
            "option_malformed",
            "options.slower_than_ms",
        ),
        ({"condition": "@return == 1"}, "special_name_unknown", "condition"),
        ({"kind": "metric", "value": "@duration"}, "special_name_unknown", "value"),
        ({"kind": "logpoint", "template": "took {@duration}"}, "special_name_unknown", "template"),
        ({"kind": "function", "condition": "@result"}, "unknown_name", "condition"),
        ({"kind": "exception", "options": {"how": ["ignored"]}}, "option_malformed", "options.how"),
        ({"kind": "exception", "options": {"how": [[]]}}, "option_malformed", "options.how"),
        ({"kind": "exception", "options": {"exceptions": ["a b"]}}, "option_malformed", "options.exceptions"),
        ({"kind": "exception", "options": {"exceptions": [3]}}, "option_malformed", "options.exceptions"),
        ({"kind": "path", "options": {"most_steps": 20_001}}, "option_malformed", "options.most_steps"),
        ({"kind": "path", "options": {"most_steps": 1.5}}, "option_malformed", "options.most_steps"),
        ({"kind": "assignment"}, "attribute_missing", "attribute"),
        ({"kind": "assignment", "attribute": "a:b.c", "file": "a.py"}, "attribute_missing", "attribute"),
        ({"kind": "assignment", "attribute": "a.b.c"}, "attribute_malformed", "attribute"),
        ({"kind": "assignment", "attribute": "a:b"}, "attribute_malformed", "attribute"),
        (
            {"kind": "dependency", "options": {"libraries": ["telnet"]}},
            "option_malformed",
            "options.libraries",
        ),
        ({"condition": "__import__('os')"}, "would_run_code", "condition"),
        ({"condition": "amount >"}, "syntax", "condition"),
        ({"condition": "x" * 5000}, "expression_too_long", "condition"),
        ({"kind": "logpoint", "template": "{amount"}, "syntax", "template"),
        ({"watches": [{"name": "a", "expression": "lambda: 1"}]}, "not_in_language", "watches.0"),
        ({"watches": [{"name": "", "expression": "a"}]}, "watch_name", "watches.0"),
        ({"watches": [{"name": "a", "expression": "a"}] * 2}, "watch_name", "watches.1"),
        (
            {"watches": [{"name": f"a{n}", "expression": "a"} for n in range(21)]},
            "watches_too_many",
            "watches",
        ),
        ({"limits": {"width": 3}}, "limit_unknown", "limits"),
        ({"limits": {"depth": 11}}, "out_of_bounds", "limits.depth"),
        ({"limits": {"bytes": "many"}}, "out_of_bounds", "limits.bytes"),
        ({"hit_limit": -1}, "out_of_bounds", "hit_limit"),
        ({"rate": 0}, "out_of_bounds", "rate"),
        ({"rate": math.nan}, "out_of_bounds", "rate"),
        ({"rate": math.inf}, "out_of_bounds", "rate"),
        ({"ttl_s": 5}, "out_of_bounds", "ttl_s"),
        ({"ttl_s": 90_000}, "out_of_bounds", "ttl_s"),
        ({"ttl_s": True}, "out_of_bounds", "ttl_s"),
        ({"targeting": {"host": "a"}}, "targeting_malformed", "targeting"),
    ],
)
def test_what_does_not_is_named(fields: dict[str, Any], slug: str, where: str) -> None:
    assert (slug, where) in problems(**fields)


def test_a_wrong_expression_is_shown_at_its_column() -> None:
    spec = ProbeSpec(service=Service(), file="a.py", line=1, condition="amount > evil()")
    (problem,) = problems_of(spec)

    assert (problem.column, problem.alternatives) == (9, {"text": "amount > evil()"})
    assert problem.error().alternatives["column"] == 9


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_takes_its_bounds_and_nothing_beyond(name: str) -> None:
    least, most = LIMITS[name]

    assert problems(limits={name: least}) == problems(limits={name: most}) == []
    assert (
        problems(limits={name: most + 1})
        == problems(limits={name: least - 1})
        == [("out_of_bounds", f"limits.{name}")]
    )
