"""The engine of CPython 3.11: calls of hooks put into the bytecode at each place where a watched event happens.

Every function that runs the code object is given the rewritten one, and so is the code object it lies in, so that
closures made later carry it too. Calls already running keep the code they began with.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Sequence
from types import CodeType, FunctionType
from typing import Final

from sightline import linetables
from sightline.engines import recognised
from sightline.engines.base import (
    ABOVE_HOOK,
    MISSING,
    PROCESS_WIDE,
    CannotArm,
    Event,
    Names,
    Point,
    Site,
    Spot,
    Watcher,
    Watching,
    is_the_applications,
)
from sightline.engines.hooks import named
from sightline.engines.injection import BARE, Hook, Switch, inject
from sightline.linetables import COMPREHENSIONS
from sightline.walk import Walk

LATE: Final = "Calls that are already running see it from their next call."
PERHAPS_MISSED: Final = (
    "This process holds so many objects that not all were searched for functions made before: what holds them at "
    "the end of long chains or in huge containers may still run as it was."
)


class RewritingEngine:
    """Watches code by rewriting the functions that run it."""

    name = "rewriting"

    def __init__(self) -> None:
        self.late = LATE
        self.reason = (
            f"CPython {sys.version_info.major}.{sys.version_info.minor} has no sys.monitoring, "
            "so the functions that hold a watched line are rewritten."
        )
        self._roots: dict[int, Root] = {}
        self._of: dict[int, Root] = {}
        """Every code object of a root's tree, original or rewritten, by identity."""

    def arm(self, watchings: Sequence[Watching]) -> None:
        roots: dict[int, Root] = {}
        for spot, watcher in watchings:
            root = self._root(spot)
            roots[id(root)] = root
            root.site(spot).add(watcher)
            root.know((*spot.makers, *spot.functions))
        try:
            self._rewrite(roots.values())
        except Exception as error:
            self.disarm(watchings)
            name = watchings[0][0].code.co_qualname
            raise CannotArm(
                "cannot_rewrite", f"{name} cannot be rewritten on this Python ({error})."
            ) from error

    def disarm(self, watchings: Sequence[Watching]) -> None:
        roots: dict[int, Root] = {}
        for spot, watcher in watchings:
            root = self._of.get(id(spot.code))
            if root is not None and root.remove(spot, watcher):
                roots[id(root)] = root
        self._rewrite(roots.values())
        for root in roots.values():
            if not any(root.sites.values()):
                self._forget(root)

    def switch(self, spot: Spot, watcher: Watcher, *, on: bool) -> None:
        root = self._of.get(id(spot.code))
        if root is not None:
            root.switch(spot, watcher, on=on)

    def wake(self) -> None:
        for root in list(self._roots.values()):
            for site in root.all_sites():
                if site.resting:
                    site.wake()

    def idle_hits(self) -> int:
        return sum(site.take_idle() for root in list(self._roots.values()) for site in root.all_sites())

    def original(self, code: CodeType) -> CodeType:
        root = self._of.get(id(code))
        return root.original(code) if root else code

    def close(self) -> None:
        roots = list(self._roots.values())
        for root in roots:
            root.sites.clear()
        self._rewrite(roots)
        for root in roots:
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

    def _rewrite(self, roots: Iterable[Root]) -> None:
        """Bring every function of the trees to what their sites ask for; the process is searched once at the most.

        Functions that are known come first: what they make during the search carries the new code already.
        """
        scattered: dict[int, Root] = {}
        for root in roots:
            root.rebuild()
            for code in root.rewritten.values():
                self._of[id(code[0])] = root
            recognised.follow(root.rewritten.values())
            for function in root.known_functions():
                root.give(function)
            if root.is_scattered():
                scattered |= dict.fromkeys(root.codes(), root)
        self.late = LATE
        if scattered:
            walk = Walk()
            for function in walk.functions():
                if id(function.__code__) in scattered:
                    scattered[id(function.__code__)].give(function)
            self.late = LATE if walk.complete else f"{LATE} {PERHAPS_MISSED}"

    def _forget(self, root: Root) -> None:
        recognised.forget(root.rewritten.values())
        self._roots.pop(id(root.code), None)
        self._of = {key: other for key, other in self._of.items() if other is not root}


