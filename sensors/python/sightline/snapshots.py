"""A frame or a value, captured in two steps: copied where it lives, written where nobody waits.

`copy_frames` and `copy_value` run in the application's thread. Level by level (breadth first) they copy
containers, bounded in number, depth and time, and keep references to immutable leaves only; each foreign object is
replaced by the name of its type and a copy of its fields, so that none is kept alive or finalised on another thread.

`write` and `write_value` run on the sensor's thread: they cut to length, redact, hash and count bytes.
"""

from __future__ import annotations

import datetime
import sys
import time
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from . import foreign, readers, slices, wire
from .foreign import NoneType
from .readers import ENTRIES, FIELDS, ITEMS, LEAF_IDS, NAMED, SCALAR, Node, reader_for
from .redaction import MAX_SCANNED, Redactor

DEFAULT_LIMITS: Final = wire.Limits()
MAX_DEPTH: Final = 32
MAX_VARIABLES: Final = 250
"""Variables of one frame; only a module's own frame has more."""
_LOOK_EVERY = 16
_BYTES_A_NODE = 8
_READ_ERRORS: Final = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, MemoryError)

Copy = Any
"""What stands for a value after copying: an immutable leaf, or a `readers.Node`."""
Shared = dict[int, Node]
"""Nodes that stand in several places, by their ids."""
Pairs = list[tuple[Any, Any]]
CopiedFrame = tuple[CodeType, int, Pairs | None]
"""One frame: code and instruction, from which the line is found later; its variables, if it carries any."""


class Copied(NamedTuple):
    """Frames ready for the sensor's thread. ``shared`` are the nodes that stand in several places."""

    frames: list[CopiedFrame]
    limits: wire.Limits
    shared: Shared
    more: bool
    """Whether the stack goes on below."""
    late: bool = False
    """Whether the deadline passed before the first value was looked at."""
    values: int = 0
    """How many values were copied."""


CopiedArguments = tuple[list[Any], tuple[str, ...], list[Copy], bool, Shared, int]
"""A call's beginning, in few objects because calls are kept by the thousand: code and instruction of one frame after
another, names and values of the arguments, whether the stack goes on below, shared, values."""


class CopiedValue(NamedTuple):
    """One value ready for the sensor's thread."""

    root: Copy
    limits: wire.Limits
    shared: Shared
    values: int


def weight(kept: Any) -> int:
    """How many values stand in something that was kept of a hit."""
    cls = type(kept)
    if cls is Copied or cls is CopiedValue:
        return 1 + int(kept.values)
    if cls is tuple or cls is list:
        return 1 + sum(map(weight, kept))
    return 1


# ---------------------------------------------------------------- in the application's thread


def copy_frames(
    frame: FrameType, limits: wire.Limits, *, variables: bool = True, deadline: float | None = None
) -> Copied:
    """The stack from ``frame`` outwards, the innermost frames with their variables. ``deadline`` as
    `time.monotonic` tells.
    """
    frames: list[CopiedFrame] = []
    roots: list[Node] = []
    current: FrameType | None = frame
    for _ in range(min(limits.frames, limits.variable_frames) if variables else 0):
        if current is None:
            break
        held = variables_of(current)
        roots.append(["", FIELDS, held, None, None, None])
        frames.append((current.f_code, current.f_lasti, held))
        current = current.f_back
    for _ in range(limits.frames - len(frames)):
        if current is None:
            break
        frames.append((current.f_code, current.f_lasti, None))
        current = current.f_back
    late = deadline is not None and time.monotonic() > deadline
    shared, values = _walk(roots, limits, deadline)
    return Copied(frames, limits, shared, current is not None, late, values)


