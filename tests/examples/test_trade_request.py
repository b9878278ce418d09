"""The seeded bug is really there, and the fixed release really is without it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import pytest

TRADE = {"id": "T-1", "account": "ACC-0001", "symbol": "ACME", "amount": "48200.00"}
PREFERRED_RATE = TRADE | {"promotion": "PREFERRED-RATE", "flags": {"high_value": "true"}}


@pytest.fixture
def deployed(example, module_at) -> Any:
    return module_at(example / "trades" / "trade_request.py").TradeRequest


@pytest.fixture
def fixed(example, module_at) -> Any:
    return module_at(example / "fixed" / "trades" / "trade_request.py").TradeRequest


@pytest.fixture(params=["deployed", "fixed"])
def either(request) -> Any:
    return request.getfixturevalue(request.param)


def test_a_promotion_puts_a_string_where_a_boolean_belongs(deployed):
    assert deployed.from_payload(PREFERRED_RATE).high_value == "true"


def test_a_large_trade_on_that_promotion_skips_fraud_validation(deployed):
    assert deployed.from_payload(PREFERRED_RATE).must_clear_fraud is False


def test_the_fix_turns_the_text_into_the_boolean_it_means(fixed):
    request = fixed.from_payload(PREFERRED_RATE)
    assert request.high_value is True
    assert request.must_clear_fraud is True


@pytest.mark.parametrize(("text", "meant"), [("True", True), ("false", False), (True, True), (False, False)])
def test_the_fix_reads_every_way_to_write_a_boolean(fixed, text, meant):
    assert fixed.from_payload(TRADE | {"flags": {"fee_waived": text}}).fee_waived is meant


def test_the_fix_keeps_an_amount_a_decimal(fixed):
    assert fixed.from_payload(TRADE | {"flags": {"amount": "12.50"}}).amount == Decimal("12.50")


@pytest.mark.parametrize(
    ("flags", "error"), [({"high_value": "maybe"}, ValueError), ({"amount": "much"}, InvalidOperation)]
)
def test_the_fix_refuses_what_it_cannot_read(fixed, flags, error):
    with pytest.raises(error):
        fixed.from_payload(TRADE | {"flags": flags})


@pytest.mark.parametrize(
    ("amount", "must_clear"), [("10000.00", False), ("10000.01", True), ("95000", True), ("20", False)]
)
def test_without_a_promotion_only_trades_above_the_limit_must_clear_fraud(either, amount, must_clear):
    assert either.from_payload(TRADE | {"amount": amount}).must_clear_fraud is must_clear


def test_a_large_trade_on_the_other_promotion_must_clear_fraud_all_the_same(either):
    request = either.from_payload(TRADE | {"promotion": "NO-FEE-WEEK", "flags": {"fee_waived": "true"}})
    assert request.fee_waived
    assert request.must_clear_fraud is True


def test_flags_without_a_field_are_left_alone(either):
    assert not hasattr(either.from_payload(TRADE | {"flags": {"colour": "blue"}}), "colour")


def test_both_releases_build_the_request_on_the_same_lines(example):
    """A probe placed before the fix must mean the same line after it."""
    before = (example / "trades" / "trade_request.py").read_text().splitlines()
    after = (example / "fixed" / "trades" / "trade_request.py").read_text().splitlines()
    changed = [line for line, (old, new) in enumerate(zip(before, after, strict=False), 1) if old != new]
    assert len(changed) == 1
    assert "setattr" in before[changed[0] - 1]
