"""Files by the names people give them, wherever a service is installed."""

from __future__ import annotations

import pytest

from investigations.catalog.paths import below_root, is_a_librarys, is_absolute, is_same_file

ROOTS = ["/srv/app", "/srv/app/src/", "C:\\app"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/srv/app/trades/form.py", "trades/form.py"),
        ("/srv/app/src/trades/form.py", "trades/form.py"),
        ("/srv/application/form.py", "/srv/application/form.py"),
        ("C:\\app\\trades\\form.py", "trades/form.py"),
        ("trades/form.py", "trades/form.py"),
    ],
)
def test_a_path_is_said_from_its_innermost_root_on(path: str, said: str) -> None:
    assert below_root(ROOTS, path) == said


def test_paths_told_from_different_roots_may_mean_one_file() -> None:
    assert is_same_file("src/trades/form.py", "trades/form.py")
    assert is_same_file("trades/form.py", "/srv/trades/form.py")
    assert not is_same_file("trades/form.py", "trades/platform.py")
    assert not is_same_file("form.py", "platform.py")


def test_what_is_not_the_services_own_is_told_by_its_path() -> None:
    assert [is_absolute(path) for path in ("/usr/x.py", "\\x.py", "C:x.py", "x.py")] == [
        True,
        True,
        True,
        False,
    ]
    assert is_a_librarys("venv/lib/python3.12/site-packages/flask/app.py")
    assert not is_a_librarys("trades/form.py")
