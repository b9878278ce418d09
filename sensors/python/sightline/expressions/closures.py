"""A checked tree, compiled once to closures that answer it for a scope.

The shapes that conditions mostly have (a name or a field, compared with a constant) get closures of their own: a
condition is evaluated in the application's thread, on a line that may run a million times a second.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from sightline import foreign, wire
from sightline.errors import (
    BudgetExceeded,
    Changed,
    ExpressionError,
    NotDefined,
    TooLarge,
    UnknownName,
    Withheld,
)

from . import formats
from . import operations as do
from .budget import Budget
from .grammar import Tree, check, path_of
from .patterns import Pattern


class Scope(Protocol):
    """Where names are looked up; raises KeyError for a name that is not there."""

    def __getitem__(self, name: str, /) -> Any: ...


Closure = Callable[[Any, Any], Any]
"""``(scope, budget) -> value``"""
Withholds = Callable[[str], str]
"""A redactor's name rule: the rule that withholds values of this name, or an empty string."""

_OURS: Final = (
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RuntimeError,
    MemoryError,
)
"""What an operation of ours can raise. Anything else came from outside (a signal's handler, say) and must get
through."""


class Compiled:
    """An expression ready to be asked; several threads may ask at once.

    ``evaluate(scope, budget)`` answers its value, which may be any object of the application's; ``holds(scope,
    budget)`` its truth, for a condition: never put the value itself into an ``if``, that would run its ``__bool__``.
    Both raise `ExpressionError` or `BudgetExceeded`. ``names`` are its free names, for an engine that hands locals over
    one by one. ``path`` names the result for redaction rules (``order.customer.card``); ``withheld`` is the rule that
    withholds the result, or empty. ``conversion`` and ``spec`` are what a template asks of its text (``!r``, ``:.2f``).
    ``lone`` is the name the whole expression is, if it is one: several of these are looked up at once.
    """

    __slots__ = (
        "conversion",
        "evaluate",
        "holds",
        "lone",
        "names",
        "path",
        "spec",
        "text",
        "tree",
        "withheld",
    )

    def __init__(self, expression: wire.Expression, withholds: Withholds | None = None) -> None:
        self.text = expression.text
        self.tree = check(expression.tree)
        value = self.tree
        self.conversion = self.spec = ""
        if value[0] == "format":
            _, value, self.conversion, self.spec = value
        compiler = _Compiler(withholds)
        self.withheld = compiler.withheld_result(self.tree)
        closure = compiler.compile(self.tree, result=True)
        fast = _fast(value)
        self.names = frozenset(compiler.names)
        self.lone: str = value[1] if value[0] == "name" else ""
        self.path = path_of(value)
        self.evaluate: Callable[..., Any] = fast or _guarded(closure)
        self.holds: Callable[..., bool] = (
            fast if fast and value[0] == "compare" else _guarded(_truth_of(closure))
        )


def compile(expression: wire.Expression, withholds: Withholds | None = None) -> Compiled:
    """Check the tree of ``expression`` and compile it. Raises `ExpressionError` (`Withheld` when it would reveal a
    secret).
    """
    return Compiled(expression, withholds)


def _truth_of(closure: Closure) -> Closure:
    return lambda scope, budget: do.truth(closure(scope, budget))


def _guarded(closure: Closure) -> Closure:
    """The closure with a budget of its own if none is given, and every error of ours as an `ExpressionError`."""

    def evaluate(scope: Scope, budget: Budget | None = None) -> Any:
        try:
            return closure(scope, budget or Budget())
        except (ExpressionError, BudgetExceeded):
            raise
        except _OURS as error:
            foreign.let_strangers_through(error)
            raise _as_expression_error(error) from None

    return evaluate


def _as_expression_error(error: Exception) -> ExpressionError:
    if isinstance(error, RecursionError):
        return TooLarge("the stack is too deep to evaluate this here")
    if isinstance(error, MemoryError):
        return TooLarge("the values are too large to evaluate this")
    if isinstance(error, RuntimeError):
        return Changed("another thread changed a container while it was read")
    return NotDefined(f"the values do not fit: {type(error).__name__}")


