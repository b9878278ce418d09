"""Looking at objects that are not ours without running a line of their code.

Everything here goes round what a class may override: types by ``type(x)``, never ``__class__`` or ``isinstance``;
names and bases by the descriptors of ``type`` itself; fields from the real instance ``__dict__`` and from slot
members; contents through the builtin's own unbound methods. Classes are compared with ``is`` and looked up by
``id``: hashing one, or asking
``cls in classes``, may run its metaclass.

What is learned about a class is kept in `ClassFacts`. They hold the class weakly and no descriptor of it, because a
descriptor keeps its class alive. Facts may be out of date when a class is patched later; they then give another
answer, but never run anything, because each read checks again what it is about to call.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import functools
import itertools
import operator
import os
import sys
import types
import uuid
import weakref
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

MISSING: Final[Any] = type("Missing", (), {"__slots__": ()})()
"""Stands for "no such thing" where None is an answer."""

mro_of: Final[Callable[[type], tuple[type, ...]]] = type.__dict__["__mro__"].__get__
namespace_of: Final[Callable[[type], Mapping[str, Any]]] = type.__dict__["__dict__"].__get__
namespace_of_module: Final[Callable[[types.ModuleType], dict[str, Any]]] = vars(types.ModuleType)[
    "__dict__"
].__get__
"""The module's own dictionary; a module class with a ``__dict__`` of its own is not asked."""
_qualname_of: Final[Callable[[type], str]] = type.__dict__["__qualname__"].__get__
_module_of: Final[Callable[[type], object]] = type.__dict__["__module__"].__get__
_flags_of: Final[Callable[[type], int]] = type.__dict__["__flags__"].__get__

_HEAP_TYPE = 1 << 9
_LONGEST_NAME = 200
_MOST_FACTS = 4096

NoneType: Final = type(None)
_AnyTuple = collections.namedtuple("_AnyTuple", "field")
TupleGetter: Final[type] = type(vars(_AnyTuple)["field"])
read_field: Final[Callable[[Any, object], Any]] = vars(TupleGetter)["__get__"]
_GetSet = types.GetSetDescriptorType
_Member = types.MemberDescriptorType
read_getset: Final[Callable[[Any, object], Any]] = _GetSet.__get__
read_member: Final[Callable[[Any, object], Any]] = _Member.__get__

ATOMS: Final = (NoneType, bool, int, float, complex, str, bytes)
ATOM_IDS: Final = frozenset(map(id, ATOMS))
MOMENTS: Final = (datetime.datetime, datetime.date, datetime.time)
SCALAR_KEY_IDS: Final = frozenset(
    map(id, (*ATOMS, decimal.Decimal, datetime.date, datetime.timedelta, uuid.UUID))
)
"""Ids of types that compare with each other without running foreign code."""
KEY_IDS: Final = SCALAR_KEY_IDS | {id(tuple), id(frozenset)}
"""Ids of types that compare so with a scalar, though not with each other: a dict with such keys may be searched
for one."""
SAFE_ZONES: Final = (datetime.timezone, zoneinfo.ZoneInfo)


# ---------------------------------------------------------------- classes


def is_one_of(cls: type, group: Iterable[type]) -> bool:
    """``cls in group`` by identity, because ``==`` between classes belongs to their metaclass."""
    for member in group:  # noqa: SIM110 (a generator costs more than the comparisons)
        if cls is member:
            return True
    return False


def is_builtin_class(cls: type) -> bool:
    """Whether ``cls`` is compiled into the interpreter or an extension: nobody defined it with a class statement."""
    return not _flags_of(cls) & _HEAP_TYPE


def static_lookup(cls: type, name: str) -> Any:
    """What the classes of ``cls``'s method resolution order hold under ``name``, unbound, or `MISSING`."""
    for base in mro_of(cls):
        namespace = namespace_of(base)
        if name in namespace:
            return namespace[name]
    return MISSING


