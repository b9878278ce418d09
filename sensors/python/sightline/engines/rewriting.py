"""The engine of CPython 3.11: a call put into the bytecode at each place where a watched line begins.

Every function that runs the code object is given the rewritten one, and so is the code object it lies in, so that
closures made later carry it too. Calls already running keep the code they began with.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FunctionType

from bytecode import Bytecode, Instr, Label
from bytecode.instr import TryBegin

from sightline.engines.base import CannotArm, Names, Site, Spot, Watcher, is_the_applications

Hook = Callable[..., None]
"""Called with the wanted locals, or with nothing."""


class RewritingEngine:
    """Watches lines by rewriting the functions that hold them."""

    name = "rewriting"
    late = "Calls that are already running see it from their next call."

    def __init__(self) -> None:
        self.reason = (
            f"CPython {sys.version_info.major}.{sys.version_info.minor} has no sys.monitoring, "
            "so the functions that hold a watched line are rewritten."
        )
        self._roots: dict[int, Root] = {}
        self._of: dict[int, Root] = {}
        """Every code object of a root's tree, original or rewritten, by identity."""

    def arm(self, spot: Spot, watcher: Watcher) -> None:
        root = self._root(spot)
        code = root.original(spot.code)
        site = root.sites.setdefault(id(code), {}).get(spot.line)
        if site is None:
            site = root.sites[id(code)][spot.line] = Site(spot)
        site.add(watcher)
        root.functions.extend(spot.functions)
        try:
            self._rewrite(root)
        except Exception as error:
            self.disarm(spot, watcher)
            raise CannotArm(
                "cannot_rewrite", f"{code.co_qualname} cannot be rewritten on this Python ({error})."
            ) from error

    def disarm(self, spot: Spot, watcher: Watcher) -> None:
        root = self._of.get(id(spot.code))
        if root is None:
            return
        sites = root.sites.get(id(root.original(spot.code)), {})
        site = sites.get(spot.line)
        if site is None:
            return
        site.remove(watcher)
        if site.watchers:
            return
        del sites[spot.line]
        self._rewrite(root)
        if not any(root.sites.values()):
            self._forget(root)

    def wake(self) -> None:
        for root in list(self._roots.values()):
            for site in root.all_sites():
                if site.resting:
                    site.wake()

    def idle_hits(self) -> int:
        total = 0
        for root in list(self._roots.values()):
            total += root.idle[0]
            root.idle[0] = 0
        return total

    def original(self, code: CodeType) -> CodeType:
        root = self._of.get(id(code))
        return root.original(code) if root else code

    def close(self) -> None:
        for root in list(self._roots.values()):
            root.sites.clear()
            self._rewrite(root)
            self._forget(root)

    def _root(self, spot: Spot) -> Root:
        """The outermost known code object around the spot, with all that was done to its tree."""
        known = self._of.get(id(spot.code))
        if known is not None:
            return known
        outermost = spot.lineage[0] if spot.lineage else spot.code
        root = self._of.get(id(outermost)) or Root(outermost)
        self._roots[id(root.code)] = root
        for code in root.tree:
            self._of[id(code)] = root
        if id(spot.code) not in self._of:  # a function whose maker is gone stands for itself
            return self._root(spot._replace(lineage=()))
        return root

    def _rewrite(self, root: Root) -> None:
        """Bring every function of the tree to what its sites ask for."""
        wanted = root.rebuild()
        for code in root.rewritten.values():
            self._of[id(code[0])] = root
        for function in root.live_functions():
            target = wanted[id(root.original(function.__code__))]
            if function.__code__ is not target:
                function.__code__ = target

    def _forget(self, root: Root) -> None:
        self._roots.pop(id(root.code), None)
        self._of = {key: other for key, other in self._of.items() if other is not root}


