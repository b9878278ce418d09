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
from .native import fast_locals
from .ownership import library_of
from .readers import ENTRIES, FIELDS, ITEMS, LEAF_IDS, NAMED, SCALAR, Node, reader_for
from .redaction import LONGEST_HARMLESS, LONGEST_SECRET, MAX_SCANNED, Redactor

DEFAULT_LIMITS: Final = wire.Limits()
MAX_DEPTH: Final = 32
MAX_VARIABLES: Final = 250
"""Variables of one frame; only a module's own frame has more."""
_LOOK_EVERY = 16
_BYTES_A_NODE = 8
_READ_ERRORS: Final = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, MemoryError)
_COPY_ERRORS: Final = (*_READ_ERRORS, RuntimeError)

Copy = Any
"""What stands for a value after copying: an immutable leaf, or a `readers.Node`."""
Shared = dict[int, Node]
"""Nodes that stand in several places, by their ids."""
Pairs = list[tuple[Any, Any]]
Begun = tuple[Shared, dict[int, Node], list[Any], int]
"""What a walk has found so far: nodes that stand in several places; all nodes, by the ids of what they stand for;
these objects, because while they live no other can have their ids; how many values were looked at."""
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
    libraries: list[Node] = []
    current: FrameType | None = frame
    beside = library_of(frame.f_code.co_filename)
    for _ in range(min(limits.frames, limits.variable_frames) if variables else 0):
        if current is None:
            break
        code, held = current.f_code, variables_of(current)
        library = library_of(code.co_filename)
        (roots if library == "" or library == beside else libraries).append(
            ["", FIELDS, held, None, None, None]
        )
        frames.append((code, current.f_lasti, held))
        current = current.f_back
    for _ in range(limits.frames - len(frames)):
        if current is None:
            break
        frames.append((current.f_code, current.f_lasti, None))
        current = current.f_back
    late = deadline is not None and time.monotonic() > deadline
    begun: Begun = {}, {}, [], 0
    shared, values = _walk(roots, limits, deadline, limits.depth, begun)
    if libraries:  # after the service's own, so that these find room first
        begun = *begun[:3], values
        shared, values = _walk(libraries, limits, deadline, limits.library_depth, begun)
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
    if names is None and fast_locals is not None:
        names = fast_locals(frame)
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


def copy_nodes(roots: list[Node], limits: wire.Limits, deadline: float | None = None) -> tuple[Shared, int]:
    """Copy what stands in these nodes, in place and together within ``limits``; answers the nodes that stand in several
    places, and how many values were copied.
    """
    return _walk(roots, limits, deadline)


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

    def _references_of_us() -> int:
        local: dict[str, Any] = {}
        return _getrefcount(local)

    def _references_handed_on() -> int:
        local: dict[str, Any] = {}
        return _references_to(local)

    def _references_to(local: dict[str, Any]) -> int:
        return _getrefcount(local)

    # Counted, because compiled code holds fewer references than the interpreter does.
    _FRAME_AND_US: Final = 1 + _references_of_us()
    """References to the dict of locals: the frame's, our variable, and the argument of the call that counts them."""
    _FRAME_AND_CALLER: Final = 1 + _references_handed_on()
    """The same where the variable is our caller's, and handed on."""

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
            _getrefcount(local) == _FRAME_AND_CALLER
            and frame.f_code.co_flags & _OPTIMIZED
            and _gettrace() is None
            and _getprofile() is None
        ):
            local.clear()


