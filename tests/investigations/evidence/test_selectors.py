"""The matrix and the lists: what separates the hypotheses on top, in few queries, only for those who may see it."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from investigations.accounts.actors import Actor
from investigations.evidence import selectors, services
from investigations.evidence.models import Hypothesis
from investigations.lib.errors import NotFound
from investigations.sessions.models import InvestigationSession

stances = st.sampled_from(["supports", "refutes", "neutral", None])


@pytest.fixture
def columns(responder: Actor, session: InvestigationSession) -> list[Hypothesis]:
    return [
        services.propose_hypothesis(by=responder, session=session, statement=text)
        for text in ("It is text", "It is late", "It is lost")
    ]


def observe(by: Actor, session: InvestigationSession, title: str, *bearing: tuple[Hypothesis, str]) -> None:
    services.record_evidence(by=by, session=session, kind="observation", title=title, hypotheses=bearing)


def test_evidence_that_separates_the_hypotheses_stands_on_top(
    responder: Actor, viewer: Actor, session: InvestigationSession, columns: list[Hypothesis]
) -> None:
    first, second, third = columns
    observe(responder, session, "fits all", *((column, "supports") for column in columns))
    observe(responder, session, "bears on none")
    observe(responder, session, "separates", (first, "supports"), (second, "refutes"))
    observe(responder, session, "tells a little", (third, "supports"))
    matrix = selectors.matrix(viewer, session)
    assert [row.evidence.title for row in matrix.rows] == [
        "separates",
        "tells a little",
        "fits all",
        "bears on none",
    ]
    assert matrix.rows[0].stances == ["supports", "refutes", None]


@given(st.lists(stances, max_size=6))
def test_saying_the_same_of_all_separates_nothing(row: list[str | None]) -> None:
    assert selectors.separation(row) >= 0
    if len(set(row)) <= 1:
        assert selectors.separation(row) == 0


def test_lists_take_as_many_queries_for_five_as_for_one(
    responder: Actor, session: InvestigationSession, columns: list[Hypothesis]
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            selectors.matrix(responder, session)
        return len(captured)

    observe(responder, session, "One", (columns[0], "supports"))
    before = queries()
    for number in range(4):
        observe(responder, session, f"More {number}", (columns[0], "supports"), (columns[1], "refutes"))
    assert queries() == before


def test_a_stranger_sees_nothing(
    stranger: Actor, responder: Actor, session: InvestigationSession, columns: list[Hypothesis]
) -> None:
    observe(responder, session, "Seen")
    [piece] = selectors.evidence_of(responder, session)
    for ask in (selectors.hypotheses, selectors.evidence_of, selectors.matrix):
        with pytest.raises(NotFound):
            ask(stranger, session)
    with pytest.raises(NotFound):
        selectors.hypothesis(stranger, columns[0].id)
    with pytest.raises(NotFound):
        selectors.evidence(stranger, piece.id)
    assert selectors.evidence(responder, piece.id) == piece


def test_what_is_not_there_is_not_found(responder: Actor) -> None:
    for ask in (selectors.hypothesis, selectors.evidence, selectors.link):
        with pytest.raises(NotFound):
            ask(responder, uuid.uuid4())
