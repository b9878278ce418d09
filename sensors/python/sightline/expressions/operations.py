"""What the operators and functions of the language do to values, without running a line of the values' own code.

Each takes the values and a `Budget` where it may loop; each either answers as Python would for builtin values or raises
`ExpressionError`. Numbers, texts and containers of subclasses count as builtins when the subclass changes nothing
that matters (`foreign.plain`, `foreign.container_base`).
"""

from __future__ import annotations

import collections
import datetime
import decimal
import operator
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

from sightline import foreign
from sightline.errors import Changed, NotDefined, TooLarge, UnknownName, WouldRunCode
from sightline.foreign import MISSING

from .budget import Budget

MAX_BITS: Final = 16_384
MAX_LENGTH: Final = 100_000

_QUICK_IDS: Final = frozenset(map(id, (bool, int, float)))
"""Ids of types compared at once, before anything else is looked at."""
_REAL: Final = (bool, int, float)
_NUMBERS: Final = (bool, int, float, complex)
_MOMENTS: Final = (datetime.datetime, datetime.date, datetime.time)
_SETS: Final = (set, frozenset)
_ORDERS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

DECIMALS: Final = decimal.Context(
    prec=50, traps=[decimal.DivisionByZero, decimal.InvalidOperation, decimal.Overflow]
)
"""Ours, so that the application's flags and precision stay as they are."""
_QUIET: Final = decimal.Context(prec=50, traps=[])


def _is(value: object, *classes: type) -> bool:
    return foreign.is_one_of(type(value), classes)


def _types(*values: object) -> str:
    return " and ".join(foreign.type_name(value) for value in values)


def _undefined(what: str, *values: object) -> NoReturn:
    raise NotDefined(f"{what} is not defined for {_types(*values)}")


def _refuse_foreign(what: str, value: object) -> None:
    """Raises for a value whose operators are its own; builtins go on to be told what is not defined for them."""
    if not _is(value, *foreign.ATOMS) and foreign.container_base(value) is None:
        _foreign_code(what, value)


def _foreign_code(what: str, value: object) -> NoReturn:
    raise WouldRunCode(f"{what} a {foreign.type_name(value)} would run its own code")


# ---------------------------------------------------------------- truth and equality


def truth(value: Any) -> bool:
    """``bool(value)`` for values whose truth runs no foreign code."""
    if value is True or value is False:
        return bool(value)
    if value is None:
        return False
    value = foreign.plain(value)
    if _is(value, *_NUMBERS, str, bytes, decimal.Decimal, datetime.timedelta):
        return bool(value)
    base = foreign.container_base(value)
    if base is not None:
        return length(value) > 0
    cls = type(value)
    for name in ("__bool__", "__len__"):
        if foreign.static_lookup(cls, name) is not MISSING:
            raise WouldRunCode(
                f"the truth of a {foreign.type_name(value)} is its {name}; ask for a field of it"
            )
    return True


def equal(left: Any, right: Any, budget: Budget) -> bool:
    """``left == right``, looking into containers without recursion."""
    if id(type(left)) in _QUICK_IDS and id(type(right)) in _QUICK_IDS:
        return bool(left == right)
    verdict = _equal_once(left, right, budget)
    if type(verdict) is bool:
        return verdict
    todo = [verdict]
    while todo:
        pairs = todo.pop()
        for one, other in pairs:
            budget.charge()
            if one is other:
                continue
            verdict = _equal_once(one, other, budget)
            if verdict is False:
                return False
            if verdict is not True:
                todo += [pairs, verdict]
                break
    return True