class Root:
    """An outermost code object with its tree, its watched lines, and the code objects that replaced its own."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.tree = list(_tree(code))
        self.sites: dict[int, dict[int, Site]] = {}
        self.functions: list[weakref.ref[FunctionType]] = []
        self.idle = [0]
        self.rewritten: dict[int, tuple[CodeType, CodeType]] = {}
        """By identity of a rewritten code object: itself (kept alive), and the original."""

    def original(self, code: CodeType) -> CodeType:
        pair = self.rewritten.get(id(code))
        return pair[1] if pair else code

    def all_sites(self) -> list[Site]:
        return [site for sites in list(self.sites.values()) for site in list(sites.values())]

    def rebuild(self) -> dict[int, CodeType]:
        """What each original code object of the tree should be now, by its identity."""
        wanted: dict[int, CodeType] = {}
        self._build(self.code, wanted)
        return wanted

    def live_functions(self) -> Iterable[FunctionType]:
        """Functions running code of this tree: those known, and where it can make more, those found in the heap."""
        mine = {id(code) for code in self.tree} | set(self.rewritten)
        found: dict[int, FunctionType] = {}
        for reference in self.functions:
            function = reference()
            if function is not None and id(function.__code__) in mine:
                found[id(function)] = function
        if len(self.tree) > 1 or "<locals>" in self.code.co_qualname or not found:
            for thing in gc.get_objects():
                if type(thing) is FunctionType and id(thing.__code__) in mine:
                    found[id(thing)] = thing
        self.functions = [weakref.ref(function) for function in found.values()]
        return found.values()

    def _build(self, code: CodeType, wanted: dict[int, CodeType]) -> CodeType:
        children = [const for const in code.co_consts if type(const) is CodeType]
        replaced = {id(child): self._build(child, wanted) for child in children}
        sites = self.sites.get(id(code))
        result = code
        if any(replaced[id(child)] is not child for child in children):
            result = result.replace(
                co_consts=tuple(
                    replaced[id(const)] if type(const) is CodeType else const for const in code.co_consts
                )
            )
        if sites:
            result = inject(result, {line: self._hook(site) for line, site in sites.items()}, _wanted(sites))
        if result is not code:
            self.rewritten[id(result)] = (result, code)
        wanted[id(code)] = result
        return result

    def _hook(self, site: Site) -> Hook:
        idle = self.idle

        def hook(names: Names | None = None) -> None:
            try:
                if site.resting:
                    idle[0] += 1
                elif site.fire(None, names):
                    site.rest()
            except Exception as error:
                if is_the_applications(error):
                    raise
                site.failed()

        return hook


def _wanted(sites: dict[int, Site]) -> dict[int, frozenset[str]]:
    return {line: names for line, site in sites.items() if (names := site.wants)}


def inject(
    code: CodeType, hooks: Mapping[int, Hook], wanted: Mapping[int, frozenset[str]] | None = None
) -> CodeType:
    """``code`` with a call of each hook wherever its line begins, as `sys.monitoring` would tell a LINE event.

    That is: where control comes from another line, by falling through or by a jump, but not at jumps within the line.
    A hook is given the locals ``wanted`` on its line as a dict, where all of them are certain to be bound.
    """
    instructions = Bytecode.from_code(code)
    for line, hook in hooks.items():
        _inject_line(instructions, line, hook, (wanted or {}).get(line, frozenset()))
    result: CodeType = instructions.to_code()
    return result


def _inject_line(instructions: Bytecode, line: int, hook: Hook, wanted: frozenset[str]) -> None:
    jumps = _jumps_to(instructions)
    bound = _bound(instructions) if wanted else []
    for index, entry in reversed(list(_entries(instructions, line))):
        position, labels = _before_labels(instructions, index)
        strangers = [jump for label in labels for jump in jumps.get(id(label), ()) if jump.lineno != line]
        if entry != "other" and not strangers:
            continue
        call = _call(hook, line, sorted(wanted) if wanted and wanted <= bound[index] else [])
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


def _call(hook: Hook, line: int, names: list[str]) -> list[Instr | Label]:
    pairs = [each for name in names for each in (Instr("LOAD_CONST", name), Instr("LOAD_FAST", name))]
    given = [*pairs, Instr("BUILD_MAP", len(names))] if names else []
    call = [
        Instr("PUSH_NULL"),
        Instr("LOAD_CONST", hook),
        *given,
        Instr("PRECALL", 1 if names else 0),
        Instr("CALL", 1 if names else 0),
        Instr("POP_TOP"),
    ]
    for instruction in call:
        instruction.lineno = line
    return [*call]


def _bound(instructions: Bytecode) -> list[frozenset[str]]:
    """For each instruction the locals that are certainly bound there: loading any other one could raise.

    One pass forwards is enough. Names that are deleted anywhere (``except … as name`` does so) are left out, so that
    on every path more and more is bound, and what a loop's own jump back brings is never less than what entered it.
    """
    deleted = {item.arg for item in instructions if isinstance(item, Instr) and item.name == "DELETE_FAST"}
    given = frozenset(instructions.argnames) - deleted - set(instructions.cellvars)
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


def _meet(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """What is bound on both ways; None is a way that nothing takes."""
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _tree(code: CodeType) -> Iterable[CodeType]:
    yield code
    for const in code.co_consts:
        if type(const) is CodeType:
            yield from _tree(const)
