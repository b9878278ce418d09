"""Where one code object may write an attribute: the instructions, and how the object written to is reached there.

A short symbolic run over the bytecode, without loops, knows of each place on the stack whether it is a plain way from
the frame's names (``self``, ``self.order``, ``orders[0]``). What it does not know it calls unknown, and a write
to an unknown object is told as one that cannot be seen, never guessed.
"""

from __future__ import annotations

import builtins
import dis
import sys
from collections.abc import Callable, Iterator, Mapping
from types import CodeType
from typing import Any, Final, Literal, NamedTuple

from . import foreign, readers

How = Literal[
    "plain",
    "augmented",
    "setattr",
    "object_setattr",
    "constructed",
    "dict_update",
    "deleted",
]
Way = tuple[Any, ...] | None
"""How an object is reached: ``("local", name)``, ``("global", name)``, ``("const", value)``, ``("attr", way, name)``,
``("item", way, way)``; None where it cannot be told without running code."""

MOST_INSTRUCTIONS: Final = 20_000
"""Longer code objects are data or generated parsers, and are not read."""

SETTERS: Final[dict[str, How]] = {
    "setattr": "setattr",
    "delattr": "deleted",
    "__setattr__": "object_setattr",
    "__delattr__": "deleted",
}
"""Calls that write, by the name they are called by."""
FILLS_ITSELF: Final = ("self_instance",)
"""The keyword by which pydantic's compiled `validate_python` is given the model it is to fill."""
_NULL: Final = ("null",)
_INPLACE: Final = ("inplace",)
_VARS: Final = ("global", "vars")
_METHOD_FIRST = True
_CALLABLE_FIRST = sys.version_info >= (3, 13)
"""From 3.13 the callable lies below the NULL, before it above."""


class Point(NamedTuple):
    """One instruction that may write the attribute."""

    offset: int
    after: int
    """Offset of the instruction that runs next, if this one does not raise."""
    line: int
    how: How
    owner: Way
    """The object written to; None: not to be told from the frame's names."""
    operation: str
    ordinal: int
    """Which of the code object's instructions of this operation, from 0: for those who rewrite it."""
    arguments: int = 0
    """Positional arguments of a call."""
    name: Way = None
    """The attribute's name, for calls that are given it."""

    @property
    def is_call(self) -> bool:
        """Whether the object is what a call is given, rather than what an instruction stores into."""
        return self.operation == "CALL"


def may_write(code: CodeType, attribute: str) -> bool:
    """Whether a closer look is worth it; decided by the names it uses alone."""
    names = code.co_names
    if attribute in names:
        return True
    if any(name in names for name in SETTERS) or FILLS_ITSELF in code.co_consts:
        return True
    if code.co_filename.startswith("<attrs "):
        return _holds_constant(code, attribute)
    return ("__dict__" in names or "vars" in names) and (
        "update" in names or _holds_constant(code, attribute)
    )


def _holds_constant(code: CodeType, attribute: str) -> bool:
    return any(type(const) is str and const == attribute for const in code.co_consts)


def points(code: CodeType, attribute: str) -> list[Point]:
    """Every instruction of ``code`` that may write ``attribute``, in order."""
    if len(code.co_code) > 2 * MOST_INSTRUCTIONS:
        return []
    return _Reading(code, attribute).points


class CallPoint(NamedTuple):
    """One call of a method, on an object and with a first argument that may be known."""

    offset: int
    after: int
    line: int
    method: str
    owner: Way
    first: Way
    ordinal: int
    arguments: int
    operation: str


def calls(code: CodeType, methods: frozenset[str]) -> list[CallPoint]:
    """Every call in ``code`` of a method with one of these names, in order."""
    if len(code.co_code) > 2 * MOST_INSTRUCTIONS or methods.isdisjoint(code.co_names):
        return []
    return _Calls(code, methods).calls