def _equal_once(left: Any, right: Any, budget: Budget) -> Any:
    """True, False, or an iterator over pairs that must all be equal."""
    left, right = foreign.plain(left), foreign.plain(right)
    cls, other = type(left), type(right)
    if foreign.is_one_of(cls, foreign.ATOMS) and foreign.is_one_of(other, foreign.ATOMS):
        if cls is other and (cls is str or cls is bytes):
            budget.charge(1 + (min(len(left), len(right)) >> 10))
        return left == right
    if foreign.container_base(left) is not None or foreign.container_base(right) is not None:
        return _equal_containers(left, right, budget)
    if cls is decimal.Decimal or other is decimal.Decimal:
        return _compare_decimals(left, right) == 0
    if cls is uuid.UUID and other is uuid.UUID:
        return bool(foreign.read_attribute(left, "int") == foreign.read_attribute(right, "int"))
    if _is(left, *_MOMENTS) and _is(right, *_MOMENTS):
        return _compare_moments(operator.eq, left, right)
    if cls is datetime.timedelta and other is datetime.timedelta:
        return left == right
    return _equal_identity(left, right)


def _equal_identity(left: Any, right: Any) -> bool:
    """For objects that keep ``object``'s equality: whether they are one. Builtins of unrelated types are unequal."""
    for value in (left, right):
        if _is(value, *foreign.ATOMS, *_MOMENTS, decimal.Decimal, datetime.timedelta, uuid.UUID):
            continue
        if foreign.container_base(value) is not None:
            continue
        equality = foreign.static_lookup(type(value), "__eq__")
        if equality is not object.__eq__ and equality is not type.__dict__.get("__eq__"):
            hint = "; use 'is None'" if left is None or right is None else "; compare a field of it"
            raise WouldRunCode(f"'==' would run the __eq__ of {foreign.type_name(value)}{hint}")
    return left is right


def _equal_containers(left: Any, right: Any, budget: Budget) -> Any:
    base, other = foreign.container_base(left), foreign.container_base(right)
    if base is None or other is None:
        return _equal_identity(left, right)
    if base in _SETS and other in _SETS:
        return len_of(left) == len_of(right) and set_order("<=", left, right, budget)
    if base is bytearray or other is bytearray or base is range or other is range:
        budget.charge(1 + (len_of(left) >> 10))
        return base is other and left == right
    if base is not other or len_of(left) != len_of(right):
        return False
    if base is dict:
        return _dict_pairs(left, right, budget)
    return zip(elements(left, budget), elements(right, budget), strict=False)


def _dict_pairs(left: Any, right: Any, budget: Budget) -> Iterator[tuple[Any, Any]]:
    for key, value in _pairs(left, budget):
        other = lookup(right, key, budget)
        yield (value, other) if other is not MISSING else (True, False)


def _compare_decimals(left: Any, right: Any) -> int | None:
    """-1, 0 or 1; None when the two are no numbers that can be compared (NaN included)."""
    numbers = []
    for value in (left, right):
        if _is(value, bool, int):
            _check_bits(value)
            value = decimal.Decimal(int(value))
        elif type(value) is float:
            value = decimal.Decimal.from_float(value)
        elif type(value) is not decimal.Decimal:
            return None
        numbers.append(value)
    result = _QUIET.compare(*numbers)
    return None if result.is_nan() else int(result)


