import random

import pytest

from investigations.analysis.features import tabulate
from investigations.analysis.invariants import drift, learn, violations
from sightline.wire import Value
from tests.investigations.analysis.samples import observation, table


def rows(count, **changes):
    chance = random.Random(2)
    made = []
    for _ in range(count):
        amount = chance.uniform(10, 20)
        row = {
            "paid": True, "currency": chance.choice(["EUR", "USD"]), "amount": amount, "fee": 0.5 * amount + 1,
            "cap": amount + chance.uniform(0, 5), "order": {"id": chance.randint(1, 10**6)},
        }  # fmt: skip
        made.append({**row, **{name: change(row) for name, change in changes.items()}})
    return table(made)


@pytest.fixture(scope="module")
def learnt():
    return learn(rows(60))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("paid", lambda row: "true", "paid is always bool"),
        ("paid", lambda row: None, "paid is never None"),
        ("paid", lambda row: False, "paid is always True"),
        ("currency", lambda row: "GBP", "currency is one of 'EUR', 'USD'"),
        ("amount", lambda row: 500.0, "amount is within"),
        ("amount", lambda row: -1.0, "amount is never below 0"),
        ("fee", lambda row: 0.7 * row["amount"], "fee = 0.5 * amount + 1"),
        ("cap", lambda row: row["amount"] - 1, "amount <= cap"),
        ("order", lambda row: {"ident": 1}, "keys(order) is always {'id'}"),
    ],
)
def test_what_always_held_is_missed_when_it_does_not(learnt, name, change, said):
    broken = violations(learnt, rows(3, **{name: change}))
    assert any(said in each.sentence for each in broken), [each.sentence for each in broken]
    assert all(each.broken <= each.known <= 3 for each in broken)


def test_more_of_the_same_breaks_next_to_nothing(learnt):
    assert not [each for each in violations(learnt, rows(60)) if each.broken]


def test_few_captures_teach_nothing():
    assert learn(rows(3)) == []


def test_withheld_and_cut_values_break_nothing(learnt):
    hidden = Value("bool", redacted="name: paid")
    assert not any(
        "paid is always True" in each.sentence
        for each in violations(learnt, tabulate([observation(paid=hidden)]))
    )


def test_drift_names_what_the_next_version_no_longer_holds_to():
    found = drift([("v1", rows(60)), ("v2", rows(60)), ("v3", rows(60, paid=lambda row: "true"))])
    assert [(each.before, each.after) for each in found] == [("v2", "v3")]
    assert "paid is always bool" in " ".join(each.sentence for each in found[0].violations)
