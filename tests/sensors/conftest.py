"""What the sensor's tests share: an in-memory gateway, and how probed lines are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sightline import testing


@pytest.fixture
def gateway() -> Iterator[testing.Gateway]:
    with testing.gateway() as made:
        yield made


@pytest.fixture
def line_of() -> Callable[[ModuleType, str], int]:
    """The line of a module that ends in `# P:name`."""

    def find(module: ModuleType, name: str) -> int:
        assert module.__file__ is not None
        for number, text in enumerate(Path(module.__file__).read_text().splitlines(), 1):
            if text.endswith(f"# P:{name}"):
                return number
        raise LookupError(name)

    return find