def _compare_moments(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        if compare is operator.eq:
            return False
        _undefined("order", left, right)
    if not foreign.same_zone_or_safe(left, right):
        raise WouldRunCode("comparing these times would run the code of their time zone")
    return bool(compare(left, right))


# ---------------------------------------------------------------- order


def order(op: str, left: Any, right: Any, budget: Budget) -> bool:
    """``left < right`` and its like."""
    if id(type(left)) in _QUICK_IDS and type(left) is type(right):
        return bool(_ORDERS[op](left, right))
    left, right = foreign.plain(left), foreign.plain(right)
    cls, other = type(left), type(right)
    if foreign.is_one_of(cls, _REAL) and foreign.is_one_of(other, _REAL):
        return bool(_ORDERS[op](left, right))
    if cls is other and foreign.is_one_of(cls, (str, bytes)):
        budget.charge(1 + (min(len(left), len(right)) >> 10))
        return bool(_ORDERS[op](left, right))
    if _is(left, *_REAL, decimal.Decimal) and _is(right, *_REAL, decimal.Decimal):
        result = _compare_decimals(left, right)
        return result is not None and bool(_ORDERS[op](result, 0))
    if cls is datetime.timedelta and other is datetime.timedelta:
        return bool(_ORDERS[op](left, right))
    if _is(left, *_MOMENTS) and _is(right, *_MOMENTS):
        return _compare_moments(_ORDERS[op], left, right)
    return _order_containers(op, left, right, budget)


def _order_containers(op: str, left: Any, right: Any, budget: Budget) -> bool:
    base, other = foreign.container_base(left), foreign.container_base(right)
    if base in _SETS and other in _SETS:
        return set_order(op, left, right, budget)
    if base is not other or base not in (list, tuple, bytearray, collections.deque):
        for value in (left, right):
            _refuse_foreign("ordering", value)
        _undefined(f"'{op}'", left, right)
    for one, another in zip(elements(left, budget), elements(right, budget), strict=False):
        if one is not another and not equal(one, another, budget):
            return order(op, one, another, budget)
    return bool(_ORDERS[op](len_of(left), len_of(right)))


def set_order(op: str, left: Any, right: Any, budget: Budget) -> bool:
    """Subset and superset, for sets of builtin keys."""
    for value in (left, right):
        _check_keys(value, budget)
    return bool(_ORDERS[op](frozenset(_own_copy(left)), frozenset(_own_copy(right))))


def _own_copy(value: Any) -> Any:
    base = foreign.container_base(value)
    return value if type(value) is base else list(base.__iter__(value))


# ---------------------------------------------------------------- containers


def len_of(value: Any) -> int:
    """The number of elements of a container that `foreign.container_base` knows."""
    base = foreign.container_base(value)
    return len(value) if type(value) is base else base.__len__(value)


def length(value: Any) -> int:
    """``len(value)``."""
    cls = type(value)
    if cls is str or cls is list or cls is dict or cls is tuple:
        return len(value)
    if foreign.container_base(value) is not None:
        return len_of(value)
    value = foreign.plain(value)
    if _is(value, str, bytes):
        return len(value)
    if foreign.static_lookup(cls, "__len__") is MISSING:
        _undefined("len()", value)
    return _foreign_code("the length of", value)


def elements(value: Any, budget: Budget) -> Iterator[Any]:
    """The elements (keys, characters) of a builtin container one by one, each charged."""
    value = foreign.plain(value)
    base = type(value) if _is(value, str, bytes) else foreign.container_base(value)
    if base is None:
        if foreign.static_lookup(type(value), "__iter__") is MISSING:
            _undefined("going through", value)
        _foreign_code("going through", value)
    try:
        for element in base.__iter__(value):
            budget.charge()
            yield element
    except RuntimeError:
        raise Changed(f"another thread resized this {foreign.type_name(value)} while it was read") from None


def _pairs(value: Any, budget: Budget) -> Iterator[tuple[Any, Any]]:
    try:
        for pair in dict.items(value):
            budget.charge()
            yield pair
    except RuntimeError:
        raise Changed("another thread resized this dict while it was read") from None


def view(name: str, value: Any, budget: Budget) -> list[Any]:
    """``keys()``, ``values()`` and ``items()`` as lists, because a view would show later changes."""
    if foreign.container_base(value) is not dict:
        _undefined(f"{name}()", value)
    pairs = list(_pairs(value, budget))
    if name == "items":
        return pairs
    return [key if name == "keys" else each for key, each in pairs]


def _check_keys(value: Any, budget: Budget) -> None:
    """Raises unless every element of a set is builtin, so that comparing them runs nothing foreign."""
    budget.charge(1 + (len_of(value) >> 4))
    base = foreign.container_base(value)
    try:
        kinds = set(map(id, map(type, base.__iter__(value))))
    except RuntimeError:
        raise Changed("another thread resized it while it was read") from None
    if foreign.SCALAR_KEY_IDS.issuperset(kinds) or all(map(_is_key, elements(value, budget))):
        return
    raise WouldRunCode(
        f"this {foreign.type_name(value)} holds keys whose comparison would run their own code"
    )


def _is_key(value: Any, depth: int = 0) -> bool:
    """Whether hashing ``value`` stays inside compiled code."""
    if _is(value, *foreign.ATOMS, datetime.date, datetime.timedelta, uuid.UUID):
        return True
    if type(value) is decimal.Decimal:
        return not value.is_snan()
    return (
        type(value) is tuple
        and depth < 4
        and len(value) <= 50
        and all(_is_key(each, depth + 1) for each in value)
    )


def lookup(mapping: Any, key: Any, budget: Budget) -> Any:
    """``mapping.get(key)`` of a dict, `MISSING` when absent; ``__missing__`` is never asked."""
    key = foreign.plain(key)
    if _is_key(key) and type(key) is not tuple:
        try:
            budget.charge(1 + (dict.__len__(mapping) >> 4))
            if foreign.KEY_IDS.issuperset(map(id, map(type, dict.__iter__(mapping)))):
                return dict.get(mapping, key, MISSING)
        except RuntimeError:
            raise Changed("another thread resized this dict while it was read") from None
    return _scan(mapping, key, budget)


def _scan(mapping: Any, key: Any, budget: Budget) -> Any:
    """Key by key, for dicts with keys of foreign types: identity first, equality only where it runs nothing."""
    unsure: Any = MISSING
    for candidate, value in _pairs(mapping, budget):
        if candidate is key:
            return value
        try:
            if equal(candidate, key, budget):
                return value
        except WouldRunCode:
            unsure = candidate
    if unsure is not MISSING:
        _foreign_code("finding a key beside", unsure)
    return MISSING


def contains(container: Any, element: Any, budget: Budget) -> bool:
    """``element in container``."""
    container = foreign.plain(container)
    if _is(container, str, bytes, bytearray):
        return _contains_part(container, foreign.plain(element), budget)
    base = foreign.container_base(container)
    if base is dict:
        return lookup(container, element, budget) is not MISSING
    if base is range:
        element = foreign.plain(element)
        if _is(element, int, bool):
            return element in container
    element = foreign.plain(element)
    if base in _SETS and _is_key(element) and type(element) is not tuple:
        _check_keys(container, budget)
        return bool(base.__contains__(container, element))
    return any(each is element or equal(each, element, budget) for each in elements(container, budget))


def _contains_part(container: Any, element: Any, budget: Budget) -> bool:
    budget.charge(1 + (len(container) >> 8))
    if type(container) is str and type(element) is not str:
        _undefined("'in'", element, container)
    if type(container) is not str and not _is(element, bytes, bytearray, int, bool):
        _undefined("'in'", element, container)
    if type(element) is int and not 0 <= element < 256:
        raise NotDefined("a byte is between 0 and 255")
    if not _is(element, int, bool) and len(element) > 256 and len(container) > 65_536:
        raise TooLarge("the text to look for is too long")
    return element in container


def item(container: Any, key: Any, budget: Budget) -> Any:
    """``container[key]``."""
    container = foreign.plain(container)
    base = type(container) if _is(container, str, bytes) else foreign.container_base(container)
    if base is dict:
        return _dict_item(container, key, budget)
    if base is None:
        if foreign.static_lookup(type(container), "__getitem__") is MISSING:
            _undefined("'[]'", container)
        _foreign_code("subscripting", container)
    key = foreign.plain(key)
    if base in _SETS or not _is(key, int, bool):
        raise NotDefined(f"a {foreign.type_name(container)} has no element {foreign.type_name(key)}")
    if base is collections.deque:
        budget.charge(1 + (len(container) >> 6))
    try:
        return base.__getitem__(container, key)
    except IndexError:
        raise UnknownName(f"there is no element {_short(key)}: the length is {length(container)}") from None


def _dict_item(container: Any, key: Any, budget: Budget) -> Any:
    found = lookup(container, key, budget)
    if found is MISSING:
        asks = foreign.static_lookup(type(container), "__missing__") is not MISSING
        why = "; a default would be inserted by __missing__" if asks else ""
        raise UnknownName(f"there is no key {_short(key)}{why}")
    return found


def _short(key: Any) -> str:
    key = foreign.plain(key)
    if _is(key, str, bytes):
        return repr(key[:40])
    return (
        str(key)
        if _is(key, bool, float, type(None)) or _small_int(key)
        else f"of type {foreign.type_name(key)}"
    )


def _small_int(value: Any) -> bool:
    return type(value) is int and value.bit_length() <= 64


def piece(container: Any, start: Any, stop: Any, step: Any, budget: Budget) -> Any:
    """``container[start:stop:step]``, at most `MAX_LENGTH` elements of it."""
    container = foreign.plain(container)
    base = type(container) if _is(container, str, bytes) else foreign.container_base(container)
    if base not in (str, bytes, bytearray, list, tuple, range):
        _undefined("a slice", container)
    bounds = [foreign.plain(bound) for bound in (start, stop, step)]
    if not all(_is(bound, int, bool, type(None)) for bound in bounds) or bounds[2] == 0:
        raise NotDefined("the bounds of a slice are whole numbers, and its step is not 0")
    size = len(range(*slice(*bounds).indices(length(container))))
    budget.charge(1 + (size >> 6))
    if size > MAX_LENGTH and base is not range:
        raise TooLarge(f"the slice holds {size} elements; {MAX_LENGTH} at most")
    return base.__getitem__(container, slice(*bounds))


# ---------------------------------------------------------------- arithmetic


def arithmetic(op: str, left: Any, right: Any, budget: Budget) -> Any:
    """``left + right`` and its like, with results of bounded size."""
    left, right = foreign.plain(left), foreign.plain(right)
    if _is(left, *_NUMBERS) and _is(right, *_NUMBERS):
        return _numbers(op, left, right)
    if type(left) is decimal.Decimal or type(right) is decimal.Decimal:
        return _decimals(op, left, right)
    if _is(left, *_MOMENTS, datetime.timedelta) or _is(right, *_MOMENTS, datetime.timedelta):
        return _times(op, left, right)
    return _sequences(op, left, right, budget)


_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow, "&": operator.and_, "|": operator.or_, "^": operator.xor,
    "<<": operator.lshift, ">>": operator.rshift,
}  # fmt: skip


