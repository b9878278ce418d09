"""Whose code a file holds: the service's own, or a library's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import flask
import pytest

from sightline import ownership
from sightline.ownership import library_of

INSTALLED = "/srv/venv/lib/python3.12/site-packages"


@pytest.fixture(autouse=True)
def _no_roots() -> Iterator[None]:
    yield
    ownership.own(())


def test_the_services_own_files_belong_to_no_library() -> None:
    assert library_of(__file__) == ""
    assert library_of("/srv/lib/python/shop/orders.py") == ""
    assert library_of("<string>") == ""


def test_what_installers_put_in_place_is_a_library() -> None:
    assert library_of(f"{INSTALLED}/flask/json/tag.py") == f"{INSTALLED}/flask"
    assert library_of(f"{INSTALLED}/flask/app.py") == f"{INSTALLED}/flask"
    assert library_of(f"{INSTALLED}/six.py") == f"{INSTALLED}/six.py"
    assert (
        library_of("/usr/lib/python3/dist-packages/yaml/loader.py") == "/usr/lib/python3/dist-packages/yaml"
    )
    assert library_of(r"C:\venv\Lib\site-packages\flask\app.py") == "C:/venv/Lib/site-packages/flask"
    assert library_of(str(flask.__file__)) == os.path.dirname(str(flask.__file__))


def test_the_standard_library_is_one() -> None:
    decoder = library_of(str(json.decoder.__file__))
    assert decoder == library_of(os.__file__) != ""
    assert library_of("<frozen importlib._bootstrap>")


def test_a_package_that_is_named_as_a_root_is_the_services_own() -> None:
    ownership.own(["/srv", f"{INSTALLED}/shop"])
    assert library_of(f"{INSTALLED}/shop/orders.py") == ""
    assert library_of(f"{INSTALLED}/shopping/cart.py") == f"{INSTALLED}/shopping"
    assert library_of(f"{INSTALLED}/flask/app.py") == f"{INSTALLED}/flask"


def test_no_more_files_are_remembered_than_a_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "_MOST_REMEMBERED", 3)
    for number in range(10):
        library_of(f"/made/{number}.py")
    assert len(ownership._packages) <= 3
