"""How each type of value is copied in the application's thread: contents taken, types named, nothing foreign
called or kept.

A reader takes a value and the limits and answers either an immutable leaf or a *node*: a list
``[type name, shape, content, size, cut, note]``. Content is a list of pairs (`ENTRIES`, `FIELDS`), a list
(`ITEMS`), one leaf (`SCALAR`) or None (`NAMED`). The elements of a content list are still the application's
objects: snapshots.py replaces them. Lists can stand for nodes because no list of the application's is ever kept as
it is.
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import functools
import gc
import pathlib
import types
import uuid
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final

from . import foreign, wire
from .foreign import ClassFacts, facts_of, is_one_of, mro_of, namespace_of, read_getset, take

ITEMS, ENTRIES, FIELDS, SCALAR, NAMED = "items", "entries", "fields", "scalar", "named"
Node = list[Any]
_GetSet = types.GetSetDescriptorType
Reader = Callable[[Any, wire.Limits], Any]

OPAQUE: Final = "opaque"


class _Unset:
    """The type of `UNSET`."""

    __slots__ = ()


UNSET: Final = _Unset()
"""Stands for a slot that holds nothing yet."""
_LONGEST = 4096
"""Characters of an instance of a ``str`` or ``bytes`` subclass that are copied."""

LEAF_IDS: Final = frozenset(
    map(
        id,
        (
            *foreign.ATOMS, decimal.Decimal, datetime.date, datetime.timedelta, datetime.timezone, range, type(...),
            type(NotImplemented), _Unset,
        ),
    )
)  # fmt: skip
"""Ids of types whose instances never change and refer to nothing foreign: kept as they are."""


def node(
    type_name: str, shape: str, content: Any, size: int | None = None, cut: str | None = None, note: str = ""
) -> Node:
    """A node, from its parts."""
    return [type_name, shape, content, size, cut, note or None]


def named(type_name: str, note: str = "", cut: str | None = None) -> Node:
    """A value of which only its type, and perhaps its name, is told."""
    return [type_name, NAMED, None, None, cut, note or None]


def reader_for(cls: type) -> Reader:
    """How instances of ``cls`` are read, found once per class."""
    found = _known.get(id(cls))
    if found is not None and found[0]() is cls:
        return found[1]
    return _find(cls)[1]


def name_of_object(cls: type) -> str:
    """The type's name, where its instances are objects that hold fields and nothing else; empty for all others."""
    found = _known.get(id(cls))
    if found is None or found[0]() is not cls:
        found = _find(cls)
    return found[2]


def _find(cls: type) -> tuple[weakref.ref[type], Reader, str]:
    if len(_known) >= _MOST_KNOWN:
        forget()
    facts = facts_of(cls)
    reader = EXACT.get(id(cls)) or _choose(cls, facts)
    found = weakref.ref(cls), reader or _object(facts, cls), "" if reader else facts.name
    _known[id(cls)] = found
    return found


def forget() -> None:
    """Find every reader anew; see `foreign.forget`."""
    _known.clear()


foreign.forgets_too(forget)
_known: dict[int, tuple[weakref.ref[type], Reader, str]] = {}
_MOST_KNOWN = 4096


# ---------------------------------------------------------------- builtin containers


def _too_many(kept: str, limit: int, size: int) -> str | None:
    return f"{kept} {limit} of {size}" if size > limit else None


def read_dict(value: Any, limits: wire.Limits) -> Node:
    size, limit = len(value), limits.items
    return [
        "dict",
        ENTRIES,
        take(value.items(), limit),
        size,
        None if size <= limit else _too_many("items", limit, size),
        None,
    ]


def read_list(value: Any, limits: wire.Limits) -> Node:
    size, limit = len(value), limits.items
    return [
        "list",
        ITEMS,
        value[:limit],
        size,
        None if size <= limit else _too_many("items", limit, size),
        None,
    ]


def read_tuple(value: Any, limits: wire.Limits) -> Node:
    size, limit = len(value), limits.items
    return [
        "tuple",
        ITEMS,
        [*value[:limit]],
        size,
        None if size <= limit else _too_many("items", limit, size),
        None,
    ]


def _items_of(name: str, base: Any) -> Reader:
    """A reader of ``base``'s storage by its own iterator, whatever a subclass makes of it."""

    def read(value: Any, limits: wire.Limits) -> Node:
        size, limit = base.__len__(value), limits.items
        return node(name, ITEMS, take(base.__iter__(value), limit), size, _too_many("items", limit, size))

    return read


