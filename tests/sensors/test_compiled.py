"""The compiled sensor is the same sensor: what the sources and `hatch_build.py` must hold to for that.

The rest is said by the whole suite, which `make test-compiled` runs on it.
"""

from __future__ import annotations

import importlib.util
import operator
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import sightline
from sightline import foreign, native, readers, testing
from sightline.engines import base

PACKAGE = Path(sightline.__file__).parent
SOURCES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path.read_text()
    for path in PACKAGE.rglob("*.py")
}


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    """`hatch_build.py`, as hatchling loads it."""
    spec = importlib.util.spec_from_file_location("hatch_build", PACKAGE.parent / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_that_looks_for_the_applications_frame_is_compiled_or_nothing_is(builder):
    looking = {name for name, text in SOURCES.items() if re.search(r"getframe\(|ABOVE_", text)}
    assert looking <= builder.MODULES
    assert looking >= {"hits", "engines.base", "kinds.path"}


def test_there_is_a_source_for_all_that_is_compiled(builder):
    assert set(SOURCES) >= builder.MODULES
    described = {path.stem for path in (PACKAGE.parent / "compiled").rglob("*.p[xy][dx]")}
    assert described <= {name.rpartition(".")[2] for name in builder.MODULES | builder.SINCE_3_12}


@pytest.mark.parametrize("wish", ["", "0"])
def test_nothing_is_compiled_without_the_wish(builder, monkeypatch, tmp_path, wish):
    monkeypatch.setenv(builder.WISH, wish)
    hook = builder.CompiledBuild(str(tmp_path), {}, None, None, str(tmp_path), "wheel")
    data = {"force_include": {}}
    hook.initialize("standard", data)
    assert (hook.dependencies(), data) == ([], {"force_include": {}})


def test_an_editable_install_is_never_compiled(builder, monkeypatch, tmp_path):
    monkeypatch.setenv(builder.WISH, "1")
    hook = builder.CompiledBuild(str(tmp_path), {}, None, None, str(tmp_path), "wheel")
    data = {"force_include": {}}
    hook.initialize("editable", data)
    assert data == {"force_include": {}}
    assert hook.dependencies() == builder.TOOLS


def test_the_doctor_says_which_sensor_it_is():
    with testing.gateway() as gateway:
        assert gateway.sensor.doctor()["sensor"].endswith(", compiled") == base.COMPILED


def test_what_our_own_reading_raises_is_told_from_what_a_stranger_raises():
    with pytest.raises(TypeError) as ours:
        readers.reader_for(None)
    foreign.let_strangers_through(_without_the_tests_own_frame(ours.value))
    with pytest.raises(ZeroDivisionError) as strangers:
        _ = 1 // 0
    with pytest.raises(ZeroDivisionError):
        foreign.let_strangers_through(strangers.value)


def _without_the_tests_own_frame(error: BaseException) -> BaseException:
    assert error.__traceback__ is not None
    return error.with_traceback(error.__traceback__.tb_next)


class TestLocalsAsConditionsSeeThem:
    """Read one at a time by the compiled sensor of 3.12 and later, and out of `f_locals` by any other."""

    def test_are_those_of_the_frame(self):
        cell = argument = "here"
        frame = sys._getframe()
        assert seen_of(frame)["argument"] == argument
        assert (lambda: seen_of(frame)["cell"] == cell)()

    def test_know_no_name_that_is_not_bound_yet(self):
        for name in ("later", "no_such_name"):
            with pytest.raises(KeyError):
                seen_of(sys._getframe())[name]
        later = 1
        assert seen_of(sys._getframe())["later"] == later

    def test_are_a_mapping_where_all_are_wanted(self):
        one = 1
        assert {**seen_of(sys._getframe())}["one"] == one

    def test_of_a_classs_body_are_the_names_in_it(self):
        free = "of the function around it"

        class Body:
            seen = free
            found = seen_of(sys._getframe())["seen"]
            with pytest.raises(KeyError):
                seen_of(sys._getframe())["free"]

        assert Body.found == free


seen_of = native.fast_locals or operator.attrgetter("f_locals")
