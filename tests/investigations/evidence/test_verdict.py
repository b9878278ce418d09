"""The rules by example and by property: the same rows say the same, and no claim opens a gate."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from investigations.evidence.verdict import (
    Answer,
    Bearing,
    Claim,
    Item,
    StanceName,
    Watch,
    decide,
    weighed_state,
)

H1 = Claim(uuid.UUID(int=1), 1, "supported", weakens="A failing trade with a bool.")
H2 = Claim(uuid.UUID(int=2), 2, "proposed")
ARMED = Watch(1, "active", asked=2, armed=2, captures=0)


def seen(number: int = 1, **facts: object) -> Item:
    """A capture of the probe P1, copied by the server."""
    return replace(Item(uuid.UUID(int=100 + number), "capture", copied=True, probe="prb_1"), **facts)  # type: ignore[arg-type]


def on(claim: Claim, stance: StanceName, item: Item | None = None) -> Bearing:
    return Bearing(item or seen(), stance, claim.id)


def unmet(answer: Answer) -> list[str]:
    return [gate.slug for gate in answer.gates if not gate.met]


WHOLE_CASE = [on(H1, "supports"), on(H2, "refutes"), on(H1, "neutral", seen(2))]


def test_with_every_gate_met_it_is_diagnosed() -> None:
    answer = decide([H1, H2], WHOLE_CASE, [])
    assert (answer.verdict, answer.leader, unmet(answer)) == ("diagnosed", H1.id, [])


def test_with_no_hypothesis_it_is_inconclusive_and_says_what_is_missing() -> None:
    answer = decide([], [], [])
    assert (answer.verdict, unmet(answer)) == ("inconclusive", ["mechanism"])
    assert "propose" in answer.gates[0].sentence


@pytest.mark.parametrize(
    ("claims", "bearings", "missing"),
    [
        ([H1, H2], [on(H2, "refutes"), on(H1, "neutral", seen(2))], ["mechanism", "coverage"]),
        ([H1], [on(H1, "supports"), on(H1, "neutral", seen(2))], ["rivals"]),
        ([H1, H2], [on(H1, "supports"), on(H1, "neutral", seen(2))], ["rivals"]),
        ([H1, H2], [on(H1, "supports"), on(H2, "refutes")], ["disconfirming"]),
        ([replace(H1, weakens=""), H2], WHOLE_CASE, ["disconfirming"]),
        (
            [H1, H2],
            [on(H1, "supports", seen(partial=True)), on(H2, "refutes"), on(H1, "neutral", seen(2))],
            ["coverage"],
        ),
    ],
)
def test_each_gate_by_itself(claims: list[Claim], bearings: list[Bearing], missing: list[str]) -> None:
    answer = decide(claims, bearings, [])
    assert unmet(answer) == missing
    assert answer.verdict == ("inconclusive" if "mechanism" in missing else "likely")


def test_a_rival_called_untestable_counts_only_with_a_reason() -> None:
    case = [on(H1, "supports"), on(H1, "neutral", seen(2))]
    without = replace(H2, state="untestable")
    assert unmet(decide([H1, without], case, [])) == ["rivals"]
    assert unmet(decide([H1, replace(without, reason="It has no traffic.")], case, [])) == []


def test_a_second_probe_that_agrees_is_a_try_to_prove_it_wrong() -> None:
    case = [on(H1, "supports"), on(H1, "supports", seen(2, probe="prb_2")), on(H2, "refutes")]
    assert decide([H1, H2], case, []).verdict == "diagnosed"


def test_what_refutes_the_leader_closes_its_first_gate() -> None:
    answer = decide([H1], [on(H1, "supports"), on(H1, "refutes", seen(2))], [])
    assert "refute H1" in answer.gates[0].sentence


@pytest.mark.parametrize("item", [
    seen(kind="inference", by_agent=True), seen(kind="observation", by_agent=True, copied=False),
    seen(kind="inference"),
])  # fmt: skip
def test_what_is_only_said_opens_no_gate(item: Item) -> None:
    said = [Bearing(item, bearing.stance, bearing.hypothesis) for bearing in WHOLE_CASE]
    assert unmet(decide([H1, H2], said, [])) == ["mechanism", "rivals", "disconfirming", "coverage"]
    assert weighed_state(said) is None


def test_a_persons_observation_supports_but_shows_no_mechanism() -> None:
    told = seen(kind="observation", copied=False)
    assert weighed_state([on(H1, "supports", told)]) == ("supported", "1 piece support it, none refutes it.")
    assert "mechanism" in unmet(decide([H1], [on(H1, "supports", told)], []))


def test_the_alarm_is_false_when_its_own_condition_is_shown_not_to_hold() -> None:
    denied = Bearing(seen(kind="metric_window", copied=False), "refutes")
    assert decide([H1], [denied], []).verdict == "false_alarm"
    assert decide([H1], [replace(denied, item=seen(kind="link", copied=False))], []).verdict == "inconclusive"
    agents_word = replace(denied, item=seen(kind="metric_window", copied=False, by_agent=True))
    assert decide([H1], [agents_word], []).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("watches", "verdict"),
    [
        ([], "inconclusive"),
        ([ARMED], "reproduction_required"),
        ([ARMED, replace(ARMED, state="removed", armed=0)], "reproduction_required"),
        ([ARMED, replace(ARMED, armed=0)], "inconclusive"),
        ([replace(ARMED, armed=0, refused="Line 7 is not executable.")], "blocked"),
        ([ARMED, replace(ARMED, state="denied")], "blocked"),
        ([replace(ARMED, state="pending_approval", asked=0, armed=0)], "blocked"),
        ([replace(ARMED, captures=1)], "inconclusive"),
    ],
)
def test_without_evidence_the_probes_say_why(watches: list[Watch], verdict: str) -> None:
    assert decide([H1], [], watches).verdict == verdict


# ---------------------------------------------------------------- whatever the rows

claims = st.lists(
    st.sampled_from(["proposed", "testing", "supported", "refuted", "confirmed", "untestable"]), max_size=4
)
kinds = st.sampled_from(["capture", "comparison", "observation", "inference", "metric_window"])


stances: st.SearchStrategy[StanceName] = st.sampled_from(["supports", "refutes", "neutral"])


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Claim], list[Bearing]]:
    some, flag = st.sampled_from(["", "x"]), st.booleans()
    rows = [
        Claim(uuid.UUID(int=n), n, state, weakens=draw(some), reason=draw(some))
        for n, state in enumerate(draw(claims), start=1)
    ]
    items = [
        Item(uuid.UUID(int=100 + n), kind, draw(flag), draw(flag), draw(flag), draw(some))
        for n, kind in enumerate(draw(st.lists(kinds, max_size=6)))
    ]
    targets = st.sampled_from([None, *(row.id for row in rows)])
    return rows, [Bearing(item, draw(stances), draw(targets)) for item in items]


@given(cases(), st.randoms())
def test_the_same_rows_in_any_order_say_the_same(
    case: tuple[list[Claim], list[Bearing]], chance: random.Random
) -> None:
    rows, bearings = case
    shuffled = bearings.copy()
    chance.shuffle(shuffled)
    assert decide(rows, shuffled, []) == decide(rows, bearings, [])


@given(cases())
def test_what_settles_nothing_changes_nothing(case: tuple[list[Claim], list[Bearing]]) -> None:
    rows, bearings = case
    assert decide(rows, bearings, []) == decide(rows, [b for b in bearings if b.item.settles], [])


@given(cases())
def test_diagnosed_means_every_gate_and_a_capture_that_supports(
    case: tuple[list[Claim], list[Bearing]],
) -> None:
    rows, bearings = case
    answer = decide(rows, bearings, [])
    if answer.verdict == "diagnosed":
        assert unmet(answer) == []
        mine = [b for b in bearings if b.hypothesis == answer.leader and b.item.shows_the_mechanism]
        assert any(b.stance == "supports" and not b.item.partial for b in mine)