def _check_bits(value: int) -> int:
    bits = value.bit_length()
    if bits > MAX_BITS:
        raise TooLarge(f"a whole number of {bits} bits; {MAX_BITS} at most")
    return bits


def _numbers(op: str, left: Any, right: Any) -> Any:
    whole = _is(left, int, bool) and _is(right, int, bool)
    if op in ("&", "|", "^", "<<", ">>") and not whole:
        _undefined(f"'{op}'", left, right)
    for value in (left, right):
        if type(value) is int:
            _check_bits(value)
    if whole:
        _check_growth(op, left, right)
    try:
        return _ARITHMETIC[op](left, right)
    except ZeroDivisionError:
        raise NotDefined("a division by zero") from None
    except OverflowError:
        raise TooLarge("the number is too large") from None
    except TypeError:
        _undefined(f"'{op}'", left, right)
    except ValueError as error:
        raise NotDefined(str(error)) from None


def _check_growth(op: str, left: int, right: int) -> None:
    bits = left.bit_length()
    if op == "*":
        bits += right.bit_length()
    elif op == "<<":
        bits += max(right, 0)
    elif op == "**":
        bits = bits * right if right > 0 and bits > 1 else 0
    if bits > MAX_BITS:
        raise TooLarge(
            f"the number would have {bits if bits < 2**40 else 'far too many'} bits; {MAX_BITS} at most"
        )


