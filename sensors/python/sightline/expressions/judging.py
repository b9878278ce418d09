"""The same language, asked about captured values: true, false, or unknown.

A capture is not the object: it may be cut, and secrets are withheld. Where such a value decides, the answer is
unknown (None), never false. Logic is Kleene's: ``unknown and False`` is False, ``unknown or True`` is True.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import UNSET

from sightline import wire
from sightline.errors import BudgetExceeded, ExpressionError
from sightline.foreign import MISSING

from . import formats
from . import operations as do
from .budget import Budget
from .closures import FUNCTIONS
from .grammar import Tree, check
from .patterns import Pattern

STEPS: Final = 200_000
SECONDS: Final = 1.0


def judge(expression: wire.Expression, values: Mapping[str, wire.Value]) -> bool | None:
    """Whether ``expression`` holds for captured ``values``; None when what was cut, withheld or not captured decides.

    An operation that means nothing for the values it meets (``"a" < 1``) is unknown too. Raises `NotInLanguage`
    for a tree that is not of the language. To ask the same of many captures, make one `Judge`.
    """
    return Judge(expression).holds(values)


class Judge:
    """One expression, checked once, to be asked of many captures."""

    def __init__(self, expression: wire.Expression) -> None:
        self.tree = check(expression.tree)

    def holds(self, values: Mapping[str, wire.Value]) -> bool | None:
        """The truth of the expression for these values."""
        try:
            return _truth(_Asking(values).ask(self.tree))
        except (ExpressionError, BudgetExceeded, *_FAILS):
            return None


_FAILS: Final = (TypeError, ValueError, ArithmeticError, LookupError, RecursionError)


class _Unknown:
    """What cannot be known; any operation on it is unknown again."""


UNKNOWN: Final = _Unknown()


class _Captured:
    """A captured value that is no plain builtin, or not whole: its type is known, perhaps its length and parts of
    it.
    """

    __slots__ = ("value",)

    def __init__(self, value: wire.Value) -> None:
        self.value = value


# ---------------------------------------------------------------- from the wire


def lift(value: wire.Value) -> Any:
    """The Python value that was captured, if the capture is whole and of a builtin type; else something that knows
    its gaps.
    """
    if value.redacted is not None or value.cut is not None:
        return _Captured(value)
    read = _SCALARS.get(value.type)
    if read is not None and value.value is not UNSET:
        return read(value.value)
    make = _CONTAINERS.get(value.type)
    if make is not None and value.items is not None:
        return _whole(value, make, map(lift, value.items))
    if value.entries is not None and value.type in _MAPPINGS:
        return _whole(value, dict, ((lift(key), lift(each)) for key, each in value.entries))
    return _Captured(value)


def lift_text(value: wire.Value, conversion: str, spec: str) -> str | None:
    """A captured value formatted as a template asks (``{total:.2f}``); None when it is not whole or the format
    does not fit.
    """
    lifted = lift(value)
    try:
        return None if isinstance(lifted, _Captured) else formats.text_of(lifted, conversion, spec)
    except (ExpressionError, *_FAILS):
        return None


def _whole(value: wire.Value, make: Callable[[Iterable[Any]], Any], parts: Iterable[Any]) -> Any:
    kept = list(parts)
    if not all(map(_is_whole, kept)):
        return _Captured(value)
    try:
        return make(kept)
    except TypeError:  # an unhashable or unlikely key
        return _Captured(value)


def _is_whole(part: Any) -> bool:
    return all(map(_is_whole, part)) if type(part) is tuple else not isinstance(part, _Captured)


_SCALARS: Final[dict[str, Callable[[Any], Any]]] = {
    "NoneType": lambda value: None,
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "bytes": lambda value: value.encode("latin-1"),
    "decimal.Decimal": decimal.Decimal,
    "uuid.UUID": uuid.UUID,
    "datetime.datetime": datetime.datetime.fromisoformat,
    "datetime.date": datetime.date.fromisoformat,
    "datetime.time": datetime.time.fromisoformat,
    "numpy.float64": float,
    "numpy.float32": float,
    "numpy.int64": int,
    "numpy.int32": int,
    "numpy.bool": bool,
    "numpy.bool_": bool,
}
_CONTAINERS: Final[dict[str, Callable[[Iterable[Any]], Any]]] = {
    "list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "collections.deque": list,
}  # fmt: skip
_MAPPINGS: Final = frozenset(
    {"dict", "collections.OrderedDict", "collections.defaultdict", "collections.Counter"}
)


# ---------------------------------------------------------------- three-valued logic


def _truth(value: Any) -> bool | None:
    if value is UNKNOWN:
        return None
    if isinstance(value, _Captured):
        size = value.value.size
        if size is not None and value.value.redacted is None and _is_builtin_container(value.value):
            return size > 0
        return None
    return do.truth(value)


def _is_builtin_container(value: wire.Value) -> bool:
    return value.type in _CONTAINERS or value.type in _MAPPINGS or value.type in ("str", "bytes")


def _from_truth(truth: bool | None) -> Any:
    return UNKNOWN if truth is None else truth


def _not(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _any(truths: Iterable[bool | None]) -> bool | None:
    unknown = False
    for truth in truths:
        if truth:
            return True
        unknown = unknown or truth is None
    return None if unknown else False


def _all(truths: Iterable[bool | None]) -> bool | None:
    return _not(_any(map(_not, truths)))


# ---------------------------------------------------------------- asking


class _Asking:
    """One tree asked of one capture: a method per kind of node."""

    def __init__(self, values: Mapping[str, wire.Value]) -> None:
        self.values = values
        self.bound: dict[str, Any] = {}
        self.budget = Budget(STEPS, SECONDS)

    def ask(self, tree: Tree) -> Any:
        self.budget.charge()
        return getattr(self, _METHODS.get(tree[0], f"_{tree[0]}"))(tree)

    def ask_all(self, trees: Iterable[Tree]) -> list[Any]:
        return [self.ask(tree) for tree in trees]

    def known(self, trees: Iterable[Tree], work: Callable[..., Any]) -> Any:
        """``work`` on these values, if all of them are known whole."""
        values = self.ask_all(trees)
        if any(value is UNKNOWN or isinstance(value, _Captured) for value in values):
            return UNKNOWN
        return work(*values)

    def _const(self, tree: Tree) -> Any:
        return tree[1]

    def _int(self, tree: Tree) -> Any:
        return int(tree[1])

    def _bytes(self, tree: Tree) -> Any:
        return tree[1].encode("latin-1")

    def _name(self, tree: Tree) -> Any:
        name = tree[1]
        if name in self.bound:
            return self.bound[name]
        return lift(self.values[name]) if name in self.values else UNKNOWN

    def _attr(self, tree: Tree) -> Any:
        owner, name = self.ask(tree[1]), tree[2]
        if not isinstance(owner, _Captured):
            return UNKNOWN if owner is UNKNOWN else do.attribute(owner, name, lambda: name)
        value = owner.value
        if value.fields is not None and name in value.fields:
            return lift(value.fields[name])
        if value.note is not None and value.redacted is None and value.value is not UNSET:
            return {"name": value.note, "value": value.value}.get(name, UNKNOWN)  # an enum's member
        return UNKNOWN

    def _item(self, tree: Tree) -> Any:
        container, key = self.ask_all(tree[1:])
        if isinstance(container, _Captured) and key is not UNKNOWN and not isinstance(key, _Captured):
            return self.part(container.value, key)
        if UNKNOWN in (container, key) or isinstance(key, _Captured):
            return UNKNOWN
        return do.item(container, key, self.budget)

    def part(self, value: wire.Value, key: Any) -> Any:
        """One element of a container that is not known whole."""
        if value.entries is not None:
            for each, found in value.entries:
                if _equal(lift(each), key, self.budget) is True:
                    return lift(found)
        ordered = value.items is not None and value.type in ("list", "tuple", "collections.deque")
        if ordered and type(key) is int and value.items is not None:
            at = key if key >= 0 else key + (value.size if value.size is not None else len(value.items))
            if 0 <= at < len(value.items):
                return lift(value.items[at])
        return UNKNOWN

    def _slice(self, tree: Tree) -> Any:
        bounds = [["const", None] if part is None else part for part in tree[2:]]
        return self.known(
            [tree[1], *bounds],
            lambda value, start, stop, step: do.piece(value, start, stop, step, self.budget),
        )

    def _not(self, tree: Tree) -> Any:
        return _from_truth(_not(_truth(self.ask(tree[1]))))

    def _unary(self, tree: Tree) -> Any:
        return self.known(tree[1:], lambda value: do.unary(tree[0], value))

    def _logic(self, tree: Tree) -> Any:
        """``and`` and ``or``: the deciding value, where it is known which that is."""
        stops_at = tree[0] == "or"
        value: Any = UNKNOWN
        unknown = False
        for part in tree[1:]:
            value = self.ask(part)
            truth = _truth(value)
            if truth is stops_at:
                return stops_at if unknown else value
            unknown = unknown or truth is None
        return UNKNOWN if unknown else value

    def _if(self, tree: Tree) -> Any:
        truth = _truth(self.ask(tree[1]))
        if truth is not None:
            return self.ask(tree[2] if truth else tree[3])
        return UNKNOWN

    def _arith(self, tree: Tree) -> Any:
        return self.known(tree[2:], lambda left, right: do.arithmetic(tree[1], left, right, self.budget))

    def _compare(self, tree: Tree) -> Any:
        values = self.ask_all(tree[1::2])
        pairs = zip(tree[2::2], values, values[1:], strict=False)
        return _from_truth(_all(_compared(op, left, right, self.budget) for op, left, right in pairs))

    def _display(self, tree: Tree) -> Any:
        make = {"list": list, "tuple": tuple, "set": set}[tree[0]]
        return self.known(tree[1:], lambda *values: make(values))

    def _text(self, tree: Tree) -> Any:
        parts = [["const", part] if type(part) is str else part for part in tree[1:]]
        return self.known(parts, lambda *values: formats.joined(list(values)))

    def _format(self, tree: Tree) -> Any:
        return self.known([tree[1]], lambda value: formats.text_of(value, tree[2], tree[3]))

    # functions

    def _call(self, tree: Tree) -> Any:
        name, *arguments = tree[1:]
        special = getattr(self, f"_call_{name}", None)
        if special is not None:
            return special(*arguments)
        return self.known(arguments, lambda *values: FUNCTIONS[name](self.budget, *values))

    def _call_len(self, argument: Tree) -> Any:
        value = self.ask(argument)
        if isinstance(value, _Captured):
            size = value.value.size
            return UNKNOWN if size is None or not _is_builtin_container(value.value) else size
        return UNKNOWN if value is UNKNOWN else do.length(value)

    def _call_type_name(self, argument: Tree) -> Any:
        value = self.ask(argument)
        if isinstance(value, _Captured):
            return value.value.type
        return UNKNOWN if value is UNKNOWN else FUNCTIONS["type_name"](self.budget, value)

    def _call_is_none(self, argument: Tree) -> Any:
        return _from_truth(_identical(self.ask(argument), None))

    def _call_contains(self, container: Tree, element: Tree) -> Any:
        return _from_truth(_contains(self.ask(container), self.ask(element), self.budget))

    def _call_startswith(self, text: Tree, part: Tree) -> Any:
        value, wanted = self.ask(text), self.ask(part)
        if isinstance(value, _Captured) and type(wanted) is str:
            kept = _beginning(value.value)
            return kept.startswith(wanted) if kept is not None and len(wanted) <= len(kept) else UNKNOWN
        return UNKNOWN if _gap(value, wanted) else do.affix("startswith", value, wanted)

    def _call_matches(self, text: Tree, pattern: Tree) -> Any:
        return self.known([text], lambda value: Pattern(pattern[1]).found_in(value, self.budget))

    def _call_get(self, mapping: Tree, key: Tree, default: Tree | None = None) -> Any:
        value, wanted = self.ask(mapping), self.ask(key)
        if isinstance(value, _Captured) and not _gap(wanted):
            return self.part(value.value, wanted)
        if _gap(value, wanted):
            return UNKNOWN
        found = do.lookup(value, wanted, self.budget)
        if found is not MISSING:
            return found
        return None if default is None else self.ask(default)

    def _call_any(self, argument: Tree) -> Any:
        return _from_truth(_any(map(_truth, self.elements(self.ask(argument)))))

    def _call_all(self, argument: Tree) -> Any:
        return _from_truth(_all(map(_truth, self.elements(self.ask(argument)))))

    # loops

    def elements(self, value: Any) -> Iterator[Any]:
        """What a container held, and one unknown for all that was not kept."""
        if not isinstance(value, _Captured):
            yield from [UNKNOWN] if value is UNKNOWN else do.elements(value, self.budget)
            return
        captured = value.value
        kept = captured.items if captured.items is not None else [key for key, _ in captured.entries or ()]
        yield from map(lift, kept)
        if captured.cut is not None or captured.redacted is not None or captured.size != len(kept):
            yield UNKNOWN

    def _quantifier(self, tree: Tree) -> Any:
        kind, names, iterable, conditions, value = tree
        results = self.results(names, iterable, conditions, value)
        if kind in ("any", "all"):
            return _from_truth((_any if kind == "any" else _all)(_truth(each) for each in results))
        kept = list(results)
        if _gap(*kept):
            return UNKNOWN
        if kind == "sum":
            return do.total(iter(kept), self.budget)
        return do.extreme("<" if kind == "min" else ">", iter(kept), self.budget)

    def results(self, names: Any, iterable: Tree, conditions: list[Tree], value: Tree) -> Iterator[Any]:
        outer = self.bound
        try:
            for element in self.elements(self.ask(iterable)):
                self.bound = {**outer, **self.bind(names, element)}
                wanted = _all(_truth(self.ask(condition)) for condition in conditions)
                if wanted is None:
                    yield UNKNOWN
                elif wanted:
                    yield self.ask(value)
        finally:
            self.bound = outer

    def bind(self, names: Any, element: Any) -> dict[str, Any]:
        if type(names) is str:
            return {names: element}
        if element is UNKNOWN:
            return dict.fromkeys(names, UNKNOWN)
        return dict(zip(names, self.elements(element), strict=True))


_METHODS: Final = {
    **dict.fromkeys(("neg", "pos", "inv"), "_unary"),
    **dict.fromkeys(("and", "or"), "_logic"),
    **dict.fromkeys(("list", "tuple", "set"), "_display"),
    **dict.fromkeys(("any", "all", "sum", "min", "max"), "_quantifier"),
}


# ---------------------------------------------------------------- comparisons with gaps


def _gap(*values: Any) -> bool:
    return any(value is UNKNOWN or isinstance(value, _Captured) for value in values)


def _compared(op: str, left: Any, right: Any, budget: Budget) -> bool | None:
    if op in ("is", "is not"):
        return _identical(left, right) if op == "is" else _not(_identical(left, right))
    if op in ("==", "!="):
        return _equal(left, right, budget) if op == "==" else _not(_equal(left, right, budget))
    if op in ("in", "not in"):
        return _contains(right, left, budget) if op == "in" else _not(_contains(right, left, budget))
    return None if _gap(left, right) else do.order(op, left, right, budget)


def _identical(left: Any, right: Any) -> bool | None:
    """``is`` with None, True or False: a captured type decides it. Any other identity ended with the process."""
    for value, other in ((left, right), (right, left)):
        if other is None or other is True or other is False:
            if isinstance(value, _Captured):
                return False if value.value.type != type(other).__name__ else None
            return None if value is UNKNOWN else value is other
    return None


def _equal(left: Any, right: Any, budget: Budget) -> bool | None:
    if left is UNKNOWN or right is UNKNOWN:
        return None
    if isinstance(left, _Captured) and isinstance(right, _Captured):
        return _equal_hashes(left.value, right.value)
    if isinstance(left, _Captured):
        left, right = right, left
    if isinstance(right, _Captured):
        return _equal_beginning(right.value, left)
    return do.equal(left, right, budget)


def _equal_hashes(left: wire.Value, right: wire.Value) -> bool | None:
    """Two values of one type with keyed hashes: withheld or cut, but comparable."""
    if left.type != right.type or left.hash is None or right.hash is None:
        return None
    return left.hash == right.hash


def _equal_beginning(cut: wire.Value, other: Any) -> bool | None:
    """A cut text is unequal to one of another length or beginning; anything else stays open."""
    if cut.type == "NoneType" or other is None:
        return False if cut.type in _SCALARS or cut.type in _CONTAINERS else None
    kept = _beginning(cut)
    if kept is None or type(other) is not str:
        return None
    return None if other.startswith(kept) and len(other) == cut.size else False


def _beginning(value: wire.Value) -> str | None:
    """The part that was kept of a text cut for its length."""
    if value.type == "str" and value.cut == "length" and type(value.value) is str:
        return value.value
    return None


def _contains(container: Any, element: Any, budget: Budget) -> bool | None:
    if container is UNKNOWN or element is UNKNOWN:
        return None
    if not _gap(container, element):
        return do.contains(container, element, budget)
    if isinstance(container, _Captured):
        kept = _beginning(container.value)
        if kept is not None:
            return True if type(element) is str and element in kept else None
    if type(container) is str:
        return None
    asking = _Asking({})
    return _any(_equal(each, element, budget) for each in asking.elements(container))