class Root:
    """An outermost code object with its tree, its watched lines, and the code objects that replaced its own."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.tree = list(_tree(code))
        self.sites: dict[int, dict[int | Event, Site]] = {}
        self.switches: dict[int, Switch] = {}
        """Of code objects whose every line may be told, by their identity."""
        self.wanted: dict[int, CodeType] = {}
        """What each original code object of the tree should be now, by its identity."""
        self._functions: dict[int, weakref.ref[FunctionType]] = {}
        self.rewritten: dict[int, tuple[CodeType, CodeType]] = {}
        """By identity of a rewritten code object: itself (kept alive), and the original."""

    def original(self, code: CodeType) -> CodeType:
        pair = self.rewritten.get(id(code))
        return pair[1] if pair else code

    def site(self, spot: Spot) -> Site:
        """The site of a spot, made if there is none."""
        return self.sites.setdefault(id(self.original(spot.code)), {}).setdefault(spot.key, Site(spot))

    def remove(self, spot: Spot, watcher: Watcher) -> bool:
        """Let go of a watcher; whether that leaves its spot without any."""
        sites = self.sites.get(id(self.original(spot.code)), {})
        site = sites.get(spot.key)
        if site is None:
            return False
        site.remove(watcher)
        if spot.event == "every_line":
            self._set(spot, site)
        if site.watchers:
            return False
        del sites[spot.key]
        return True

    def switch(self, spot: Spot, watcher: Watcher, *, on: bool) -> None:
        site = self.sites.get(id(self.original(spot.code)), {}).get(spot.key)
        if site is not None:
            site.switch(watcher, on=on)
            self._set(spot, site)

    def _set(self, spot: Spot, site: Site) -> None:
        switch = self.switches.setdefault(id(self.original(spot.code)), Switch())
        switch[:] = [True] if site.listening else []

    def all_sites(self) -> list[Site]:
        return [site for sites in list(self.sites.values()) for site in list(sites.values())]

    def rebuild(self) -> None:
        """Make what the sites ask for."""
        self.wanted = {}
        self._build(self.code)

    def codes(self) -> set[int]:
        """Every code object of the tree, original or rewritten, by identity."""
        return {id(code) for code in self.tree} | set(self.rewritten)

    def know(self, functions: Iterable[weakref.ref[FunctionType]]) -> None:
        """Take in functions that may run code of this tree."""
        for reference in functions:
            function = reference()
            if function is not None:
                self._functions[id(function)] = reference

    def known_functions(self) -> list[FunctionType]:
        """Those of the known functions that are alive and run code of this tree."""
        mine = self.codes()
        known = [reference() for reference in self._functions.values()]
        living = [function for function in known if function is not None and id(function.__code__) in mine]
        self._functions = {id(function): weakref.ref(function) for function in living}
        return living

    def give(self, function: FunctionType) -> None:
        """Let a function of this tree run what is wanted of its code."""
        self._functions[id(function)] = weakref.ref(function)
        target = self.wanted[id(self.original(function.__code__))]
        if function.__code__ is not target:
            function.__code__ = target

    def is_scattered(self) -> bool:
        """Whether functions that are not known may run code that is, or was, rewritten.

        Of a function within another there is one for each call of that. A comprehension's is called where it is made.
        """
        changed = {id(original) for _, original in self.rewritten.values()}
        known = {id(self.original(function.__code__)) for function in self.known_functions()}
        return any(
            "<locals>" in code.co_qualname or id(code) not in known
            for code in self.tree
            if id(code) in changed and linetables.is_function(code) and code.co_name not in COMPREHENSIONS
        )

    def _build(self, code: CodeType) -> CodeType:
        children = [const for const in code.co_consts if type(const) is CodeType]
        replaced = {id(child): self._build(child) for child in children}
        sites = self.sites.get(id(code))
        result = code
        if any(replaced[id(child)] is not child for child in children):
            result = result.replace(
                co_consts=tuple(
                    replaced[id(const)] if type(const) is CodeType else const for const in code.co_consts
                )
            )
        if sites:
            result = self._inject(result, code, sites)
        if result is not code:
            self.rewritten[id(result)] = (result, code)
        self.wanted[id(code)] = result
        return result

    def _inject(self, code: CodeType, original: CodeType, sites: dict[int | Event, Site]) -> CodeType:
        lines = {key: self._hook(site) for key, site in sites.items() if type(key) is int}
        events: dict[Event, Hook] = {}
        every: dict[int, Hook] = {}
        writes: list[tuple[Point, Hook, Hook]] = []
        for site in sites.values():
            event = site.spot.event
            if event in ("start", "resume"):
                events[event] = self._hook(site)
            elif event == "every_line":
                every = {line: self._hook_of_one(site, line) for line in linetables.lines_of(original)}
            elif event == "call":
                events[event] = self._hook_of_call(site)
            elif event == "write":
                writes = self._hooks_of_writes(site)
            elif event != "line":
                events[event] = self._hook_told(site)
        switch = self.switches.setdefault(id(original), Switch()) if every else None
        return inject(code, lines, _wanted(sites), events=events, every=every, switch=switch, writes=writes)

    # Each of these calls `fire` itself: without a frame it looks for the application's itself.

    def _hook(self, site: Site) -> Hook:
        def hook(names: Names | None = None) -> None:
            try:
                if site.resting:
                    site.idle += 1
                elif site.fire(None, names):
                    site.rest()
            except Exception as error:
                if is_the_applications(error):
                    raise
                site.failed()

        return named(hook)

    def _hook_told(self, site: Site) -> Hook:
        rests = site.spot.event not in PROCESS_WIDE

        def hook(told: object) -> None:
            try:
                if site.resting:
                    site.idle += 1
                elif site.fire(sys.exc_info()[1] if told is BARE else told) and rests:
                    site.rest()
            except Exception as error:
                if is_the_applications(error):
                    raise
                site.failed()

        return named(hook)

    def _hook_of_call(self, site: Site) -> Hook:
        def hook(function: object, argument: object) -> None:
            try:
                if site.resting:
                    site.idle += 1
                elif site.fire((function, argument)):
                    site.rest()
            except Exception as error:
                if is_the_applications(error):
                    raise
                site.failed()

        return named(hook)

    def _hooks_of_writes(self, site: Site) -> list[tuple[Point, Hook, Hook]]:
        """Of each point, what is called before it and what after it."""
        return [
            (
                point,
                self._hook_of_write(site, watcher, point, True),
                self._hook_of_write(site, watcher, point, False),
            )
            for watcher in site.watchers
            for point in watcher.points
        ]

    def _hook_of_write(self, site: Site, watcher: Watcher, point: Point, before: bool) -> Hook:
        def hook(owner: object = MISSING) -> None:
            try:
                if site.resting:
                    site.idle += 1
                elif (
                    watcher.fire((point, before, owner), sys._getframe(ABOVE_HOOK))
                    and len(site.watchers) == 1
                ):
                    site.rest()
            except Exception as error:
                if is_the_applications(error):
                    raise
                site.failed()

        return named(hook)

    def _hook_of_one(self, site: Site, line: int) -> Hook:
        """Of one of every line: called only while its switch is on."""

        def hook() -> None:
            try:
                site.fire(line)
            except Exception as error:
                if is_the_applications(error):
                    raise
                site.failed()

        return named(hook)


def _wanted(sites: dict[int | Event, Site]) -> dict[int | Event, frozenset[str]]:
    return {
        key: site.wants or frozenset() for key, site in sites.items() if type(key) is int or key == "start"
    }


def _tree(code: CodeType) -> Iterable[CodeType]:
    yield code
    for const in code.co_consts:
        if type(const) is CodeType:
            yield from _tree(const)
