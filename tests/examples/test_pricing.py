"""What pricing-service quotes."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.test import RequestFactory

from pricing.rates import rate
from pricing.views import show_quote

NOON = 43_200.0


def test_the_preferred_tier_costs_less():
    standard = rate("ACME", Decimal("48200"), "standard", at=NOON)
    preferred = rate("ACME", Decimal("48200"), "preferred", at=NOON)
    assert (standard.fee, preferred.fee) == (Decimal("96.40"), Decimal("38.56"))
    assert standard.price == preferred.price


def test_a_price_drifts_by_no_more_than_one_percent():
    prices = [rate("ACME", Decimal(1), "standard", at=NOON + minute * 60).price for minute in range(60)]
    assert 1 < max(prices) / min(prices) < Decimal("1.021")


async def test_a_quote_is_given_in_text_so_that_no_digit_is_lost():
    answer = await show_quote(RequestFactory().get("/", {"amount": "100.10", "tier": "standard"}), "ACME")
    assert json.loads(answer.content)["fee"] == "0.20"


@pytest.mark.parametrize("question", [{}, {"amount": "much"}, {"amount": "1", "tier": "royal"}])
async def test_what_is_not_a_question_for_a_quote_is_refused(question):
    answer = await show_quote(RequestFactory().get("/", question), "ACME")
    assert answer.status_code == 400
