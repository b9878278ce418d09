"""Sets of code objects by which a library knows frames of its own, told of code that stands for what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Final

from sightline import heap

_SETS: Final = (("jinja2.utils", "internal_code"),)
"""Modules, and the names of such sets in them. Jinja leaves these frames out of a template's traceback."""

Replaced = Iterable[tuple[CodeType, CodeType]]
"""A code object, and the original that it stands for."""


def follow(replaced: Replaced) -> None:
    """Have each code object recognised wherever its original is."""
    for codes in _loaded():
        for code, original in replaced:
            if _is_in(codes, original):
                codes.add(code)


def forget(replaced: Replaced) -> None:
    """Take out what `follow` has put in."""
    for codes in _loaded():
        for code, _ in replaced:
            if _is_in(codes, code):
                codes.discard(code)


def _loaded() -> Iterator[set[CodeType]]:
    for module, name in _SETS:
        codes = heap.names_in(module).get(name)
        if type(codes) is set:
            yield codes


def _is_in(codes: set[CodeType], code: CodeType) -> bool:
    try:
        return code in codes
    except TypeError:  # another tool gave it a constant without a hash
        return False
