"""How the tests find the lines that they probe."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType


def line_in(module: ModuleType, name: str) -> int:
    """The line of a module that ends in `# P:name`."""
    assert module.__file__ is not None
    for number, text in enumerate(Path(module.__file__).read_text().splitlines(), 1):
        if text.endswith(f"# P:{name}"):
            return number
    raise LookupError(name)
