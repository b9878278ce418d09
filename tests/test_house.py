"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests import messages

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
DOORS = {"supervise", "web", "api", "mcp", "gateway", "tasks"}
DOMAINS = {"evidence", "probes", "sessions", "alerts", "catalog", "accounts"}
FOUNDATIONS = {"analysis", "codebase", "live", "lib"}


def tracked(*patterns: str) -> list[Path]:
    """The project's own text files: tracked or about to be, without what was written by others."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    files = [ROOT / name for name in names if not name.startswith("static/vendor/")]
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()[:4096]]


def containing(pattern: str, files: list[Path]) -> list[str]:
    """Where the pattern stands, as path:line."""
    found = re.compile(pattern)
    return [
        f"{file.relative_to(ROOT)}:{number}"
        for file in files
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1)
        if found.search(line)
    ]


def test_every_room_is_a_door_a_domain_or_a_foundation():
    rooms = {
        folder.name for folder in (ROOT / "investigations").iterdir() if (folder / "__init__.py").exists()
    }
    assert rooms <= DOORS | DOMAINS | FOUNDATIONS


@pytest.mark.parametrize("room", sorted(DOMAINS))
def test_every_domain_keeps_tables_verbs_and_questions_apart(room):
    for part in ("models.py", "services.py", "selectors.py", "migrations"):
        assert (ROOT / "investigations" / room / part).exists(), f"{room} has no {part}"


def test_every_module_opens_with_a_sentence():
    rooms = ["investigations", "sensors/python/sightline", "bench", "examples"]
    modules = tracked(*(f"{room}/*.py" for room in rooms))
    silent = [
        str(module.relative_to(ROOT))
        for module in modules
        if "migrations" not in module.parts
        and (text := module.read_text()).strip()
        and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []


def test_nothing_is_left_to_do_later():
    ours = [file for file in tracked() if file != Path(__file__)]
    assert containing(r"\b(TODO|FIXME|XXX|HACK)\b", ours) == []


def test_no_file_carries_a_path_of_the_machine_it_was_written_on():
    ours = [file for file in tracked() if file != Path(__file__)]
    assert containing(r"(?<![\w.])/(root|home/\w+|Users/\w+|work)/", ours) == []


def test_no_file_records_a_download_address():
    assert containing(r"https?://[^\s\"']+\.(whl|tar\.gz|tgz|deb)\b", tracked()) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_every_package_with_hashes_and_without_addresses(lock):
    text = lock.read_text()
    packages = re.findall(r"^[a-z0-9][\w.-]*.*", text, re.MULTILINE)
    assert packages
    assert all(re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ ", package) for package in packages)
    assert len(packages) <= text.count("--hash=sha256:")
    assert "://" not in text


def test_the_locks_agree_with_each_other():
    versions: dict[str, set[str]] = {}
    together = [lock for lock in LOCKS if lock.stem != "explore"]  # it never shares an environment
    for lock in together:
        for line in re.findall(r"^([a-z0-9][^\n]*?) \\$", lock.read_text(), re.MULTILINE):
            name = line.split("==")[0]
            versions.setdefault(f"{name} {line.partition(';')[2]}", set()).add(line.split("==")[1].split()[0])
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_every_dependency_says_why_it_is_there():
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("\ndependencies = [") : text.index("\n]\n")]
    named = [line for line in block.splitlines() if line.strip().startswith('"')]
    assert [line for line in named if "#" not in line] == []


def test_the_sensor_says_the_version_it_is_distributed_as():
    distributed = tomllib.loads((ROOT / "sensors/python/pyproject.toml").read_text())["project"]["version"]
    source = (ROOT / "sensors/python/sightline/__init__.py").read_text()
    assert f'__version__ = "{distributed}"' in source


@pytest.mark.parametrize(
    "file", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda f: f.name
)
def test_every_command_and_page_that_the_docs_name_exists(file):
    text = file.read_text()
    for target in re.findall(r"`?\bmake ([a-z][a-z-]+)(?= |`|$)", text, re.MULTILINE):
        if f"`make {target}" in text or f"\nmake {target}" in text:
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"there is no make {target}"
    for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text):
        assert (file.parent / link).exists(), f"{file.name} points at {link}, which is not there"


def test_every_target_is_listed_with_what_it_does():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    phony = re.search(r"\.PHONY: ((?:.*\\\n)*.*)", MAKEFILE)
    assert phony is not None
    assert targets == set(phony[1].replace("\\\n", " ").split())


def test_every_setting_is_documented():
    documented = (ROOT / "docs/reference/settings.md").read_text()
    source = (ROOT / "investigations/settings.py").read_text()
    read = set(re.findall(r"env(?:\.\w+)?\(\s*\"([A-Z_]+)\"", source))
    assert read
    assert {name for name in read if f"| `{name}` |" not in documented} == set()
    named = set(re.findall(r"^\| `([A-Z_]+)` \|", documented, re.MULTILINE))
    assert named == read, "the page explains settings that are not read"


def test_every_message_is_explained():
    up_to_date = (
        messages.PAGE.read_text() == messages.page()
    )  # a difference of two pages takes pytest a minute
    assert up_to_date, "run make docs"


def test_what_was_written_by_others_comes_with_its_licence_and_version():
    for folder in (ROOT / "static/vendor").iterdir():
        assert list(folder.glob("LICENSE*")), f"{folder.name} has no licence"
        assert (folder / "VERSION").read_text().strip(), f"{folder.name} has no version"


def test_the_licence_is_the_one_the_metadata_names():
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
