import random
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from investigations.analysis.differences import compare
from investigations.analysis.features import tabulate
from sightline.wire import Value
from tests.investigations.analysis.samples import observation, orders, table


def first(found):
    assert found.differences, found.sentence
    return found.differences[0]


@pytest.mark.parametrize(
    ("broken", "path", "kind"),
    [
        (lambda row: row.update(urgent="true"), "urgent", "type"),
        (lambda row: row.update(user=None), "user", "none"),
        (lambda row: row.update(user=""), "user", "empty"),
        (lambda row: row.update(user=" ann"), "user", "trait"),
        (lambda row: row.update(amount=row["amount"] * 100), "amount", "numbers"),
        (lambda row: row.update(amount=-row["amount"]), "amount", "sign"),
        (lambda row: row["items"].insert(0, row["items"].pop()), "sorted(items)", "order"),
        (lambda row: row.update(user="root"), "user", "value"),
    ],
)
def test_three_failing_and_fifty_passing_are_enough_to_name_what_differs(broken, path, kind):
    rows, labels = orders(3, 50, broken)
    if kind == "order":
        rows, labels = sorted_items(broken)
    best = first(compare(rows, labels))
    assert (best.paths, best.kind) == ((path,), kind)
    assert best.q < 0.05
    assert path in best.sentence


def sorted_items(broken):
    chance = random.Random(5)
    rows = [{"items": sorted(chance.sample(range(99), 3))} for _ in range(53)]
    for row in rows[:3]:
        broken(row)
    return table(rows), [at < 3 for at in range(53)]


def test_a_difference_carries_counts_test_effect_interval_and_coverage():
    best = first(compare(*orders(3, 50, lambda row: row.update(urgent="true"))))
    assert best.predicate == "type(urgent) is str"
    assert (best.holds_failing, best.known_failing, best.holds_passing, best.known_passing) == (3, 3, 0, 50)
    assert (best.test, best.coverage, best.support) == ("fisher", 1.0, 1.0)
    assert 1 < best.effect.low < best.effect.estimate < best.effect.high
    assert "type(urgent) is not bool" in best.same_as


def test_nothing_separating_is_an_answer_with_what_more_captures_would_bring():
    found = compare(*orders(2, 9, lambda row: None))
    assert not found.differences
    assert found.needed.failing > 0
    assert found.needed.passing > 0
    assert "Nothing captured separates 2 failing from 9 passing" in found.sentence
    assert f"{found.needed.failing} more failing or {found.needed.passing} more passing" in found.sentence


def test_one_side_missing_is_said():
    rows, _ = orders(1, 3, lambda row: None)
    assert "no failing captures" in compare(rows, [False] * 4).sentence
    assert "no passing captures" in compare(rows, [True] * 4).sentence


def test_what_restates_the_label_is_told_apart():
    rows, labels = orders(3, 50, lambda row: row.update(urgent="true", fee=None))
    found = compare(rows, labels, label_paths={"fee"})
    assert all("fee" not in each.paths for each in found.differences)
    assert any("fee" in each.paths for each in found.restating)


def test_cut_values_are_unknown_and_lower_the_coverage():
    def observed(at):
        urgent = Value("bool", True, cut="deadline") if at % 2 else Value("bool", at >= 10)
        return observation(urgent=urgent, n=at % 3)

    best = next(
        each
        for each in compare(
            tabulate([observed(at) for at in range(60)]), [at < 10 for at in range(60)]
        ).differences
        if each.paths == ("urgent",)
    )
    assert best.coverage == 0.5
    assert (best.known_failing, best.known_passing) == (5, 25)
    assert "known in 50%" in best.sentence


def test_two_conditions_at_once_are_found_where_neither_explains_alone():
    chance = random.Random(3)
    rows = [{"a": chance.choice("xz"), "b": chance.choice("pq"), "c": chance.random()} for _ in range(200)]
    labels = [row["a"] == "x" and row["b"] == "p" for row in rows]
    best = first(compare(table(rows), labels))
    assert best.kind == "both"
    assert best.predicate == "a == 'x' and b == 'p'"


def test_the_same_input_gives_the_same_bytes():
    rows, labels = orders(3, 50, lambda row: row.update(urgent="true"))
    assert repr(asdict(compare(rows, labels))) == repr(asdict(compare(rows, labels)))


seeds = st.integers(0, 10_000)


def splits(found):
    return {
        (frozenset((each.paths, each.test)), round(each.p, 12), round(each.q, 12))
        for each in (*found.differences, *found.doubtful)
    }


@settings(max_examples=8)
@given(seeds)
def test_swapping_the_labels_finds_the_same_splits(seed):
    rows, labels = orders(8, 25, lambda row: row.update(urgent=1, amount=row["amount"] + 40), seed)
    there, back = compare(rows, labels), compare(rows, ~np.array(labels))
    assert there.candidates == back.candidates
    assert splits(there) == splits(back)


@settings(max_examples=8)
@given(seeds)
def test_the_order_of_captures_does_not_matter(seed):
    def told(order):
        chance = random.Random(seed)
        made = [
            {"n": chance.randint(0, 9), "s": chance.choice(["a", "b"]), "x": at < 5 or None}
            for at in range(40)
        ]
        return compare(table([made[at] for at in order]), [at < 5 for at in order])

    shuffled = random.Random(seed + 1).sample(range(40), 40)
    assert told(range(40)) == told(shuffled)


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(10, 60))
def test_more_support_makes_a_difference_no_less_sure(held, passing):
    def p(count):
        rows = [{"x": "bad" if at < count else "good"} for at in range(10 + passing)]
        found = compare(table(rows), [at < 10 for at in range(10 + passing)])
        return min((each.p for each in (*found.differences, *found.doubtful)), default=1.0)

    assert p(held + 1) <= p(held) + 1e-12