def _unknown(name: str) -> UnknownName:
    where = (
        "; it is known to function probes only"
        if name.startswith("@")
        else " in this function, its module or builtins"
    )
    return UnknownName(f"there is no `{name}`{where}")


# ---------------------------------------------------------------- the shapes that conditions mostly have

_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def _fast(tree: Tree) -> Closure | None:
    """A closure for a lone name, and for a name or ``name.field`` compared with a constant; None for other shapes."""
    if tree[0] == "name":
        return _fast_name(tree[1])
    if tree[0] != "compare" or len(tree) != 4 or tree[3][0] != "const":
        return None
    left, op, constant = tree[1], tree[2], tree[3][1]
    holds = _holds_at_once(op, constant)
    if holds is None:
        return None
    slow = _guarded(_Compiler(None).compile(tree))
    if left[0] == "name":
        if op in _COMPARE:
            return _fast_compare(left[1], op, constant, holds, slow)
        return _fast_identity(left[1], op, constant)
    if left[0] == "attr" and left[1][0] == "name":
        return _fast_field(left[1][1], left[2], holds, slow)
    return None


def _fast_name(name: str) -> Closure:
    def evaluate(scope: Scope, budget: Budget | None = None) -> Any:
        try:
            return scope[name]
        except KeyError:
            raise _unknown(name) from None

    return evaluate


Holds = Callable[[Any], "bool | None"]
"""Whether a comparison with a constant holds for a value; None where that needs a closer look."""


def _holds_at_once(op: str, constant: Any) -> Holds | None:
    """The comparison with ``constant`` for values of its own type (for ``==``: of any builtin scalar's)."""
    if op == "is":
        return lambda value: value is constant
    if op == "is not":
        return lambda value: value is not constant
    if op not in _COMPARE:
        return None
    compare, (first, last), also = _COMPARE[op], _own_types(constant), _also_compared(op)

    def holds(value: Any) -> bool | None:
        cls = type(value)
        if cls is first or cls is last or id(cls) in also:
            return compare(value, constant)  # type: ignore[no-any-return]
        return None

    return holds


def _own_types(constant: Any) -> tuple[type, type]:
    """The types of values that compare with ``constant`` by one operation, in any order."""
    return (int, float) if type(constant) in (int, float) else (type(constant), type(constant))


def _also_compared(op: str) -> frozenset[int]:
    """Ids of further types for which the operation answers, and does not raise."""
    return foreign.ATOM_IDS if op in ("==", "!=") else frozenset()


def _fast_compare(name: str, op: str, constant: Any, holds: Holds, slow: Closure) -> Closure:
    compare, (first, last) = _COMPARE[op], _own_types(constant)

    def evaluate(scope: Scope, budget: Budget | None = None) -> Any:
        try:
            value = scope[name]
        except KeyError:
            raise _unknown(name) from None
        cls = type(value)
        if cls is first or cls is last:  # most values by far, and a call less
            return compare(value, constant)
        verdict = holds(value)
        return slow(scope, budget) if verdict is None else verdict

    return evaluate


def _fast_identity(name: str, op: str, constant: Any) -> Closure:
    wanted = op == "is"

    def evaluate(scope: Scope, budget: Budget | None = None) -> Any:
        try:
            return (scope[name] is constant) is wanted
        except KeyError:
            raise _unknown(name) from None

    return evaluate


def _fast_field(owner: str, field: str, holds: Holds, slow: Closure) -> Closure:
    read, missing = foreign.read_attribute, foreign.MISSING

    def evaluate(scope: Scope, budget: Budget | None = None) -> Any:
        try:
            value = scope[owner]
        except KeyError:
            raise _unknown(owner) from None
        try:
            value = read(value, field)
        except foreign.Unreadable:
            return slow(scope, budget)  # it says why
        except RuntimeError as error:
            foreign.let_strangers_through(error)
            return slow(scope, budget)
        verdict = None if value is missing else holds(value)
        return slow(scope, budget) if verdict is None else verdict

    return evaluate


