"""Every page for everyone: who may, sees; who may not, learns nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from investigations.accounts.actors import Actor
from investigations.alerts.models import AlertSource
from investigations.alerts.services import create_source
from investigations.catalog.models import Instance, Service
from investigations.evidence.models import Evidence, Hypothesis
from investigations.lib.ids import show
from investigations.probes.models import Capture, Probe
from investigations.sessions.models import InvestigationSession

Browse = Callable[[Actor], Client]

FOR_EVERYBODY = [
    "/",
    "/?state=resolved",
    "/sessions/",
    "/sessions/new/",
    "/fleet/",
    "/settings/sources/",
    "/settings/tokens/",
]


@pytest.fixture
def source(admin: Actor, session: InvestigationSession) -> AlertSource:
    return create_source(by=admin, environment=session.environment, name="am", backend="alertmanager", url="")


@pytest.fixture
def places(
    session: InvestigationSession,
    capture: Capture,
    item: Evidence,
    hypothesis: Hypothesis,
    service: Service,
) -> list[str]:
    """The address of each page that is about one thing."""
    session_page = f"/sessions/{show('ses', session.id)}/"
    return [
        session_page,
        f"{session_page}timeline/",
        f"{session_page}source/",
        f"{session_page}assignments/",
        f"{session_page}report/",
        f"{session_page}report/?format=json",
        f"{session_page}report/?format=markdown",
        f"/captures/{show('cap', capture.id)}/",
        f"/captures/{show('cap', capture.id)}/compare/{show('cap', capture.id)}/",
        f"/evidence/{show('evd', item.id)}/",
        f"/hypotheses/{show('hyp', hypothesis.id)}/",
        f"/fleet/{show('svc', service.id)}/",
    ]


@pytest.mark.parametrize("address", FOR_EVERYBODY)
def test_a_page_about_nothing_in_particular_opens_for_everybody(
    address: str, browse: Browse, stranger: Actor, viewer: Actor, session: InvestigationSession
) -> None:
    for actor in (viewer, stranger):
        assert browse(actor).get(address).status_code == 200
    assert Client().get(address).status_code == 302


def test_a_viewer_reads_every_page_of_a_session(browse: Browse, viewer: Actor, places: list[str]) -> None:
    client = browse(viewer)
    assert {address: client.get(address).status_code for address in places} == dict.fromkeys(places, 200)


def test_a_stranger_finds_nothing_there(browse: Browse, stranger: Actor, places: list[str]) -> None:
    client = browse(stranger)
    assert {address: client.get(address).status_code for address in places} == dict.fromkeys(places, 404)


def test_who_is_signed_out_is_asked_to_sign_in(places: list[str]) -> None:
    client = Client()
    assert {client.get(address).url.partition("?")[0] for address in places} == {"/sign-in/"}


def test_an_id_that_is_none_is_a_page_that_is_not_there(browse: Browse, viewer: Actor) -> None:
    answer = browse(viewer).get("/sessions/ses_nonsense/")
    assert answer.status_code == 404
    assert "There is nothing at this address." in answer.content.decode()


def test_a_problem_becomes_a_toast_when_a_part_was_asked_for(browse: Browse, viewer: Actor) -> None:
    answer = browse(viewer).get("/captures/cap_nonsense/", headers={"hx-request": "true"})
    assert (answer.status_code, answer["HX-Retarget"]) == (404, "#toasts")
    assert "<html" not in answer.content.decode()


def test_only_an_admin_changes_a_source(
    browse: Browse, admin: Actor, responder: Actor, source: AlertSource
) -> None:
    address = f"/settings/sources/{show('src', source.id)}/"
    assert browse(admin).get(address).status_code == 200
    assert browse(responder).get(address).status_code == 403


def test_the_audit_is_for_admins(browse: Browse, admin: Actor, viewer: Actor) -> None:
    assert browse(admin).get("/audit/").status_code == 200
    assert browse(viewer).get("/audit/").status_code == 403


def test_the_fleet_shows_an_instance_beside_its_service(
    browse: Browse, viewer: Actor, instance: Instance
) -> None:
    page = browse(viewer).get(f"/fleet/?instance={show('ins', instance.id)}").content.decode()
    assert "CPython 3.12 has sys.monitoring" in page
    moved = browse(viewer).get(f"/instances/{show('ins', instance.id)}/")
    assert moved.url.endswith(f"?instance={show('ins', instance.id)}")


def test_captured_text_is_never_markup(
    browse: Browse, viewer: Actor, probe: object, make_capture: Callable[..., Capture]
) -> None:
    from sightline import wire

    hostile = "<img src=x onerror=alert(1)>{{ 7|add:7 }}"
    row = make_capture(probe, watches={"high_value": wire.Value("str", hostile)}, message=hostile)
    for address in (f"/captures/{show('cap', row.id)}/", f"/sessions/{show('ses', row.session_id)}/"):
        page = browse(viewer).get(address).content.decode()
        assert "<img" not in page
        assert "&lt;img" in page


def test_a_librarys_frame_says_how_to_see_more_of_it(
    browse: Browse, viewer: Actor, probe: object, make_capture: Callable[..., Capture]
) -> None:
    from sightline import wire

    told = {"request": wire.Value("flask.wrappers.Request", cut="depth")}
    frames = [wire.Frame("view", "/srv/app/shop.py", 9, variables={"n": wire.Value("int", 3)})]
    theirs = [wire.Frame("dispatch", "/srv/site-packages/flask/app.py", 880, variables=told, cut="depth")]
    own, of_both = (make_capture(probe, frames=each) for each in (frames, [*frames, *theirs]))

    assert "library_depth" not in browse(viewer).get(f"/captures/{show('cap', own.id)}/").content.decode()
    assert (
        browse(viewer).get(f"/captures/{show('cap', of_both.id)}/").content.decode().count("library_depth")
        == 1
    )


def test_a_session_with_many_probes_and_captures_asks_no_more_than_one_with_few(
    browse: Browse,
    viewer: Actor,
    session_url: str,
    make_probe: Callable[..., Probe],
    make_capture: Callable[..., Capture],
) -> None:
    client = browse(viewer)
    make_capture(make_probe())
    client.get(session_url)  # from now on the viewer is no newcomer
    with CaptureQueriesContext(connection) as few:
        client.get(session_url)
    for _ in range(4):
        make_capture(make_probe())
    with CaptureQueriesContext(connection) as many:
        client.get(session_url)
    assert len(many) == len(few)