def plain_str(text: object) -> str:
    """An exact ``str`` with the characters of a ``str`` (or of an instance of a subclass); empty for anything else."""
    if type(text) is str:
        return text
    return str.__str__(text) if is_one_of(str, mro_of(type(text))) else ""


def name_of(cls: type) -> str:
    """The exact type as captures show it: ``str``, ``collections.OrderedDict``, ``trades.models.Order``."""
    qualname = plain_str(_qualname_of(cls))[:_LONGEST_NAME]
    module = plain_str(_module_of(cls))[:_LONGEST_NAME]
    return qualname if module in ("builtins", "") else f"{module}.{qualname}"


def type_name(value: object) -> str:
    """`name_of` the type of ``value``."""
    return facts_of(type(value)).name


_COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_ARITHMETIC = tuple(
    f"__{side}{name}__"
    for name in (
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "lshift",
        "rshift",
        "and",
        "or",
        "xor",
    )
    for side in ("", "r")
)
_READING = ("__len__", "__iter__", "__contains__", "__getitem__", "__bool__")
_WHAT_MATTERS = (
    *_COMPARISONS, *_ARITHMETIC, *_READING, "__int__", "__index__", "__float__", "__neg__", "__pos__", "__abs__",
    "__invert__", "__round__",
)  # fmt: skip

_CONTAINERS = (list, tuple, dict, set, frozenset)
_KNOWN_CONTAINERS: Final[tuple[tuple[type, type], ...]] = (
    (collections.OrderedDict, dict),
    (collections.defaultdict, dict),
    (collections.Counter, dict),
)


class ClassFacts:
    """What reading instances of one class needs to know; see the module's sentence on what it must not hold."""

    __slots__ = ("attributes", "base", "dict_at", "foreign_getattribute", "is_class", "name", "plain", "ref")

    def __init__(self, cls: type) -> None:
        self.ref = weakref.ref(cls)
        self.name = name_of(cls)
        bases = mro_of(cls)
        self.dict_at = _dict_position(bases)
        self.is_class = is_one_of(type, bases)
        """Whether instances are classes themselves: ``cls`` is ``type`` or a metaclass."""
        self.base = _builtin_base(cls, bases)
        """The builtin whose storage an instance has: ``int`` for an ``IntEnum``, ``dict`` for a ``defaultdict``."""
        self.plain = self.base is not None and _keeps_behaviour(cls, bases, self.base)
        """Whether the class leaves everything an expression may do with that builtin as it is."""
        self.foreign_getattribute = _overrides_getattribute(cls)
        self.attributes: dict[str, Attribute] = {}


_facts: dict[int, ClassFacts] = {}


def facts_of(cls: type) -> ClassFacts:
    """The facts about ``cls``, learned once."""
    facts = _facts.get(id(cls))
    if facts is not None and facts.ref() is cls:
        return facts
    return _learn(cls)


def _learn(cls: type) -> ClassFacts:
    if len(_facts) >= _MOST_FACTS:
        forget()
    facts = _facts[id(cls)] = ClassFacts(cls)
    return facts


def forget() -> None:
    """Learn every class anew: call it now and then, since classes can be patched while the process runs."""
    _facts.clear()
    for also in _forgets:
        also()


_forgets: list[Callable[[], None]] = []


def forgets_too(also: Callable[[], None]) -> None:
    """Have ``also`` called whenever the facts are forgotten."""
    _forgets.append(also)


def _dict_position(bases: tuple[type, ...]) -> int:
    """Which base brings the instance ``__dict__``; -1 when none does. A property of that name is passed over."""
    for position, base in enumerate(bases):
        if type(namespace_of(base).get("__dict__")) in (_GetSet, _Member) and base is not type:
            return position
    return -1


def _builtin_base(cls: type, bases: tuple[type, ...]) -> type | None:
    for base in bases:
        if is_one_of(base, (*ATOMS, *_CONTAINERS)):
            return base
    return None


def _keeps_behaviour(cls: type, bases: tuple[type, ...], builtin: type) -> bool:
    if cls is builtin or any(cls is known for known, _ in _KNOWN_CONTAINERS):
        return True
    for base in bases:
        if base is builtin:
            return True
        namespace = namespace_of(base)
        if any(name in namespace for name in _WHAT_MATTERS):
            return False
    return False


