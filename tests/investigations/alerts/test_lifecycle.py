"""The life of an alert, by example and by property: whatever its sources say, no end is lost and none is made up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from investigations.alerts import lifecycle
from investigations.alerts.lifecycle import (
    FLAP_WINDOW,
    STALE_ENDS_AFTER,
    Condition,
    Said,
    Step,
    Verdict,
    Word,
    advance,
    begin,
    weigh,
)
from investigations.analysis.flapping import CALM_TRANSITIONS, FLAP_TRANSITIONS

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def said(*words: tuple[float, Said]) -> list[Step]:
    """Begin with firing at noon, then hear each word at its minute."""
    first = begin(Verdict("firing"), NOON)
    assert first is not None
    steps = [first]
    for minute, word in words:
        at = NOON + minutes(minute)
        steps.append(advance(steps[-1].condition, Verdict(word, at), at))
    return steps


# ---------------------------------------------------------------- one verdict from many words


def word(state: lifecycle.Told, minute: float = 0, *, lost: bool = False, absent: bool = False) -> Word:
    return Word(state, NOON + minutes(minute), NOON, lost=lost, absent=absent)


def test_it_fires_while_any_source_says_so() -> None:
    assert weigh([word("resolved", 5), word("firing")]).said == "firing"


def test_a_silence_known_to_one_source_holds_for_all() -> None:
    assert weigh([word("firing"), word("suppressed")]).said == "suppressed"


def test_it_is_stale_when_the_source_that_said_it_fires_is_lost() -> None:
    assert weigh([word("firing", lost=True)]).said == "stale"


def test_a_source_that_answers_beats_what_a_lost_one_said_before() -> None:
    assert weigh([word("firing", 1, lost=True), word("resolved", 5)]).said == "resolved"
    assert weigh([word("firing", 9, lost=True), word("resolved", 5)]).said == "stale"


def test_an_alert_nobody_tells_of_any_more_is_stale_not_resolved() -> None:
    assert weigh([]).said == "stale"


def test_an_end_tells_how_it_was_learned_and_when() -> None:
    told = Word("resolved", NOON + minutes(6), NOON, ends_at=NOON + minutes(5))
    assert weigh([told]) == Verdict("resolved", NOON + minutes(5), "resolved")
    assert weigh([word("resolved", 6, absent=True)]) == Verdict("resolved", NOON + minutes(6), "absent")


# ---------------------------------------------------------------- a life


def test_nobody_is_told_of_the_end_of_what_never_was() -> None:
    assert begin(Verdict("resolved", NOON), NOON) is None


def test_an_episode_begins_with_firing_and_ends_with_the_resolve() -> None:
    first, last = said((5, "resolved"))
    assert first.began == NOON
    assert last.condition.state == "resolved"
    assert last.ended == lifecycle.Ended(NOON + minutes(5), "resolved")


def test_saying_it_again_changes_nothing() -> None:
    first, again, more = said((1, "firing"), (2, "firing"))
    assert again.condition == more.condition == first.condition


def test_a_silence_neither_ends_the_episode_nor_counts_as_a_turn() -> None:
    *_, last = said((1, "suppressed"), (2, "firing"), (3, "suppressed"), (4, "firing"), (5, "suppressed"))
    assert last.condition.state == "suppressed"
    assert last.condition.begun == NOON


def test_a_source_that_stops_answering_makes_it_stale_and_its_return_makes_it_fire_again() -> None:
    _, stale, back = said((1, "stale"), (20, "firing"))
    assert (stale.condition.state, stale.ended) == ("stale", None)
    assert (back.condition.state, back.condition.begun) == ("firing", NOON)


def test_after_a_day_without_a_word_the_episode_ends_as_stale() -> None:
    _, _, last = said((1, "stale"), (1 + STALE_ENDS_AFTER / minutes(1), "stale"))
    assert last.ended == lifecycle.Ended(NOON + minutes(1), "stale")
    assert last.condition.state == "stale"


def test_the_fourth_turn_in_half_an_hour_makes_it_flap_in_one_episode() -> None:
    steps = said((1, "resolved"), (2, "firing"), (3, "resolved"), (4, "firing"), (5, "resolved"))
    assert [step.condition.state for step in steps] == [
        "firing", "resolved", "firing", "flapping", "flapping", "flapping",
    ]  # fmt: skip
    assert [step.began is not None for step in steps] == [True, False, True, False, False, False]
    assert steps[-1].condition.begun == NOON + minutes(2)


def test_a_flapping_alert_that_settles_ended_when_it_last_burned() -> None:
    steps = said((1, "resolved"), (2, "firing"), (3, "resolved"), (10, "resolved"), (32.5, "resolved"))
    assert steps[-2].condition.state == "flapping"
    assert steps[-1].condition.state == "resolved"
    assert steps[-1].ended == lifecycle.Ended(NOON + minutes(3), "resolved")


def test_it_does_not_flap_between_flapping_and_not() -> None:
    flapping = said((8, "resolved"), (16, "firing"), (24, "resolved"))[-1].condition
    three_turns_left = advance(flapping, Verdict("resolved"), NOON + minutes(31))
    assert three_turns_left.condition.state == "flapping"


# ---------------------------------------------------------------- whatever is said

moments = st.lists(
    st.tuples(
        st.floats(min_value=0, max_value=40 * 60).map(lambda seconds: timedelta(seconds=seconds)),
        st.sampled_from(["firing", "suppressed", "resolved", "stale"]),
        st.floats(min_value=-3600, max_value=3600).map(lambda seconds: timedelta(seconds=seconds)),
    ),
    max_size=60,
)


def lives(story: Iterable[tuple[timedelta, Said, timedelta]]) -> list[tuple[datetime, Said, Step]]:
    first = begin(Verdict("firing"), NOON)
    assert first is not None
    at, steps = NOON, [(NOON, "firing", first)]
    for pause, word, told in story:
        at += pause
        steps.append((at, word, advance(steps[-1][2].condition, Verdict(word, at + told), at)))
    return steps  # type: ignore[return-value]


@given(moments)
def test_an_episode_is_open_exactly_while_the_alert_is(
    story: list[tuple[timedelta, Said, timedelta]],
) -> None:
    for _, _, step in lives(story):
        condition = step.condition
        if condition.state in ("firing", "suppressed", "flapping"):
            assert condition.begun is not None
        if condition.state == "resolved":
            assert condition.begun is None


@given(moments)
def test_every_episode_begins_once_and_ends_once_in_order(
    story: list[tuple[timedelta, Said, timedelta]],
) -> None:
    open_since: datetime | None = None
    for _, _, step in lives(story):
        if step.ended is not None:
            assert open_since is not None
            assert step.ended.at >= open_since
            open_since = None
        if step.began is not None:
            assert open_since is None
            open_since = step.began
        assert step.condition.begun == open_since


@given(moments)
def test_no_resolve_is_lost(story: list[tuple[timedelta, Said, timedelta]]) -> None:
    at, _, last = lives(story)[-1]
    quiet = advance(last.condition, Verdict("resolved", at), at)
    later = advance(quiet.condition, Verdict("resolved", at), at + 2 * FLAP_WINDOW)
    assert later.condition.state == "resolved"
    assert later.condition.begun is None


@given(moments)
def test_only_a_resolve_or_a_day_of_silence_ends_an_episode(
    story: list[tuple[timedelta, Said, timedelta]],
) -> None:
    for _, word, step in lives(story):
        if step.ended is not None:
            assert step.ended.reason == ("stale" if word == "stale" else "resolved")
            assert word in ("resolved", "stale")


@given(moments)
def test_flapping_is_what_the_turns_in_the_window_say(story: list[tuple[timedelta, Said, timedelta]]) -> None:
    for at, word, step in lives(story):
        if word == "stale":
            continue
        recent = sum(
            turn.at > max(at, step.condition.turns[-1].at) - FLAP_WINDOW for turn in step.condition.turns
        )
        if recent >= FLAP_TRANSITIONS:
            assert step.condition.state == "flapping"
        if step.condition.state == "flapping":
            assert recent > CALM_TRANSITIONS


@given(moments)
def test_turns_alternate_in_time_and_never_lie_ahead(story: list[tuple[timedelta, Said, timedelta]]) -> None:
    for at, _, step in lives(story):
        turns = step.condition.turns
        assert turns[-1].at <= at
        for earlier, later in pairwise(turns):
            assert earlier.at <= later.at
            assert earlier.burning != later.burning


@given(moments)
def test_hearing_the_same_twice_at_once_is_hearing_it_once(
    story: list[tuple[timedelta, Said, timedelta]],
) -> None:
    at, word, last = lives(story)[-1]
    again = advance(last.condition, Verdict(word, at), at)
    assert again.condition == last.condition
    assert (again.began, again.ended) == (None, None)


def test_a_condition_knows_whether_it_burns() -> None:
    assert said((1, "resolved"))[-1].condition.burning is False
    assert Condition("flapping", NOON, (lifecycle.Turn(NOON, True),), NOON).burning
