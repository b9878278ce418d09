"""What a service's commits were, as far as its instances told: when each went live, what it changed.

No repository is asked. Between two commits that ran there may be others nobody saw; the later one stands for all of
them. Only files of which both texts were stored are known to have changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from django.db.models import Min

from investigations.accounts import permissions
from investigations.accounts.actors import Actor
from investigations.catalog.models import Service, SourceFile
from investigations.codebase.changes import changed_lines, same_syntax

if TYPE_CHECKING:
    from investigations.analysis.commits import Commit

MOST_COMMITS = 50


def seen_commits(by: Actor, service: Service) -> list[Commit]:
    """The commits that ran, the newest first, each the child of the one before it."""
    from investigations.analysis.commits import Commit

    permissions.require(by, "read", service.environment)
    ran = service.instances.exclude(commit="").values("commit").annotate(began=Min("started_at"))
    newest = list(ran.order_by("-began").values_list("commit", "began")[:MOST_COMMITS])
    order = [commit for commit, _ in reversed(newest)]
    changes = _changes(service, order)
    parents = dict(pairwise(commit for commit, _ in newest))
    return [
        Commit(
            id=commit,
            parents=(parents[commit],) if commit in parents else (),
            elements=frozenset(
                {f"{path}:{line}" for path, lines, _ in changes[commit] for line in lines}
                | {path for path, _, _ in changes[commit]}
            ),
            files=frozenset(path for path, _, _ in changes[commit]),
            live_at=began.timestamp(),
            same_syntax=bool(changes[commit]) and all(style for _, _, style in changes[commit]),
        )
        for commit, began in newest
    ]


def _changes(service: Service, order: Sequence[str]) -> dict[str, list[tuple[str, list[int], bool]]]:
    """By commit: files, the lines that changed, and whether that was style alone.

    A text is kept with the last commit that ran it, so it changed in the one that ran next.
    """
    found: dict[str, list[tuple[str, list[int], bool]]] = defaultdict(list)
    texts: dict[str, list[SourceFile]] = defaultdict(list)
    for row in service.source_files.filter(commit__in=order).order_by("path"):
        texts[row.path].append(row)
    for path, rows in texts.items():
        rows.sort(key=lambda row: (order.index(row.commit), row.seen_at))
        for old, new in pairwise(rows):
            if old.commit != new.commit:
                changed_in = order[order.index(old.commit) + 1]
                style = same_syntax(old.text, new.text)
                found[changed_in].append((path, changed_lines(old.text, new.text), style))
    return found


def with_history(seen: Iterable[Commit], history: Sequence[Commit]) -> list[Commit]:
    """A repository's history (newest first) with what is known of its commits here; without one, only that."""
    rest = {commit.id: commit for commit in seen}
    found = []
    for commit in history:
        name = next((id for id in rest if commit.id.startswith(id) or id.startswith(commit.id)), "")
        known = rest.pop(name, None)
        found.append(_both(commit, known) if known else commit)
    return [*found, *rest.values()]


def _both(commit: Commit, known: Commit) -> Commit:
    return replace(
        commit,
        elements=commit.elements | known.elements,
        files=commit.files | known.files,
        live_at=commit.live_at if commit.live_at is not None else known.live_at,
    )