def copy_arguments(
    frame: FrameType,
    given: tuple[str, ...],
    limits: wire.Limits,
    names: Mapping[str, Any] | None = None,
    deadline: float | None = None,
    callers: int = 0,
) -> CopiedArguments:
    """The frame, which has just been entered, with its arguments (``given``) and no other variables.

    So many of its callers come with it. ``names`` are its locals where they are at hand.
    """
    if names is None:
        local = frame.f_locals
        arguments = [local[name] for name in given]
        _leave_no_dict(frame, local)
    else:
        arguments = [names[name] for name in given]
    stack = [frame.f_code, frame.f_lasti]
    below = frame.f_back
    while callers > 0 and below is not None:
        stack.append(below.f_code)
        stack.append(below.f_lasti)
        below = below.f_back
        callers -= 1
    for value in arguments:
        cls = type(value)
        if not (cls is int or cls is str or cls is float or cls is NoneType or id(cls) in LEAF_IDS):
            shared, values = _walk([["", ITEMS, arguments, None, None, None]], limits, deadline)
            return stack, given, arguments, below is not None, shared, values
    return stack, given, arguments, below is not None, _NOTHING_SHARED, 0


_NOTHING_SHARED: Shared = {}


def arguments_of(code: CodeType) -> tuple[str, ...]:
    """The names of its arguments, ``*args`` and ``**kwargs`` last."""
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + _ARGUMENT_ROOM[code.co_flags & 12]]


_ARGUMENT_ROOM = {0: 0, 4: 1, 8: 1, 12: 2}
"""How many names ``*args`` (flag 4) and ``**kwargs`` (flag 8) take."""


def copy_value(
    value: Any, limits: wire.Limits = DEFAULT_LIMITS, *, deadline: float | None = None
) -> Copy | CopiedValue:
    """``value`` by itself. An immutable leaf comes back as it is."""
    if id(type(value)) in LEAF_IDS:
        return value
    holder = [value]
    shared, values = _walk([["", ITEMS, holder, None, None, None]], limits, deadline)
    return CopiedValue(holder[0], limits, shared, values)


def copy_nodes(roots: list[Node], limits: wire.Limits, deadline: float | None = None) -> Shared:
    """Copy what stands in these nodes, in place and together within ``limits``; answers the shared nodes."""
    return _walk(roots, limits, deadline)[0]


if sys.version_info >= (3, 13):

    def variables_of(frame: FrameType) -> Pairs:
        pairs = frame.f_locals.items()  # of a function a list already, made for us
        if type(pairs) is list and len(pairs) <= MAX_VARIABLES:
            return pairs
        return foreign.take(pairs, MAX_VARIABLES)

    def _leave_no_dict(frame: FrameType, local: Mapping[str, Any]) -> None:
        """A frame's locals are a view of them."""

else:
    _OPTIMIZED = 0x1
    _getrefcount, _gettrace, _getprofile = sys.getrefcount, sys.gettrace, sys.getprofile
    _FRAME_AND_US = 3
    """References to the dict of locals: the frame's, our variable, and the argument of the call that counts them."""

    def variables_of(frame: FrameType) -> Pairs:
        """The locals, without leaving the frame a dict that would keep them alive longer than without us.

        Before 3.13 the interpreter fills a dict and leaves it with the frame. It is emptied again when nobody else
        can see it: the frame and we hold the only references, and no trace function is about to copy it back into
        the frame.
        """
        local = frame.f_locals
        pairs = (
            list(local.items()) if len(local) <= MAX_VARIABLES else foreign.take(local.items(), MAX_VARIABLES)
        )
        if (
            _getrefcount(local) == _FRAME_AND_US
            and frame.f_code.co_flags & _OPTIMIZED
            and _gettrace() is None
            and _getprofile() is None
        ):
            local.clear()
        return pairs

    def _leave_no_dict(frame: FrameType, local: dict[str, Any]) -> None:
        """The same for whoever has taken what it wants out of ``local``."""
        if (
            _getrefcount(local) == _FRAME_AND_US + 1  # our caller's variable
            and frame.f_code.co_flags & _OPTIMIZED
            and _gettrace() is None
            and _getprofile() is None
        ):
            local.clear()