def _decimals(op: str, left: Any, right: Any) -> Any:
    names = {
        "+": "add",
        "-": "subtract",
        "*": "multiply",
        "/": "divide",
        "//": "divide_int",
        "%": "remainder",
    }
    if op not in names or not all(_is(value, int, bool, decimal.Decimal) for value in (left, right)):
        _undefined(f"'{op}'", left, right)
    for value in (left, right):
        if type(value) is int:
            _check_bits(value)
    try:
        return getattr(DECIMALS.copy(), names[op])(left, right)
    except decimal.DecimalException:
        raise NotDefined("this calculation has no decimal result") from None


def _times(op: str, left: Any, right: Any) -> Any:
    accepted = (*_REAL, datetime.timedelta, datetime.datetime, datetime.date)
    if op not in ("+", "-", "*", "/", "//", "%") or not (_is(left, *accepted) and _is(right, *accepted)):
        _undefined(f"'{op}'", left, right)
    both = type(left) is datetime.datetime and type(right) is datetime.datetime
    if both and not foreign.same_zone_or_safe(left, right):
        raise WouldRunCode("the difference of these times would run the code of their time zone")
    try:
        return _ARITHMETIC[op](left, right)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise NotDefined(str(error)) from None


def _sequences(op: str, left: Any, right: Any, budget: Budget) -> Any:
    joinable = (str, bytes, list, tuple)
    if op == "+" and type(left) is type(right) and _is(left, *joinable):
        _check_length(len(left) + len(right), budget)
        return left + right
    if op == "*":
        sequence, times = (left, right) if _is(left, *joinable) else (right, left)
        if _is(sequence, *joinable) and _is(times, int, bool):
            _check_length(len(sequence) * max(times, 0), budget)
            return sequence * times
    if op in ("&", "|", "-", "^") and _is(left, *_SETS) and _is(right, *_SETS):
        _check_length(len(left) + len(right), budget)
        _check_keys(left, budget)
        _check_keys(right, budget)
        return _ARITHMETIC[op](left, right)
    for value in (left, right):
        _refuse_foreign(f"'{op}' on", value)
    return _undefined(f"'{op}'", left, right)


