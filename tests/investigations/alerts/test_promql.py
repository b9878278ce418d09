"""Taking an alert's expression apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.alerts.promql import Comparison, take_apart


@pytest.mark.parametrize(
    ("expression", "metric", "operator", "threshold"),
    [
        ("service:http_errors:ratio1m > 0.05", "service:http_errors:ratio1m", ">", 0.05),
        ("up == 0", "up", "==", 0.0),
        ('up{job="checkout"} == 0', 'up{job="checkout"}', "==", 0.0),
        ("(a / b) >= 1e-3", "a / b", ">=", 0.001),
        ("((rate(x[5m]) > 5))", "rate(x[5m])", ">", 5.0),
        ("0.5 < ratio", "ratio", ">", 0.5),
        ("x < bool 3", "x", "<", 3.0),
        ("x != -1", "x", "!=", -1.0),
        ("a > 5 and b > 3", "a", ">", 5.0),
        ("a > 5 unless on(x) b", "a", ">", 5.0),
        ("a > on(job) group_left b", "a", ">", None),
        ('count(x{le=~"1|2", path!="/a>b"}) > 2', 'count(x{le=~"1|2", path!="/a>b"})', ">", 2.0),
        (
            "sum(rate(x[5m] offset 1h)) by (job) > 0.1 # too many",
            "sum(rate(x[5m] offset 1h)) by (job)",
            ">",
            0.1,
        ),
        ("sum by (a) (x > 3)", "sum by (a) (x > 3)", "", None),
        ("a > 5 or b > 3", "a > 5 or b > 3", "", None),
        ("absent(up)", "absent(up)", "", None),
        ("(a) > (b)", "a", ">", None),
        ("(a) + (b) > 1", "(a) + (b)", ">", 1.0),
        ("x > NaN", "x", ">", None),
        ("", "", "", None),
    ],
)
def test_the_metric_and_its_threshold(
    expression: str, metric: str, operator: str, threshold: float | None
) -> None:
    assert take_apart(expression) == Comparison(metric, operator, threshold)


def test_an_expression_over_several_lines_is_understood() -> None:
    assert take_apart("sum(a)\n  /\nsum(b) # ratio\n> 0.01\n") == Comparison("sum(a)\n  /\nsum(b)", ">", 0.01)


@given(st.text(max_size=60))
def test_nothing_makes_it_fail(text: str) -> None:
    assert isinstance(take_apart(text), Comparison)
