"""Whose code a frame runs: the service's own, or a library's.

A library is what installers put in place, and the standard library. What stands beside the probe in the same package is
no library to whoever placed the probe there, nor is a package that the setting ``roots`` names.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterable
from typing import Final

_INSTALLED: Final = ("/site-packages/", "/dist-packages/")
_MOST_REMEMBERED: Final = 4096


def _folder(path: str) -> str:
    return path.replace("\\", "/").rstrip("/") + "/"


_STANDARD: Final = (
    *(_folder(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")),
    *(_folder(os.path.realpath(sysconfig.get_path(name))) for name in ("stdlib", "platstdlib")),
    "<frozen ",
)
_roots: tuple[str, ...] = ()
_packages: dict[str, str] = {}


def own(roots: Iterable[str]) -> None:
    """Take what lies under these folders for the service's own, also where a library would lie."""
    global _roots
    _roots = tuple(folder for folder in map(_folder, roots) if _installed(folder))
    _packages.clear()


def library_of(file: str) -> str:
    """The folder (or file) of the library that ``file`` belongs to; empty for the service's own."""
    known = _packages.get(file)
    if known is None:
        if len(_packages) >= _MOST_REMEMBERED:
            _packages.clear()
        known = _packages[file] = _find(file)
    return known


def _find(file: str) -> str:
    path = file.replace("\\", "/")
    if path.startswith(_roots):
        return ""
    return _installed(path) or next((folder for folder in _STANDARD if path.startswith(folder)), "")


def _installed(path: str) -> str:
    """Up to the package's own folder, where installers put it."""
    for part in _INSTALLED:
        folder, found, inside = path.rpartition(part)
        if found:
            return f"{folder}{found}{inside.partition('/')[0]}"
    return ""