def _check_length(size: int, budget: Budget) -> None:
    if size > MAX_LENGTH:
        raise TooLarge(
            f"the result would have {size if size < 2**60 else 'far too many'} elements; {MAX_LENGTH} at most"
        )
    budget.charge(1 + (size >> 6))


def unary(op: str, value: Any) -> Any:
    """``-value``, ``+value`` and ``~value``."""
    value = foreign.plain(value)
    if type(value) is decimal.Decimal and op != "inv":
        return DECIMALS.copy().minus(value) if op == "neg" else DECIMALS.copy().plus(value)
    allowed = (int, bool) if op == "inv" else (*_NUMBERS, datetime.timedelta)
    if not _is(value, *allowed):
        _undefined({"neg": "'-'", "pos": "'+'", "inv": "'~'"}[op], value)
    try:
        if op == "inv":
            return ~int(value)
        return -value if op == "neg" else +value
    except OverflowError:
        raise TooLarge("the duration is too large") from None


# ---------------------------------------------------------------- functions


def absolute(value: Any) -> Any:
    value = foreign.plain(value)
    if type(value) is decimal.Decimal:
        return value.copy_abs()
    if not _is(value, *_NUMBERS, datetime.timedelta):
        _undefined("abs()", value)
    try:
        return abs(value)
    except OverflowError:
        raise TooLarge("the number is too large") from None


def rounded(value: Any, digits: Any = None) -> Any:
    value, digits = foreign.plain(value), foreign.plain(digits)
    if not _is(value, *_REAL, decimal.Decimal) or not _is(digits, int, bool, type(None)):
        _undefined("round()", value)
    if digits is not None and not -400 <= digits <= 400:
        raise TooLarge("round() keeps between -400 and 400 digits")
    if type(value) is int:
        _check_bits(value)
    try:
        if type(value) is decimal.Decimal:
            quantum = decimal.Decimal((0, (1,), -(digits or 0)))
            result = value.quantize(quantum, decimal.ROUND_HALF_EVEN, DECIMALS.copy())
            return int(result) if digits is None else result
        return round(value) if digits is None else round(value, digits)
    except (ValueError, ArithmeticError):
        raise NotDefined("this number cannot be rounded") from None


