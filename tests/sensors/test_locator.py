"""From a location to code objects: found without running anyone's code, or refused with what to do."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sightline import linetables, wire
from sightline.errors import LocationError
from sightline.locator import Locator, NotImportedYet, ends_with, source_hash
from tests.observed import shapes, shop

locate = Locator().locate


@pytest.fixture
def module(tmp_path: Path) -> Iterator[ModuleType]:
    """A module made from the text that a test gives to `fill`."""
    made = ModuleType("made_here")
    made.__file__ = str(tmp_path / "made_here.py")
    sys.modules["made_here"] = made
    yield made
    del sys.modules["made_here"]


def fill(module: ModuleType, text: str) -> None:
    assert module.__file__ is not None
    Path(module.__file__).write_text(text)
    exec(compile(text, module.__file__, "exec"), vars(module))


def refused(location: wire.Location) -> LocationError:
    with pytest.raises(LocationError) as caught:
        locate(location)
    return caught.value


@pytest.mark.parametrize(
    "file", ["shop.py", "observed/shop.py", "./observed/shop.py", str(Path(shop.__file__).resolve())]
)
def test_a_file_is_named_by_its_whole_path_or_the_end_of_it(file, line_of):
    found = locate(wire.Location(file, line_of(shop, "check")))
    assert [spot.code for spot in found.spots] == [shop.check.__code__]
    assert found.source_hash == source_hash(shop.__file__)


def test_a_path_ends_at_a_folders_boundary():
    assert ends_with("/srv/app/trades/order.py", "trades/order.py")
    assert not ends_with("/srv/app/trades/order.py", "rades/order.py")
    assert not ends_with("/srv/app/trades/order.py", "/trades/order.py")


def test_an_ambiguous_path_is_answered_with_the_candidates(module, tmp_path):
    other = ModuleType("other_here")
    (tmp_path / "deeper").mkdir()
    other.__file__ = str(tmp_path / "deeper" / "made_here.py")
    sys.modules["other_here"] = other
    try:
        problem = refused(wire.Location("made_here.py", 1))
    finally:
        del sys.modules["other_here"]
    assert problem.slug == "ambiguous_path"
    assert "deeper/made_here.py" in problem.sentence


def test_a_file_that_no_module_came_from_is_waited_for():
    with pytest.raises(NotImportedYet):
        locate(wire.Location("nobody/imported/this.py", 3))


def test_a_line_that_ran_once_at_import_has_run(line_of):
    line = next(
        number
        for number, text in enumerate(Path(shop.__file__).read_text().splitlines(), 1)
        if text.startswith("RATE")
    )
    assert refused(wire.Location("observed/shop.py", line)).slug == "already_ran"


def test_a_function_is_found_by_its_qualified_name():
    found = locate(wire.Location(function="tests.observed.shapes:Thing.Inner.method"))
    assert found.spots[0].code is shapes.Thing.Inner.method.__code__
    assert found.line == shapes.Thing.Inner.method.__code__.co_firstlineno + 1


def test_a_function_within_a_function_is_found_by_python_s_own_name_for_it():
    found = locate(wire.Location(function="tests.observed.shapes:make_closure.<locals>.inner"))
    assert [spot.code for spot in found.spots] == [shapes.OLD_CLOSURES[0].__code__]


def test_a_function_that_is_not_there_is_refused_with_what_is_like_it():
    problem = refused(wire.Location(function="tests.observed.shapes:Thing.inner_method"))
    assert problem.slug == "no_such_function"
    problem = refused(wire.Location(function="tests.observed.shapes:Inner.method"))
    assert "Thing.Inner.method" in problem.sentence


def test_a_location_that_names_nothing_is_refused():
    assert refused(wire.Location()).slug == "location_incomplete"
    assert refused(wire.Location(function="tests.observed.shapes")).slug == "location_incomplete"


def test_equal_code_in_two_files_is_kept_apart(module):
    fill(module, Path(shop.__file__).read_text())
    line = shop.check.__code__.co_firstlineno + 1
    found = locate(wire.Location("made_here.py", line))
    assert [spot.code for spot in found.spots] == [module.check.__code__]
    assert found.spots[0].code is not shop.check.__code__


def test_code_whose_function_was_deleted_everywhere_is_said_to_be_gone(module):
    fill(module, "def gone():\n    return 1\n\ndel gone\n")
    gc.collect()
    assert refused(wire.Location("made_here.py", 2)).slug == "code_not_found"


def test_a_script_that_is_still_running_may_define_the_function_later(module):
    assert module.__file__ is not None
    text = "go.wait()\ndef later():\n    return 1\n"
    Path(module.__file__).write_text(text)
    module.go = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=exec, args=(compile(text, module.__file__, "exec"), vars(module)))
    thread.start()
    try:
        while not any(frame.f_globals is vars(module) for frame in _frames()):
            time.sleep(0.001)
        with pytest.raises(NotImportedYet):
            locate(wire.Location("made_here.py", 3))
        assert refused(wire.Location("made_here.py", 9)).slug == "not_executable"
    finally:
        module.go.set()  # type: ignore[attr-defined]
        thread.join()
    assert locate(wire.Location("made_here.py", 3)).functions == []


def _frames():
    for frame in sys._current_frames().values():
        while frame is not None:
            yield frame
            frame = frame.f_back


def test_no_code_of_the_application_runs_while_it_is_searched(module):
    text = (
        "class Touchy:\n"
        "    def __getattribute__(self, name):\n        raise AssertionError('touched')\n"
        "    def __hash__(self):\n        raise AssertionError('hashed')\n"
        "    def __eq__(self, other):\n        raise AssertionError('compared')\n"
        "    def __len__(self):\n        raise AssertionError('measured')\n"
        "class Meta(type):\n"
        "    def __getattribute__(cls, name):\n        raise AssertionError('touched')\n"
        "    def __eq__(cls, other):\n        raise AssertionError('compared')\n"
        "    __hash__ = type.__hash__\n"
        "thing = Touchy()\n"
        "class Odd(metaclass=Meta):\n    def method(self):\n        return 1\n"
        "things = [thing, Odd]\n"
        "def wanted():\n    return 1\n"
        "del wanted\n"
    )
    fill(module, text)
    line = 2 + text.splitlines().index("def wanted():")
    assert refused(wire.Location("made_here.py", line)).slug == "code_not_found"


def test_the_nearest_lines_are_those_just_before_and_after():
    assert linetables.nearest([3, 5, 9], 6) == [5, 9]
    assert linetables.nearest([3, 5, 9], 1) == [3]
    assert linetables.nearest([], 1) == []


def test_the_first_line_of_a_function_is_that_of_its_first_statement(line_of):
    assert linetables.first_line_of(shapes.one_line.__code__) == line_of(shapes, "one_line_function")
    assert linetables.first_line_of(shapes.generator.__code__) == line_of(shapes, "suspended_generator") - 1
    assert shapes.simple.__code__.co_firstlineno not in linetables.lines_of(shapes.simple.__code__)
