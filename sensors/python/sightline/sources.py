"""Answers questions about the code this process runs: file text, outline, executable lines, the files of its roots.

Nothing outside is ever read: only Python files under the service's own roots, and those of modules that are loaded.
"""

from __future__ import annotations

import hashlib
import io
import os
import tokenize
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType

from . import heap, linetables, wire
from .locator import ends_with, file_of, modules, normalised

MOST_FILES = 5_000
LONGEST_TEXT = 2 * 1024 * 1024
_NOT_OURS = frozenset({"site-packages", "dist-packages", "node_modules", "__pycache__"})


class Sources:
    """The source of one process, as far as it may be shown. ``original`` undoes what an engine put in place."""

    def __init__(
        self, roots: tuple[str, ...], original: Callable[[CodeType], CodeType] = lambda code: code
    ) -> None:
        self._roots = tuple(normalised(root) for root in roots)
        self._original = original

    def answer(self, request: wire.Request) -> wire.AnswerBody:
        """The answer to a ``source`` or ``files`` request."""
        return self.files() if request.ask == "files" else self.source(request.path)

    def files(self) -> wire.Files:
        """Every Python file under the roots, by its path as `source` takes it."""
        loaded = {path: module for module in modules() if (path := file_of(module))}
        entries: list[wire.FileEntry] = []
        for path in self._walk():
            if len(entries) >= MOST_FILES:
                return wire.Files(entries, truncated=True)
            module = loaded.get(path)
            entries.append(
                wire.FileEntry(path, module.__name__ if module else "", module is not None, _size_of(path))
            )
        return wire.Files(entries)

    def source(self, wanted: str) -> wire.Source | wire.Failure:
        """One file: its text and hash, what can be probed in it, and what is defined where."""
        candidates = self._candidates(wanted)
        if not candidates:
            sentence = f"{wanted} is no Python file under this service's roots, nor that of a loaded module."
            return wire.Failure("no_such_file", sentence)
        if len(candidates) > 1:
            some = ", ".join(sorted(candidates)[:5])
            return wire.Failure("ambiguous_path", f"{wanted} fits {len(candidates)} files: {some}.")
        path, module = next(iter(candidates.items()))
        return self._read(path, module)

    def _candidates(self, wanted: str) -> dict[str, ModuleType | None]:
        """Files that ``wanted`` names, or ends; a loaded one wins over one that is merely there."""
        wanted = wanted.replace("\\", "/")
        loaded = {
            path: module for module in modules() if (path := file_of(module)) and ends_with(path, wanted)
        }
        if wanted in loaded:
            return {wanted: loaded[wanted]}
        if loaded:
            return dict(loaded)
        return {path: None for path in self._walk() if ends_with(path, wanted)}

    def _walk(self) -> Iterator[str]:
        for root in self._roots:
            for folder, subfolders, names in os.walk(root):
                subfolders[:] = sorted(
                    name
                    for name in subfolders
                    if name not in _NOT_OURS
                    and not name.startswith(".")
                    and not _is_environment(folder, name)
                )
                paths = (os.path.join(folder, name) for name in sorted(names) if name.endswith(".py"))
                yield from (
                    normalised(path) for path in paths if not os.path.islink(path) or self._owns(path)
                )

    def _owns(self, path: str) -> bool:
        """Whether a link leads to a place under the roots."""
        target = normalised(os.path.realpath(path))
        return any(target.startswith(root.rstrip("/") + "/") for root in self._roots)

    def _read(self, path: str, module: ModuleType | None) -> wire.Source | wire.Failure:
        try:
            with open(path, "rb") as file:
                data = file.read(LONGEST_TEXT + 1)
            text = _decoded(data)
        except (OSError, SyntaxError, UnicodeDecodeError, LookupError) as error:
            return wire.Failure("unreadable", f"{path} cannot be read: {error}.")
        if len(data) > LONGEST_TEXT:
            return wire.Failure("too_large", f"{path} is larger than {LONGEST_TEXT} bytes.")
        body = linetables.compiled(path)
        return wire.Source(
            path=path,
            text=text,
            hash=hashlib.sha256(data).hexdigest(),
            module=module.__name__ if module else "",
            lines=_executable(body),
            outline=_outline(body),
            loaded_differs=body is not None and module is not None and self._differs(module, body),
        )

    def _differs(self, module: ModuleType, body: CodeType) -> bool:
        """Whether a function that the module shows was compiled from other text than the file holds now."""
        on_disk = {(code.co_qualname, code.co_firstlineno): code.co_code for code, _ in linetables.tree(body)}
        for function in heap.shown(module):
            code = self._original(function.__code__)
            if not code.co_filename.endswith(os.path.basename(body.co_filename)):
                continue  # made by a decorator or a code generator
            if on_disk.get((code.co_qualname, code.co_firstlineno)) != code.co_code:
                return True
        return False


def _decoded(data: bytes) -> str:
    """The text, in the encoding that the file declares, with line ends as Python sees them."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return io.TextIOWrapper(io.BytesIO(data), encoding).read()


def _executable(body: CodeType | None) -> list[int]:
    """Lines where a probe can be placed: those in functions, and in the module's own body."""
    if body is None:
        return []
    return sorted({line for code, _ in linetables.tree(body) for line in linetables.lines_of(code)})


def _outline(body: CodeType | None) -> list[wire.Symbol]:
    if body is None:
        return []
    symbols = [
        wire.Symbol(
            code.co_qualname.replace(".<locals>", ""),
            "function" if linetables.is_function(code) else "class",
            code.co_firstlineno,
            _last_line(code),
        )
        for code, _ in linetables.tree(body)
        if not code.co_name.startswith("<")
    ]
    return sorted(symbols, key=lambda symbol: (symbol.first_line, -symbol.last_line))


def _last_line(code: CodeType) -> int:
    return max(
        (end for inner, _ in linetables.tree(code) for _, end, _, _ in inner.co_positions() if end),
        default=code.co_firstlineno,
    )


def _is_environment(folder: str, name: str) -> bool:
    return os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))


def _size_of(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