# ---------------------------------------------------------------- every shape


class _Bound:
    """A scope with the names of a ``for`` before those of the scope around it."""

    __slots__ = ("outer", "values")

    def __init__(self, outer: Scope) -> None:
        self.outer = outer
        self.values: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            return self.outer[name]


class _Compiler:
    """One closure per node, made by the method named after the node's kind."""

    def __init__(self, withholds: Withholds | None) -> None:
        self.names: set[str] = set()
        self.bound: list[str] = []
        self.withholds = withholds

    def compile(self, tree: Tree, *, result: bool = False, shape_only: bool = False) -> Closure:
        """``result``: the value is the answer itself, so redaction will see it. ``shape_only``: only whether it is
        there.
        """
        if not (result or shape_only):
            self.refuse_withheld(tree)
        passes_on = _PASSES_RESULT.get(tree[0], ())
        if result and passes_on:
            return getattr(self, f"_{tree[0]}")(tree, result=True)  # type: ignore[no-any-return]
        return getattr(self, f"_{tree[0]}")(tree)  # type: ignore[no-any-return]

    def withheld_result(self, tree: Tree) -> str:
        """The rule that withholds the result of ``tree``: its own name's, or that of a value it may pass on."""
        if tree[0] in _PASSES_RESULT:
            parts = [tree[at] for at in range(*_PASSES_RESULT[tree[0]].indices(len(tree)))]
            return next(filter(None, map(self.withheld_result, parts)), "")
        return self.rule_for(tree)

    def rule_for(self, tree: Tree) -> str:
        """The rule that withholds what ``tree`` names: ``user.password``, or ``user.password.hash`` for its
        owner's sake.
        """
        if self.withholds is None:
            return ""
        if tree[0] in ("name", "attr"):
            rule = self.withholds(tree[-1])
        elif tree[0] == "item" and tree[2][0] in ("const", "bytes") and type(tree[2][1]) is str:
            rule = self.withholds(tree[2][1])
        elif (
            tree[0] == "call"
            and tree[1] == "get"
            and tree[3][0] in ("const", "bytes")
            and type(tree[3][1]) is str
        ):
            rule = self.withholds(tree[3][1])
        else:
            rule = ""
        if rule or tree[0] not in ("attr", "item", "slice"):
            return rule
        return self.rule_for(tree[1])

    def refuse_withheld(self, tree: Tree) -> None:
        rule = self.rule_for(tree)
        if rule:
            raise Withheld(
                f"`{path_of(tree)}` is withheld by the rule {rule}; an expression may show it (withheld), "
                "or ask is_none(), type_name() and 'not' of it, nothing else"
            )

    # leaves

    def _const(self, tree: Tree) -> Closure:
        value = tree[1]
        return lambda scope, budget: value

    def _int(self, tree: Tree) -> Closure:
        return self._const(["const", int(tree[1])])

    def _bytes(self, tree: Tree) -> Closure:
        return self._const(["const", tree[1].encode("latin-1")])

    def _name(self, tree: Tree) -> Closure:
        name = tree[1]
        if name not in self.bound:
            self.names.add(name)

        def evaluate(scope: Scope, budget: Budget) -> Any:
            try:
                return scope[name]
            except KeyError:
                raise _unknown(name) from None

        return evaluate

    # reaching into values

    def _attr(self, tree: Tree) -> Closure:
        owner, name = self.compile(tree[1], shape_only=bool(self.rule_for(tree))), tree[2]

        def evaluate(scope: Scope, budget: Budget) -> Any:
            return do.attribute(owner(scope, budget), name, lambda: path_of(tree))

        return evaluate

    def _item(self, tree: Tree) -> Closure:
        container, key = self.compile(tree[1], shape_only=bool(self.rule_for(tree))), self.compile(tree[2])
        fixed = tree[2][0] in ("const", "int", "bytes")

        def evaluate(scope: Scope, budget: Budget) -> Any:
            wanted = key(scope, budget)
            if not fixed:
                self.refuse_withheld_key(wanted)
            return do.item(container(scope, budget), wanted, budget)

        return evaluate

    def refuse_withheld_key(self, key: Any) -> None:
        """A key that is only known now must not reach what its name withholds."""
        if self.withholds is None:
            return
        key = foreign.plain(key)
        text = key.decode("latin-1") if type(key) is bytes else key
        rule = self.withholds(text[:200]) if type(text) is str else ""
        if rule:
            raise Withheld(f"the value under this key is withheld by the rule {rule}")

    def _slice(self, tree: Tree) -> Closure:
        container = self.compile(tree[1])
        start, stop, step = (
            self._const(["const", None]) if part is None else self.compile(part) for part in tree[2:]
        )

        def evaluate(scope: Scope, budget: Budget) -> Any:
            bounds = (start(scope, budget), stop(scope, budget), step(scope, budget))
            return do.piece(container(scope, budget), *bounds, budget)

        return evaluate

    # operators

    def _not(self, tree: Tree) -> Closure:
        operand = self.compile(tree[1], shape_only=True)
        return lambda scope, budget: not do.truth(operand(scope, budget))

    def _unary(self, tree: Tree) -> Closure:
        kind, operand = tree[0], self.compile(tree[1])
        return lambda scope, budget: do.unary(kind, operand(scope, budget))

    _neg = _pos = _inv = _unary

    def _and(self, tree: Tree, result: bool = False) -> Closure:
        operands = [self.compile(part, result=result) for part in tree[1:]]

        def evaluate(scope: Scope, budget: Budget) -> Any:
            for operand in operands:
                value = operand(scope, budget)
                if not do.truth(value):
                    break
            return value

        return evaluate

    def _or(self, tree: Tree, result: bool = False) -> Closure:
        operands = [self.compile(part, result=result) for part in tree[1:]]

        def evaluate(scope: Scope, budget: Budget) -> Any:
            for operand in operands:
                value = operand(scope, budget)
                if do.truth(value):
                    break
            return value

        return evaluate

    def _if(self, tree: Tree, result: bool = False) -> Closure:
        test = self.compile(tree[1])
        then, otherwise = (self.compile(part, result=result) for part in tree[2:])
        return lambda scope, budget: (then if do.truth(test(scope, budget)) else otherwise)(scope, budget)

    def _arith(self, tree: Tree) -> Closure:
        op, left, right = tree[1], self.compile(tree[2]), self.compile(tree[3])
        return lambda scope, budget: do.arithmetic(op, left(scope, budget), right(scope, budget), budget)

    def _compare(self, tree: Tree) -> Closure:
        steps = []
        for at in range(2, len(tree), 2):
            is_none = tree[at] in ("is", "is not") and tree[at + 1] == ["const", None]
            left = self.compile(tree[at - 1], shape_only=is_none)
            steps.append((_COMPARISONS[tree[at]], left, self.compile(tree[at + 1])))
        if len(steps) == 1:
            ((compare, left, right),) = steps
            return lambda scope, budget: compare(left(scope, budget), right(scope, budget), budget)
        return _chain(steps)

    # making values

    def _display(self, tree: Tree) -> Closure:
        parts = [self.compile(part) for part in tree[1:]]
        make = _DISPLAYS[tree[0]]
        return lambda scope, budget: make(part(scope, budget) for part in parts)

    _list = _tuple = _set = _display

    def _text(self, tree: Tree) -> Closure:
        parts = [
            self._const(["const", part]) if type(part) is str else self.compile(part) for part in tree[1:]
        ]
        return lambda scope, budget: formats.joined([part(scope, budget) for part in parts])

    def _format(self, tree: Tree, result: bool = False) -> Closure:
        operand, conversion, spec = self.compile(tree[1], result=result), tree[2], tree[3]
        formats.check_spec(spec)
        if result:
            return operand  # a template formats later, on the sensor's thread
        return lambda scope, budget: formats.text_of(operand(scope, budget), conversion, spec)

    # functions

    def _call(self, tree: Tree) -> Closure:
        name, *arguments = tree[1:]
        if name == "matches":
            return self._matches(arguments)
        shape_only = name in ("is_none", "type_name")
        if name == "get":
            return self._get(tree)
        closures = [self.compile(argument, shape_only=shape_only) for argument in arguments]
        function = FUNCTIONS[name]
        if name in ("values", "items"):
            return self._withholding_view(function, closures[0])
        if len(closures) == 1:
            (only,) = closures
            return lambda scope, budget: function(budget, only(scope, budget))
        return lambda scope, budget: function(budget, *[closure(scope, budget) for closure in closures])

    def _get(self, tree: Tree) -> Closure:
        mapping, key, *rest = (self.compile(part) for part in tree[2:])
        fixed = tree[3][0] in ("const", "int", "bytes")

        def evaluate(scope: Scope, budget: Budget) -> Any:
            wanted = key(scope, budget)
            if not fixed:
                self.refuse_withheld_key(wanted)
            default = rest[0](scope, budget) if rest else None
            return _get_key(mapping(scope, budget), wanted, default, budget)

        return evaluate

    def _withholding_view(self, function: Callable[..., Any], mapping: Closure) -> Closure:
        def evaluate(scope: Scope, budget: Budget) -> Any:
            value = mapping(scope, budget)
            if self.withholds is not None:
                for key in do.view("keys", value, budget):
                    self.refuse_withheld_key(key)
            return function(budget, value)

        return evaluate

    def _matches(self, arguments: list[Tree]) -> Closure:
        subject, pattern = self.compile(arguments[0]), Pattern(arguments[1][1])

        def evaluate(scope: Scope, budget: Budget) -> Any:
            text = foreign.plain(subject(scope, budget))
            if type(text) is not str:
                raise NotDefined(f"matches() looks into texts, not into a {foreign.type_name(text)}")
            return pattern.found_in(text, budget)

        return evaluate

    def _quantifier(self, tree: Tree) -> Closure:
        kind, names, iterable = tree[0], tree[1], self.compile(tree[2])
        bound = names if isinstance(names, list) else [names]
        self.bound += bound
        conditions, value = [self.compile(part) for part in tree[3]], self.compile(tree[4])
        del self.bound[len(self.bound) - len(bound) :]
        finish = _QUANTIFIERS[kind]

        def each(scope: Scope, budget: Budget) -> Iterator[Any]:
            inner = _Bound(scope)
            for element in do.elements(iterable(scope, budget), budget):
                _bind(inner, names, element, budget)
                if all(do.truth(condition(inner, budget)) for condition in conditions):
                    yield value(inner, budget)

        return lambda scope, budget: finish(each(scope, budget), budget)

    _any = _all = _sum = _min = _max = _quantifier


