"""Observations to compare, built in a line each."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from investigations.analysis.features import Observation, Table, tabulate
from sightline.wire import Value


def value(told: Any) -> Value:
    """A Python value as the sensor would tell it."""
    if isinstance(told, Value):
        return told
    if isinstance(told, dict):
        return Value(
            "dict", size=len(told), entries=[(value(key), value(each)) for key, each in told.items()]
        )
    if isinstance(told, list):
        return Value("list", size=len(told), items=[value(each) for each in told])
    return Value(type(told).__name__, told)


def observation(facts: dict[str, str] | None = None, **values: Any) -> Observation:
    return Observation({name: value(told) for name, told in values.items()}, facts or {})


def table(rows: Sequence[dict[str, Any]]) -> Table:
    return tabulate([observation(**row) for row in rows])


def orders(
    failing: int, passing: int, broken: Callable[[dict[str, Any]], Any], seed: int = 1
) -> tuple[Table, list[bool]]:
    """Orders of a shop; ``broken`` changes the failing ones in place."""
    chance = random.Random(seed)
    rows = [_order(chance) for _ in range(failing + passing)]
    for row in rows[:failing]:
        broken(row)
    return table(rows), [at < failing for at in range(failing + passing)]


def _order(chance: random.Random) -> dict[str, Any]:
    amount = chance.uniform(1, 100)
    return {
        "user": chance.choice(["ann", "bob", "eve", "tim"]),
        "amount": amount,
        "fee": amount * 0.02,
        "urgent": chance.random() < 0.5,
        "items": [chance.randint(1, 9) for _ in range(chance.randint(1, 4))],
        "coupon": None if chance.random() < 0.3 else "SPRING",
    }