def _walk(roots: list[Node], limits: wire.Limits, deadline: float | None) -> tuple[Shared, int]:  # noqa: C901
    """Replace everything in these nodes that is not a leaf, then everything in the nodes that took its place, and
    so on.

    What is left when room or time is up is dropped, except for the roots: others hold their contents. Answers the
    nodes that stand in several places, and how many values were looked at. One function on purpose, with its
    commonest cases spelled out: it runs inside a request, and on small values a call costs more than the work.
    """
    deadline = deadline or time.monotonic() + limits.deadline_ms / 1e3
    limit = limits.items
    room = most = max(64, limits.bytes // _BYTES_A_NODE)
    depth, stop = min(limits.depth, MAX_DEPTH), ""
    shared: Shared = {}
    seen: dict[int, Node] = {}
    kept: list[Any] = []  # while these live, no other object can have their ids
    level = roots
    while level:
        if depth <= 0:
            stop = stop or "depth"
        depth -= 1
        following: list[Node] = []
        number = 0
        for node in level:
            content = node[2]
            room -= len(content)
            if room < 0 or (not number % _LOOK_EVERY and time.monotonic() > deadline):
                stop = "bytes" if room < 0 else "deadline"
                if level is not roots:
                    for left in level[number:]:
                        left[1:5] = NAMED, None, left[3], stop
                    break
            number += 1
            paired = node[1] is not ITEMS
            at = -1
            for value in content:
                at += 1
                if paired:
                    key, value = value
                    if type(key) is not str:
                        key = _copied_key(key, limits, stop, seen, shared, kept, following)
                        content[at] = key, value
                cls = type(value)
                if cls is str or cls is int or cls is float or cls is bool or cls is NoneType:
                    continue
                ident = id(value)
                made: Any = seen.get(ident)
                if made is not None:
                    shared[id(made)] = made
                elif stop:
                    made = _cut_short(value, cls, stop)
                else:  # the commonest containers are spelled out
                    if cls is dict and (size := len(value)) <= limit:
                        made = ["dict", ENTRIES, list(value.items()), size, None, None]
                    elif cls is list and (size := len(value)) <= limit:
                        made = ["list", ITEMS, value[:], size, None, None]
                    elif cls is tuple and (size := len(value)) <= limit:
                        made = ["tuple", ITEMS, [*value], size, None, None]
                    else:
                        made = value if id(cls) in LEAF_IDS else _read(value, cls, limits)
                    if type(made) is list and made[1] is not SCALAR and made[1] is not NAMED:
                        seen[ident] = made
                        kept.append(value)
                        following.append(made)
                content[at] = (key, made) if paired else made
        level = following
    return shared, most - room


def _copied_key(
    key: Any,
    limits: wire.Limits,
    stop: str,
    seen: dict[int, Node],
    shared: Shared,
    kept: list[Any],
    following: list[Node],
) -> Copy:
    """A key that is no text, by the rules that hold for values: a call of its own, because most keys are texts."""
    cls = type(key)
    if id(cls) in LEAF_IDS:
        return key
    known = seen.get(id(key))
    if known is not None:
        shared[id(known)] = known
        return known
    if stop:
        return _cut_short(key, cls, stop)
    made = _read(key, cls, limits)
    if type(made) is list and made[1] is not SCALAR and made[1] is not NAMED:
        seen[id(key)] = made
        kept.append(key)
        following.append(made)
    return made


def _read(value: Any, cls: type, limits: wire.Limits) -> Copy:
    try:
        return reader_for(cls)(value, limits)
    except RuntimeError as error:
        foreign.let_strangers_through(error)
        return readers.named(foreign.name_of(cls), cut="changed")
    except _READ_ERRORS as error:
        foreign.let_strangers_through(error)
        return readers.named(foreign.name_of(cls), cut=readers.OPAQUE)


def _cut_short(value: Any, cls: type, reason: str) -> Copy:
    """A value that is not looked into any more: its type, what it is if that needs no looking, and the reason."""
    if id(cls) in LEAF_IDS:
        return value
    made = _read(value, cls, _NOTHING)
    if type(made) is not list or made[1] in (SCALAR, NAMED) or (not made[2] and made[4] is None):
        return made
    return [made[0], NAMED, None, made[3], reason, made[5]]


_NOTHING: Final = wire.Limits(items=0, fields=0)
"""Limits under which a reader takes only the size."""


# ---------------------------------------------------------------- on the sensor's thread


def write(copied: Copied, redactor: Redactor) -> tuple[list[wire.Frame], list[str]]:
    """The frames as they leave the process, and the distinct reasons why something in them is not whole."""
    writer = NodeWriter(redactor, copied.limits, copied.shared)
    frames = []
    for code, instruction, variables in copied.frames:
        frame = frame_at(code, instruction)
        if variables is not None:
            written: dict[str, wire.Value] = {}
            frame = replace(frame, variables=written)
            writer.begin(written, variables)
            if len(variables) == MAX_VARIABLES:
                frame.cut = f"variables {MAX_VARIABLES}"
                writer.cuts.add("variables")
        frames.append(frame)
    if copied.more and frames:
        frames[-1] = replace(frames[-1], cut="frames")
        writer.cuts.add("frames")
    writer.run()
    return frames, sorted(writer.cuts)


def write_arguments(
    copied: CopiedArguments, limits: wire.Limits, redactor: Redactor
) -> tuple[list[wire.Frame], list[str]]:
    """The same for a call's beginning: its arguments are the variables of the innermost frame."""
    stack, names, arguments, more, shared, values = copied
    frames: list[CopiedFrame] = [
        (code, instruction, None) for code, instruction in zip(stack[::2], stack[1::2], strict=True)
    ]
    frames[0] = (*frames[0][:2], list(zip(names, arguments, strict=True)))
    return write(Copied(frames, limits, shared, more, values=values), redactor)


def write_value(
    copied: Copy | CopiedValue,
    redactor: Redactor,
    *,
    name: str = "",
    path: str = "",
    rule: str = "",
    limits: wire.Limits = DEFAULT_LIMITS,
) -> tuple[wire.Value, list[str]]:
    """One value as it leaves the process, and what was cut. ``rule``: it is withheld already, by the expression it
    came from.
    """
    root, shared = copied, _NOTHING_SHARED
    if type(copied) is CopiedValue:
        root, limits, shared, _ = copied
    writer = NodeWriter(redactor, limits, shared)
    held = writer.held(root, name, path or name, rule)
    writer.run()
    return held, sorted(writer.cuts)


class NodeWriter:
    """Turns copies into `wire.Value`s, breadth first, within the byte limit."""

    def __init__(self, redactor: Redactor, limits: wire.Limits, shared: Shared) -> None:
        self.redactor = redactor
        self.limits = limits
        self.shared = shared
        self.harmless_texts = redactor.harmless_texts
        self.known_names = {} if redactor.looks_at_paths else redactor.known_names
        """Verdicts by name, where these alone decide whether a value is withheld."""
        self.room = limits.bytes
        self.plain_length = min(limits.length, MAX_SCANNED)
        self.cuts: set[str] = set()
        self.todo: list[tuple[Node, wire.Value, str, tuple[int, ...]]] = []

    def begin(self, target: dict[str, wire.Value], variables: Iterable[tuple[str, Copy]]) -> None:
        for name, copy in variables:
            target[name] = self.held(copy, name, name)

    def begin_items(self, target: list[wire.Value], items: Iterable[Copy]) -> None:
        target += [self.held(copy, "", "") for copy in items]

    def run(self) -> None:
        """Fill every container whose turn has come, until all are full or the room is used up.

        What was copied is taken apart: nodes that hold each other would wait for a full collection of garbage, which
        a large process rarely makes.
        """
        position = 0
        while position < len(self.todo):
            if not position % _LOOK_EVERY:
                slices.give_way()
            node, value, path, above = self.todo[position]
            position += 1
            self.fill(node, value, path, above)
        for node in self.shared.values():
            node[2] = None

    def held(
        self, copy: Copy, name: str, path: str, rule: str = "", above: tuple[int, ...] = ()
    ) -> wire.Value:
        """The value under ``name``, withheld if a rule says so. Fails closed."""
        redactor = self.redactor
        try:
            if name and not rule:
                known = redactor.known_names.get(name)
                rule = redactor.name_rule(name) if known is None else known
            if redactor.looks_at_paths and not rule:
                rule = redactor.path_rule(path)
            if rule:
                return self.withheld(copy, rule)
            cls = type(copy)
            if cls is list:
                return self.value_of_node(copy, path, above)
            return self.plain(copy) or self.leaf(copy)
        except (*_READ_ERRORS, RuntimeError):
            self.cuts.add("redacted: failed")
            return wire.Value(type=_type_name(copy), redacted="failed")

    def withheld(self, copy: Copy, rule: str) -> wire.Value:
        self.cuts.add("redacted")
        size = _size(copy)
        return self.redactor.withheld(_type_name(copy), rule, size, _canonical(copy))

    # leaves

    def plain(self, leaf: Copy) -> wire.Value | None:
        """The commonest leaves, which need no looking at: texts judged harmless before, and small numbers. Else
        None.
        """
        cls = type(leaf)
        if cls is str:
            value = self.harmless_texts.get(leaf)
            if value is None:
                return None
            length = len(leaf)
            if length + 12 >= self.room or length > self.plain_length:
                return None
            self.room -= length + 12
            return value
        if cls is int:
            value = _SMALL_NUMBERS.get(leaf)
            if value is None:
                if not -(10**12) < leaf < 10**12:
                    return None
                value = wire.Value("int", leaf)
        elif cls is float:
            value = wire.Value("float", leaf)
        elif cls is bool or leaf is None:
            value = _SINGLETONS[leaf]
        else:
            return None
        self.room -= 12
        return value

    def leaf(self, copy: Any) -> wire.Value:
        """An immutable leaf of a builtin type."""
        cls = type(copy)
        if cls is str:
            return self.text("str", copy, copy, None, None)
        self.room -= 12
        if cls is int:
            return self.integer("int", copy, None)
        if cls is bytes:
            return self.octets("bytes", copy, None, None)
        return self.shown(foreign.name_of(cls), copy, None)

    def integer(self, name: str, number: int, note: str | None) -> wire.Value:
        if -(10**12) < number < 10**12:
            return wire.Value(name, number) if note is None else wire.Value(name, number, note=note)
        if -(2**63) <= number < 2**63:
            if 10**12 <= number < 10**19:
                rule = self.redactor.text_rule(str(number))
                if rule:
                    return self.withheld_leaf(name, rule, number)
            return wire.Value(name, number, note=note)
        if number.bit_length() <= 4096:
            return self.text(name, str(number), number, None, note)
        self.cuts.add("length")
        return wire.Value(name, size=number.bit_length(), cut="length", note=note)

    def text(
        self, name: str, text: str, whole: Any, size: int | None, note: str | None, cut: str | None = None
    ) -> wire.Value:
        """A text, looked through for secrets, then cut to length."""
        rule = self.redactor.text_rule(text)
        if rule:
            return self.withheld_leaf(name, rule, whole, cut)
        true_size = len(text) if size is None else size
        limit = self.plain_length
        kept = text
        if len(text) > limit:
            kept, cut = text[:limit], "length"
        if not kept.isascii():
            kept = _encodable(kept)
            self.room -= len(kept)
        self.room -= 12 + len(kept)
        if self.room < 0 and len(kept) > 8:
            kept, cut = "", "bytes"
        if cut is None:
            return wire.Value(name, kept, note=note)
        self.cuts.add(cut)
        known = (
            None if size is not None or len(text) > 65_536 else self.redactor.hash(_canonical(whole) or b"")
        )
        return wire.Value(name, kept, size=true_size, cut=cut, hash=known, note=note)

    def octets(self, name: str, octets: bytes, size: int | None, cut: str | None) -> wire.Value:
        """Bytes, shown one character a byte."""
        kept = octets[: min(MAX_SCANNED, len(octets))].decode("latin-1")
        value = self.text(name, kept, octets, size if size is not None else len(octets), None, cut)
        if value.cut is None and value.redacted is None:
            value.size = None if len(octets) <= len(kept) else len(octets)
        return value

    def withheld_leaf(self, name: str, rule: str, whole: Any, cut: str | None = None) -> wire.Value:
        self.cuts.add("redacted")
        return self.redactor.withheld(name, rule, _size(whole), None if cut else _canonical(whole))

    # nodes

    def value_of_node(self, node: Node, path: str, above: tuple[int, ...]) -> wire.Value:
        name, shape, content, size, cut, note = node
        self.room -= 8 + len(name)
        rule = self.redactor.type_rule(name) if self.redactor.looks_at_types else ""
        if rule:
            return self.withheld(node, rule)
        if shape == SCALAR:
            return self.scalar(name, content, size, cut, note)
        value = wire.Value(name, UNSET, size)  # by position and without the rest, which costs half
        if note is not None:
            value.note = "withheld" if self.redactor.text_rule(note) else note
        if cut is not None:
            value.cut = cut
            self.cuts.add(cut.partition(" ")[0])
        if shape == NAMED:
            return value
        if self.shared and id(node) in self.shared:
            if id(node) in above:
                self.cuts.add("cycle")
                value.cut, value.size = "cycle", None
                return value
            above = (*above, id(node))
        if len(above) > MAX_DEPTH:
            value.cut = "depth"
            return value
        self.todo.append((node, value, path, above))
        return value

    def scalar(
        self, name: str, content: Any, size: int | None, cut: str | None, note: str | None
    ) -> wire.Value:
        cls = type(content)
        if cls is str:
            return self.text(name, content, content, size, note, cut)
        if cls is bytes:
            return self.octets(name, content, size, cut)
        if cls is int:
            return self.integer(name, content, note)
        if cls is float or cls is bool or content is None:
            return wire.Value(name, content, note=note)
        return self.shown(name, content, note)

    def shown(self, name: str, leaf: Any, note: str | None) -> wire.Value:
        """A leaf whose text is made by compiled code; should anything else ever get here, it is not touched."""
        if leaf is readers.UNSET:
            self.cuts.add("unset")
            return wire.Value("", cut="unset")
        if id(type(leaf)) in _SHOWN_IDS:
            return wire.Value(name, _shown(leaf), note=note)
        self.cuts.add(readers.OPAQUE)
        return wire.Value(name, cut=readers.OPAQUE, note=note)

    def fill(self, node: Node, value: wire.Value, path: str, above: tuple[int, ...]) -> None:
        """Write what is inside one container."""
        shape, content = node[1], node[2]
        if self.room <= 0:
            value.cut = "bytes"
            self.cuts.add("bytes")
            return
        if shape == ITEMS:
            value.items = self.pair(node, path) or self.items(content, path, above)
        elif shape == FIELDS:
            value.fields = self.fields(content, path, above)
        elif shape == ENTRIES:
            value.entries = self.entries(content, path, above)

    def items(self, content: Iterable[Copy], path: str, above: tuple[int, ...]) -> list[wire.Value]:
        plain = self.plain
        return [plain(each) or self.held(each, "", path, above=above) for each in content]

    def pair(self, node: Node, path: str) -> list[wire.Value] | None:
        """A secret's name and what stands beside it: headers are kept as pairs, or with the name twice. Else None."""
        content = node[2]
        if not 1 < len(content) < 4 or node[0] not in _PAIRS:
            return None
        name = content[0]
        cls = type(name)
        if (cls is not str and cls is not bytes) or len(name) > _LONGEST_NAME:
            return None
        rule = self.redactor.name_rule(name if cls is str else name.decode("latin-1"))
        if not rule:
            return None
        return [self.held(name, "", path), *(self.withheld(each, rule) for each in content[1:])]

    # What is neither a container nor under a name that has a rule or was not judged yet is told at once.

    def fields(self, content: Pairs, path: str, above: tuple[int, ...]) -> dict[str, wire.Value]:
        plain, known_names = self.plain, self.known_names
        written = {}
        for name, each in content:
            shown = self.field_name(name)
            value = plain(each) if type(each) is not list and known_names.get(name) == "" else None
            written[shown] = value or self.held(each, name, self.inside(path, name), above=above)
        return written

    def field_name(self, name: str) -> str:
        self.room -= len(name)
        if name in self.harmless_texts:
            return name
        return "[withheld]" if self.redactor.text_rule(name) else _encodable(name[:200])

    def entries(
        self, content: Pairs, path: str, above: tuple[int, ...]
    ) -> list[tuple[wire.Value, wire.Value]]:
        plain, known_names = self.plain, self.known_names
        written = []
        for key, each in content:
            shown = plain(key) or self.held(key, "", path, above=above)
            cls = type(key)
            name = key[:200] if cls is str else key[:200].decode("latin-1") if cls is bytes else ""
            value = plain(each) if type(each) is not list and known_names.get(name) == "" else None
            written.append((shown, value or self.held(each, name, self.inside(path, name), above=above)))
        return written

    def inside(self, path: str, name: str) -> str:
        return f"{path}.{name}" if self.redactor.looks_at_paths else ""


_PAIRS: Final = ("tuple", "list")
_LONGEST_NAME: Final = 200
_SHOWN_IDS: Final = LEAF_IDS | frozenset(map(id, (uuid.UUID, datetime.datetime, datetime.time)))


_SMALL_NUMBERS: Final = {number: wire.Value("int", number) for number in range(-5, 1025)}
"""The commonest values of all, as they leave: for looking up, not for changing."""
_SINGLETONS: Final = {
    None: wire.Value("NoneType", None), False: wire.Value("bool", False), True: wire.Value("bool", True),
}  # fmt: skip


def _shown(leaf: Any) -> str:
    """The text of a leaf that has no form of its own on the wire: decimals, times, UUIDs, ranges."""
    isoformat = getattr(leaf, "isoformat", None)
    return isoformat() if isoformat is not None else str(leaf)


def _encodable(text: str) -> str:
    """``text`` with lone surrogates written out, because no encoder takes them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def _type_name(copy: Copy) -> str:
    return copy[0] if type(copy) is list else foreign.name_of(type(copy))


def _size(copy: Copy) -> int | None:
    if type(copy) is list:
        content = copy[2]
        return copy[3] if copy[3] is not None else len(content) if type(content) in (str, bytes) else None
    return len(copy) if type(copy) in (str, bytes) else None


def _canonical(copy: Copy) -> bytes | None:
    """The bytes whose keyed hash stands for a value: a letter for the type and the value. None when it is not
    known whole.
    """
    if type(copy) is list:
        return _canonical(copy[2]) if copy[1] == SCALAR and copy[4] is None else None
    cls = type(copy)
    if cls is str:
        return b"s" + copy.encode("utf-8", "surrogatepass") if len(copy) <= 1 << 20 else None
    if cls is bytes:
        return b"b" + copy if len(copy) <= 1 << 20 else None
    if cls is int:
        return b"i" + hex(copy).encode()
    if cls in (bool, float, NoneType):
        return repr(copy).encode()
    if id(cls) not in _SHOWN_IDS:
        return None
    return b"o" + _shown(copy).encode("utf-8", "surrogatepass")


# ---------------------------------------------------------------- where a frame was

_places: dict[int, tuple[weakref.ref[CodeType], dict[int, wire.Frame]]] = {}
_modules: dict[str, str] = {}
_MOST_REMEMBERED = 4096


def frame_at(code: CodeType, instruction: int) -> wire.Frame:
    """The frame without its variables, found once for each place: copy it before changing it.

    Its line is that of the instruction at this offset, as ``frame.f_lineno`` would have told, but found on our own
    time.
    """
    known = _places.get(id(code))
    if known is None or known[0]() is not code:
        if len(_places) >= _MOST_REMEMBERED:
            _places.clear()
        known = _places[id(code)] = (weakref.ref(code), {})
    frame = known[1].get(instruction)
    if frame is None:
        frame = known[1][instruction] = wire.Frame(
            function=code.co_qualname,
            file=code.co_filename,
            line=_find_line(code, instruction),
            module=module_of(code.co_filename),
        )
    return frame


def _find_line(code: CodeType, instruction: int) -> int:
    for start, end, line in code.co_lines():
        if start <= instruction < end:
            return line or code.co_firstlineno
    return code.co_firstlineno


def module_of(file: str) -> str:
    """The name of the module that was loaded from ``file``; empty when there is none (any more)."""
    if file not in _modules:
        if len(_modules) >= _MOST_REMEMBERED:
            _modules.clear()
        _modules.update(_loaded())
        _modules.setdefault(file, "")
    return _modules[file]


def _loaded() -> Iterator[tuple[str, str]]:
    for name, module in list(sys.modules.items()):
        if type(module) is type(sys) and type(name) is str:
            file = foreign.field(foreign.read_attribute(module, "__dict__"), "__file__")
            if type(file) is str:
                yield file, name
