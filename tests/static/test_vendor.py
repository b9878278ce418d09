"""What was not written here: the file, its version and its licence agree."""

from __future__ import annotations

from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[2] / "static" / "vendor"
PARTS = sorted(each for each in VENDOR.iterdir() if each.is_dir())


def test_nothing_lies_loose_beside_the_parts() -> None:
    assert PARTS
    assert all(each.is_dir() for each in VENDOR.iterdir())


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_names_its_version_as_its_script_does(part: Path) -> None:
    version = (part / "VERSION").read_text().strip()
    scripts = list(part.glob("*.js"))
    assert scripts
    for script in scripts:
        assert f"v{version}" in script.read_text(encoding="utf-8")[:200], script.name


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_comes_with_its_licence(part: Path) -> None:
    licence = (part / "LICENSE").read_text()
    assert "MIT License" in licence
    assert "Copyright (c)" in licence


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_points_at_no_source_map_that_is_not_there(part: Path) -> None:
    for file in part.glob("*.*s"):
        assert "sourceMappingURL" not in file.read_text(encoding="utf-8"), file.name