def _overrides_getattribute(cls: type) -> bool:
    found = static_lookup(cls, "__getattribute__")
    return type(found) is not types.WrapperDescriptorType or not is_builtin_class(found.__objclass__)


# ---------------------------------------------------------------- errors


def let_strangers_through(error: BaseException) -> None:
    """Raise ``error`` again if code that is not ours raised it: a signal handler or finaliser that ran meanwhile.

    What our own reading raises, directly or in compiled code, ends in a frame of ours; a handler's ends in its own.
    """
    last = error.__traceback__
    while last is not None:
        if not last.tb_frame.f_code.co_filename.startswith(_OUR_FILES):
            raise error
        last = last.tb_next


_OUR_FILES: Final = (
    os.path.dirname(__file__) + os.sep,
    os.path.dirname(let_strangers_through.__code__.co_filename) + os.sep,  # another where it was compiled
    uuid.__file__,
    datetime.__file__,
    decimal.__file__,
)


# ---------------------------------------------------------------- instance fields


def instance_dict(value: object, facts: ClassFacts) -> dict[Any, Any] | None:
    """The real ``__dict__`` of ``value``, whatever its class calls ``__dict__``; None when it has none."""
    if facts.dict_at < 0:
        return None
    found: Any = namespace_of(mro_of(type(value))[facts.dict_at]).get("__dict__")
    kind: type = type(found)
    if kind is _GetSet:
        fields = read_getset(found, value)
    elif kind is _Member:
        fields = read_member(found, value)
    else:
        return None
    return fields if type(fields) is dict or is_one_of(dict, mro_of(type(fields))) else None


def field(fields: dict[Any, Any], name: str) -> Any:
    """``fields[name]`` or `MISSING`, comparing only exact strings, so that no key's ``__eq__`` can run."""
    for key, value in dict.items(fields):
        if key is name:
            return value
    for key, value in dict.items(fields):
        if type(key) is str and key == name:
            return value
    return MISSING


class Attribute(NamedTuple):
    """How ``name`` is read on instances of a class. ``at`` is the base that holds the descriptor or value, -1 for
    none.
    """

    kind: str
    at: int = -1
    reason: str = ""


INSTANCE, MEMBER, GETSET, TUPLE_FIELD, ENUM_FIELD, CLASS_VALUE, LAZY, REFUSED, LOADED = (
    "instance", "member", "getset", "tuple_field", "enum_field", "class_value", "lazy", "refused", "loaded",
)  # fmt: skip

_READABLE_GETSETS: Final[tuple[tuple[type, frozenset[str]], ...]] = (
    (datetime.datetime, frozenset({"hour", "minute", "second", "microsecond", "tzinfo", "fold"})),
    (datetime.date, frozenset({"year", "month", "day"})),
    (datetime.time, frozenset({"hour", "minute", "second", "microsecond", "tzinfo", "fold"})),
    (int, frozenset({"real", "imag", "numerator", "denominator"})),
    (float, frozenset({"real", "imag"})),
    (BaseException, frozenset({"args", "__cause__", "__context__"})),
    (types.FunctionType, frozenset({"__name__", "__qualname__"})),
)


def attribute_of(facts: ClassFacts, cls: type, name: str) -> Attribute:
    """How to read ``name`` on instances of ``cls``."""
    attribute = facts.attributes.get(name)
    if attribute is None:
        attribute = facts.attributes[name] = _find_attribute(facts, cls, name)
    return attribute


def _find_attribute(facts: ClassFacts, cls: type, name: str) -> Attribute:
    if facts.foreign_getattribute:
        return Attribute(REFUSED, reason=f"{facts.name} overrides __getattribute__")
    for at, base in enumerate(mro_of(cls)):
        namespace = namespace_of(base)
        if name in namespace:
            return _judge_descriptor(namespace[name], at, base, name)
    return Attribute(INSTANCE)


