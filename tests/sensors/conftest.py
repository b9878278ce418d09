"""What the sensor's tests share: an in-memory gateway, and how probed lines are found."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from sightline import testing, walk
from tests import patience
from tests.sensors.places import line_in
from tests.skips import pytest_runtest_makereport

__all__ = ["patience", "pytest_runtest_makereport"]


@pytest.fixture(autouse=True)
def searched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The heap is copied, as in a service of the usual size: searching all that pytest holds takes a second each time.

    `test_walk` holds what is searched in slices.
    """
    monkeypatch.setattr(walk, "FEW_BLOCKS", 1 << 62)


@pytest.fixture
def gateway() -> Iterator[testing.Gateway]:
    with testing.gateway() as made:
        yield made


@pytest.fixture
def only_new_is_collected() -> Iterator[None]:
    """A collection looks at what the test made, and not at all that pytest holds."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def line_of() -> Callable[[ModuleType, str], int]:
    """The line of a module that ends in `# P:name`."""
    return line_in
