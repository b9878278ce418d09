"""Objects that do something, or never come back, when they are looked at; each use of their code is written down
in ``ran``."""

from __future__ import annotations

import collections
import functools
import itertools
import time
from collections.abc import Iterator
from typing import Any

ran: list[str] = []
"""What foreign code has run. A test that looks at hostile objects ends with this list empty."""


class Order:
    """The one well-behaved class here, with one attribute of every dangerous kind."""

    kind = "order"

    def __init__(self) -> None:
        self.amount = 5

    @property
    def total(self) -> int:
        ran.append("property")
        self.amount += 1
        return self.amount

    @functools.cached_property
    def lazy(self) -> int:
        ran.append("cached_property")
        return 42

    @property
    def slow(self) -> int:
        ran.append("slow property")
        time.sleep(60)
        return 1

    @property
    def spinning(self) -> int:
        ran.append("spinning property")
        while True:
            pass

    def method(self) -> int:
        ran.append("method")
        return 1


class Descriptor:
    def __get__(self, instance: object, owner: type | None = None) -> int:
        ran.append("descriptor")
        return 1


class DataDescriptor(Descriptor):
    def __set__(self, instance: object, value: object) -> None:
        ran.append("descriptor set")


class Described:
    plain = Descriptor()
    data = DataDescriptor()


class GetAttr:
    def __init__(self) -> None:
        self.field = 1

    def __getattr__(self, name: str) -> Any:
        ran.append(f"__getattr__ {name}")
        return 1


class GetAttribute:
    def __init__(self) -> None:
        object.__setattr__(self, "field", 1)

    def __getattribute__(self, name: str) -> Any:
        ran.append(f"__getattribute__ {name}")
        return object.__getattribute__(self, name)


def _everything(*names: str) -> dict[str, Any]:
    def make(name: str) -> Any:
        def method(self: object, *args: object) -> Any:
            ran.append(name)
            return NotImplemented

        return method

    return {name: make(name) for name in names}


OPERATORS = (
    "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__bool__", "__len__", "__contains__",
    "__getitem__", "__iter__", "__next__", "__call__", "__repr__", "__str__", "__format__", "__bytes__", "__int__",
    "__float__", "__index__", "__add__", "__radd__", "__mul__", "__rmul__", "__sub__", "__neg__", "__abs__",
    "__round__", "__and__", "__or__", "__missing__", "__reversed__", "__dir__", "__sizeof__", "__reduce__",
    "__reduce_ex__", "__getstate__", "__copy__", "__deepcopy__", "__length_hint__", "__fspath__",
    "__instancecheck__", "__del__",
)  # fmt: skip

Touchy = type("Touchy", (), _everything(*OPERATORS[:-1]))
"""Every operator there is writes itself down."""


class LyingMeta(type):
    """Classes that cannot be hashed, compared, named or asked for their bases without running this."""

    def __hash__(cls) -> int:
        ran.append("metaclass __hash__")
        return 1

    def __eq__(cls, other: object) -> bool:
        ran.append("metaclass __eq__")
        return True

    def __instancecheck__(cls, instance: object) -> bool:
        ran.append("metaclass __instancecheck__")
        return True

    def __subclasscheck__(cls, subclass: type) -> bool:
        ran.append("metaclass __subclasscheck__")
        return True

    def __getattribute__(cls, name: str) -> Any:
        if name not in ("__class__", "__dict__", "__mro__", "mro"):
            ran.append(f"metaclass __getattribute__ {name}")
        return type.__getattribute__(cls, name)

    def __repr__(cls) -> str:
        ran.append("metaclass __repr__")
        return "lie"

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        ran.append("metaclass __name__")
        return "Lie"

    @property
    def __module__(cls) -> str:  # type: ignore[override]
        ran.append("metaclass __module__")
        return "lie"


def lying_instance() -> Any:
    """An instance of a class whose metaclass lies; making it may run the metaclass, so the list is emptied."""
    made = LyingMeta("Honest", (), {})()
    made.field = 1
    ran.clear()
    return made


class ClassLie:
    @property
    def __class__(self) -> type:  # type: ignore[override]
        ran.append("__class__")
        return int

    def __init__(self) -> None:
        self.field = 1


class DictLie:
    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        ran.append("__dict__")
        return {"field": "a lie"}

    def __init__(self) -> None:
        self.field = 1


class DictLieOverTruth(Order):
    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        ran.append("__dict__")
        return {"amount": "a lie"}


