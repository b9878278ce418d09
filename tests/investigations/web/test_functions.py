"""The function record on a service's page: rows that open their source, and the calls as a tree."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from investigations.accounts.actors import Actor
from investigations.catalog import functions as catalog
from investigations.catalog.models import Instance, Service
from investigations.lib.ids import show
from investigations.web import functions
from sightline import wire
from sightline.histograms import Histogram


@pytest.fixture
def record(connect: Callable[..., Instance]) -> Callable[..., None]:
    instance = connect(roots=["/srv/app"])

    def tell(**callers_of: dict[str, int]) -> None:
        told = []
        for name, callers in callers_of.items():
            calls, duration = sum(callers.values()), Histogram()
            duration.add(2.5)
            told.append(
                wire.FunctionCounts(
                    f"shop:{name}",
                    "/srv/app/shop.py",
                    3,
                    calls,
                    callers=callers,
                    duration=duration.plain("ms"),
                )
            )
        catalog.record_functions(instance, wire.Functions(1, 2, told), timezone.now())

    return tell


@pytest.fixture
def get(service: Service) -> Callable[..., str]:
    def ask(by: Actor, query: str = "", status: int = 200) -> str:
        browser = Client()
        assert by.user is not None
        browser.force_login(by.user)
        answer = browser.get(f"/fleet/{show('svc', service.pk)}/{query}")
        assert answer.status_code == status
        return answer.content.decode()

    return ask


def test_a_row_opens_its_source(record, get, viewer: Actor, service: Service):
    record(checkout={"": 3})
    page = get(viewer)
    assert f"/fleet/{show('svc', service.pk)}/source/?path=shop.py&amp;line=3#L3" in page
    assert "checkout" in page
    assert "2.5\u202fms" in page


def test_rows_may_be_searched_and_ordered_by_the_address(record, get, viewer: Actor):
    record(checkout={"": 3}, price={"shop:checkout": 5})
    page = get(viewer, "?q=pri&order=time&minutes=15")
    assert "shop:price" in page or "price" in page
    assert ">checkout<" not in page
    assert '<option value="time" selected>' in page
    assert "No function of that name" in get(viewer, "?q=nothing")


def test_nonsense_in_the_address_is_passed_over(record, get, viewer: Actor):
    record(checkout={"": 3})
    assert "checkout" in get(viewer, "?order=%00&minutes=-1&q=")
    assert "checkout" in get(viewer, "?order=x&minutes=99999999999999999999")


def test_without_a_record_the_page_says_how_to_have_one(get, viewer: Actor):
    assert "SIGHTLINE_FUNCTIONS" in get(viewer)


def test_a_stranger_sees_nothing(record, get, stranger: Actor):
    record(checkout={"": 3})
    get(stranger, status=404)


def test_names_are_text(record, get, viewer: Actor):
    record(**{"<script>alert(1)</script>": {"<b>": 3}})
    page = get(viewer)
    assert "<script>alert(1)" not in page
    assert "<b>" not in page.split("call-tree")[1].split("</ol>")[0]


class TestTree:
    def branches(self, *edges: tuple[str, str, int]) -> list[tuple[int, str, int, bool]]:
        now = timezone.now()
        told = [catalog.Edge(*edge) for edge in edges]
        record = catalog.FunctionRecord(now, now, [], told, 1)
        return [(each.depth, each.name, each.calls, each.again) for each in functions.tree(record, {})]

    def test_callees_stand_below_their_callers(self):
        assert self.branches(("", "a", 9), ("a", "b", 5), ("b", "c", 2), ("a", "d", 1)) == [
            (0, "a", 9, False), (1, "b", 5, False), (2, "c", 2, False), (1, "d", 1, False),
        ]  # fmt: skip

    def test_recursion_ends(self):
        assert self.branches(("", "a", 1), ("a", "b", 1), ("b", "a", 1)) == [
            (0, "a", 1, False), (1, "b", 1, False), (2, "a", 1, True),
        ]  # fmt: skip

    def test_it_is_bounded(self):
        wide = [("", f"f{number}", 1) for number in range(500)]
        assert len(self.branches(*wide)) == functions.MOST_BRANCHES
