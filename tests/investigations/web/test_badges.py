import pytest

from investigations.alerts.models import AlertState, IncidentStatus
from investigations.evidence.models import HypothesisState
from investigations.probes.models import DeliveryState, Outcome, ProbeState
from investigations.sessions.models import SessionStatus, Verdict
from investigations.web import badges


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("alert", AlertState),
        ("incident", IncidentStatus),
        ("session", SessionStatus),
        ("probe", ProbeState),
        ("delivery", DeliveryState),
        ("hypothesis", HypothesisState),
        ("verdict", Verdict),
        ("outcome", Outcome),
    ],
)
def test_every_state_a_row_can_be_in_has_a_badge(kind, states):
    assert set(states.values) <= badges.known_states(kind)


def test_no_two_states_of_one_noun_look_and_read_the_same():
    for kind in badges.kinds():
        drawn = [(badge.mark, badge.word) for badge in badges.all_of(kind)]
        assert len(drawn) == len(set(drawn)), kind


def test_a_state_without_a_badge_still_reads_as_words():
    assert badges.badge("probe", "half_way_there").word == "half way there"


def test_an_inferred_stance_says_that_it_settles_nothing():
    sign, style, words = badges.stance("supports", inferred=True)
    assert (sign, style) == ("+", "inferred")
    assert "settles nothing" in words
