"""Snapshots: what is kept of frames and values, and every reason why something is cut."""

from __future__ import annotations

import array
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import functools
import gc
import pathlib
import sys
import time
import types
import uuid
import zoneinfo
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from sightline import foreign, readers, snapshots, wire
from sightline.redaction import Redactor

REDACTOR = Redactor(hash_key=b"a key for tests")


def capture(value: Any, **limits: Any) -> wire.Value:
    return cut(value, **limits)[0]


def cut(value: Any, **limits: Any) -> tuple[wire.Value, list[str]]:
    asked = wire.Limits(**{"deadline_ms": 10_000, **limits})
    return snapshots.write_value(snapshots.copy_value(value, asked), REDACTOR, limits=asked)


def scalars(value: wire.Value) -> Any:
    """The captured tree as plain Python, for comparing."""
    if value.items is not None:
        return [scalars(each) for each in value.items]
    if value.entries is not None:
        return {scalars(key): scalars(each) for key, each in value.entries}
    if value.fields is not None:
        return {name: scalars(each) for name, each in value.fields.items()}
    return value.value


# ---------------------------------------------------------------- values


def test_equal_numbers_of_several_types_keep_their_own() -> None:
    assert [each.type for each in capture([1, True, 1.0]).items or ()] == ["int", "bool", "float"]
    assert [scalars(capture(number)) for number in (-6, -5, 1024, 1025)] == [-6, -5, 1024, 1025]


def test_keys_that_are_no_texts_are_copied_as_values_are() -> None:
    pair = (1, ("a",))
    entries = capture({pair: pair, frozenset({2}): 3, 4: None, (): ()}).entries or []
    assert [key.type for key, _ in entries] == ["tuple", "frozenset", "int", "tuple"]
    assert scalars(entries[0][0]) == scalars(entries[0][1]) == [1, ["a"]]
    ((deep, _),) = capture({pair: 1}, depth=1).entries or []
    assert (deep.type, deep.cut) == ("tuple", "depth")


@pytest.mark.parametrize(
    ("value", "type_name", "shown"),
    [
        (None, "NoneType", None),
        (True, "bool", True),
        (7, "int", 7),
        (-(2**63), "int", -(2**63)),
        (2**63, "int", "9223372036854775808"),
        (1.5, "float", 1.5),
        ("true", "str", "true"),
        (b"\x00\xff", "bytes", "\x00\xff"),
        (bytearray(b"ab"), "bytearray", "ab"),
        (2 + 1j, "complex", "(2+1j)"),
        (range(3), "range", "range(0, 3)"),
        (..., "ellipsis", "Ellipsis"),
        (decimal.Decimal("1.50"), "decimal.Decimal", "1.50"),
        (datetime.date(2024, 2, 29), "datetime.date", "2024-02-29"),
        (datetime.timedelta(seconds=90), "datetime.timedelta", "0:01:30"),
        (
            datetime.datetime(2024, 1, 2, 3, tzinfo=datetime.UTC),
            "datetime.datetime",
            "2024-01-02T03:00:00+00:00",
        ),
        (uuid.UUID(int=5), "uuid.UUID", "00000000-0000-0000-0000-000000000005"),
        (pathlib.PurePosixPath("/var", "log/x"), "pathlib.PurePosixPath", "/var/log/x"),
        ("a\ud800", "str", "a\\ud800"),
    ],
)
def test_a_scalar_keeps_its_exact_type_and_value(value: Any, type_name: str, shown: Any) -> None:
    written = capture(value)
    assert written.type.replace("pathlib._local", "pathlib") == type_name
    assert written.value == shown
    assert type(written.value) is type(shown)
    wire.encode(written)


def test_the_string_true_is_not_the_truth() -> None:
    assert capture("true") != capture(True)
    assert capture(1) != capture(True) != capture(1.0)