def _entries_of(name: str) -> Reader:
    def read(value: Any, limits: wire.Limits) -> Node:
        size, limit = dict.__len__(value), limits.items
        return node(name, ENTRIES, take(dict.items(value), limit), size, _too_many("items", limit, size))

    return read


def _read_bytearray(value: bytearray, limits: wire.Limits) -> Node:
    size = len(value)
    kept = bytes(value[: limits.length])
    return node("bytearray", SCALAR, kept, size, "length" if size > limits.length else None)


def _read_array(value: Any, limits: wire.Limits) -> Node:
    size, limit = len(value), limits.items
    return node(
        "array.array", ITEMS, list(value[:limit]), size, _too_many("items", limit, size), value.typecode
    )


def _read_view(value: Any, limits: wire.Limits) -> Node:
    """``mappingproxy``: what it looks at, if that is a dict; its own methods would ask the mapping."""
    inner = next(iter(gc.get_referents(value)), None)
    if type(inner) is not dict:
        return named("mappingproxy", cut=OPAQUE)
    read = read_dict(inner, limits)
    read[0] = "mappingproxy"
    return read


# ---------------------------------------------------------------- values of the standard library


def _read_moment(value: Any, limits: wire.Limits) -> Any:
    """A datetime or time: kept as it is, unless its time zone is foreign; then without it, and the note says so."""
    zone = foreign.zone_of(value)
    if zone is None or type(zone) is datetime.timezone:
        return value
    note = f"time zone {foreign.type_name(zone)}"
    if is_one_of(type(zone), foreign.SAFE_ZONES):
        moved = value.utcoffset()
        fixed = datetime.timezone(moved) if moved is not None else None
        return node(
            foreign.type_name(value), SCALAR, value.replace(tzinfo=fixed), note=f"time zone {zone.key}"
        )
    return node(foreign.type_name(value), SCALAR, value.replace(tzinfo=None), note=note)


def _read_uuid(value: Any, limits: wire.Limits) -> Any:
    number = foreign.read_attribute(value, "int")
    return uuid.UUID(int=number) if type(number) is int else named("uuid.UUID", cut="unset")


def _read_path(name: str) -> Reader:
    """A path as the text it was made of: ``str(path)`` would compute and keep it on the application's object."""

    def read(value: Any, limits: wire.Limits) -> Node:
        text = foreign.plain_str(_slot(value, "_str"))
        if not text:
            raw = _slot(value, "_raw_paths")
            parts = _slot(value, "_parts")
            if type(raw) is list:
                text = "/".join(map(foreign.plain_str, raw[:50]))
            elif type(parts) is list:
                text = "/".join(map(foreign.plain_str, parts[:50])).replace("//", "/", 1)
        return node(name, SCALAR, text or ".")

    return read


def _slot(value: Any, name: str) -> Any:
    try:
        return foreign.read_attribute(value, name)
    except foreign.Unreadable:
        return None


def _named_by(*attributes: str) -> Reader:
    """A reader that tells a value's name and nothing else: functions, generators, modules."""

    def read(value: Any, limits: wire.Limits) -> Node:
        cls = type(value)
        for attribute in attributes:
            descriptor: Any = namespace_of(cls).get(attribute)
            if is_one_of(type(descriptor), (types.GetSetDescriptorType, types.MemberDescriptorType)):
                return named(foreign.type_name(value), foreign.plain_str(descriptor.__get__(value))[:200])
        return named(foreign.type_name(value))

    return read


def _read_module(value: Any, limits: wire.Limits) -> Node:
    return named("module", foreign.plain_str(foreign.read_attribute(value, "__name__"))[:200])


def _read_class(value: Any, limits: wire.Limits) -> Node:
    return named(foreign.type_name(value), foreign.name_of(value))


def _read_method(value: Any, limits: wire.Limits) -> Node:
    function = value.__func__
    if type(function) is types.FunctionType:
        return named("method", foreign.plain_str(function.__qualname__)[:200])
    return named("method")


def _read_partial(value: Any, limits: wire.Limits) -> Node:
    return node(
        "functools.partial",
        FIELDS,
        [("func", value.func), ("args", value.args), ("keywords", value.keywords)],
    )


# ---------------------------------------------------------------- objects of classes


