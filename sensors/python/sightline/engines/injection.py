"""The surgery of the rewriting engine: calls of hooks, put into the bytecode of CPython 3.11 where events happen.

Order matters: calls are looked for before any of ours stand among them, and the outer handler comes last, round
everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import CodeType
from typing import Any, Final

from bytecode import Bytecode, Instr, Label, SetLineno
from bytecode.instr import TryBegin, TryEnd

from sightline.engines.base import MISSING, Event, Point

Hook = Callable[..., None]
"""Called with the wanted locals, with what the event tells, or with nothing."""
Item = Instr | Label | TryBegin | TryEnd | SetLineno

BARE: Final[object] = object()
"""What a ``reraise`` hook is given by a bare `raise`: the exception is the one that is being handled."""
_PLAIN_YIELD: Final = 1
"""The argument of the RESUME that follows a plain `yield`; `yield from` has 2, `await` 3."""


class Switch(list[bool]):
    """Empty while a code object's every line is not told. A list, because its truth is looked up fastest; with an
    identity, because constants of code objects are hashed.
    """

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__
    __ne__ = object.__ne__


def inject(
    code: CodeType,
    hooks: Mapping[int, Hook],
    wanted: Mapping[int | Event, frozenset[str]] | None = None,
    *,
    events: Mapping[Event, Hook] | None = None,
    every: Mapping[int, Hook] | None = None,
    switch: Switch | None = None,
    writes: Iterable[tuple[Point, Hook, Hook]] = (),
) -> CodeType:
    """``code`` with a call of each hook wherever its line begins, as `sys.monitoring` would tell a LINE event.

    That is: where control comes from another line, by falling through or by a jump, but not at jumps within the line.
    A hook is given the locals ``wanted`` on its line as a dict, where all of them are certain to be bound. ``events``
    are hooks of other events; ``every`` are hooks of lines that are called only while ``switch`` is not empty;
    ``writes`` are called before and after one instruction each.
    """
    wanted, events, every = wanted or {}, events or {}, every or {}
    instructions = Bytecode.from_code(code)
    stores = _stores(instructions, writes)  # found while the instructions are those that were counted
    if "call" in events:
        _inject_calls(instructions, events["call"])
    for instruction, point, before, after in stores:
        _inject_round(instructions, instruction, point, before, after)
    for line in sorted({*hooks, *every}):
        names = wanted.get(line, frozenset())
        _inject_line(instructions, line, hooks.get(line), names, every.get(line), switch)
    _inject_told(instructions, events)
    if "resume" in events:
        _inject_after(instructions, _is_resumption, events["resume"])
    if "start" in events:
        _inject_start(instructions, events["start"], wanted.get("start", frozenset()))
    leaving = [events[event] for event in ("raise", "unwind") if event in events]
    if leaving:
        _wrap(instructions, leaving)
    result: CodeType = instructions.to_code()
    return result


# ---------------------------------------------------------------- lines


def _inject_line(
    instructions: Bytecode,
    line: int,
    hook: Hook | None,
    wanted: frozenset[str],
    every: Hook | None,
    switch: Switch | None,
) -> None:
    jumps = _jumps_to(instructions)
    bound = _bound(instructions) if wanted else []
    for index, entry in reversed(list(_entries(instructions, line))):
        position, labels = _before_labels(instructions, index)
        strangers = [jump for label in labels for jump in jumps.get(id(label), ()) if jump.lineno != line]
        if entry != "other" and not strangers:
            continue
        call: list[Item] = []
        if every is not None:
            call += _only_while(switch, every, line)
        if hook is not None:
            call += _call(hook, line, sorted(wanted) if wanted and wanted <= bound[index] else [])
        if strangers:
            through = Label()
            for jump in strangers:
                jump.arg = through
            call.insert(0, through)
        if entry == "same":
            over = Label()
            call.insert(0, Instr("JUMP_FORWARD", over, lineno=line))
            call.append(over)
        instructions[position:position] = call


def _entries(instructions: Bytecode, line: int) -> Iterable[tuple[int, str]]:
    """Instructions of ``line`` that control may enter, with where it falls in from: ``other``, ``same`` or ``none``."""
    started = False
    before: Instr | None = None
    labelled = False
    for index, item in enumerate(instructions):
        if isinstance(item, Label):
            labelled = True
        if not isinstance(item, Instr):
            continue
        if not started:  # cells, generators and arguments are set up before the first RESUME
            started = item.name == "RESUME"
            continue
        if item.lineno == line:
            entry = "other"
            if before is not None and before.is_final():
                entry = "none"
            elif before is not None and before.lineno == line:
                entry = "same"
            if entry == "other" or labelled:
                yield index, entry
        before = item if item.name != "PUSH_EXC_INFO" else None  # a handler is entered from anywhere
        labelled = False


def _before_labels(instructions: Bytecode, index: int) -> tuple[int, list[Label]]:
    """Where to put a call so that it comes before the labels in front of ``index``, and those labels."""
    labels: list[Label] = []
    position = index
    while position and not isinstance(instructions[position - 1], Instr):
        position -= 1
        item = instructions[position]
        if isinstance(item, Label):
            labels.append(item)
    previous = instructions[position - 1] if position else None
    if isinstance(previous, Instr) and previous.name in ("KW_NAMES", "PRECALL"):
        position -= 1  # these two speak to the CALL that follows them
    return position, labels


def _jumps_to(instructions: Bytecode) -> dict[int, list[Instr]]:
    jumps: dict[int, list[Instr]] = {}
    for item in instructions:
        if isinstance(item, Instr) and isinstance(item.arg, Label):
            jumps.setdefault(id(item.arg), []).append(item)
    return jumps


def _call(hook: Hook, line: int | None, names: list[str]) -> list[Item]:
    """A call of ``hook`` with these locals as a dict, or with nothing."""
    pairs = [each for name in names for each in (Instr("LOAD_CONST", name), Instr("LOAD_FAST", name))]
    given = [*pairs, Instr("BUILD_MAP", len(names))] if names else []
    return _called(hook, given, 1 if names else 0, line)


def _called(hook: Hook, given: list[Instr], arguments: int, line: int | None) -> list[Item]:
    """A call of ``hook`` with what ``given`` pushes. Without a line no debugger stops at it."""
    call = [
        Instr("PUSH_NULL"),
        Instr("LOAD_CONST", hook),
        *given,
        Instr("PRECALL", arguments),
        Instr("CALL", arguments),
        Instr("POP_TOP"),
    ]
    for instruction in call:
        instruction.lineno = line
    return [*call]


def _only_while(switch: Switch | None, hook: Hook, line: int) -> list[Item]:
    over = Label()
    return [
        Instr("LOAD_CONST", switch, lineno=line),
        Instr("POP_JUMP_FORWARD_IF_FALSE", over, lineno=line),
        *_call(hook, line, []),
        over,
    ]


def _bound(instructions: Bytecode) -> list[frozenset[str]]:
    """For each instruction the locals that are certainly bound there: loading any other one could raise.

    One pass forwards is enough. Names that are deleted anywhere (``except … as name`` does so) are left out, so that
    on every path more and more is bound, and what a loop's own jump back brings is never less than what entered it.
    """
    deleted = _deleted(instructions)
    given = _given(instructions)
    at_labels: dict[int, frozenset[str]] = {}
    now: frozenset[str] | None = given
    result = []
    for item in instructions:
        if isinstance(item, Label):
            now = _meet(now, at_labels.get(id(item)))
            now = given if now is None else now
        elif isinstance(item, TryBegin):
            at_labels[id(item.target)] = (
                _meet(at_labels.get(id(item.target)), now if now is not None else given) or given
            )
        result.append(now if now is not None else given)
        if not isinstance(item, Instr):
            continue
        if isinstance(item.arg, Label):
            at_labels[id(item.arg)] = _meet(at_labels.get(id(item.arg)), now) or given
        if item.name == "STORE_FAST" and now is not None and item.arg not in deleted:
            now = now | {str(item.arg)}
        if item.is_final():
            now = None
    return result


def _given(instructions: Bytecode) -> frozenset[str]:
    """Arguments that are bound from beginning to end."""
    return frozenset(instructions.argnames) - _deleted(instructions) - set(instructions.cellvars)


def _deleted(instructions: Bytecode) -> set[Any]:
    return {item.arg for item in instructions if isinstance(item, Instr) and item.name == "DELETE_FAST"}


def _meet(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """What is bound on both ways; None is a way that nothing takes."""
    if one is None or other is None:
        return one if other is None else other
    return one & other


# ---------------------------------------------------------------- round instructions


def _stores(
    instructions: Bytecode, writes: Iterable[tuple[Point, Hook, Hook]]
) -> list[tuple[Instr, Point, Hook, Hook]]:
    """The instructions that the points stand for."""
    by_name: dict[str, list[Instr]] = {}
    for item in instructions:
        if isinstance(item, Instr):
            by_name.setdefault(item.name, []).append(item)
    return [
        (by_name[point.operation][point.ordinal], point, before, after) for point, before, after in writes
    ]


def _inject_round(
    instructions: Bytecode, instruction: Instr, point: Point, before: Hook, after: Hook
) -> None:
    """Calls before and after one instruction; both are given the object written to where no name leads to it."""
    at = next(index for index, item in enumerate(instructions) if item is instruction)
    line = instruction.lineno
    first = at - _prefix(instructions, at)
    if point.owner is not None:
        instructions[at + 1 : at + 1] = _called(after, [], 0, line)
        instructions[first:first] = _called(before, [], 0, line)
    elif point.operation == "CALL":
        instructions[at + 1 : at + 1] = _called(after, [], 0, line)
        given = [Instr("COPY", point.arguments + 2)] if point.arguments else [Instr("LOAD_CONST", MISSING)]
        instructions[first:first] = _called(before, given, 1, line)
    else:
        kept = [Instr("COPY", 1, lineno=line)]  # below what the instruction takes
        if point.operation == "STORE_ATTR":
            kept += [Instr("SWAP", 3, lineno=line), Instr("SWAP", 2, lineno=line)]
        afterwards = _called(after, [Instr("COPY", 3)], 1, line)
        instructions[at + 1 : at + 1] = [*afterwards, Instr("POP_TOP", lineno=line)]
        instructions[at:at] = [*_called(before, [Instr("COPY", 3)], 1, line), *kept]


def _prefix(instructions: Bytecode, at: int) -> int:
    """How many instructions just before a CALL speak to it."""
    count = 0
    while count < 2 and _is_prefix(instructions[at - 1 - count]):
        count += 1
    return count


def _is_prefix(item: Item) -> bool:
    return isinstance(item, Instr) and item.name in ("PRECALL", "KW_NAMES")


# ---------------------------------------------------------------- other events


def _inject_told(instructions: Bytecode, events: Mapping[Event, Hook]) -> None:
    """Hooks of events whose subject lies on top of the stack just before, or just after, an instruction."""
    plain = [item for item in instructions if isinstance(item, Instr)]
    yields = {id(at) for at in _plain_yields(plain)} if "yield" in events else set[int]()
    result: list[Item] = []
    for item in instructions:
        if isinstance(item, Instr):
            event = "yield" if id(item) in yields else _BEFORE.get(item.name, "line")
            if event in events:
                result += _telling(events[event], item)
            elif item.name == "RAISE_VARARGS" and item.arg == 0 and "reraise" in events:
                result += _called(events["reraise"], [Instr("LOAD_CONST", BARE)], 1, item.lineno)
        result.append(item)
        if isinstance(item, Instr) and item.name == "PUSH_EXC_INFO":
            reached: tuple[Event, ...] = ("raise", "handled")
            for event in reached:
                if event in events:
                    result += _telling(events[event], item)
    instructions[:] = result


_BEFORE: Final[dict[str, Event]] = {"RETURN_VALUE": "return", "RERAISE": "reraise"}


def _telling(hook: Hook, at: Instr) -> list[Item]:
    """A call of ``hook`` with what lies on top of the stack, which stays there."""
    return _called(hook, [Instr("COPY", 3)], 1, at.lineno)


def _plain_yields(plain: list[Instr]) -> Iterable[Instr]:
    """The instructions before which the value of a `yield` lies on the stack, not yet wrapped."""
    for before, at, after in zip(plain, plain[1:], plain[2:], strict=False):
        if at.name == "ASYNC_GEN_WRAP" or (
            at.name == "YIELD_VALUE"
            and before.name != "ASYNC_GEN_WRAP"
            and after.name == "RESUME"
            and _argument(after) & 3 == _PLAIN_YIELD
        ):
            yield at


def _argument(instruction: Instr) -> int:
    return instruction.arg if type(instruction.arg) is int else 0


def _is_resumption(instruction: Instr) -> bool:
    return instruction.name == "RESUME" and _argument(instruction) > 0


def _inject_after(instructions: Bytecode, chosen: Callable[[Instr], bool], hook: Hook) -> None:
    result: list[Item] = []
    for item in instructions:
        result.append(item)
        if isinstance(item, Instr) and chosen(item):
            result += _call(hook, None, [])
    instructions[:] = result


def _inject_start(instructions: Bytecode, hook: Hook, wanted: frozenset[str]) -> None:
    names = sorted(wanted) if wanted and wanted <= _given(instructions) else []
    for index, item in enumerate(instructions):
        if isinstance(item, Instr) and item.name == "RESUME":
            instructions[index + 1 : index + 1] = _call(hook, None, names)
            return


def _inject_calls(instructions: Bytecode, hook: Hook) -> None:
    """A hook before every call that is written out, given the callable and the first argument.

    Methods are looked up as attributes first, so that the callable always lies in one place. (For decorators and
    comprehensions that place holds their argument.)
    """
    result: list[Item] = []
    for index, item in enumerate(instructions):
        if not isinstance(item, Instr):
            result.append(item)
        elif item.name == "LOAD_METHOD":
            at = item.location
            result += [
                Instr("LOAD_ATTR", item.arg, location=at),
                Instr("PUSH_NULL", location=at),
                Instr("SWAP", 2, location=at),
            ]
        else:
            arguments = _arguments_of_call(instructions, index)
            if arguments is not None:
                first = Instr("COPY", arguments + 3) if arguments else Instr("LOAD_CONST", MISSING)
                result += _called(hook, [Instr("COPY", arguments + 3), first], 2, item.lineno)
            result.append(item)
    instructions[:] = result


def _arguments_of_call(instructions: Bytecode, index: int) -> int | None:
    """How many arguments the call takes that begins with this instruction; None where none begins."""
    at, before = instructions[index], instructions[index - 1] if index else None
    if isinstance(at, Instr) and at.name == "KW_NAMES":
        at, before = instructions[index + 1], None
    if not isinstance(at, Instr) or at.name != "PRECALL":
        return None
    named = isinstance(before, Instr) and before.name == "KW_NAMES"
    return None if named else _argument(at)


def _wrap(instructions: Bytecode, hooks: list[Hook]) -> None:
    """An outer handler for what leaves the code object: tells the exception and passes it on as if it were not there.

    Ranges that have a handler keep theirs; handlers themselves get this one. RERAISE with the saved instruction leaves
    the traceback, and the line it names, as they were.
    """
    handler = Label()
    result: list[Item] = []
    ours: TryBegin | None = None
    guarded, started = False, False
    for item in instructions:
        if isinstance(item, TryBegin):
            guarded = True
        if ours is not None and guarded:
            result.append(TryEnd(ours))
            ours = None
        if isinstance(item, Instr) and started and not guarded and ours is None:
            ours = TryBegin(handler, push_lasti=True)
            result.append(ours)
        result.append(item)
        guarded = guarded and not isinstance(item, TryEnd)
        started = started or (isinstance(item, Instr) and item.name == "RESUME")
    if ours is not None:
        result.append(TryEnd(ours))
    result.append(handler)
    for hook in hooks:
        result += _called(hook, [Instr("COPY", 3)], 1, None)
    result.append(Instr("RERAISE", 1, lineno=None))
    instructions[:] = result
