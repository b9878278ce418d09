"""The load is the mix the story needs, the same for the same seed."""

from __future__ import annotations

import json
import random
from itertools import islice

import pytest

from load import Tally, trades


@pytest.fixture(scope="module")
def sent():
    return list(islice(trades(random.Random(1)), 2000))


def is_large(trade) -> bool:
    return float(trade["amount"]) > 10_000


def test_most_trades_are_small_and_some_are_large(sent):
    assert 0.25 < sum(map(is_large, sent)) / len(sent) < 0.35


def test_large_trades_come_with_and_without_either_promotion(sent):
    promotions = [trade.get("promotion") for trade in sent if is_large(trade)]
    assert min(promotions.count(name) for name in (None, "PREFERRED-RATE", "NO-FEE-WEEK")) > 50


def test_promotions_send_booleans_as_text(sent):
    assert {str(trade["flags"]) for trade in sent if "flags" in trade} == {
        "{'high_value': 'true'}",
        "{'fee_waived': 'true'}",
    }


def test_a_failing_trade_comes_within_the_first_seconds_of_any_seed():
    for seed in range(20):
        early = islice(trades(random.Random(seed)), 6 * 15)
        assert any(is_large(trade) and trade.get("promotion") == "PREFERRED-RATE" for trade in early)


def test_the_same_seed_sends_the_same_trades_under_other_ids(sent):
    again = list(islice(trades(random.Random(1)), 2000))
    assert [trade["amount"] for trade in again] == [trade["amount"] for trade in sent]
    assert not {trade["id"] for trade in again} & {trade["id"] for trade in sent}


def test_a_report_gives_answers_and_times_and_starts_anew():
    tally = Tally()
    for milliseconds in range(1, 101):
        tally.add("202", milliseconds / 1000)
    report = json.loads(tally.report())
    assert report == {"sent": 100, "answers": {"202": 100}, "p50_ms": 51.0, "p99_ms": 100.0}
    assert json.loads(tally.report()) == {"sent": 0, "answers": {}}
