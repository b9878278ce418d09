"""Tells when a module somebody waits for has been imported, without a change to how it is imported.

While nobody waits, nothing of ours is on `sys.meta_path`. While somebody does, a finder that finds nothing itself
looks at each module's name; only for a module that may be the one does it ask the other finders, as the import system
would, and gives that module's own loader a last step. Type and identity of loader, spec and module stay what they were.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from . import native


class ImportWatch:
    """Calls ``imported`` on the importing thread, when a module for which ``wanted(name)`` has run its body."""

    def __init__(self, wanted: Callable[[str], bool], imported: Callable[[ModuleType], None]) -> None:
        self._wanted = wanted
        self._imported = imported
        self._asking: set[int] = set()
        """Threads on which the other finders are being asked."""

    @property
    def installed(self) -> bool:
        return any(finder is self for finder in sys.meta_path)

    def install(self) -> None:
        if not self.installed:
            sys.meta_path.insert(0, self)

    def uninstall(self) -> None:
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Never finds; lets the real finder's loader tell us."""
        me = native.get_ident()
        if me in self._asking or not self._wanted(name):  # another watch asks us for what we ask it
            return None
        self._asking.add(me)
        try:
            spec = self._ask_the_others(name, path, target)
        finally:
            self._asking.discard(me)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            self._add_last_step(spec.loader)
        return spec

    def _ask_the_others(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                return spec
        return None

    def _add_last_step(self, loader: Any) -> None:
        """Shadow ``exec_module`` on this one loader until it has run once; what shadowed it before comes next."""
        told, before = self._imported, getattr(loader, "__dict__", {}).get("exec_module")

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            if before is not None:
                loader.exec_module = before
            loader.exec_module(module)
            told(module)

        try:
            loader.exec_module = exec_module
        except (AttributeError, TypeError):
            pass  # a loader without room for it: the registry's own look around will see the module