class _Reading:
    """One symbolic run."""

    def __init__(self, code: CodeType, attribute: str) -> None:
        self.attribute = attribute
        self.points: list[Point] = []
        self._stack: list[Any] | None = []
        self._at: dict[int, list[Any] | None] = {}
        """The stack at targets of jumps forward."""
        self._aliases: dict[str, Any] = {}
        """Locals that stand for a global or a ``__dict__``, as ``put = setattr``, and are stored once."""
        self._first = ("local", code.co_varnames[0]) if code.co_argcount else None
        self._fills_itself = FILLS_ITSELF in code.co_consts
        self._ordinals: dict[str, int] = {}
        instructions = [each for each in dis.get_instructions(code) if each.opname != "CACHE"]
        self._stored = _stored_once(instructions)
        for this, following in zip(instructions, [*instructions[1:], None], strict=True):
            self._step(this, following.offset if following is not None else -1)

    def _step(self, this: dis.Instruction, after: int) -> None:
        if this.is_jump_target and this.offset in self._at:
            self._stack = _meet(self._stack, self._at.pop(this.offset))
        if self._stack is None:  # entered by an exception only, or by a jump backwards
            self._stack = []
        name = this.opname
        if name in _COUNTED:
            self._look(this, after)
            self._ordinals[name] = self._ordinals.get(name, 0) + 1
        handle = _HANDLERS.get(name)
        if handle is not None:
            handle(self, this)
        else:
            self._any(this)
        if name in _ENDS:
            self._stack = None

    # looking

    def _look(self, this: dis.Instruction, after: int) -> None:
        """Take down the instruction if it may write the attribute."""
        name = this.opname
        if name == "STORE_ATTR" and this.argval == self.attribute:
            how: How = "augmented" if self._top(2) is _INPLACE else "plain"
            self._found(this, after, how, self._top(1))
        elif name == "DELETE_ATTR" and this.argval == self.attribute:
            self._found(this, after, "deleted", self._top(1))
        elif name in ("STORE_SUBSCR", "DELETE_SUBSCR") and self._top(1) == ("const", self.attribute):
            self._found_in_dict(
                this, after, "dict_update" if name == "STORE_SUBSCR" else "deleted", self._top(2)
            )
        elif name in ("CALL", "CALL_KW"):
            self._look_at_call(this, after)

    def _called(self, this: dis.Instruction) -> tuple[Any, list[Any]]:
        """What a call calls, and what it is given by position, or by keyword after that."""
        count = this.arg or 0
        above = 1 if this.opname == "CALL_KW" else 0
        first, second = self._top(count + 2 + above), self._top(count + 1 + above)
        given = [self._top(count - position + above) for position in range(count)]
        is_method = second is not _NULL and first is not _NULL and first is not None
        return self._meant(first if is_method or second is _NULL else second), given

    def _look_at_call(self, this: dis.Instruction, after: int) -> None:
        called, given = self._called(this)
        count = len(given)
        if called is None or called[0] not in ("global", "attr", "local"):
            return
        name, base = called[-1], called[1] if called[0] == "attr" else None
        if name in SETTERS:
            self._found_setter(this, after, SETTERS[name], base, given)
        elif called == ("local", "_setattr"):  # what attrs calls the bound method in what it generates
            self._found_setter(this, after, "object_setattr", self._first, given)
        elif name == "update" and base is not None:
            self._found_in_dict(this, after, "dict_update", base, count)
        elif name == "validate_python" and self._fills_itself:
            self._found(this, after, "constructed", self._first, count)

    def _found_setter(self, this: dis.Instruction, after: int, how: How, base: Any, given: list[Any]) -> None:
        """A call of setattr and its like: of the builtin, of a class's, or of the object's own."""
        deletes = how == "deleted"
        named = 1 if deletes else 2
        owner_given = len(given) > named
        attribute = given[-named] if len(given) >= named else None
        if attribute is not None and attribute[0] == "const" and attribute[1] != self.attribute:
            return
        owner = given[0] if owner_given else base
        if not owner_given and owner == _SUPER:
            owner = self._first
        self._found(this, after, how, owner, len(given), attribute)

    def _found_in_dict(
        self, this: dis.Instruction, after: int, how: How, of: Any, arguments: int = 0
    ) -> None:
        owner = _dict_owner(self._meant(of))
        if owner is not None:
            self._found(this, after, how, owner, arguments)

    def _meant(self, thing: Any) -> Any:
        """What a local stands for, where that is known."""
        return self._aliases.get(thing[1], thing) if thing and thing[0] == "local" else thing

    def _found(
        self, this: dis.Instruction, after: int, how: How, owner: Any, arguments: int = 0, name: Any = None
    ) -> None:
        line = this.positions.lineno if this.positions is not None else None
        ordinal = self._ordinals.get(this.opname, 0)
        self.points.append(
            Point(
                this.offset, after, line or 0, how, _way(owner), this.opname, ordinal, arguments, _way(name)
            )
        )

    # the stack

    def _top(self, position: int) -> Any:
        """What lies that deep, from 1; None where it is not known."""
        stack = self._stack or []
        return stack[-position] if position <= len(stack) else None

    def _pop(self, count: int = 1) -> None:
        stack = self._stack or []
        del stack[max(0, len(stack) - count) :]

    def _push(self, *things: Any) -> None:
        if self._stack is not None:
            self._stack += things

    def _any(self, this: dis.Instruction) -> None:
        """An operation of no interest: so many are taken, so many unknown ones are put."""
        argument = this.arg if this.opcode >= dis.HAVE_ARGUMENT else None
        puts = _puts(this.opname, argument or 0)
        self._jump(this, argument)
        effect = dis.stack_effect(this.opcode, argument, jump=False)
        self._pop(max(0, puts - effect))
        self._push(*[None] * puts)

    def _jump(self, this: dis.Instruction, argument: int | None) -> None:
        if this.opcode not in _JUMPS or not isinstance(this.argval, int) or this.argval <= this.offset:
            return
        effect = dis.stack_effect(this.opcode, argument, jump=True)
        stack = list(self._stack or [])
        kept = stack[: max(0, len(stack) + min(effect, 0))]
        kept += [None] * max(effect, 0)
        self._at[this.argval] = _meet(self._at.get(this.argval), kept)

    # operations

    def _load(self, this: dis.Instruction) -> None:
        names = this.argval if isinstance(this.argval, tuple) else (this.argval,)
        self._push(*[("local", name) for name in names])

    def _load_global(self, this: dis.Instruction) -> None:
        found = ("global", this.argval)
        if this.opname == "LOAD_GLOBAL" and (this.arg or 0) & 1:
            self._push(*((found, _NULL) if _CALLABLE_FIRST else (_NULL, found)))
        else:
            self._push(found)

    def _load_const(self, this: dis.Instruction) -> None:
        self._push(("const", this.argval))

    def _load_attr(self, this: dis.Instruction) -> None:
        base = self._top(1)
        self._pop()
        found = ("attr", base, this.argval)
        if sys.version_info >= (3, 12) and (this.arg or 0) & 1:
            self._push(found, base)
        else:
            self._push(found)

    def _load_method(self, this: dis.Instruction) -> None:
        base = self._top(1)
        self._pop()
        self._push(("attr", base, this.argval), base)

    def _load_super(self, this: dis.Instruction) -> None:
        self._pop(3)
        found = ("attr", _SUPER, this.argval)
        self._push(*((found, _SUPER) if (this.arg or 0) & 1 else (found,)))

    def _push_null(self, this: dis.Instruction) -> None:
        self._push(_NULL)

    def _copy(self, this: dis.Instruction) -> None:
        self._push(self._top(this.arg or 1))

    def _swap(self, this: dis.Instruction) -> None:
        stack, deep = self._stack or [], this.arg or 1
        if deep <= len(stack):
            stack[-1], stack[-deep] = stack[-deep], stack[-1]
        else:
            self._stack = []

    def _binary(self, this: dis.Instruction) -> None:
        self._pop(2)
        self._push(_INPLACE if (this.arg or 0) >= _FIRST_INPLACE else None)

    def _subscript(self, this: dis.Instruction) -> None:
        container, key = self._top(2), self._top(1)
        self._pop(2)
        known = _way(container) is not None and _way(key) is not None
        self._push(("item", container, key) if known else None)

    def _store(self, this: dis.Instruction) -> None:
        name, value = this.argval, self._top(1)
        self._pop()
        if value is None or name not in self._stored:
            return
        if value[0] == "global" or _dict_owner(value) is not None:
            self._aliases[name] = value

    def _store_load(self, this: dis.Instruction) -> None:
        self._pop()
        self._push(("local", this.argval[1]))

    def _call(self, this: dis.Instruction) -> None:
        count = (this.arg or 0) + (1 if this.opname == "CALL_KW" else 0)
        given, called = self._top(1), [self._top(count + 1), self._top(count + 2)]
        is_vars = count == 1 and _VARS in called and given is not None
        is_super = ("global", "super") in called
        self._pop(count + 2)
        self._push(("attr", given, "__dict__") if is_vars else _SUPER if is_super else None)

    def _nothing(self, this: dis.Instruction) -> None:
        """PRECALL and KW_NAMES speak to the CALL that follows."""