def _choose(cls: type, facts: ClassFacts) -> Reader | None:
    """The reader for a class that has none of its own: by what it is derived from. None: it is an `_object`."""
    bases = mro_of(cls)
    if facts.is_class:
        return _read_class
    if is_one_of(enum.Enum, bases):
        return _enum_member(facts.name)
    if is_one_of(BaseException, bases):
        return _exception(facts.name, cls)
    if is_one_of(pathlib.PurePath, bases):
        return _read_path(facts.name)
    library = _library_reader(cls, facts, bases)
    if library is not None:
        return library
    if facts.base is not None:
        return _derived(cls, facts, facts.base)
    if is_one_of(collections.deque, bases):
        return _items_of(facts.name, collections.deque)
    if facts.dict_at < 0 and not _slots_of(cls):
        return _opaque(facts.name)
    return None


def _derived(cls: type, facts: ClassFacts, base: Any) -> Reader:
    """Instances of a subclass of a builtin: its storage, under the subclass's name."""
    name = facts.name
    if base is dict:
        return _entries_of(name)
    if base is tuple and foreign.static_lookup(cls, "_fields") is not foreign.MISSING:
        return _named_tuple(name)
    if is_one_of(base, (list, tuple, set, frozenset)):
        return _items_of(name, base)
    if is_one_of(base, (str, bytes)):
        return _text(name, base)
    exact = {int: int.__int__, float: float.__float__, complex: complex.__complex__}[base]
    return lambda value, limits: node(name, SCALAR, exact(value))


def _text(name: str, base: Any) -> Reader:
    def read(value: Any, limits: wire.Limits) -> Node:
        size = base.__len__(value)
        kept = base.__getitem__(value, slice(0, _LONGEST))
        return node(name, SCALAR, kept, size, "length" if size > _LONGEST else None)

    return read


def _named_tuple(name: str) -> Reader:
    def read(value: Any, limits: wire.Limits) -> Node:
        fields = foreign.static_lookup(type(value), "_fields")
        values = take(tuple.__iter__(value), limits.fields)
        names = [foreign.plain_str(each) for each in fields] if type(fields) is tuple else []
        if len(names) < len(values):
            return node(name, ITEMS, values, tuple.__len__(value))
        size = tuple.__len__(value)
        cut = _too_many("fields", limits.fields, size)
        return node(name, FIELDS, list(zip(names, values, strict=False)), None, cut)

    return read


def _enum_member(name: str) -> Reader:
    def read(value: Any, limits: wire.Limits) -> Node:
        fields = foreign.instance_dict(value, facts_of(type(value))) or {}
        member = foreign.plain_str(foreign.field(fields, "_name_"))
        content = foreign.field(fields, "_value_")
        if id(type(content)) in LEAF_IDS:
            return node(name, SCALAR, content, note=member)
        return node(name, FIELDS, [("value", content)], note=member)

    return read


def _exception(name: str, cls: type) -> Reader:
    slots = _slots_of(cls, any_class=True)

    def read(value: Any, limits: wire.Limits) -> Node:
        args = foreign.read_getset(_ARGS, value)
        pairs = [("args", args), *_filled(value, slots)]
        fields = foreign.instance_dict(value, facts_of(type(value)))
        if fields is not None:
            pairs += take(dict.items(fields), limits.fields)
        for attribute, descriptor in _CHAIN:
            other = foreign.read_getset(descriptor, value)
            if other is not None:
                pairs.append((attribute, other))
        return node(name, FIELDS, pairs)

    return read


def members_of_exception(value: BaseException) -> list[tuple[str, Any]]:
    """The slots and builtin members of an exception that hold something, a group's ``exceptions`` among them."""
    return [*_filled(value, _slots_of(type(value), any_class=True))]


_ARGS: Final = BaseException.__dict__["args"]
_CHAIN: Final = tuple((name, BaseException.__dict__[name]) for name in ("__cause__", "__context__"))


def _slots_of(cls: type, *, any_class: bool = False) -> tuple[tuple[int, str], ...]:
    """Where the slots of ``cls`` are: the base's place in the resolution order, and the name. No descriptor is kept."""
    return tuple(
        (at, name)
        for at, base in reversed([*enumerate(mro_of(cls))])
        if any_class or not foreign.is_builtin_class(base)
        for name, found in [*namespace_of(base).items()]
        if type(found) is types.MemberDescriptorType and type(name) is str and name not in _NOT_SHOWN
    )


