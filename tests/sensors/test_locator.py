"""From a location to code objects: now, or when the module is imported."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline import wire
from sightline.locator import Locator, NotImportedYet

SLOW_TO_IMPORT = """\
import threading
threading.reached.set()
threading.go_on.wait(30)

def double(amount):
    return amount * 2
"""


@pytest.fixture
def half_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Thread]:
    """A thread in the middle of importing `slow_to_import`, whose function is yet to come; `join` lets it finish."""
    reached, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(threading, "reached", reached, raising=False)
    monkeypatch.setattr(threading, "go_on", go_on, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_to_import.py").write_text(SLOW_TO_IMPORT)
    thread = threading.Thread(target=importlib.import_module, args=["slow_to_import"], daemon=True)
    thread.start()
    assert reached.wait(30)
    yield thread
    go_on.set()
    thread.join(30)
    sys.modules.pop("slow_to_import", None)


@pytest.mark.parametrize(
    "location",
    [wire.Location(file="slow_to_import.py", line=6), wire.Location(function="slow_to_import:double")],
    ids=["by line", "by function"],
)
def test_a_function_that_a_running_body_has_yet_to_make_is_waited_for(
    half_imported: threading.Thread, location: wire.Location
) -> None:
    locator = Locator()
    with pytest.raises(NotImportedYet):
        locator.locate(location)
    threading.go_on.set()  # type: ignore[attr-defined]
    half_imported.join(30)
    (spot,) = locator.locate(location).spots
    assert [function() for function in spot.functions] == [sys.modules["slow_to_import"].double]
