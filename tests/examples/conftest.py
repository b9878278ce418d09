"""The example's modules as its own processes see them: top-level, from its directory."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "trading"
sys.path.append(str(EXAMPLE))


@pytest.fixture(scope="session")
def example() -> Path:
    """The directory that holds the example."""
    return EXAMPLE


@pytest.fixture
def module_at() -> Callable[[Path], ModuleType]:
    """Load a file as a module of its own, whatever else bears its name."""

    def load(file: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"loaded_{abs(hash(file))}", file)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module

    return load