def _read_slots(value: Any, slots: Iterable[tuple[int, str]]) -> Iterable[tuple[str, Any]]:
    bases = mro_of(type(value))
    for at, name in slots:
        descriptor = namespace_of(bases[at]).get(name)
        if type(descriptor) is types.MemberDescriptorType:
            try:
                yield name, foreign.read_member(descriptor, value)
            except AttributeError:
                yield name, UNSET


def _filled(value: Any, slots: Iterable[tuple[int, str]]) -> Iterable[tuple[str, Any]]:
    """The members of a builtin exception that say something: ``errno``, ``filename``; not the many that are None."""
    return (
        (name, each) for name, each in _read_slots(value, slots) if each is not None and each is not UNSET
    )


_NOT_SHOWN: Final = frozenset({
    "_state", "_sa_instance_state", "__weakref__", "__dict__", "__fields_set__", "__pydantic_fields_set__",
    "__suppress_context__", "__traceback__",
})  # fmt: skip
"""Fields by which libraries keep book: nobody asks for them, and they are large."""
_ONLY_FILLED: Final = frozenset({"__pydantic_extra__", "__pydantic_private__"})


def _opaque(name: str) -> Reader:
    """An object that has neither slots nor a ``__dict__``: only its type."""
    return lambda value, limits: named(name, cut=OPAQUE)


def _object(facts: ClassFacts, cls: type) -> Reader:
    """Any other object: its slots, then its ``__dict__``."""
    slots = _slots_of(cls)
    if slots or _keeps_book(cls):
        return _object_with_slots(facts, slots)
    name, at = facts.name, facts.dict_at

    def read(value: Any, limits: wire.Limits) -> Node:
        descriptor = namespace_of(mro_of(type(value))[at]).get("__dict__")
        fields = (
            read_getset(descriptor, value)
            if type(descriptor) is _GetSet
            else foreign.instance_dict(value, facts)
        )
        if type(fields) is not dict:
            return named(name, cut=OPAQUE)
        limit, size = limits.fields, len(fields)
        if size <= limit:
            return [name, FIELDS, list(fields.items()), None, None, None]
        return [name, FIELDS, take(fields.items(), limit), None, _too_many("fields", limit, size), None]

    return read


def _keeps_book(cls: type) -> bool:
    """Whether this is a model of Django or SQLAlchemy, whose own book-keeping is among the fields."""
    return any(
        foreign.static_lookup(cls, name) is not foreign.MISSING for name in ("_meta", "_sa_class_manager")
    )


def _object_with_slots(facts: ClassFacts, slots: tuple[tuple[int, str], ...]) -> Reader:
    name = facts.name

    def read(value: Any, limits: wire.Limits) -> Node:
        fields = foreign.instance_dict(value, facts_of(type(value)))
        pairs = [
            pair for pair in _read_slots(value, slots) if pair[1] is not None or pair[0] not in _ONLY_FILLED
        ]
        size = len(pairs)
        if fields is not None:
            pairs += take(dict.items(fields), limits.fields + len(_NOT_SHOWN))
            size += dict.__len__(fields)
        shown = [pair for pair in pairs if type(pair[0]) is str and pair[0] not in _NOT_SHOWN]
        size -= len(pairs) - len(shown)
        return node(name, FIELDS, shown[: limits.fields], None, _too_many("fields", limits.fields, size))

    return read


# ---------------------------------------------------------------- libraries, if they are loaded


def _library_reader(cls: type, facts: ClassFacts, bases: tuple[type, ...]) -> Reader | None:
    for module, name, build in _LIBRARIES:
        known = foreign.known_class(module, name)
        if known is not foreign.MISSING and is_one_of(known, bases):
            return build(cls, facts, known)
    return None


def _numpy_array(cls: type, facts: ClassFacts, base: type) -> Reader:
    """Type, shape and a few numbers. Only shape for a subclass: a slice of it would run its ``__array_finalize__``."""
    exact = cls is base and foreign.is_builtin_class(base)
    name = facts.name

    def read(value: Any, limits: wire.Limits) -> Node:
        shape, dtype = (
            foreign.read_getset(namespace_of(mro_of(type(value))[-2])[each], value)
            for each in ("shape", "dtype")
        )
        note = f"{_dtype_name(dtype)} {shape}"
        size = shape[0] if shape else 1
        if not exact or dtype.kind not in "biufcmMSU":
            return node(name, NAMED, None, size, OPAQUE, note)
        count = 1
        for extent in shape:
            count *= extent
        kept = [each.item() for each in value.flat[: limits.items]] if count else []
        return node(name, ITEMS, kept, count, _too_many("items", limits.items, count), note)

    return read


