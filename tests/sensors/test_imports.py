"""Watches on imports: told once each, whoever else watches, and gone without a trace."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline import testing
from sightline.imports import ImportWatch


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module that can be imported and was not."""
    (tmp_path / "awaited_here.py").write_text("def f():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "awaited_here"
    sys.modules.pop("awaited_here", None)


def test_two_watches_for_one_module_are_both_told(module: str) -> None:
    told: list[str] = []
    watches = [
        ImportWatch(lambda name: name == module, lambda found, n=n: told.append(f"{n} {found.__name__}"))
        for n in ("first", "second")
    ]
    try:
        for watch in watches:
            watch.install()
        importlib.import_module(module)
    finally:
        for watch in watches:
            watch.uninstall()
    assert sorted(told) == [f"first {module}", f"second {module}"]


def test_a_child_forked_without_a_word_before_lets_go_of_its_parents_watch(module: str) -> None:
    with testing.gateway() as gateway:
        gateway.place("logpoint", function=f"{module}:f", template="x")
        inherited = [finder for finder in sys.meta_path if type(finder) is ImportWatch]
        gateway.sensor.after_fork_in_child()  # as a server calls it that forks by itself: `before_fork` never was
        assert not [finder for finder in sys.meta_path if finder in inherited]
        gateway.send()
        importlib.import_module(module)
        assert gateway.sensor.take_statuses()[-1].state == "armed"
    assert not [finder for finder in sys.meta_path if type(finder) is ImportWatch]


def test_a_loader_without_room_for_anything_is_left_alone(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cramped:
        __slots__ = ()

        def create_module(self, spec: object) -> None:
            return None

        def exec_module(self, module: object) -> None:
            pass

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            return importlib.machinery.ModuleSpec(name, Cramped()) if name == module else None  # type: ignore[arg-type]

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    watch = ImportWatch(lambda name: name == module, lambda found: None)
    watch.install()
    try:
        assert importlib.import_module(module).__name__ == module
    finally:
        watch.uninstall()