def total(values: Iterator[Any], budget: Budget) -> Any:
    result: Any = 0
    for value in values:
        value = foreign.plain(value)
        if _is(value, str, bytes, bytearray):
            _undefined("sum()", value)
        result = arithmetic("+", result, value, budget)
    return result


def extreme(op: str, values: Iterator[Any], budget: Budget) -> Any:
    """``min`` (op ``<``) or ``max`` (op ``>``): the first of equals."""
    best: Any = MISSING
    for value in values:
        if best is MISSING or order(op, value, best, budget):
            best = value
    if best is MISSING:
        raise NotDefined(f"{'min' if op == '<' else 'max'}() of nothing")
    return best


def affix(name: str, text: Any, part: Any) -> bool:
    """``startswith`` and ``endswith``; ``part`` may be a tuple."""
    text, part = foreign.plain(text), foreign.plain(part)
    parts = part if type(part) is tuple else (part,)
    parts = tuple(foreign.plain(each) for each in parts)
    if not _is(text, str, bytes) or not all(type(each) is type(text) for each in parts):
        _undefined(f"{name}()", text, part)
    return bool(text.startswith(parts) if name == "startswith" else text.endswith(parts))


def changed_case(name: str, text: Any, budget: Budget) -> Any:
    """``lower``, ``upper`` and ``strip``."""
    text = foreign.plain(text)
    if not _is(text, str, bytes):
        _undefined(f"{name}()", text)
    _check_length(len(text), budget)
    return {"lower": text.lower, "upper": text.upper, "strip": text.strip}[name]()


def as_text(value: Any) -> str:
    """``str(value)`` of a scalar."""
    value = foreign.plain(value)
    if type(value) is str:
        return value
    if _is(value, int, bool):
        _check_bits(value)
        if int(value).bit_length() > 10_000:
            raise TooLarge("the number has too many digits")
    if _is(value, *_NUMBERS, type(None), decimal.Decimal, datetime.date, datetime.timedelta):
        return str(value)
    if type(value) is bytes and len(value) <= MAX_LENGTH:
        return str(value)[:MAX_LENGTH]
    if type(value) is uuid.UUID:
        return str(uuid.UUID(int=foreign.read_attribute(value, "int")))
    if _is(value, datetime.datetime, datetime.time) and foreign.same_zone_or_safe(value, None):
        return str(value)
    return _foreign_code("the text of", value)


def as_number(name: str, value: Any) -> Any:
    """``int(value)`` and ``float(value)`` of a number or a short text."""
    value = foreign.plain(value)
    if not _is(value, *_REAL, str, decimal.Decimal) or (type(value) is str and len(value) > 400):
        _undefined(f"{name}()", value)
    if type(value) is decimal.Decimal and value.adjusted() > 5_000:
        raise TooLarge("the number is too large")
    try:
        return int(value) if name == "int" else float(value)
    except (ValueError, ArithmeticError):
        raise NotDefined(f"{name}() of this value is no number") from None


def attribute(value: Any, name: str, path: Callable[[], str]) -> Any:
    """``value.name`` read without running code; ``path`` names it in an error."""
    try:
        found = foreign.read_attribute(value, name)
    except foreign.Unreadable as unreadable:
        raise WouldRunCode(f"`{path()}`: {unreadable}; reading it would run code") from None
    except RuntimeError:
        raise Changed(f"`{path()}` changed while it was read") from None
    if found is MISSING:
        if type(value) is types.ModuleType:
            raise UnknownName(f"`{path()}`: the module has no such name")
        raise UnknownName(f"`{path()}`: a {foreign.type_name(value)} has no such field")
    return found