_KINDS: Final = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}


def _dtype_name(dtype: Any) -> str:
    kind = dtype.kind
    return (
        "bool" if kind == "b" else f"{_KINDS[kind]}{dtype.itemsize * 8}" if kind in _KINDS else str(dtype.str)
    )


def _numpy_scalar(cls: type, facts: ClassFacts, base: type) -> Reader:
    name = facts.name

    def read(value: Any, limits: wire.Limits) -> Node:
        content = foreign.plain(value)
        return node(name, SCALAR, content) if id(type(content)) in LEAF_IDS else named(name, cut=OPAQUE)

    return read


def _pandas_frame(cls: type, facts: ClassFacts, base: type) -> Reader:
    """Shape, and the names of the columns where they are plain: from the block manager, never by asking the frame."""
    name = facts.name

    def read(value: Any, limits: wire.Limits) -> Node:
        manager = foreign.field(foreign.instance_dict(value, facts_of(type(value))) or {}, "_mgr")
        axes = _compiled(manager, "axes")
        lengths = [_index_length(axis) for axis in reversed(axes)] if type(axes) is list else []
        note = f"shape ({', '.join(map(str, lengths))}{',' if len(lengths) == 1 else ''})" if lengths else ""
        return named(name, note, OPAQUE)

    return read


def _compiled(value: Any, name: str) -> Any:
    """An attribute that compiled code, or the instance, keeps; else None. No class statement makes such descriptors."""
    found = foreign.static_lookup(type(value), name)
    if type(found) is _GetSet:
        return read_getset(found, value)
    kept = foreign.field(foreign.instance_dict(value, facts_of(type(value))) or {}, name)
    return None if kept is foreign.MISSING else kept


def _index_length(axis: Any) -> int | str:
    """The length of a pandas index from the array (or range) it is made of."""
    fields = foreign.instance_dict(axis, facts_of(type(axis))) or {}
    span, data = foreign.field(fields, "_range"), foreign.field(fields, "_data")
    if type(span) is range:
        return len(span)
    inside = _compiled(data, "_ndarray")  # of an array of pandas' own, as for texts
    data = data if inside is None else inside
    return len(data) if type(data) is foreign.known_class("numpy", "ndarray") else "?"


_LIBRARIES: Final[tuple[tuple[str, str, Callable[[type, ClassFacts, type], Reader]], ...]] = (
    ("numpy", "ndarray", _numpy_array),
    ("numpy", "generic", _numpy_scalar),
    ("pandas", "DataFrame", _pandas_frame),
    ("pandas", "Series", _pandas_frame),
)

_BY_NAME: Final = _named_by("__qualname__", "__name__", "co_qualname")
EXACT: Final[dict[int, Reader]] = {
    id(cls): reader
    for cls, reader in (
        (dict, read_dict),
        (list, read_list),
        (tuple, read_tuple),
        (set, _items_of("set", set)),
        (frozenset, _items_of("frozenset", frozenset)),
        (collections.deque, _items_of("collections.deque", collections.deque)),
        (collections.OrderedDict, _entries_of("collections.OrderedDict")),
        (collections.defaultdict, _entries_of("collections.defaultdict")),
        (collections.Counter, _entries_of("collections.Counter")),
        (bytearray, _read_bytearray),
        (array.array, _read_array),
        (types.MappingProxyType, _read_view),
        (datetime.datetime, _read_moment),
        (datetime.time, _read_moment),
        (uuid.UUID, _read_uuid),
        (types.ModuleType, _read_module),
        (types.MethodType, _read_method),
        (functools.partial, _read_partial),
        (type, _read_class),
        *(
            (cls, _BY_NAME)
            for cls in (
                types.FunctionType, types.BuiltinFunctionType, types.GeneratorType, types.CoroutineType,
                types.AsyncGeneratorType, types.CodeType, types.MethodDescriptorType, types.WrapperDescriptorType,
            )
        ),
    )
}  # fmt: skip
"""Readers of exact types, by the id of the type: none of these classes ever goes away."""