class _Calls(_Reading):
    """A run that looks for calls of methods."""

    def __init__(self, code: CodeType, methods: frozenset[str]) -> None:
        self.methods = methods
        self.calls: list[CallPoint] = []
        super().__init__(code, "")

    def _look(self, this: dis.Instruction, after: int) -> None:
        if this.opname not in ("CALL", "CALL_KW"):
            return
        called, given = self._called(this)
        if called is None or called[0] != "attr" or called[2] not in self.methods:
            return
        owner = self._first if called[1] == _SUPER else _way(called[1])
        line = this.positions.lineno if this.positions is not None else None
        first = _way(given[0]) if given else None
        ordinal = self._ordinals.get(this.opname, 0)
        self.calls.append(
            CallPoint(
                this.offset, after, line or 0, called[2], owner, first, ordinal, len(given), this.opname
            )
        )


_SUPER: Final = ("super",)
_FIRST_INPLACE: Final = 13
_COUNTED: Final = frozenset({"STORE_ATTR", "DELETE_ATTR", "STORE_SUBSCR", "DELETE_SUBSCR", "CALL", "CALL_KW"})
_JUMPS: Final = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
_ENDS: Final = frozenset(
    {"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", "JUMP_FORWARD", "JUMP_BACKWARD",
     "JUMP_BACKWARD_NO_INTERRUPT", "JUMP"}
)  # fmt: skip
_HANDLERS: Final[dict[str, Callable[[_Reading, dis.Instruction], None]]] = {
    **dict.fromkeys(
        ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_DEREF", "LOAD_CLASSDEREF",
         "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"),
        _Reading._load,
    ),
    **dict.fromkeys(("LOAD_GLOBAL", "LOAD_NAME"), _Reading._load_global),
    **dict.fromkeys(("LOAD_CONST", "LOAD_SMALL_INT"), _Reading._load_const),
    "LOAD_ATTR": _Reading._load_attr,
    "LOAD_METHOD": _Reading._load_method,
    "LOAD_SUPER_ATTR": _Reading._load_super,
    "PUSH_NULL": _Reading._push_null,
    "COPY": _Reading._copy,
    "SWAP": _Reading._swap,
    "BINARY_OP": _Reading._binary,
    "BINARY_SUBSCR": _Reading._subscript,
    "STORE_FAST": _Reading._store,
    "STORE_FAST_LOAD_FAST": _Reading._store_load,
    "CALL": _Reading._call,
    "CALL_KW": _Reading._call,
    "PRECALL": _Reading._nothing,
    "KW_NAMES": _Reading._nothing,
}  # fmt: skip
_PUT_NOTHING: Final = (
    "STORE_", "POP_", "DELETE_", "RETURN", "RAISE", "RERAISE", "NOP", "RESUME", "JUMP", "LIST_", "SET_", "MAP_",
    "DICT_", "MAKE_CELL", "COPY_FREE_VARS", "END_", "EXTENDED_ARG", "CLEANUP_THROW", "SETUP_ANNOTATIONS",
)  # fmt: skip
_PUT_TWO: Final = frozenset({"BEFORE_WITH", "BEFORE_ASYNC_WITH", "PUSH_EXC_INFO", "LOAD_SPECIAL"})


