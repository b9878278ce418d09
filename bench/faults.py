"""Small services' functions with faults that telemetry cannot see: kinds, templates, and the executions they
are run with.

Every kind has several variants (other names, other numbers), so that a suite has at least 60 cases. Each
variant is a module of its own, written to a folder and called through the real sensor. ``cause`` names the
paths where a person would say the fault shows; anything else that differs is its echo.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault. ``source`` is a function ``handle`` with ``{names}`` to fill in; its last line is
    probed.

    ``usual`` makes arguments of a passing execution, ``faulty`` turns them into a failing one's.
    """

    name: str
    source: str
    names: Sequence[Sequence[str]]
    cause: Sequence[str]
    usual: Callable[[random.Random], Arguments]
    faulty: Callable[[random.Random, Arguments], Arguments]


@dataclass(frozen=True, slots=True)
class Case:
    """One variant of a kind: its source, and the paths that count as its cause."""

    kind: Kind
    number: int
    source: str
    cause: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.kind.name.replace(' ', '_')}_{self.number}"


VARIANTS = 4


def cases(kinds: Sequence[Kind]) -> Iterator[Case]:
    """Every variant of every kind."""
    for kind in kinds:
        for number in range(VARIANTS):
            chosen = {f"n{at}": names[number % len(names)] for at, names in enumerate(kind.names)}
            source = kind.source
            cause = list(kind.cause)
            for key, word in chosen.items():
                source = source.replace(f"<{key}>", word)
                cause = [each.replace(f"<{key}>", word) for each in cause]
            yield Case(kind, number, source, frozenset(cause))


def _order(chance: random.Random) -> Arguments:
    return {
        "user": chance.choice(["ann", "bob", "eve", "tim", "uwe"]),
        "amount": round(chance.uniform(5, 400), 2),
        "count": chance.randint(1, 9),
        "flag": chance.random() < 0.5,
        "extra": {"region": chance.choice(["eu", "us", "ap"]), "retries": chance.randint(0, 2)},
    }


def _with(
    **changes: Callable[[random.Random, Arguments], Any],
) -> Callable[[random.Random, Arguments], Arguments]:
    def change(chance: random.Random, usual: Arguments) -> Arguments:
        return usual | {name: make(chance, usual) for name, make in changes.items()}

    return change


def _plus(**more: Callable[[random.Random], Any]) -> Callable[[random.Random], Arguments]:
    return lambda chance: _order(chance) | {name: make(chance) for name, make in more.items()}


HEAD = "def handle(user, amount, count, flag, extra{more}):\n    region = extra['region']\n    total = amount * count\n"
WORDS = (
    ["urgent", "high_value", "is_gift", "express"],
    ["discount", "limit", "bonus", "quota"],
    ["price", "weight", "delay", "size"],
    ["label", "note", "title", "code"],
)


def _kind(
    name: str,
    body: str,
    cause: Sequence[str],
    faulty: Callable[[random.Random, Arguments], Arguments],
    usual: Callable[[random.Random], Arguments] = _order,
    more: str = "",
    names: Sequence[Sequence[str]] = WORDS,
) -> Kind:
    lines = "".join(f"    {line}\n" for line in body.strip("\n").split("\n"))
    return Kind(name, HEAD.replace("{more}", more) + lines, names, cause, usual, faulty)


