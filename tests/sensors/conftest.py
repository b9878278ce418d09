"""What the sensor's tests share: an in-memory gateway, and how probed lines are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from sightline import testing
from tests import patience
from tests.sensors.places import line_in
from tests.skips import pytest_runtest_makereport

__all__ = ["patience", "pytest_runtest_makereport"]


@pytest.fixture
def gateway() -> Iterator[testing.Gateway]:
    with testing.gateway() as made:
        yield made


@pytest.fixture
def line_of() -> Callable[[ModuleType, str], int]:
    """The line of a module that ends in `# P:name`."""
    return line_in