def _set_of(values: Iterator[Any]) -> set[Any]:
    kept = [foreign.plain(value) for value in values]
    if not all(foreign.is_one_of(type(value), foreign.ATOMS) for value in kept):
        raise NotDefined("a set in an expression holds texts, numbers and None; use a list for anything else")
    return set(kept)


_DISPLAYS: Final[dict[str, Callable[[Iterator[Any]], Any]]] = {"list": list, "tuple": tuple, "set": _set_of}
_PASSES_RESULT: Final[dict[str, slice]] = {
    "and": slice(1, None), "or": slice(1, None), "if": slice(2, None), "format": slice(1, 2),
}  # fmt: skip
"""Nodes whose value is the value of one of these parts."""


def _bind(scope: _Bound, names: Any, element: Any, budget: Budget) -> None:
    if type(names) is str:
        scope.values[names] = element
        return
    if do.length(element) != len(names):
        raise NotDefined(f"{len(names)} names cannot take apart {do.length(element)} values")
    scope.values.update(zip(names, do.elements(element, budget), strict=True))


def _chain(steps: list[tuple[Callable[..., Any], Closure, Closure]]) -> Closure:
    """``a < b < c``: each operand is evaluated once, and the first false comparison ends it."""

    def evaluate(scope: Scope, budget: Budget) -> Any:
        left = steps[0][1](scope, budget)
        for compare, _, operand in steps:
            right = operand(scope, budget)
            if not compare(left, right, budget):
                return False
            left = right
        return True

    return evaluate