def _walk(  # noqa: C901
    roots: list[Node],
    limits: wire.Limits,
    deadline: float | None,
    depth: int = MAX_DEPTH,
    begun: Begun | None = None,
) -> tuple[Shared, int]:
    """Replace everything in these nodes that is not a leaf, then everything in the nodes that took its place, and
    so on.

    What is left when room or time is up is dropped, except for the roots: others hold their contents. Answers the
    nodes that stand in several places, and how many values were looked at, counting those of the walk that ``begun``
    is of. One function on purpose, with its commonest cases spelled out: it runs inside a request, and on small values
    a call costs more than the work.
    """
    deadline = deadline or time.monotonic() + limits.deadline_ms / 1e3
    limit = limits.items
    shared, seen, kept, values = begun or ({}, {}, [], 0)
    most = max(64, limits.bytes // _BYTES_A_NODE)
    room = most - values
    depth, stop = min(depth, limits.depth, MAX_DEPTH), ""
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
    name = readers.name_of_object(cls)
    if name:
        return [name, NAMED, None, None, reason, None]
    made = _read(value, cls, _NOTHING)
    if type(made) is not list or made[1] in (SCALAR, NAMED) or (not made[2] and made[4] is None):
        return made
    return [made[0], NAMED, None, made[3], reason, made[5]]


_NOTHING: Final = wire.Limits(items=0, fields=0)
"""Limits under which a reader takes only the size."""


# ---------------------------------------------------------------- on the sensor's thread


def write(copied: Copied, redactor: Redactor) -> tuple[list[wire.Frame], list[str]]:
    """The frames as they leave the process, and the distinct reasons why something in them is not whole.

    The service's own frames come first, so that those of libraries take the room that is left.
    """
    writer = NodeWriter(redactor, copied.limits, copied.shared, copied.values)
    frames = [frame_at(code, instruction) for code, instruction, _ in copied.frames]
    beside = library_of(frames[0].file) if frames else ""
    told = [(at, held) for at, (_, _, held) in enumerate(copied.frames) if held is not None]
    theirs = [library_of(frames[at].file) not in ("", beside) for at, _ in told]
    for of_libraries in (False, True):
        for (at, held), is_librarys in zip(told, theirs, strict=True):
            if is_librarys is of_libraries:
                frames[at] = _begun(writer, frames[at], held, is_librarys)
        writer.run()
    writer.end()
    if copied.more and frames:
        frames[-1] = replace(frames[-1], cut="frames")
        writer.cuts.add("frames")
    return frames, sorted(writer.cuts)


def _begun(writer: NodeWriter, frame: wire.Frame, variables: Pairs, is_librarys: bool) -> wire.Frame:
    """The frame with its variables, of which the writer has still to fill the containers."""
    depth = writer.limits.depth
    levels = min(writer.limits.library_depth, depth) if is_librarys else depth
    written: dict[str, wire.Value] = {}
    writer.begin(written, variables, levels)
    if len(variables) == MAX_VARIABLES:
        writer.cuts.add("variables")
        return replace(frame, variables=written, cut=f"variables {MAX_VARIABLES}")
    return replace(frame, variables=written, cut="depth" if levels < depth else None)


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
    root, shared, values = copied, _NOTHING_SHARED, 0
    if type(copied) is CopiedValue:
        root, limits, shared, values = copied
    writer = NodeWriter(redactor, limits, shared, values)
    held = writer.held(root, name, path or name, rule)
    writer.run()
    writer.end()
    return held, sorted(writer.cuts)


Container = tuple[Node, wire.Value, str, tuple[int, ...], int]
"""A container to be filled: node, value and path; the ids of those it lies in (itself included) that stand in several
places; how many levels may be opened inside it."""


class NodeWriter:
    """Turns copies into `wire.Value`s, breadth first, within the limits.

    What stands in several places is written in the first, and then in the others: if nothing in it stands in several
    places itself, the same values are taken again; else as many are written again as were copied (``values``).
    """

    def __init__(self, redactor: Redactor, limits: wire.Limits, shared: Shared, values: int = 0) -> None:
        self.redactor = redactor
        self.limits = limits
        self.shared = shared
        self.room = limits.bytes
        self.plain_length = min(limits.length, MAX_SCANNED)
        beyond = MAX_SCANNED if redactor.looks_at_values else LONGEST_SECRET
        self.scanned = min(MAX_SCANNED, self.plain_length + beyond)
        """Characters of a text that are looked through."""
        self.one_by_one = redactor.looks_at_paths or self.plain_length < LONGEST_HARMLESS
        """Whether each leaf must be looked at by itself."""
        self.cuts: set[str] = set()
        self.todo: list[Container] = []
        self.again: list[Container] = []
        """Those that stand elsewhere, too, and were met there before."""
        self.first: dict[int, Container] = {}
        self.costs: dict[int, int] = {}
        """Bytes that what is inside them takes."""
        self.tangled: set[int] = set()
        """Those in which something stands in several places itself."""
        self.repeats = max(values, _FEWEST_REPEATS)
        self.above: tuple[int, ...] = ()
        """Which of the shared nodes the container lies in that is being filled."""
        self.levels = limits.depth
        """How many levels of containers may still be opened inside it."""

    def begin(
        self, target: dict[str, wire.Value], variables: Iterable[tuple[str, Copy]], levels: int | None = None
    ) -> None:
        """Write these, of which `run` is to fill the containers, down to so many ``levels``."""
        self.above, self.levels = (), self.limits.depth if levels is None else levels
        for name, copy in variables:
            target[name] = self.held(copy, name, name)

    def begin_items(self, target: list[wire.Value], items: Iterable[Copy]) -> None:
        self.above, self.levels = (), self.limits.depth
        target += [self.held(copy, "", "") for copy in items]

    def run(self) -> None:
        """Fill every container whose turn has come, until all are full or the room is used up."""
        self.fill_all(repeated=False)
        while self.again:
            again, self.again = self.again, []
            self.todo += [each for each in again if not self.taken_again(each)]
            self.fill_all(repeated=True)

    def fill_all(self, *, repeated: bool) -> None:  # noqa: C901
        """Fill what waits, and what that brings.

        One function on purpose, with the commonest cases of `fill` spelled out: there are hundreds of containers in a
        capture, and a call costs more than the work.
        """
        redactor, shared, todo, one_by_one = self.redactor, self.shared, self.todo, self.one_by_one
        texts, names, numbers = redactor.harmless_texts, redactor.harmless_names, _SMALL_NUMBERS
        opens = not redactor.looks_at_types
        for position, container in enumerate(todo):  # which grows meanwhile
            if not position % _LOOK_EVERY:
                slices.give_way()
            if repeated and not self.may_repeat(container):
                continue
            node, value, path, above, levels = container
            shape, content = node[1], node[2]
            self.above, self.levels = above, levels
            room = before = self.room
            if (
                one_by_one
                or room < (len(content) + 1) * _DEAREST
                or (shape is ITEMS and 1 < len(content) < 4 and type(content[0]) is not int)
            ):
                self.fill(node, value, path)
                room = self.room
            else:
                keys: list[Any] = []
                held: list[wire.Value] = []
                for each in content:
                    if shape is not ITEMS:
                        key, each = each
                        shown = names.get(key) if type(key) is str else None
                        if shown is None:
                            self.room = room
                            pair = self.pair(shape, key, each, "")
                            room = self.room
                            keys.append(pair[0])
                            held.append(pair[1])
                            continue
                        room -= len(key) + 12
                        keys.append(shown if shape is ENTRIES else key)
                    cls = type(each)
                    made: wire.Value | None = None
                    if cls is str:
                        made = texts.get(each)
                        if made is not None:
                            room -= len(each) + 12
                    elif cls is list:
                        name, kind, _, size, cut, note = each
                        if (
                            opens and levels > 0 and cut is None and note is None
                            and kind is not SCALAR and kind is not NAMED and id(each) not in shared
                        ):  # fmt: skip
                            room -= len(name) + 8
                            made = wire.Value(name, UNSET, size)
                            todo.append((each, made, "", above, levels - 1))
                    elif cls is int:
                        made = numbers.get(each)
                        if made is None and -(10**12) < each < 10**12:
                            made = wire.Value("int", each)
                        room -= 12
                    elif cls is float:
                        made = wire.Value("float", each)
                        room -= 12
                    elif cls is bool or each is None:
                        made = _SINGLETONS[each]
                        room -= 12
                    if made is None:
                        self.room = room
                        made = self.held(each, "", "")
                        room = self.room
                    held.append(made)
                if shape is ITEMS:
                    value.items = held
                elif shape is FIELDS:
                    value.fields = dict(zip(keys, held))  # noqa: B905 (as many of each)
                else:
                    value.entries = list(zip(keys, held))  # noqa: B905
                self.room = room
            for ident in above:
                self.costs[ident] = self.costs.get(ident, 0) + before - room
        todo.clear()

    def may_repeat(self, container: Container) -> bool:
        """Whether what was written elsewhere, too, may be written here again."""
        node, value, *_ = container
        self.repeats -= len(node[2])
        if self.repeats < 0:
            self.cut(value, "depth")
        return self.repeats >= 0

    def taken_again(self, container: Container) -> bool:
        """Whether all there is to write about a container was written before, and stands here now, too."""
        node, value, _, _, levels = container
        _, first, _, _, levels_then = self.first[id(node)]
        cost = self.costs.get(id(node), 0)
        if id(node) in self.tangled or levels < levels_then or cost > self.room or self.one_by_one:
            return False
        self.room -= cost
        value.items, value.entries, value.fields = first.items, first.entries, first.fields
        value.cut = first.cut
        return True

    def fill(self, node: Node, value: wire.Value, path: str) -> None:
        """Write what is inside one container, each thing looked at by itself."""
        shape, content = node[1], node[2]
        if self.room <= 0:
            self.cut(value, "bytes")
        elif shape is ITEMS:
            value.items = self.secret_pair(node, path) or [self.held(each, "", path) for each in content]
        elif shape is FIELDS:
            value.fields = dict(self.pair(shape, key, each, path) for key, each in content)
        else:
            value.entries = [self.pair(shape, key, each, path) for key, each in content]

    def cut(self, value: wire.Value, reason: str) -> None:
        value.cut = reason
        self.cuts.add(reason)

    def pair(self, shape: str, key: Copy, each: Copy, path: str) -> tuple[Any, wire.Value]:
        """A name or key as it leaves, and what stands under it."""
        cls = type(key)
        if cls is str:
            name = key[:_LONGEST_NAME]
            self.redactor.is_harmless(name)  # it remembers
        else:
            name = key[:_LONGEST_NAME].decode("latin-1") if cls is bytes else ""
        shown = self.field_name(key) if shape is FIELDS else self.held(key, "", path)
        return shown, self.held(each, name, f"{path}.{name}" if self.redactor.looks_at_paths else "")

    def field_name(self, key: Copy) -> str:
        """A name; nothing prevents other keys in the ``__dict__`` of an object."""
        name = (
            key[:_LONGEST_NAME] if type(key) is str else f"[{key if type(key) is int else _type_name(key)}]"
        )
        self.room -= len(name)
        return "[withheld]" if self.redactor.text_rule(name) else _encodable(name)

    def end(self) -> None:
        """Take apart what was copied: nodes that hold each other would wait for a full collection of garbage, which
        a large process rarely makes.
        """
        for node in self.shared.values():
            node[2] = None

    def held(self, copy: Copy, name: str, path: str, rule: str = "") -> wire.Value:
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
            return self.value_of_node(copy, path) if type(copy) is list else self.leaf(copy)
        except _COPY_ERRORS:
            self.cuts.add("redacted: failed")
            return wire.Value(type=_type_name(copy), redacted="failed")

    def withheld(self, copy: Copy, rule: str) -> wire.Value:
        self.cuts.add("redacted")
        size = _size(copy)
        return self.redactor.withheld(_type_name(copy), rule, size, _canonical(copy))

    # leaves

    def leaf(self, copy: Any) -> wire.Value:
        """An immutable leaf of a builtin type."""
        cls = type(copy)
        if cls is str:
            return self.text("str", copy, copy, None, None)
        self.room -= 12
        if cls is int:
            return self.integer("int", copy, None)
        if cls is float:
            return wire.Value("float", copy)
        if cls is bool or copy is None:
            return _SINGLETONS[copy]
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
        rule = self.redactor.text_rule(text if len(text) <= self.scanned else text[: self.scanned])
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
        kept = octets[: self.scanned].decode("latin-1")
        value = self.text(name, kept, octets, size if size is not None else len(octets), None, cut)
        if value.cut is None and value.redacted is None:
            value.size = None if len(octets) <= len(kept) else len(octets)
        return value

    def withheld_leaf(self, name: str, rule: str, whole: Any, cut: str | None = None) -> wire.Value:
        self.cuts.add("redacted")
        return self.redactor.withheld(name, rule, _size(whole), None if cut else _canonical(whole))

    # nodes

    def value_of_node(self, node: Node, path: str) -> wire.Value:
        name, shape, content, size, cut, note = node
        self.room -= 8 + len(name)
        rule = self.redactor.type_rule(name) if self.redactor.looks_at_types else ""
        if rule:
            return self.withheld(node, rule)
        if shape is SCALAR:
            return self.scalar(name, content, size, cut, note)
        value = wire.Value(name, UNSET, size)  # by position and without the rest, which costs half
        if note is not None:
            value.note = "withheld" if self.redactor.text_rule(note) else note
        if cut is not None:
            value.cut = cut
            self.cuts.add(cut.partition(" ")[0])
        if shape is NAMED:
            return value
        above, levels = self.above, self.levels
        if id(node) in above:
            self.tangled.update(above)
            self.cut(value, "cycle")
            value.size = None
        elif levels <= 0 and content:
            self.cut(value, "depth")
        elif id(node) in self.shared:
            self.tangled.update(above)
            container = node, value, path, (*above, id(node)), levels - 1
            met = self.first.setdefault(id(node), container)
            (self.todo if met is container else self.again).append(container)
        else:
            self.todo.append((node, value, path, above, levels - 1))
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

    def secret_pair(self, node: Node, path: str) -> list[wire.Value] | None:
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


_DEAREST: Final = 512
"""Bytes that a harmless leaf or an unopened container takes at most, with its name."""
_FEWEST_REPEATS: Final = 256
"""How many values may be repeated of however small a capture."""
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
