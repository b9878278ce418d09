"""What became of a file from one text to the next."""

from __future__ import annotations

import ast
import difflib


def changed_lines(before: str, after: str) -> list[int]:
    """The lines of ``after`` that are new or otherwise; where lines went, the one that took their place."""
    old, new = before.splitlines(), after.splitlines()
    found: set[int] = set()
    for tag, _, _, start, stop in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "delete":
            found.add(min(start + 1, max(len(new), 1)))
        elif tag != "equal":
            found.update(range(start + 1, stop + 1))
    return sorted(found)


def same_syntax(before: str, after: str) -> bool:
    """Whether only style and comments differ; texts that do not parse are never the same."""
    try:
        return ast.dump(ast.parse(before)) == ast.dump(ast.parse(after))
    except (SyntaxError, ValueError, RecursionError):
        return False