class Str(str):
    def _touched(self, *args: object) -> Any:
        ran.append("str subclass")
        return NotImplemented

    __str__ = __len__ = __hash__ = __eq__ = __iter__ = __getitem__ = __contains__ = _touched
    __format__ = __repr__ = _touched
    encode = isascii = startswith = lower = _touched


class Int(int):
    def _touched(self, *args: object) -> Any:
        ran.append("int subclass")
        return NotImplemented

    __index__ = __int__ = __eq__ = __lt__ = __gt__ = __bool__ = __hash__ = __repr__ = __add__ = _touched


class Float(float):
    def _touched(self, *args: object) -> Any:
        ran.append("float subclass")
        return NotImplemented

    __float__ = __eq__ = __lt__ = __bool__ = __repr__ = _touched


class Dict(dict):  # type: ignore[type-arg]
    def _touched(self, *args: object) -> Any:
        ran.append("dict subclass")
        return iter(())

    items = keys = values = get = copy = __iter__ = __len__ = __getitem__ = __contains__ = _touched
    __eq__ = __missing__ = _touched


class List(list):  # type: ignore[type-arg]
    def _touched(self, *args: object) -> Any:
        ran.append("list subclass")
        return iter(())

    __iter__ = __len__ = __getitem__ = __contains__ = __eq__ = copy = _touched


class Tuple(tuple):  # type: ignore[type-arg]
    def _touched(self, *args: object) -> Any:
        ran.append("tuple subclass")
        return iter(())

    __iter__ = __len__ = __getitem__ = __contains__ = __eq__ = __hash__ = _touched


class Set(set):  # type: ignore[type-arg]
    def _touched(self, *args: object) -> Any:
        ran.append("set subclass")
        return iter(())

    __iter__ = __len__ = __contains__ = __eq__ = copy = _touched


class Missing(dict):  # type: ignore[type-arg]
    def __missing__(self, key: object) -> int:
        ran.append("__missing__")
        self[key] = 1
        return 1


class SameHash:
    """A key that hashes like the text ``a`` and equals everything: finding ``a`` in a dict would ask it."""

    def __hash__(self) -> int:
        return hash("a")

    def __eq__(self, other: object) -> bool:
        ran.append("key __eq__")
        return True


class QuerySet:
    """A lazy query set: any look at its contents queries the database."""

    def _fetch(self, *args: object) -> Iterator[int]:
        ran.append("database query")
        return iter((1, 2))

    __iter__ = _fetch
    __len__ = __bool__ = __repr__ = __contains__ = __getitem__ = _fetch  # type: ignore[assignment]


class LazyProxy:
    """Every attribute resolves the wrapped object (``SimpleLazyObject``, ``LocalProxy``)."""

    def __getattr__(self, name: str) -> Any:
        ran.append("lazy set-up")
        return getattr(Order(), name)

    @property
    def __class__(self) -> type:  # type: ignore[override]
        ran.append("lazy __class__")
        return Order


class Unbound:
    """A context local outside its context."""

    def __getattribute__(self, name: str) -> Any:
        ran.append("unbound")
        raise RuntimeError("Working outside of request context.")


class Endless:
    def __iter__(self) -> Iterator[int]:
        ran.append("endless")
        return itertools.count()


class HalfSlotted:
    __slots__ = ("empty", "filled")

    def __init__(self) -> None:
        self.filled = 1


class Demanding(Exception):
    """An exception that cannot be made without arguments, with fields and a text that run code."""

    def __init__(self, code: int, /, *, detail: str) -> None:
        super().__init__(code)
        self.detail = detail

    def __str__(self) -> str:
        ran.append("exception __str__")
        return "text"

    __repr__ = __str__


def cyclic_exception() -> Exception:
    """Two exceptions, each the cause and context of the other, with notes."""
    first, second = Demanding(1, detail="first"), ValueError("second")
    first.__cause__ = second
    second.__context__ = first
    second.__cause__ = first
    first.add_note("a note")
    return first


def deep_list(depth: int = 100_000) -> list[Any]:
    """A list in a list in a list."""
    outer: list[Any] = []
    inner = outer
    for _ in range(depth):
        inner.append([])
        inner = inner[0]
    return outer


def cyclic_graph() -> dict[str, Any]:
    """A graph that contains itself in three ways."""
    graph: dict[str, Any] = {"list": []}
    graph["list"].append(graph)
    graph["self"] = graph
    graph["order"] = Order()
    graph["order"].graph = graph
    return graph


def generator() -> Iterator[int]:
    for number in range(3):
        ran.append("generator")
        yield number


async def coroutine() -> None:
    ran.append("coroutine")


Point = collections.namedtuple("Point", "x y")
