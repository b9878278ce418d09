"""A session with everything in it, and a browser's client for each of the cast."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.test import Client

from investigations.accounts.actors import Actor
from investigations.accounts.models import User
from investigations.evidence import services as evidence
from investigations.evidence.models import Evidence, Hypothesis
from investigations.lib.ids import show
from investigations.probes.models import Capture, Probe
from investigations.sessions.models import InvestigationSession
from tests.investigations.evidence.conftest import capture, make_capture, make_probe, probe

__all__ = ["capture", "make_capture", "make_probe", "probe"]


@pytest.fixture
def browse() -> Callable[[Actor], Client]:
    """A client that is signed in as one of the cast: ``browse(viewer).get("/")``."""

    def sign_in(actor: Actor) -> Client:
        client = Client()
        user = actor.user
        assert isinstance(user, User)
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def no_captures_left(transactional_db: None) -> Iterator[None]:
    """For tests that commit: the captures' table is unmanaged, so Django's own flush leaves it alone."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE probes_capture")


@pytest.fixture
def hypothesis(responder: Actor, session: InvestigationSession) -> Hypothesis:
    return evidence.propose_hypothesis(by=responder, session=session, statement="high_value is a str")


@pytest.fixture
def item(responder: Actor, session: InvestigationSession, capture: Capture) -> Evidence:
    return evidence.record_evidence(
        by=responder, session=session, title="A str where a bool belongs", of=show("cap", capture.id)
    )


@pytest.fixture
def session_url(session: InvestigationSession, probe: Probe) -> str:
    return f"/sessions/{show('ses', session.id)}/"