def _judge_descriptor(found: Any, at: int, base: type, name: str) -> Attribute:
    kind = type(found)
    if kind is _Member:
        return Attribute(MEMBER, at)
    if kind is _GetSet:
        allowed = any(base is owner and name in names for owner, names in _READABLE_GETSETS)
        return (
            Attribute(GETSET, at) if allowed else Attribute(REFUSED, reason="it is computed by an extension")
        )
    if kind is TupleGetter:
        return Attribute(TUPLE_FIELD, at)
    if kind is enum.property and name in ("name", "value"):
        return Attribute(ENUM_FIELD, at)
    if static_lookup(kind, "__get__") is MISSING:
        return Attribute(CLASS_VALUE, at)
    if any(kind is known_class(module, name) for module, name in _SHOW_WHAT_IS_LOADED):
        return Attribute(LOADED, reason="it is not loaded, and loading it would query the database")
    data = static_lookup(kind, "__set__") is not MISSING or static_lookup(kind, "__delete__") is not MISSING
    return Attribute(REFUSED if data else LAZY, reason=_what_it_is(kind))


_SHOW_WHAT_IS_LOADED: Final = (
    ("sqlalchemy.orm.attributes", "InstrumentedAttribute"),
    ("django.db.models.fields.related_descriptors", "ForeignKeyDeferredAttribute"),
)
"""Data descriptors that answer what stands in the instance's ``__dict__`` if it is there, and query otherwise."""


def _what_it_is(kind: type) -> str:
    if is_one_of(kind, (property, enum.property)):
        return "it is a property"
    if is_one_of(kind, (types.FunctionType, classmethod, staticmethod, types.MethodDescriptorType)):
        return "it is a method"
    if kind is functools.cached_property:
        return "it is a cached_property that has not been computed"
    return f"it is a descriptor ({name_of(kind)})"


def known_class(module: str, name: str) -> Any:
    """A library's class if that library is imported already, else `MISSING`. Never imports, never calls
    ``__getattr__``.
    """
    found = sys.modules.get(module)
    if type(found) is not types.ModuleType:
        return MISSING
    value = field(_module_dict(found), name)
    return value if value is not MISSING and facts_of(type(value)).is_class else MISSING


_module_dict: Final[Callable[[types.ModuleType], dict[str, Any]]] = vars(types.ModuleType)["__dict__"].__get__


class Unreadable(Exception):
    """Reading an attribute would run foreign code; the message says whose."""


def read_attribute(value: object, name: str) -> Any:
    """``value.name`` without running code, `MISSING` when there is none. Raises `Unreadable`."""
    cls = type(value)
    facts = facts_of(cls)
    if facts.is_class:
        return _read_class_attribute(value, cls, name)  # type: ignore[arg-type]
    attribute = facts.attributes.get(name) or attribute_of(facts, cls, name)
    kind = attribute.kind
    if kind in (INSTANCE, CLASS_VALUE, LAZY, LOADED):
        fields = instance_dict(value, facts)
        found = MISSING if fields is None else field(fields, name)
        if found is not MISSING:
            return found
        if kind == CLASS_VALUE:
            return _class_value(cls, attribute.at, name)
        if kind == INSTANCE:
            return _no_such_field(cls, facts)
    elif kind != REFUSED:
        return _read_descriptor(value, cls, attribute, name)
    raise Unreadable(attribute.reason)


def _no_such_field(cls: type, facts: ClassFacts) -> Any:
    if facts.dict_at < 0 and static_lookup(cls, "__dict__") is not MISSING:
        raise Unreadable(f"{facts.name} replaces its __dict__")
    if cls is not types.ModuleType and static_lookup(cls, "__getattr__") is not MISSING:
        raise Unreadable(f"it is not among the fields, and {facts.name}.__getattr__ would be asked")
    return MISSING


def _class_value(cls: type, at: int, name: str) -> Any:
    bases = mro_of(cls)
    found = namespace_of(bases[at]).get(name, MISSING) if at < len(bases) else MISSING
    if found is not MISSING and static_lookup(type(found), "__get__") is not MISSING:
        raise Unreadable(_what_it_is(type(found)))
    return found