def _puts(name: str, argument: int) -> int:
    """How many an operation puts on the stack, whatever it takes."""
    if name in ("UNPACK_SEQUENCE", "UNPACK_EX"):
        return argument if name == "UNPACK_SEQUENCE" else (argument & 0xFF) + (argument >> 8) + 1
    if name in _PUT_TWO:
        return 2
    return 0 if name.startswith(_PUT_NOTHING) else 1


def _meet(one: list[Any] | None, other: list[Any] | None) -> list[Any] | None:
    """What is known on both ways to a place, counted from the top; None is a way that nothing takes."""
    if one is None or other is None:
        return one if other is None else other
    depth = min(len(one), len(other))
    pairs = zip(one[len(one) - depth :], other[len(other) - depth :], strict=True)
    return [mine if mine == yours else None for mine, yours in pairs]


def _stored_once(instructions: list[dis.Instruction]) -> frozenset[str]:
    stored = [
        name
        for each in instructions
        if each.opname.startswith(("STORE_FAST", "STORE_DEREF", "DELETE_FAST"))
        for name in (each.argval if isinstance(each.argval, tuple) else (each.argval,))
    ]
    return frozenset(name for name in stored if stored.count(name) == 1)


def _dict_owner(way: Any) -> Any:
    """The object whose ``__dict__`` this is, where that is known."""
    if way is not None and way[0] == "attr" and way[2] == "__dict__" and _way(way[1]) is not None:
        return way[1]
    return None