KINDS: tuple[Kind, ...] = (
    _kind(
        "string in a boolean",
        "<n0> = flag\nfee = total * 0.1 if <n0> else 0.0\nreturn fee",
        ["flag", "<n0>"],
        _with(flag=lambda c, u: "false"),
    ),
    _kind(
        "none past a default",
        "<n1> = extra.get('cap', 10)\nleft = (<n1> or 0) + count\nreturn left",
        ["<n1>", "extra['cap']"],
        _with(extra=lambda c, u: u["extra"] | {"cap": None}),
    ),
    _kind(
        "wrong unit",
        "<n2> = amount\ngross = <n2> * 1.19\nreturn gross",
        ["amount", "<n2>"],
        _with(amount=lambda c, u: u["amount"] * 100),
    ),
    _kind(
        "stale cache",
        "<n1> = cache['version']\nfresh = <n1> == current\nreturn total",
        ["<n1>", "cache['version']", "fresh", "current"],
        _with(cache=lambda c, u: {"version": u["current"] - 1}),
        usual=lambda c: _order(c) | (lambda v: {"current": v, "cache": {"version": v}})(c.randint(100, 900)),
        more=", cache, current",
    ),
    _kind(
        "off by one",
        "<n1> = items[:stop]\nlost = len(items) - len(<n1>)\nreturn <n1>",
        ["<n1>", "stop", "items", "lost"],
        _with(stop=lambda c, u: len(u["items"]) - 1),
        usual=lambda c: _order(c) | (lambda k: {"items": list(range(k)), "stop": k})(c.randint(3, 9)),
        more=", items, stop",
    ),
    _kind(
        "swapped arguments",
        "<n2> = (start, end)\nspan = end - start\nreturn span",
        ["start", "end", "span"],
        _with(start=lambda c, u: u["end"], end=lambda c, u: u["start"]),
        usual=lambda c: _order(c) | (lambda s: {"start": s, "end": s + c.randint(5, 50)})(c.randint(0, 500)),
        more=", start, end",
    ),
    _kind(
        "float for money",
        "<n2> = money\ntaxed = <n2> * 2\nreturn taxed",
        ["money", "<n2>", "taxed"],
        _with(money=lambda c, u: float(u["money"])),
        usual=_plus(money=lambda c: Decimal(c.randint(100, 9999)) / 100),
        more=", money",
    ),
    _kind(
        "timezone",
        "<n3> = stamp\nday = <n3>[:10]\nreturn day",
        ["stamp", "<n3>"],
        _with(stamp=lambda c, u: u["stamp"].removesuffix("Z")),
        usual=_plus(stamp=lambda c: f"2026-0{c.randint(1, 9)}-1{c.randint(0, 9)}T0{c.randint(0, 9)}:00:00Z"),
        more=", stamp",
    ),
    _kind(
        "truncated text",
        "<n3> = text[:width]\nshown = <n3>.upper()\nreturn shown",
        ["<n3>", "width", "text", "shown"],
        _with(width=lambda c, u: 8),
        usual=_plus(
            text=lambda c: "".join(c.choice("abcdef ") for _ in range(c.randint(20, 40))), width=lambda c: 64
        ),
        more=", text, width",
    ),
    _kind(
        "mutated default",
        "<n1> = list(seen)\n<n1>.append(user)\nreturn <n1>",
        ["seen", "<n1>"],
        _with(seen=lambda c, u: [c.choice(["kim", "lea", "max"]) for _ in range(c.randint(1, 4))]),
        usual=_plus(seen=lambda c: []),
        more=", seen",
    ),
    _kind(
        "swallowed exception",
        "try:\n    <n1> = rates[currency]\nexcept KeyError:\n    <n1> = None\nreturn <n1>",
        ["<n1>", "currency"],
        _with(currency=lambda c, u: c.choice(["eur", "usd"])),
        usual=_plus(rates=lambda c: {"EUR": 1, "USD": 2}, currency=lambda c: c.choice(["EUR", "USD"])),
        more=", rates, currency",
    ),
    _kind(
        "feature flag branch",
        "<n0> = 'new' if flags.get('engine') else 'old'\npath = region + <n0>\nreturn path",
        ["flags['engine']", "<n0>", "flags"],
        _with(flags=lambda c, u: {"engine": True, "beta": u["flags"]["beta"]}),
        usual=_plus(flags=lambda c: {"engine": False, "beta": c.random() < 0.5}),
        more=", flags",
    ),
    _kind(
        "out of order events",
        "<n1> = [each for each in events]\nlast = <n1>[-1]\nreturn last",
        ["events", "<n1>"],
        _with(events=lambda c, u: [*u["events"][::-1]]),
        usual=_plus(events=lambda c: sorted(c.sample(range(1000), c.randint(3, 8)))),
        more=", events",
    ),
    _kind(
        "wrong key case",
        "<n3> = headers.get('X-Id')\nknown = <n3> is not None\nreturn known",
        ["headers", "headers['X-Id']", "<n3>", "headers['x-id']"],
        _with(headers=lambda c, u: {"x-id": u["headers"]["X-Id"]}),
        usual=_plus(headers=lambda c: {"X-Id": str(c.randint(1000, 9999))}),
        more=", headers",
    ),
    _kind(
        "empty list for missing",
        "<n1> = lines or [0]\nmost = max(<n1>)\nreturn most",
        ["lines", "<n1>"],
        _with(lines=lambda c, u: []),
        usual=_plus(lines=lambda c: [c.randint(1, 99) for _ in range(c.randint(1, 5))]),
        more=", lines",
    ),
    _kind(
        "padded text",
        "<n3> = key\nfound = <n3> in ('red', 'green', 'blue')\nreturn found",
        ["key", "<n3>"],
        _with(key=lambda c, u: u["key"] + " "),
        usual=_plus(key=lambda c: c.choice(["red", "green", "blue"])),
        more=", key",
    ),
    _kind(
        "negative amount",
        "<n2> = paid\nrest = total - <n2>\nreturn rest",
        ["paid", "<n2>"],
        _with(paid=lambda c, u: -u["paid"]),
        usual=_plus(paid=lambda c: c.randint(1, 200)),
        more=", paid",
    ),
    _kind(
        "wrong id",
        "<n3> = owner\nallowed = <n3> == user\nreturn allowed",
        ["owner", "<n3>", "user", "allowed"],
        _with(owner=lambda c, u: u["user"] + "2"),
        usual=lambda c: (lambda u: u | {"owner": u["user"]})(_order(c)),
        more=", owner",
    ),
)


def execution(case: Case, failing: bool, chance: random.Random) -> Arguments:
    """Arguments of one execution."""
    usual = case.kind.usual(chance)
    return case.kind.faulty(chance, usual) if failing else usual
