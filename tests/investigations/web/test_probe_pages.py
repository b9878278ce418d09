"""Each kind's result as it wants to be seen: from figures and captures written as a sensor writes them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from investigations.accounts.actors import Actor
from investigations.catalog import services as catalog
from investigations.catalog.models import Instance, SourceFile
from investigations.lib.ids import show
from investigations.probes import services
from investigations.probes.kinds import KINDS
from investigations.probes.models import Capture, Probe, ProbeState
from investigations.sessions.models import InvestigationSession
from sightline import wire
from tests.investigations.probes.conftest import AFTER, FILE, WRITE, capture, line_with, place, source, spec
from tests.investigations.probes.samples import DETAILS, FIGURES, WHERE

__all__ = ["capture", "place", "source", "spec"]
Browse = Callable[[Actor], Client]
SINCE = 1_763_851_200_000_000_000
NEEDED: dict[str, dict[str, Any]] = {
    "logpoint": {"template": "order {order.id} is {state}"},
    "metric": {"value": "amount"},
    "expectation": {"value": 'type_name(request.high_value) == "bool"'},
    "assignment": {"attribute": "trades.trade_request:TradeRequest.high_value"},
    "dependency": {"file": "", "line": 0},
    "duration": {"options": {"slower_than_ms": 500}},
}


@pytest.fixture
def brought(
    place: Callable[..., Probe], capture: Callable[..., Any], instance: Instance
) -> Callable[[str], Probe]:
    """A probe of a kind that has brought what such a probe brings."""

    def make(kind: str) -> Probe:
        probe = place(kind=kind, **NEEDED.get(kind, {}))
        services.record_delivery(instance, 1, [wire.ProbeStatus(show("prb", probe.id), "armed")])
        if kind in FIGURES:
            counters = wire.ProbeCounters(
                show("prb", probe.id), SINCE, {"captured": 1}, figures=FIGURES[kind]
            )
            services.record_counters(instance, wire.Heartbeat(at=SINCE, mono=0, counters=[counters]))
        if kind in DETAILS or kind in ("snapshot", "logpoint"):
            frame = wire.Frame(
                WHERE["function"], f"/srv/app/{FILE}", AFTER, variables={"n": wire.Value("int", 3)}
            )
            capture(
                probe,
                detail=DETAILS.get(kind),
                frames=[frame],
                message="order 7 is paid" if kind == "logpoint" else "",
                watches={"request.high_value": wire.Value("str", "true")},
            )
        return probe

    return make


SHOWN = {
    "snapshot": ["request.high_value", "'true'", ">str<"],
    "logpoint": ["order 7 is paid", "order {order.id} is {state}"],
    "counter": [">41<", "live-chart"],
    "metric": ["p50", "p99", "live-chart", "How the values lay"],
    "duration": ["p50", "\u202fms", "took 812.5 ms"],
    "function": ["204 calls", "4 raised", "returned TradeRequest in 3.25 ms"],
    "exception": ["Refused", ">7<", "swallowed Refused"],
    "path": ["12 of 9,000 calls followed", "×3", "name in cls.__slots__", "from_payload"],
    "assignment": ["TradeRequest.from_payload:86", "setattr", "type differs", "218 writes"],
    "expectation": ["violated 37 times", "9,481", "name missing: 4"],
    "dependency": ["fraud-service/decide", "GET", "dict of 3", "177 calls"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_shows_what_it_brought(
    browse: Browse, viewer: Actor, brought: Callable[[str], Probe], kind: str
) -> None:
    probe = brought(kind)
    page = browse(viewer).get(f"/probes/{show('prb', probe.id)}/")

    assert page.status_code == 200
    for words in SHOWN[kind]:
        assert words in page.content.decode().replace("&#x27;", "'"), words


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_that_brought_nothing_says_so(
    browse: Browse, viewer: Actor, place: Callable[..., Probe], kind: str
) -> None:
    probe = place(kind=kind, **NEEDED.get(kind, {}))
    page = browse(viewer).get(f"/probes/{show('prb', probe.id)}/").content.decode()

    assert "Nothing was counted yet." in page
    assert "live-chart data-series" not in page


DETAIL_SHOWN = {
    "function": ["returned", "Arguments", "strict", "high_value"],
    "duration": ["812"],
    "exception": [
        "swallowed",
        "handled at",
        "raised from",
        "KeyError",
        "while settling T-1",
        "name: account",
    ],
    "path": ["from_payload", "→ 41", "branch yes"],
    "assignment": ["setattr", "before", "after", "type differs"],
    "expectation": ["false", "type_name(request.high_value)"],
    "dependency": ["httpx", "fraud-service/decide", "200", "clear"],
}


@pytest.mark.parametrize("kind", DETAIL_SHOWN)
def test_a_capture_shows_what_only_its_kind_keeps(
    browse: Browse, viewer: Actor, brought: Callable[[str], Probe], kind: str
) -> None:
    probe = brought(kind)
    row = Capture.objects.get(probe_id=probe.id)
    page = browse(viewer).get(f"/captures/{show('cap', row.id)}/").content.decode()

    for words in DETAIL_SHOWN[kind]:
        assert words in page, words


def test_a_path_marks_lines_that_were_not_taken(
    browse: Browse, viewer: Actor, brought: Callable[[str], Probe], source: SourceFile
) -> None:
    page = browse(viewer).get(f"/probes/{show('prb', brought('path').id)}/").content.decode()
    rows = re.findall(r'<tr class="(was|skipped)[^"]*"><td class="no">(\d+)</td>', page)

    assert ("was", "39") in rows
    assert ("skipped", str(line_with("return request"))) in rows


def test_hostile_text_of_a_service_stays_text(
    browse: Browse,
    viewer: Actor,
    place: Callable[..., Probe],
    capture: Callable[..., Any],
    instance: Instance,
) -> None:
    evil = "<script>alert(1)</script>"
    probe = place(kind="assignment", **NEEDED["assignment"])
    figures = {"writes": 1, "writers": {f"{evil}:1 setattr {evil}": 1}}
    counters = wire.ProbeCounters(show("prb", probe.id), SINCE, {}, figures=figures)
    services.record_counters(instance, wire.Heartbeat(at=SINCE, mono=0, counters=[counters]))
    capture(probe, detail={"how": evil, "writer": {"function": evil, "file": evil, "line": 1}})

    page = browse(viewer).get(f"/probes/{show('prb', probe.id)}/").content.decode()

    assert evil not in page


class TestFiles:
    @pytest.mark.parametrize(
        ("kind", "plot"),
        [(kind, "course") for kind in FIGURES] + [("metric", "values"), ("snapshot", "hits")],
    )
    def test_every_plot_can_be_kept(
        self, browse: Browse, viewer: Actor, brought: Callable[[str], Probe], kind: str, plot: str
    ) -> None:
        address = f"/probes/{show('prb', brought(kind).id)}/{plot}"
        table = browse(viewer).get(f"{address}.csv")
        drawing = browse(viewer).get(f"{address}.svg")

        head, *rows = csv.reader(io.StringIO(table.content.decode()))
        assert rows
        assert {len(row) for row in rows} == {len(head)}
        assert "attachment" in table["Content-Disposition"]
        assert ElementTree.fromstring(drawing.content).tag.endswith("svg")
        assert drawing["Content-Type"].startswith("image/svg+xml")

    def test_the_captures_of_a_session_can_be_kept(
        self, browse: Browse, viewer: Actor, brought: Callable[[str], Probe], session: InvestigationSession
    ) -> None:
        brought("snapshot")
        address = f"/sessions/{show('ses', session.id)}/hits"

        rows = list(csv.DictReader(io.StringIO(browse(viewer).get(f"{address}.csv").content.decode())))
        assert sum(int(row["unknown"] or 0) for row in rows) == 1
        assert rows[0]["unknown"] == ""  # nobody watched then, which is not zero
        assert b"<rect" in browse(viewer).get(f"{address}.svg").content

    def test_what_nobody_draws_is_not_there(
        self, browse: Browse, viewer: Actor, brought: Callable[[str], Probe]
    ) -> None:
        address = f"/probes/{show('prb', brought('snapshot').id)}"
        for name in ("course.csv", "values.svg", "hits.png", "nothing.csv"):
            assert browse(viewer).get(f"{address}/{name}").status_code == 404


class TestTakingBack:
    def test_a_removal_offers_its_undo_and_the_undo_arms_again(
        self, browse: Browse, responder: Actor, brought: Callable[[str], Probe]
    ) -> None:
        probe, client = brought("snapshot"), browse(responder)
        address = f"/probes/{show('prb', probe.id)}"

        page = client.post(f"{address}/remove/", follow=True).content.decode()
        assert f'action="{address}/restore/"' in page
        assert "P1 is removed." in page

        page = client.post(f"{address}/restore/", follow=True).content.decode()
        assert "P1 is armed again." in page
        assert Probe.objects.get(pk=probe.pk).state == ProbeState.ACTIVE

    def test_to_htmx_both_are_toasts(
        self, browse: Browse, responder: Actor, brought: Callable[[str], Probe]
    ) -> None:
        probe, client = brought("snapshot"), browse(responder)
        address = f"/probes/{show('prb', probe.id)}"

        removed = client.post(f"{address}/remove/", headers={"HX-Request": "true"}).content.decode()
        assert 'id="toasts" hx-swap-oob="beforeend"' in removed
        restored = client.post(f"{address}/restore/", headers={"HX-Request": "true"})
        assert restored.status_code == 204
        assert "P1 is armed again." in restored["HX-Trigger"]

    def test_disarming_everything_offers_its_undo(
        self, browse: Browse, responder: Actor, brought: Callable[[str], Probe]
    ) -> None:
        probe, client = brought("snapshot"), browse(responder)

        page = client.post("/fleet/disarm/production/", {"reason": "p99"}, follow=True).content.decode()
        undo = re.search(r'action="(/fleet/restore/production/act_\w+/)"', page)
        assert undo
        page = client.post(undo[1], follow=True).content.decode()
        assert "1 probe armed again in production." in page
        assert Probe.objects.get(pk=probe.pk).state == ProbeState.ACTIVE


class TestQueries:
    """A page of many probes asks the database as often as a page of one."""

    def asked(self, client: Client, address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    @pytest.mark.parametrize("page", ["", "source/"])
    def test_do_not_grow_with_probes(
        self,
        browse: Browse,
        viewer: Actor,
        brought: Callable[[str], Probe],
        session: InvestigationSession,
        page: str,
    ) -> None:
        brought("metric"), brought("snapshot"), brought("function")
        client = browse(viewer)
        service = show("svc", session.probes.get(number=1).service_id)
        address = f"/sessions/{show('ses', session.id)}/{page}?service={service}&path={FILE}&line={WRITE}"
        self.asked(client, address)  # what is remembered is remembered now
        few = self.asked(client, address)
        for _ in range(4):
            brought("metric"), brought("snapshot"), brought("function")

        assert self.asked(client, address) == few


class TestForm:
    """The form offers every kind, and for each only what it takes."""

    @pytest.fixture
    def address(self, session: InvestigationSession, source: SourceFile, instance: Instance) -> str:
        where = f"service={show('svc', instance.service_id)}&path={FILE}&line={AFTER}"
        return f"/sessions/{show('ses', session.id)}/probes/place/?{where}"

    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            ("snapshot", {"watches", "hit_limit", "rate"}),
            ("logpoint", {"template", "watches", "level", "pipe", "hit_limit", "rate"}),
            ("counter", set()),
            ("metric", {"value"}),
            ("duration", {"until", "slower_than_ms", "hit_limit", "rate"}),
            ("function", {"watches", "hit_limit", "rate"}),
            ("exception", {"watches", "how", "exceptions", "hit_limit", "rate"}),
            ("path", {"watches", "most_steps", "hit_limit", "rate"}),
            ("assignment", {"attribute", "watches", "hit_limit", "rate"}),
            ("expectation", {"value", "watches", "hit_limit", "rate"}),
            ("dependency", {"watches", "libraries", "within", "hit_limit", "rate"}),
        ],
    )
    def test_asks_only_what_the_kind_takes(
        self, browse: Browse, responder: Actor, address: str, kind: str, fields: set[str]
    ) -> None:
        page = browse(responder).get(f"{address}&kind={kind}").content.decode()
        asked = set(re.findall(r'name="(\w+)"', page.partition('class="probe-form"')[2]))
        usual = {"csrfmiddlewaretoken", "kind", "condition", "minutes", "purpose"}

        assert asked - usual == fields

    def test_keeps_what_was_filled_in_when_another_kind_is_chosen(
        self, browse: Browse, responder: Actor, address: str
    ) -> None:
        filled = f"{address}&kind=expectation&condition=amount+%3E+9&minutes=7&watches=amount"
        page = browse(responder).get(filled).content.decode()

        assert 'value="amount &gt; 9"' in page
        assert 'value="7"' in page

    def test_offers_the_class_round_the_line(self, browse: Browse, responder: Actor, address: str) -> None:
        page = browse(responder).get(f"{address}&kind=assignment").content.decode()

        assert 'value="trades.trade_request:TradeRequest."' in page

    USUAL: ClassVar[dict[str, str]] = {"hit_limit": "10", "rate": "5", "minutes": "5"}

    @pytest.mark.parametrize(
        ("kind", "sent", "kept"),
        [
            ("metric", {"value": "amount"}, {"value": "amount"}),
            ("duration", {"slower_than_ms": "250"}, {"options": {"slower_than_ms": 250.0}}),
            (
                "exception",
                {"how": ["swallowed", "left"], "exceptions": "ValueError, app.Refused"},
                {"options": {"how": ["swallowed", "left"], "exceptions": ["ValueError", "app.Refused"]}},
            ),
            ("path", {"most_steps": "50"}, {"options": {"most_steps": 50}}),
            ("assignment", {"attribute": "trades.trade_request:TradeRequest.high_value"}, {"until": 0}),
            ("expectation", {"value": "amount > 0"}, {"value": "amount > 0"}),
            (
                "dependency",
                {"libraries": "redis"},
                {"place": "any call out", "options": {"libraries": ["redis"]}},
            ),
            ("dependency", {"within": "on"}, {"place": f"{FILE}:{AFTER}"}),
            ("logpoint", {"template": "paid", "pipe": "on", "level": "info"}, {"template": "paid"}),
        ],
    )
    def test_places_what_was_asked(
        self,
        browse: Browse,
        responder: Actor,
        address: str,
        kind: str,
        sent: dict[str, Any],
        kept: dict[str, Any],
    ) -> None:
        answer = browse(responder).post(address, self.USUAL | {"kind": kind} | sent)

        assert answer.status_code == 302, re.findall(r'class="(?:error|errors)".*', answer.content.decode())
        probe = Probe.objects.get()
        assert {name: getattr(probe, name) for name in kept} == kept
        assert (probe.kind, probe.state) == (kind, ProbeState.ACTIVE)

    def test_is_offered_where_one_asks_who_writes_an_attribute(
        self, browse: Browse, responder: Actor, address: str, instance: Instance
    ) -> None:
        catalog.instance_gone(instance.id, instance.connection)  # type: ignore[arg-type]  # what is stored is asked
        where, _, query = address.partition("probes/place/?")
        service = query.partition("&")[0]
        client = browse(responder)
        page = client.get(f"{where}assignments/?{service}&target=TradeRequest.high_value").content.decode()
        link = re.search(r'href="([^"]+kind=assignment[^"]+)"', page)

        assert link
        form = client.get(link[1].replace("&amp;", "&")).content.decode()
        assert 'value="trades.trade_request:TradeRequest.high_value"' in form

    def test_what_is_wrong_stands_beside_its_field(
        self, browse: Browse, responder: Actor, address: str
    ) -> None:
        client = browse(responder)
        for kind, sent, words in (
            ("metric", {"value": "amount +"}, "Mend the expression"),
            ("assignment", {"attribute": "trades.trade_request:Trade.high_value"}, "defines no class Trade"),
            ("duration", {"until": "3"}, "ends on a later line"),
            ("exception", {"exceptions": "a-b"}, "type names"),
        ):
            page = client.post(address, self.USUAL | {"kind": kind} | sent)
            assert page.status_code == 422
            assert words in page.content.decode(), kind

    def test_asks_for_what_is_empty_and_complains_of_what_is_wrong(
        self, browse: Browse, responder: Actor, address: str
    ) -> None:
        check = address.replace("/place/", "/check/")
        client = browse(responder)

        empty = client.post(check, self.USUAL | {"kind": "metric", "value": ""}).content.decode()
        wrong = client.post(check, self.USUAL | {"kind": "metric", "value": "amount +"}).content.decode()

        assert 'role="alert"' not in empty
        assert "Give value" in empty
        assert 'role="alert"' in wrong