def _way(thing: Way) -> Way:
    """``thing`` if it leads from the frame's names to an object all the way; else None."""
    if thing is None or thing[0] in ("null", "inplace", "super"):
        return None
    return None if thing[0] == "attr" and _way(thing[1]) is None else thing


# ---------------------------------------------------------------- following a way


class Unseen(Exception):
    """The way leads through something that cannot be read without running code."""


def follow(way: Way, local: Mapping[str, Any], outside: Mapping[str, Any]) -> Any:
    """The object at the end of ``way`` in a frame with these locals and globals. Raises `Unseen`."""
    if way is None:
        raise Unseen
    kind = way[0]
    if kind == "const":
        return way[1]
    if kind == "local":
        found = local.get(way[1], foreign.MISSING)
    elif kind == "global":
        found = local.get(way[1], foreign.MISSING)
        if found is foreign.MISSING:
            found = outside.get(way[1], foreign.MISSING)
        if found is foreign.MISSING:
            found = vars(builtins).get(way[1], foreign.MISSING)
    elif kind == "attr":
        found = _attribute(follow(way[1], local, outside), way[2])
    else:
        found = _item(follow(way[1], local, outside), follow(way[2], local, outside))
    if found is foreign.MISSING:
        raise Unseen
    return found


def _attribute(value: Any, name: str) -> Any:
    try:
        return foreign.read_attribute(value, name)
    except foreign.Unreadable as error:
        raise Unseen from error


def _item(container: Any, key: Any) -> Any:
    cls = type(container)
    if cls in (list, tuple) and type(key) is int and -len(container) <= key < len(container):
        return container[key]
    if cls is dict and id(type(key)) in readers.LEAF_IDS and type(key) in (str, int):
        return foreign.field(container, key) if type(key) is str else _of_int(container, key)
    raise Unseen


def _of_int(container: dict[Any, Any], key: int) -> Any:
    return next(
        (value for each, value in container.items() if type(each) is int and each == key), foreign.MISSING
    )


def names_of(way: Way) -> Iterator[str]:
    """The local names a way begins with."""
    if way is None:
        return
    if way[0] == "local":
        yield way[1]
    elif way[0] == "attr":
        yield from names_of(way[1])
    elif way[0] == "item":
        yield from names_of(way[1])
        yield from names_of(way[2])