@pytest.mark.parametrize(
    ("value", "type_name", "content"),
    [
        ([1, "a"], "list", [1, "a"]),
        ((1, (2,)), "tuple", [1, [2]]),
        ({1}, "set", [1]),
        (frozenset({1}), "frozenset", [1]),
        ({"a": {"b": 1}}, "dict", {"a": {"b": 1}}),
        ({1: 2, None: 3}, "dict", {1: 2, None: 3}),
        (collections.deque([1]), "collections.deque", [1]),
        (collections.OrderedDict(a=1), "collections.OrderedDict", {"a": 1}),
        (collections.defaultdict(list, a=1), "collections.defaultdict", {"a": 1}),
        (collections.Counter("aa"), "collections.Counter", {"a": 2}),
        (array.array("i", [1, 2]), "array.array", [1, 2]),
        (types.MappingProxyType({"a": 1}), "mappingproxy", {"a": 1}),
        (types.SimpleNamespace(a=1), "types.SimpleNamespace", {"a": 1}),
        ([], "list", []),
        ({}, "dict", {}),
    ],
)
def test_a_container_keeps_its_type_size_and_elements(value: Any, type_name: str, content: Any) -> None:
    written = capture(value)
    assert (written.type, scalars(written), written.cut) == (type_name, content, None)


class Colour(enum.Enum):
    RED = "r"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


class Flag(enum.Flag):
    A = 1
    B = 2


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Line:
    start: Point
    label: str = "l"


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    a: int
    b: list[int]


class Base:
    __slots__ = ("a",)


class Derived(Base):
    __slots__ = ("__dict__", "b")


def test_objects_are_their_fields_under_their_exact_type() -> None:
    written = capture(Line(Point(1, 2)))
    assert written.type == f"{__name__}.Line"
    assert scalars(written) == {"start": {"x": 1, "y": 2}, "label": "l"}
    assert scalars(capture(Slotted(1, [2]))) == {"a": 1, "b": [2]}


def test_slots_of_every_base_are_read_and_empty_ones_are_marked() -> None:
    value = Derived()
    value.b, value.c = 2, 3  # type: ignore[attr-defined]
    written, cuts = cut(value)
    assert scalars(written) == {"a": wire.Value("").value, "b": 2, "c": 3}
    assert written.fields is not None
    assert written.fields["a"].cut == "unset"
    assert "unset" in cuts


@pytest.mark.parametrize(
    ("member", "name", "content"),
    [
        (Colour.RED, "RED", "r"),
        (Level.HIGH, "HIGH", 3),
        (Flag.A | Flag.B, "A|B", 3),
        (Colour.PAIR, "PAIR", {"value": [1, 2]}),
    ],
)
def test_an_enum_member_tells_name_and_value(member: enum.Enum, name: str, content: Any) -> None:
    written = capture(member)
    assert (written.type, written.note, scalars(written)) == (
        f"{__name__}.{type(member).__name__}",
        name,
        content,
    )


def test_an_exception_tells_arguments_fields_notes_and_its_chain() -> None:
    error = OSError(2, "missing", "file.txt")
    error.add_note("while testing")
    error.__cause__ = KeyError("inner")
    fields = scalars(capture(error))
    assert fields["args"] == [2, "missing"]
    assert (fields["errno"], fields["filename"]) == (2, "file.txt")
    assert fields["__notes__"] == ["while testing"]
    assert fields["__cause__"]["args"] == ["inner"]


def test_what_can_only_be_named_is_named() -> None:
    def function() -> None: ...

    async def coroutine() -> None: ...

    running = coroutine()
    assert capture(function).note.endswith("function")  # type: ignore[union-attr]
    assert capture(running).note.endswith("coroutine")  # type: ignore[union-attr]
    running.close()
    assert capture(sys).note == "sys"
    assert capture(Line).note == f"{__name__}.Line"
    assert (
        capture(Line(Point(1, 2)).__eq__).type == "method-wrapper" or capture(Line(Point(1, 2)).__eq__).note
    )
    assert scalars(capture(functools.partial(int, "1", base=2)))["keywords"] == {"base": 2}