def _read_descriptor(value: object, cls: type, attribute: Attribute, name: str) -> Any:
    if attribute.kind == ENUM_FIELD:
        fields = instance_dict(value, facts_of(cls))
        return MISSING if fields is None else field(fields, f"_{name}_")
    bases = mro_of(cls)
    found: Any = namespace_of(bases[attribute.at]).get(name) if attribute.at < len(bases) else None
    kind: type = type(found)
    try:
        if kind is _Member:
            return read_member(found, value)
        if kind is _GetSet:
            return read_getset(found, value)
        if kind is TupleGetter:
            return read_field(found, value)
    except AttributeError:
        return MISSING
    raise Unreadable(_what_it_is(kind))


def _read_class_attribute(value: type, metaclass: type, name: str) -> Any:
    on_metaclass = static_lookup(metaclass, name)
    if on_metaclass is not MISSING and static_lookup(type(on_metaclass), "__set__") is not MISSING:
        raise Unreadable("its metaclass computes it")
    found = static_lookup(value, name)
    if found is MISSING:
        return _no_such_field(metaclass, facts_of(metaclass)) if on_metaclass is MISSING else MISSING
    if static_lookup(type(found), "__get__") is not MISSING:
        raise Unreadable(_what_it_is(type(found)))
    return found


# ---------------------------------------------------------------- builtin contents


def plain(value: Any) -> Any:
    """``value`` as the exact builtin it is made of, if its class changes nothing that matters; else ``value`` itself.

    Containers come back as they are: read those through `container_base` and the unbound methods.
    """
    cls = type(value)
    if id(cls) in ATOM_IDS:
        return value
    facts = facts_of(cls)
    base = facts.base
    if base is cls or base is None or not facts.plain:
        return _numpy_item(value, cls) if base is not cls else value
    copy = _EXACT_COPY.get(base)
    return value if copy is None else copy(value)


_EXACT_COPY: Final[dict[type, Callable[[Any], Any]]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: bytes.__bytes__,
    complex: complex.__complex__,
}


def _numpy_item(value: Any, cls: type) -> Any:
    """A numpy number as the Python number it stands for; only numpy's own compiled classes."""
    generic = known_class("numpy", "generic")
    if generic is MISSING or not is_builtin_class(cls) or not is_builtin_class(generic):
        return value
    if not is_one_of(generic, mro_of(cls)):
        return value
    item = namespace_of(generic)["item"](value)
    return item if is_one_of(type(item), ATOMS) else value


def container_base(value: object) -> Any:
    """The builtin container (or ``deque``, ``range``, ``bytearray``) that may be read as such, or None."""
    cls = type(value)
    if id(cls) in _EXACT_CONTAINER_IDS:
        return cls
    if id(cls) in ATOM_IDS:
        return None
    facts = facts_of(cls)
    return facts.base if facts.plain and facts.base in _CONTAINERS else None


_EXACT_CONTAINER_IDS: Final = frozenset(map(id, (*_CONTAINERS, collections.deque, range, bytearray)))


def take(iterable: Iterable[Any], count: int) -> list[Any]:
    """The first ``count`` elements in one step of the interpreter, so that no other thread gets between."""
    return list(itertools.islice(iterable, count))


def same_zone_or_safe(left: Any, right: Any) -> bool:
    """Whether comparing two moments stays inside compiled code: no ``utcoffset`` of a foreign time zone is asked."""
    zones = [zone for zone in (zone_of(left), zone_of(right)) if zone is not None]
    return all(is_one_of(type(zone), SAFE_ZONES) for zone in zones) or (
        len(zones) == 2 and zones[0] is zones[1]
    )


def zone_of(moment: object) -> Any:
    """The ``tzinfo`` of a datetime or time, None for a date."""
    cls = type(moment)
    if cls is datetime.datetime or cls is datetime.time:
        return operator.attrgetter("tzinfo")(moment)
    return None