def _get_key(mapping: Any, key: Any, default: Any, budget: Budget) -> Any:
    if foreign.container_base(mapping) is not dict:
        raise NotDefined(f"get() is not defined for {foreign.type_name(mapping)}")
    found = do.lookup(mapping, key, budget)
    return default if found is foreign.MISSING else found


_COMPARISONS: Final[dict[str, Callable[[Any, Any, Budget], bool]]] = {
    "==": do.equal,
    "!=": lambda left, right, budget: not do.equal(left, right, budget),
    "<": lambda left, right, budget: do.order("<", left, right, budget),
    "<=": lambda left, right, budget: do.order("<=", left, right, budget),
    ">": lambda left, right, budget: do.order(">", left, right, budget),
    ">=": lambda left, right, budget: do.order(">=", left, right, budget),
    "in": lambda left, right, budget: do.contains(right, left, budget),
    "not in": lambda left, right, budget: not do.contains(right, left, budget),
    "is": lambda left, right, budget: left is right,
    "is not": lambda left, right, budget: left is not right,
}


def _extreme(op: str, budget: Budget, *values: Any) -> Any:
    return do.extreme(op, do.elements(values[0], budget) if len(values) == 1 else iter(values), budget)


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "len": lambda budget, value: do.length(value),
    "min": lambda budget, *values: _extreme("<", budget, *values),
    "max": lambda budget, *values: _extreme(">", budget, *values),
    "sum": lambda budget, value: do.total(do.elements(value, budget), budget),
    "abs": lambda budget, value: do.absolute(value),
    "round": lambda budget, value, digits=None: do.rounded(value, digits),
    "any": lambda budget, value: any(map(do.truth, do.elements(value, budget))),
    "all": lambda budget, value: all(map(do.truth, do.elements(value, budget))),
    "type_name": lambda budget, value: foreign.type_name(value),
    "is_none": lambda budget, value: value is None,
    "startswith": lambda budget, text, part: do.affix("startswith", text, part),
    "endswith": lambda budget, text, part: do.affix("endswith", text, part),
    "contains": lambda budget, container, element: do.contains(container, element, budget),
    "lower": lambda budget, text: do.changed_case("lower", text, budget),
    "upper": lambda budget, text: do.changed_case("upper", text, budget),
    "strip": lambda budget, text: do.changed_case("strip", text, budget),
    "keys": lambda budget, value: do.view("keys", value, budget),
    "values": lambda budget, value: do.view("values", value, budget),
    "items": lambda budget, value: do.view("items", value, budget),
    "str": lambda budget, value: do.as_text(value),
    "int": lambda budget, value: do.as_number("int", value),
    "float": lambda budget, value: do.as_number("float", value),
    "bool": lambda budget, value: do.truth(value),
}
_QUANTIFIERS: Final[dict[str, Callable[[Iterator[Any], Budget], Any]]] = {
    "any": lambda values, budget: any(map(do.truth, values)),
    "all": lambda values, budget: all(map(do.truth, values)),
    "sum": do.total,
    "min": lambda values, budget: do.extreme("<", values, budget),
    "max": lambda values, budget: do.extreme(">", values, budget),
}
