"""Names under which hooks are found, so that code that carries them can still be pickled.

Libraries that send closures to other processes (cloudpickle, in joblib, Dask, Ray and Spark) pickle their code object
with its constants, and a hook is one. It is pickled by name, as a function of a module is: where it is not alive, in
another process, its name stands for a hook that does nothing.
"""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Callable
from typing import Any, Final

_PREFIX: Final = "hook_"
_PROCESS: Final = os.urandom(8).hex()
"""Of no other process, so that one's names are never taken for another's hooks."""
_numbers = itertools.count()
_alive: weakref.WeakValueDictionary[str, Callable[..., Any]] = weakref.WeakValueDictionary()


def named(hook: Callable[..., None]) -> Callable[..., None]:
    """The hook, with a name of its own in this module."""
    name = f"{_PREFIX}{_PROCESS}_{next(_numbers)}"
    hook.__module__ = __name__
    hook.__name__ = hook.__qualname__ = name
    _alive[name] = hook
    return hook


def inert(*told: object) -> None:
    """What stands for a hook where it is not alive."""


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith(_PREFIX):
        return _alive.get(name, inert)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
