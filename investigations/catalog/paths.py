"""Files by the names people give them: from the service's root on, the same wherever it is installed."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

from investigations.catalog.models import Instance

_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")
_LIBRARIES = ("site-packages/", "dist-packages/", "/lib/python")


def below_root(roots: Iterable[str], path: str) -> str:
    """The path relative to the innermost root it lies in, with forward slashes; as it is where it lies in none."""
    path = path.replace("\\", "/")
    folders = (root.replace("\\", "/").rstrip("/") + "/" for root in roots)
    return path.removeprefix(max((each for each in folders if path.startswith(each)), key=len, default=""))


def roots_of(instances: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    """The roots of instances by their ids."""
    return dict(Instance.objects.filter(pk__in=set(instances)).values_list("pk", "roots"))


def is_absolute(path: str) -> bool:
    """Whether it begins where the machine's files do, not the service's."""
    return _ABSOLUTE.match(path) is not None


def is_a_librarys(path: str) -> bool:
    """Whether it lies where installers put other people's code."""
    return any(part in path for part in _LIBRARIES)


def is_same_file(one: str, other: str) -> bool:
    """Whether two paths may mean one file, told from different roots: one ends with the other."""
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")