def test_a_time_zone_of_the_application_is_named_and_not_asked() -> None:
    class Zone(datetime.tzinfo):
        def utcoffset(self, when: datetime.datetime | None) -> datetime.timedelta:
            raise AssertionError("asked")

    moment = datetime.datetime(2024, 1, 2, 3, 4, tzinfo=Zone())
    written = capture(moment)
    assert written.value == "2024-01-02T03:04:00"
    assert "Zone" in (written.note or "")
    berlin = capture(datetime.datetime(2024, 7, 2, 3, 4, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")))
    assert (berlin.value, berlin.note) == ("2024-07-02T03:04:00+02:00", "time zone Europe/Berlin")


# ---------------------------------------------------------------- cuts


def nested(levels: int) -> list[Any]:
    value: list[Any] = [0]
    for _ in range(levels):
        value = [value]
    return value


def innermost(value: wire.Value) -> wire.Value:
    while value.items:
        value = value.items[0]
    return value


def test_depth_is_counted_in_containers() -> None:
    written, cuts = cut(nested(5), depth=3)
    assert innermost(written) == wire.Value("list", size=1, cut="depth")
    assert cuts == ["depth"]
    assert innermost(capture(nested(2), depth=3)) == wire.Value("int", 0)


def test_fields_whose_names_are_no_texts() -> None:
    strange = types.SimpleNamespace(x=1)
    strange.__dict__.update({2: "two", (3,): "three"})
    assert scalars(capture(strange)) == {"x": 1, "[2]": "two", "[tuple]": "three"}


def test_items_fields_and_variables_are_counted() -> None:
    assert capture(list(range(9)), items=4).cut == "items 4 of 9"
    assert capture(dict.fromkeys("abcdef"), items=4).cut == "items 4 of 6"
    assert capture({1, 2, 3}, items=2).size == 3
    crowded = types.SimpleNamespace(**dict.fromkeys("abcdef", 1))
    assert capture(crowded, fields=4).cut == "fields 4 of 6"
    assert len(capture(crowded, fields=4).fields or ()) == 4
    assert capture(Point(1, 2), fields=1).cut == "fields 1 of 2"


def test_where_one_stack_is_cut_another_goes_on() -> None:
    frame = sys._getframe()
    redactor = Redactor()
    (short,), cuts = snapshots.write(
        snapshots.copy_frames(frame, wire.Limits(frames=1), variables=False), redactor
    )
    longer, _ = snapshots.write(
        snapshots.copy_frames(frame, wire.Limits(frames=2), variables=False), redactor
    )

    assert (short.cut, cuts) == ("frames", ["frames"])
    assert (short.function, longer[0].function) == ("test_where_one_stack_is_cut_another_goes_on",) * 2
    assert longer[0].cut is None


def test_a_long_text_is_looked_through_as_far_as_a_secret_in_what_leaves_may_reach() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----"
    assert capture("x" * 240 + " " + key).redacted == "value: private key"
    assert capture(b"x" * 240 + b" " + key.encode()).redacted == "value: private key"
    assert capture("x" * 240 + f" eyJ{'h' * 900}.payload").redacted == "value: jwt"
    behind = capture("x" * 2000 + " " + key)
    assert (behind.value, behind.cut) == ("x" * 256, "length")


def test_a_teams_own_pattern_is_looked_for_in_the_whole_text() -> None:
    redactor = Redactor(wire.RedactionRules(values=["TOP SECRET"]), b"a key for tests")
    assert snapshots.write_value("x" * 2000 + " TOP SECRET", redactor)[0].redacted == "value: TOP SECRET"


def test_a_long_text_is_cut_but_still_comparable() -> None:
    one, other, same = (
        capture("a" * 300, length=9),
        capture("a" * 301, length=9),
        capture("a" * 300, length=9),
    )
    assert (one.value, one.size, one.cut) == ("a" * 9, 300, "length")
    assert one.hash == same.hash != other.hash
    assert capture(b"a" * 300, length=9).cut == "length"
    assert capture(bytearray(b"a" * 300), length=9).size == 300
    assert capture(10**5000).cut == "length"
    assert capture(type("Text", (str,), {})("a" * 9000), length=9).size == 9000


def test_a_cycle_ends_where_it_begins() -> None:
    graph: dict[str, Any] = {}
    graph["self"] = graph
    written, cuts = cut(graph)
    assert written.entries is not None
    assert written.entries[0][1].cut == "cycle"
    assert cuts == ["cycle"]


def test_copies_that_hold_each_other_are_gone_once_they_are_written() -> None:
    graph: dict[str, Any] = {}
    graph["self"] = graph
    gc.collect()
    gc.disable()
    try:
        cut(graph)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_what_stands_in_two_places_is_written_twice() -> None:
    shared = [1, {"deep": [(2, 3)]}]
    written = [1, {"deep": [[2, 3]]}]
    assert scalars(capture({"a": shared, "b": shared}, depth=9)) == {"a": written, "b": written}


def test_what_stands_deeper_the_second_time_is_not_opened_beyond_the_depth() -> None:
    shared = [[1]]
    written = capture({"a": shared, "b": [shared]}, depth=3)
    assert scalars(written)["a"] == [[1]]
    assert scalars(written)["b"] == [[UNSET]]


def test_what_holds_something_that_stands_elsewhere_is_written_twice_too() -> None:
    inner = {"n": 1}
    outer = [inner]
    assert scalars(capture({"a": outer, "b": outer, "c": inner})) == {
        "a": [{"n": 1}],
        "b": [{"n": 1}],
        "c": {"n": 1},
    }


def test_two_that_hold_each_other_end_where_they_begin() -> None:
    one: dict[str, Any] = {"name": "one"}
    other = {"name": "other", "to": one}
    one["to"] = other
    written, cuts = cut([one, other], depth=9)
    assert "cycle" in cuts
    first, second = written.items or ()
    assert scalars(first)["to"]["name"] == "other"
    assert scalars(second)["to"]["name"] == "one"
    assert scalars(second)["to"]["to"] is UNSET


def test_repeating_ends_when_as_much_was_repeated_as_there_is() -> None:
    common = {"n": 1}
    rows = [{"row": [n, common]} for n in range(99)]
    written, cuts = cut([rows, *[[*rows] for _ in range(9)]], items=99, depth=9)
    assert "depth" in cuts
    assert scalars(written)[0] == [{"row": [n, {"n": 1}]} for n in range(99)]
    assert count_of(written) < 9 * count_of(capture(rows, items=99))


def count_of(value: wire.Value) -> int:
    inside = [
        *(value.items or ()),
        *(value.fields or {}).values(),
        *(each for _, each in value.entries or ()),
    ]
    return 1 + sum(map(count_of, inside))


def test_many_paths_to_one_thing_stay_within_the_byte_limit() -> None:
    value: list[Any] = [0]
    for _ in range(30):
        value = [value, value]
    assert len(wire.encode(capture(value, depth=30, bytes=4096))) < 10_000


def test_bytes_are_limited() -> None:
    written, cuts = cut([["x" * 200] * 40 for _ in range(40)], bytes=8192)
    assert "bytes" in cuts
    assert len(wire.encode(written)) < 8192 * 1.5
    _, cuts = cut([[[n, n] for n in range(50)] for _ in range(50)], bytes=1024)
    assert "bytes" in cuts


def test_the_deadline_is_kept_inside_one_copy() -> None:
    limits = wire.Limits(depth=9, bytes=10**9)
    wide = [[[list(range(50)) for _ in range(50)] for _ in range(50)] for _ in range(20)]
    began = time.monotonic()
    copied = snapshots.copy_value(wide, limits, deadline=began + 0.005)
    _, cuts = snapshots.write_value(copied, REDACTOR)
    assert "deadline" in cuts


def test_a_container_that_cannot_be_read_in_peace_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here can make a deque change at the right moment, so a reader of ours finds that it did."""
    source = "def interrupted(value, limits): raise RuntimeError('deque mutated during iteration')"
    ours: dict[str, Any] = {}
    exec(compile(source, readers.__file__, "exec"), ours)
    monkeypatch.setitem(readers.EXACT, id(collections.deque), ours["interrupted"])
    foreign.forget()
    try:
        assert capture(collections.deque([1])).cut == "changed"
    finally:
        foreign.forget()


def test_what_has_nothing_to_read_is_opaque() -> None:
    written, cuts = cut(object())
    assert (written.type, written.cut, cuts) == ("object", "opaque", ["opaque"])


# ---------------------------------------------------------------- frames


def outer(value: int, limits: wire.Limits, **asked: Any) -> tuple[list[wire.Frame], list[str]]:
    doubled = value * 2
    return inner(str(doubled), limits, **asked)


def inner(text: str, limits: wire.Limits, **asked: Any) -> tuple[list[wire.Frame], list[str]]:
    return snapshots.write(snapshots.copy_frames(sys._getframe(), limits, **asked), REDACTOR)


def test_frames_tell_function_file_line_and_variables() -> None:
    frames, _ = outer(4, wire.Limits())
    assert [frame.function for frame in frames[:2]] == ["inner", "outer"]
    assert frames[0].file == __file__
    assert frames[0].module == __name__
    assert frames[0].line == inner.__code__.co_firstlineno + 1
    assert frames[1].line == outer.__code__.co_firstlineno + 2
    assert frames[0].variables is not None
    assert frames[1].variables is not None
    assert frames[0].variables["text"] == wire.Value("str", "8")
    assert frames[1].variables["doubled"] == wire.Value("int", 8)


def test_frames_and_their_variables_are_limited() -> None:
    frames, cuts = outer(4, wire.Limits(frames=3, variable_frames=1))
    assert [frame.variables is not None for frame in frames] == [True, False, False]
    assert frames[-1].cut == "frames"
    assert "frames" in cuts
    assert outer(4, wire.Limits(frames=2), variables=False)[0][0].variables is None


def compiled(source: str, file: str) -> dict[str, Any]:
    """What a module that lies at ``file`` would hold."""
    names: dict[str, Any] = {}
    exec(compile(source, file, "exec"), names)
    return names


CALLING = (
    "def dispatch(view, request):\n    method, config = 'POST', {'debug': [True]}\n    return view(request)\n"
)
INSTALLED = "/srv/venv/lib/python3/site-packages"


def captured_below(file: str, **limits: Any) -> list[wire.Frame]:
    """The stack in a view of the service's own that code in ``file`` calls."""
    asked = wire.Limits(**{"deadline_ms": 10_000, "frames": 3, **limits})

    def view(request: Any) -> list[wire.Frame]:
        return snapshots.write(snapshots.copy_frames(sys._getframe(), asked), REDACTOR)[0]

    frames: list[wire.Frame] = compiled(CALLING, file)["dispatch"](view, {"path": ["a", ["b"]]})
    assert [frame.function.rpartition(".")[2] for frame in frames] == ["view", "dispatch", "captured_below"]
    return frames


def shown(frame: wire.Frame) -> dict[str, Any]:
    return {name: scalars(value) for name, value in (frame.variables or {}).items()}


def test_of_a_librarys_frame_only_types_and_scalars_are_told() -> None:
    view, dispatch, below = captured_below(f"{INSTALLED}/flask/app.py")
    assert shown(view)["request"] == {"path": ["a", ["b"]]}
    assert shown(dispatch)["method"] == "POST"
    assert dispatch.variables is not None
    for name in ("config", "request"):  # one that is the view's, too
        value = dispatch.variables[name]
        assert (value.type, value.size, value.entries, value.cut) == ("dict", 1, None, "depth")
    assert (view.cut, dispatch.cut) == (None, "depth")
    assert scalars(below.variables["asked"])["frames"] == 3  # type: ignore[index]


def test_a_probe_may_ask_for_more_of_it() -> None:
    _, dispatch, _ = captured_below(f"{INSTALLED}/flask/app.py", library_depth=1)
    assert dispatch.variables is not None
    assert [(each.type, each.cut) for _, each in dispatch.variables["config"].entries or ()] == [
        ("list", "depth")
    ]
    assert [(each.type, each.cut) for _, each in dispatch.variables["request"].entries or ()] == [
        ("list", "depth")
    ]
    assert dispatch.cut == "depth"
    _, dispatch, _ = captured_below(f"{INSTALLED}/flask/app.py", library_depth=10)
    assert shown(dispatch)["config"] == {"debug": [True]}
    assert dispatch.cut is None


def test_where_the_probe_stands_all_is_told_and_of_the_rest_of_that_library() -> None:
    source = f"{CALLING}def here(request):\n    return snapshots.copy_frames(sys._getframe(), limits)\n"
    names = compiled(source, f"{INSTALLED}/flask/app.py")
    names |= {"snapshots": snapshots, "sys": sys, "limits": wire.Limits(deadline_ms=10_000)}
    frames, _ = snapshots.write(names["dispatch"](names["here"], {"path": ["a"]}), REDACTOR)
    assert shown(frames[0])["request"] == {"path": ["a"]}
    assert shown(frames[1])["config"] == {"debug": [True]}


def test_variables_are_redacted_by_name() -> None:
    def login(password: str) -> list[wire.Frame]:
        return snapshots.write(snapshots.copy_frames(sys._getframe(), wire.Limits()), REDACTOR)[0]

    variables = login("hunter2")[0].variables
    assert variables is not None
    assert (variables["password"].redacted, variables["password"].type) == ("name: password", "str")
    assert login("hunter2")[0].variables["password"].hash == variables["password"].hash  # type: ignore[index]
    assert login("hunter3")[0].variables["password"].hash != variables["password"].hash  # type: ignore[index]


def test_a_generator_and_a_comprehension_show_their_variables() -> None:
    def generate() -> Iterator[list[wire.Frame]]:
        step = 1
        yield snapshots.write(snapshots.copy_frames(sys._getframe(), wire.Limits()), REDACTOR)[0]
        assert step

    variables = next(generate())[0].variables
    assert variables == {"step": wire.Value("int", 1)}


def test_frames_left_over_when_time_is_up_hold_no_foreign_object() -> None:
    class Foreign:
        pass

    def probed() -> snapshots.Copied:
        held = [Foreign(), {"a": Foreign()}]
        assert held
        return snapshots.copy_frames(sys._getframe(), wire.Limits(), deadline=time.monotonic() - 1)

    copied = probed()
    assert not any(type(each) is Foreign for _, _, pairs in copied.frames for _, each in pairs or ())
    frames, cuts = snapshots.write(copied, REDACTOR)
    assert "deadline" in cuts
    assert frames[0].variables is not None
    assert frames[0].variables["held"].cut == "deadline"


# ---------------------------------------------------------------- any graph


class Node:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


GRAPHS = st.recursive(
    st.none()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=9)
    | st.datetimes()
    | st.decimals(),
    lambda inside: (
        st.lists(inside, max_size=6)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.tuples(st.integers()), inside, max_size=5)
        | st.lists(inside, max_size=4).map(tuple)
        | st.lists(inside, max_size=4).map(collections.deque)
        | st.dictionaries(st.sampled_from(["a", "b", "password"]), inside, max_size=3).map(
            lambda fields: Node(**fields)
        )
    ),
    max_leaves=25,
)


def depth_of(value: wire.Value) -> int:
    inside = [
        *(value.items or ()),
        *(value.fields or {}).values(),
        *(each for _, each in value.entries or ()),
    ]
    return 1 + max(map(depth_of, inside), default=0) if inside else 0


def longest_of(value: wire.Value) -> int:
    inside = [
        *(value.items or ()),
        *(value.fields or {}).values(),
        *(each for pair in value.entries or () for each in pair),
    ]
    return max([len(inside) if value.items is not None else 0, *map(longest_of, inside)])


@settings(max_examples=80)
@given(graph=GRAPHS, depth=st.integers(0, 5), items=st.integers(0, 6), size=st.integers(64, 4096))
def test_any_graph_is_captured_within_its_limits(graph: Any, depth: int, items: int, size: int) -> None:
    with contextlib.suppress(AttributeError, TypeError):
        graph.append(graph)  # a cycle, where there can be one
    before = repr(graph)
    written, cuts = cut(graph, depth=depth, items=items, bytes=size, length=16)
    assert repr(graph) == before
    assert depth_of(written) <= depth
    assert longest_of(written) <= items
    assert len(wire.encode(written)) < size * 4 + 4096
    assert all(isinstance(reason, str) for reason in cuts)
