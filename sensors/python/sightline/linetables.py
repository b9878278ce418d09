"""Which lines of a file can be probed, read from the interpreter's own line tables."""

from __future__ import annotations

import dis
import importlib.util
import marshal
import os
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Final

_RESUME = dis.opmap["RESUME"]
_CLASS_BODY_LACKS = 0x1  # CO_OPTIMIZED: set on functions, not on classes and modules
_MOST_SOURCE = 4 * 1024 * 1024


def ranges(code: CodeType) -> Iterator[int]:
    """The line of each range of instructions, in bytecode order, after what sets the call up."""
    begins = _first_resume(code) + 2
    for _, end, line in code.co_lines():
        if end > begins and line:
            yield line


def lines_of(code: CodeType) -> set[int]:
    """The lines of ``code`` at which a probe can fire."""
    return set(ranges(code))


def first_line_of(code: CodeType) -> int:
    """The line at which a call of ``code`` begins its work."""
    return next(ranges(code), code.co_firstlineno)


def line_from(code: CodeType, instruction: int) -> int:
    """The first line at or behind an instruction that has one."""
    for _, end, line in code.co_lines():
        if end > instruction and line:
            return line
    return code.co_firstlineno


def handler_of(code: CodeType, instruction: int) -> int:
    """Where an exception goes that is raised by this instruction; the instruction itself if it leaves."""
    for start, end, target in _handlers(code.co_exceptiontable):
        if start <= instruction < end:
            return target
    return instruction


def _handlers(table: bytes) -> Iterator[tuple[int, int, int]]:
    """Start, end and target of each entry; see "exception handling" in CPython's own notes on its internals."""
    numbers, value = [], 0
    for byte in table:
        value = byte & 0x3F if byte & 0x80 else value << 6 | byte & 0x3F
        if not byte & 0x40:
            numbers.append(value)
            value = 0
    for at in range(0, len(numbers) - 3, 4):
        start, length, target = (2 * each for each in numbers[at : at + 3])
        yield start, start + length, target


def _first_resume(code: CodeType) -> int:
    bytecode = code.co_code
    for offset in range(0, len(bytecode), 2):
        if bytecode[offset] == _RESUME:
            return offset
    return -2


def tree(
    code: CodeType, lineage: tuple[CodeType, ...] = ()
) -> Iterator[tuple[CodeType, tuple[CodeType, ...]]]:
    """``code`` and every code object within it, each with those it lies in, outermost first."""
    yield code, lineage
    for const in code.co_consts:
        if type(const) is CodeType:
            yield from tree(const, (*lineage, code))


COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
"""Names of code objects that are called where they are made, and by nobody else."""


def is_function(code: CodeType) -> bool:
    """Whether ``code`` is a function's, not a class body's or a module's."""
    return bool(code.co_flags & _CLASS_BODY_LACKS)


def nearest(lines: Iterable[int], wanted: int) -> list[int]:
    """The executable lines just before and just after ``wanted``."""
    ordered = sorted(set(lines))
    before = [line for line in ordered if line < wanted][-1:]
    after = [line for line in ordered if line > wanted][:1]
    return before + after


def compiled(path: str) -> CodeType | None:
    """The file's code as the import system would compile it: from its cache where that is current, else compiled here.

    None when there is no such file or it does not compile.
    """
    return cached(path) or _compile(path)


def cached(path: str) -> CodeType | None:
    """The file's code from the import system's cache; None where that is missing or stale."""
    try:
        with open(importlib.util.cache_from_source(path), "rb") as file:
            data = file.read()
        stat = os.stat(path)
        by_time = int.from_bytes(data[4:8], "little") == 0
        fresh = by_time and data[8:16] == _stamp(stat.st_mtime, stat.st_size)
        if data[:4] != importlib.util.MAGIC_NUMBER or not fresh:
            return None
        code = marshal.loads(data[16:])  # noqa: S302 (the interpreter itself runs this very file)
    except (OSError, ValueError, EOFError, TypeError, NotImplementedError):
        return None
    return code if type(code) is CodeType else None


def _stamp(modified: float, size: int) -> bytes:
    return (int(modified) & 0xFFFFFFFF).to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def _compile(path: str) -> CodeType | None:
    try:
        with open(path, "rb") as file:
            text = file.read(_MOST_SOURCE)
        return compile(text, path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
